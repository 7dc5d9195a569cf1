"""Gather what the gates see of one advisory, and what only the judge sees."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

import msgspec

from ruleforge.background.table import Background
from ruleforge.cases.anatomy import Anatomy, dissect
from ruleforge.cases.choices import choices
from ruleforge.cases.evidence import Case, Evidence, case
from ruleforge.cases.near import near_miss_exemption, near_misses, neutralise
from ruleforge.cases.telling import speaks_of_access, telling
from ruleforge.cases.twins import twins as all_ordinary
from ruleforge.cases.variants import variants
from ruleforge.generate.rates import class_bits
from ruleforge.judge.evidence import JudgeEvidence, show
from ruleforge.records.advisory import Advisory
from ruleforge.records.products import product_of
from ruleforge.rules.classes import CLASSES, latest_version

if TYPE_CHECKING:  # they bring numpy, which judging one rule does not need
    from ruleforge.engine.corpus import Corpus
    from ruleforge.engine.sensor_logs import Sensors

CHOSEN_MOST = 6  # exploit requests of one advisory in which something is chosen otherwise
EXPLOITS_MOST = 24  # exploit requests of one advisory that are varied; all are replayed


class Surroundings(msgspec.Struct, frozen=True):
    """What every advisory is held against: normal traffic, requests of other sources, logs."""

    background: Background
    corpus: "Corpus | None" = None
    benign: "Sequence[Corpus]" = ()
    sensors: "Sensors | None" = None


def varied_exploits(exploits: Sequence[Anatomy]) -> list[int]:
    """Choose the exploit requests to vary, at most EXPLOITS_MOST: each document gets its turn."""
    seen: dict[int, int] = {}
    turns = []
    for index, anatomy in enumerate(exploits):
        turn = seen[anatomy.poc.source] = seen.get(anatomy.poc.source, -1) + 1
        turns.append((turn, index))
    return sorted(index for _, index in sorted(turns)[:EXPLOITS_MOST])


def gather_evidence(
    advisory: Advisory, exploits: Sequence[Anatomy], ground: Surroundings, classes: Mapping[str, int]
) -> Evidence:
    """Collect what generator and gates see: replay, FEEDBACK variants and near-misses, own steps, corpora."""
    varied: list[Case] = []
    twins: list[Case] = []
    exemptions: list[str] = []
    for index in varied_exploits(exploits):
        anatomy = exploits[index]
        varied += [case(v.request, v.mutator, index, v.note) for v in variants(anatomy, advisory, "feedback")]
        made = near_misses(anatomy, advisory, "feedback", ground.background)
        twins += [case(n.request, n.kind, index, n.why) for n in made]
        if not made:
            exemptions.append(near_miss_exemption(anatomy))
    return Evidence(
        advisory=advisory.id,
        product=product_of(advisory),
        exploits=tuple(case(a.poc.request, "exploit", index) for index, a in enumerate(exploits)),
        variants=tuple(varied),
        near_misses=tuple(twins),
        siblings=tuple(case(poc.request, poc.role) for poc in advisory.requests if poc.role != "exploit"),
        exemptions=tuple(exemptions),
        cves=frozenset(advisory.cves),
        corpus=ground.corpus,
        benign=ground.benign,
        sensors=ground.sensors,
        classes=classes,
        documents=tuple(a.poc.source for a in exploits),
    )


def judge_evidence(
    advisory: Advisory, exploits: Sequence[Anatomy], gates: Evidence, background: Background
) -> JudgeEvidence:
    """Collect what only the judge sees: JUDGE variants and near-misses; neutralised exploits stand as `siblings`.

    Args:
        advisory: whose requests have roles.
        exploits: its exploit requests, taken apart.
        gates: what the gates see of it, with the corpora.
        background: what normal traffic looks like.
    """
    varied: list[Case] = []
    twins: list[Case] = []
    neutral: list[Case] = []
    chosen: list[Case] = []
    for turn, index in enumerate(varied_exploits(exploits)):
        anatomy = exploits[index]
        varied += [case(v.request, v.mutator, index, v.note) for v in variants(anatomy, advisory, "judge")]
        if turn < CHOSEN_MOST:
            chosen += [case(c.request, c.kind, index, c.said) for c in choices(anatomy, advisory)]
        twins += [case(n.request, n.kind, index, n.why) for n in near_misses(anatomy, advisory, "judge")]
        twins += [case(n.request, n.kind, index, n.why) for n in all_ordinary(anatomy, advisory)]
        plain = neutralise(anatomy, advisory)
        if plain is not None:
            neutral.append(case(plain, "neutralised", index))
    judged = Evidence(
        advisory=advisory.id, product=gates.product, exploits=gates.exploits, variants=tuple(varied),
        near_misses=tuple(twins), siblings=tuple(neutral), classes=gates.classes, documents=gates.documents,
    )  # fmt: skip
    attacks = {index for index, anatomy in enumerate(exploits) if may_be_signed_in(anatomy, advisory)}
    judged, gates = _without_sessions(judged, attacks), _without_sessions(gates, attacks)
    return show(judged, advisory, tuple(exploits), gates, background, _class_bits(), tuple(chosen))


def may_be_signed_in(anatomy: Anatomy, advisory: Advisory) -> bool:
    """Whether the exploit with a session may be the exploit still.

    So it is where nothing but the call itself is known of the attack, and the disclosure does not say that the attack
    is the lack of a session: then such a request is no harmless look-alike.
    """
    return not telling(anatomy, advisory) and not speaks_of_access(advisory)


def _without_sessions(evidence: Evidence, attacks: set[int]) -> Evidence:
    """Leave out near-misses that are the exploit with a session, where the disclosure does not say that it has none."""
    kept = tuple(c for c in evidence.near_misses if c.kind not in ("signed_in", "visitor") or c.poc not in attacks)
    return msgspec.structs.replace(evidence, near_misses=kept)


def judging_of(advisory: Advisory, ground: Surroundings) -> JudgeEvidence:
    """Gather what the judge sees of one advisory whose requests have roles, for judging any rule for it."""
    exploits = [dissect(poc) for poc in advisory.requests if poc.role == "exploit"]
    classes = {name: latest_version(name) for name in CLASSES}
    gates = gather_evidence(advisory, exploits, ground, classes)
    return judge_evidence(advisory, exploits, gates, ground.background)


@lru_cache(maxsize=1)
def _class_bits() -> Mapping[str, float]:
    return class_bits()
