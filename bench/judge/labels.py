"""Two labels for a rule, counted mechanically: does it miss attacks of its CVE, and does it fire on what is none?"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

import msgspec
import numpy as np
import numpy.typing as npt

from judge.ground import Ground, Kin, Named, Own, Stranger, are_unrelated, identity
from ruleforge.engine.batches import BatchMatcher, make_batch_matcher
from ruleforge.engine.reference import Ask, compile_rule
from ruleforge.events.columns import to_batches
from ruleforge.events.places import HttpView
from ruleforge.events.request import Request
from ruleforge.rules.tree import Rule

RECALL_LEAST = 0.9  # share of ORACLE variants
VARIANTS_LEAST = 5  # fewer say nothing
PAYLOADS_LEAST = 2
NAMED_MOST = 3  # kinds or sources named in a reason
SET_MOST = 4_000  # rules asked at once: tables of a larger set do not pay

Count = tuple[int, int]


class MissLabel(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a rule misses attacks of its own CVE. `label` None: nothing could be tried."""

    label: bool | None
    independent: Count  # (missed, tried): exploits that others wrote
    oracle: Count  # (missed, tried): the same request written differently
    payload: Count  # (missed, tried): the same attack with another payload
    why: str


class OffLabel(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a rule fires on what is no attack of its CVE.

    `label` None: it fires on nothing, but no ordinary twin of the exploit could be made, which would tell most.
    """

    label: bool | None
    near: Count  # (hit, tried)
    neutral: Count
    unrelated: Count
    benign: Count
    why: str


class Labels(msgspec.Struct, frozen=True, kw_only=True):
    """Both labels, kept apart."""

    miss: MissLabel
    off: OffLabel


class Subject(msgspec.Struct, frozen=True):
    """A rule, and the advisory it is for."""

    rule: Rule
    advisory: str


def label_all(subjects: Sequence[Subject], ground: Ground) -> list[Labels]:
    """Label every subject. Cost: about 5 ms of CPU a rule, most of it for the ordinary traffic."""
    rules = [subject.rule for subject in subjects]
    benign = hits_on(rules, ground.benign)
    strangers = hits_on(rules, [stranger.request for stranger in ground.strangers])
    views = _Views()
    found = []
    for subject, ordinary, foreign in zip(subjects, benign, strangers, strict=True):
        own = ground.own.get(subject.advisory, Own())
        ask = compile_rule(subject.rule).ask
        miss = _miss(ask, own, views)
        off = _off(ask, own, views, _foreign(subject, foreign, ground), (ordinary, ground))
        found.append(Labels(miss=miss, off=off))
    return found


class _Views:
    """Requests read once for all rules of an advisory that stand beside each other."""

    def __init__(self) -> None:
        self._own: Own | None = None
        self._known: dict[int, HttpView] = {}

    def of(self, own: Own, request: Request) -> HttpView:
        if own is not self._own:
            self._own, self._known = own, {}
        view = self._known.get(id(request))
        if view is None:
            view = self._known[id(request)] = HttpView(request)
        return view


def _fired(ask: Ask, own: Own, rows: Sequence[Named], views: _Views, *, wanted: bool) -> list[Named]:
    """Return the rows that the rule answers with `wanted` (true: fires)."""
    return [row for row in rows if (ask(views.of(own, row.request)) is True) is wanted]


def _miss(ask: Ask, own: Own, views: _Views) -> MissLabel:
    independent = _fired(ask, own, own.independent, views, wanted=False)
    variants = _fired(ask, own, own.variants, views, wanted=False)
    payloads = _fired(ask, own, own.payloads, views, wanted=False)
    oracle = _counted(variants, own.variants, VARIANTS_LEAST)
    payload = _counted(payloads, own.payloads, PAYLOADS_LEAST)
    why = []
    if independent:
        why.append(f"misses {len(independent)} of {len(own.independent)} exploits of others ({_kinds(independent)})")
    if _is_low(oracle):
        why.append(f"misses {oracle[0]} of {oracle[1]} ORACLE variants ({_kinds(variants)})")
    if _is_low(payload):
        why.append(f"misses {payload[0]} of {payload[1]} other payloads ({_kinds(payloads)})")
    label = bool(why) if own.independent or oracle[1] or payload[1] else None
    told = "; ".join(why) if label is not None else "no exploit of others is known, and too few variants can be made"
    return MissLabel(
        label=label, independent=(len(independent), len(own.independent)), oracle=oracle, payload=payload, why=told
    )


def _counted(missed: Sequence[Named], tried: Sequence[Named], least: int) -> Count:
    return (len(missed), len(tried)) if len(tried) >= least else (0, 0)


def _is_low(count: Count) -> bool:
    return bool(count[1]) and 1 - count[0] / count[1] < RECALL_LEAST


def _kinds(rows: Iterable[Named]) -> str:
    counted = Counter(row.kind for row in rows).most_common()
    return ", ".join(name for name, _ in counted[:NAMED_MOST]) + (" …" if len(counted) > NAMED_MOST else "")


class _Foreign(msgspec.Struct):
    hits: list[Stranger]
    tried: int


def _foreign(subject: Subject, hits: npt.NDArray[np.int64], ground: Ground) -> _Foreign:
    """Keep the strangers that are unrelated to the rule's own advisory; the others were not tried."""
    kin = ground.kin[subject.advisory]
    if not kin.product:
        return _Foreign([], 0)
    mine = {identity(named.request) for named in ground.own.get(subject.advisory, Own()).independent}
    kept = []
    for number in hits.tolist():
        stranger = ground.strangers[number]
        # What a rule says it is for is no stranger to it.
        named = ground.kin[stranger.advisory].names.intersection(subject.rule.cves)
        if not named and identity(stranger.request) not in mine and _is_foreign(kin, stranger, ground):
            kept.append(stranger)
    return _Foreign(kept, ground.tried(kin))


def _is_foreign(kin: Kin, stranger: Stranger, ground: Ground) -> bool:
    return stranger.call not in kin.calls and are_unrelated(kin, ground.kin[stranger.advisory])


def _off(
    ask: Ask, own: Own, views: _Views, foreign: _Foreign, ordinary: tuple[npt.NDArray[np.int64], Ground]
) -> OffLabel:
    near = _fired(ask, own, own.near, views, wanted=True)
    neutral = _fired(ask, own, own.neutral, views, wanted=True)
    benign, ground = len(ordinary[0]), ordinary[1]
    why = []
    if near:
        why.append(f"fires on {len(near)} of {len(own.near)} near-misses ({_kinds(near)})")
    if neutral:
        why.append(
            f"still fires on {len(neutral)} of {len(own.neutral)} exploits with ordinary values in place of the payload"
        )
    if foreign.hits:
        names = sorted({stranger.advisory for stranger in foreign.hits})
        more = " …" if len(names) > NAMED_MOST else ""
        why.append(f"fires on exploits of {len(names)} unrelated CVEs ({', '.join(names[:NAMED_MOST])}{more})")
    if benign:
        why.append(f"fires on {benign} of {len(ground.benign)} ordinary requests")
    # Silence on strangers and on ordinary traffic alone says little: most rules are silent there.
    label = True if why else False if own.near or own.neutral else None
    return OffLabel(
        label=label,
        near=(len(near), len(own.near)),
        neutral=(len(neutral), len(own.neutral)),
        unrelated=(len(foreign.hits), foreign.tried),
        benign=(benign, len(ground.benign)),
        why="; ".join(why) if label is not None else "no ordinary twin can be made of these exploits",
    )


def hits_on(rules: Sequence[Rule], requests: Sequence[Request]) -> list[npt.NDArray[np.int64]]:
    """Return for each rule the positions of the requests it fires on, by the compiled set and in batches."""
    found: list[npt.NDArray[np.int64]] = []
    batches = list(to_batches(requests))
    for start in range(0, len(rules), SET_MOST):
        part = rules[start : start + SET_MOST]
        found += _hits(make_batch_matcher(part), len(part), batches)
    return found


def _hits(matcher: BatchMatcher, size: int, batches: Sequence[object]) -> list[npt.NDArray[np.int64]]:
    by_rule: dict[int, list[npt.NDArray[np.int64]]] = defaultdict(list)
    first = 0
    for batch in batches:
        matches = matcher.match(batch)  # type: ignore[arg-type]
        order = np.argsort(matches.rules, kind="stable")
        rules, starts = np.unique(matches.rules[order], return_index=True)
        for rule, rows in zip(rules.tolist(), np.split(matches.rows[order], starts[1:]), strict=False):
            by_rule[rule].append(rows.astype(np.int64) + first)
        first += batch.num_rows  # type: ignore[attr-defined]
    empty = np.zeros(0, np.int64)
    return [np.concatenate(by_rule[rule]) if rule in by_rule else empty for rule in range(size)]
