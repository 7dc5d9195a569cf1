"""From advisories to an order: scores with their parts, and everything that was left out with its reason.

A score is 100 times the weighted mean of the signals. A signal that could not tell of a source although its data is
there counts with a low prior, UNKNOWN: a source that says nothing must not stand above one that is known to be bad. A
signal without any data tells nothing of all sources alike, so its weight leaves the sum. Either way the part has no
value and says why.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import date

import msgspec

from ruleforge.errors import InputError
from ruleforge.records.advisory import Advisory, shown_title
from ruleforge.records.priority import DataDate, Part, Priority
from ruleforge.triage.signals import SIGNALS, Intelligence, cves_of, key_of

UNKNOWN = 0.1  # value in the mean of a signal that could not tell: most vulnerabilities are not the ones to fear
OLD_DAYS = 30  # data older than this comes with a warning

_NUMBERS = re.compile(r"\d{1,12}")


class Ranking(msgspec.Struct, frozen=True, kw_only=True):
    """The order, and apart from it what was left out; every source stands in exactly one of the two."""

    ranked: tuple[Priority, ...]
    left_out: tuple[Priority, ...]
    data: tuple[DataDate, ...]
    weights: dict[str, float]


def rank(
    read: Iterable[tuple[str, Advisory | InputError]],
    known: Intelligence,
    weights: Mapping[str, float],
    *,
    top: int | None = None,
    score_least: float = 0.0,
) -> Ranking:
    """Order advisories by their score, highest first; equal scores by CVE number, then by source.

    Args:
        read: file name and what was read from it, with roles assigned.
        known: intelligence and the date of today.
        weights: signal → weight, for all of SIGNALS.
        top: how many to rank at most; None: all.
        score_least: what scores less is left out, 0 to 100.
    """
    data = data_dates(known)
    pairs = list(read)
    left_out = [_unread(source, item, data) for source, item in pairs if isinstance(item, InputError)]
    advisories = [item for _, item in pairs if isinstance(item, Advisory)]
    known = msgspec.structs.replace(known, exploits=_exploits(advisories))
    scored = sorted(_titled(advisories, [score(each, known, weights, data) for each in advisories]), key=_order)
    ranked: list[Priority] = []
    kept: dict[str, str] = {}  # key → source that stands for it
    for priority in scored:
        reason, detail = _why_not(priority, kept, len(ranked), top, score_least)
        if reason:
            left_out.append(msgspec.structs.replace(priority, left_out=reason, detail=detail))
            continue
        kept[_key(priority)] = ", ".join(priority.sources)
        ranked.append(msgspec.structs.replace(priority, rank=len(ranked) + 1))
    return Ranking(ranked=tuple(ranked), left_out=tuple(left_out), data=data, weights=dict(weights))


def score(
    advisory: Advisory, known: Intelligence, weights: Mapping[str, float], data: tuple[DataDate, ...] = ()
) -> Priority:
    """Ask every signal and put the answers together; nothing is ranked or dropped yet, only what cannot be marked."""
    told = [(name, signal(advisory, known)) for name, signal in SIGNALS.items()]
    asked = {name for name, each in told if each.value is not None or _has_data(name, known)}
    told_weight = sum(weights[name] for name, each in told if each.value is not None)
    whole = sum(weights[name] for name in asked) if told_weight else 0.0
    mean = {name: UNKNOWN if each.value is None else each.value for name, each in told if name in asked}
    parts = tuple(
        Part(
            signal=name,
            value=each.value if each.value is None else round(each.value, 4),
            weight=weights[name],
            points=round(100 * weights[name] * mean.get(name, 0.0) / whole, 2) if whole else 0.0,
            reason=each.reason,
        )
        for name, each in told
    )
    total = sum(weights[name] * value for name, value in mean.items())
    reason, detail = _no_rule(advisory)
    return Priority(
        advisory=advisory.id,
        cves=cves_of(advisory),
        title=shown_title(advisory),
        sources=advisory.sources,
        score=round(100 * total / whole, 2) if whole else None,
        told=round(told_weight / sum(weights.values()), 4) if whole else 0.0,
        parts=parts,
        data=data,
        left_out=reason,
        detail=detail,
    )


def _titled(advisories: Sequence[Advisory], scored: Sequence[Priority]) -> list[Priority]:
    """Give what has no title of its own that of another document of the same vulnerability, where there is one."""
    titles: dict[str, str] = {}
    for advisory in advisories:
        if advisory.title.strip():
            titles.setdefault(key_of(advisory), advisory.title)
    return [
        each if advisory.title.strip() or key_of(advisory) not in titles
        else msgspec.structs.replace(each, title=titles[key_of(advisory)])
        for advisory, each in zip(advisories, scored, strict=True)
    ]  # fmt: skip


def _has_data(signal: str, known: Intelligence) -> bool:
    """Whether the signal could tell of some source: three of them need data from elsewhere."""
    needed = {"kev": known.kev, "epss": known.epss, "exposure": known.products}
    return signal not in needed or needed[signal] is not None


def data_dates(known: Intelligence) -> tuple[DataDate, ...]:
    """Say of when the intelligence is, with a warning where it is missing, undated, old or of the future."""
    return (
        _dated("KEV", known.kev.date if known.kev else None, known.kev.origin if known.kev else "", known.now),
        _dated("EPSS", known.epss.date if known.epss else None, known.epss.origin if known.epss else "", known.now),
    )


def _dated(name: str, day: str | None, origin: str, now: date) -> DataDate:
    if day is None:
        return DataDate(data=name, warning=f"there is no {name} data, so this signal could not tell")
    if not day:
        return DataDate(data=name, origin=origin, warning=f"the {name} data does not say of when it is")
    age = (now - date.fromisoformat(day)).days
    warning = f"the {name} data is {age} days old" if age > OLD_DAYS else ""
    if age < -1:  # time zones are a day apart
        warning = f"the {name} data is dated later than today"
    return DataDate(data=name, date=day, age_days=age, origin=origin, warning=warning)


def _exploits(advisories: Sequence[Advisory]) -> dict[str, int]:
    """How many documents of each vulnerability hold a request that carries the attack."""
    counted: Counter[str] = Counter()
    for advisory in advisories:
        sources = {poc.source for poc in advisory.requests if poc.role in ("exploit", "")}
        counted[key_of(advisory)] += len(sources)
    return dict(counted)


def _unread(source: str, problem: InputError, data: tuple[DataDate, ...]) -> Priority:
    detail = f"[{problem.code}] {problem.what}" + (f" ({problem.hint})" if problem.hint else "")
    return Priority(advisory="", sources=(source,), data=data, left_out="unreadable", detail=detail)


def _no_rule(advisory: Advisory) -> tuple[str, str]:
    if advisory.requests:
        return "", ""
    told = "; ".join(advisory.problems)[:500]
    return ("not_http" if "no HTTP:" in told else "no_request"), told


def _why_not(
    priority: Priority, kept: Mapping[str, str], ranked: int, top: int | None, score_least: float
) -> tuple[str, str]:
    if priority.left_out:
        return priority.left_out, priority.detail
    if priority.score is None:
        return "no_signal", "; ".join(part.reason for part in priority.parts)[:500]
    if _key(priority) in kept:
        return "duplicate_cve", f"{_key(priority)} stands in the list by {kept[_key(priority)]}"
    if priority.score < score_least:
        return "below_score", f"{priority.score:.1f} is less than {score_least:g}"
    if top is not None and ranked >= top:
        return "beyond_top", f"only the first {top} were asked for"
    return "", ""


def _key(priority: Priority) -> str:
    return next(iter(priority.cves), priority.advisory)


def _order(priority: Priority) -> tuple[float, list[int], str, tuple[str, ...]]:
    numbers = [int(number) for number in _NUMBERS.findall(_key(priority)[:200])]
    return -(-1.0 if priority.score is None else priority.score), numbers, _key(priority), priority.sources
