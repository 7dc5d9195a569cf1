"""The sensor gate: who sends what a rule fires on, in logs with attackers in them.

A good rule fires on few of all sources, and nearly all of those are known to be bad. A rule that nobody (or hardly
anybody) triggers is not judged: a small site must not refuse a rule because it was not attacked yet. How the bounds
follow from the size of a log is derived in docs/decisions/0008-sensor-gate.md.
"""

from typing import Any

import msgspec

from ruleforge.cases.evidence import Case, Evidence, case, identity
from ruleforge.engine.sensor_logs import SensorLog, Sensors
from ruleforge.events.origin import anonymised, seconds_of, source_of, written
from ruleforge.records.forging import CheckResult
from ruleforge.records.interval import wilson
from ruleforge.rules.tree import Rule
from ruleforge.validate import gates
from ruleforge.validate.checks import CHECKS, Ask, Finding


class SensorCount(msgspec.Struct, frozen=True, kw_only=True):
    """Who triggered a rule, out of whom."""

    sources: int  # distinct
    known_bad: int  # of these
    by_contact: int = 0  # of the known bad, those that only contact with a sensor speaks against
    requests: int = 0
    unknown: int = 0  # of these requests, without a source address
    log_sources: int = 0  # distinct, in all logs
    log_requests: int = 0
    judged: bool = True  # whether anything tells bad sources from others
    cut: bool = False  # there were more hits than were counted


class SensorVerdict(msgspec.Struct, frozen=True):
    """`passed` None: insufficient evidence. `why` is a sentence for people."""

    passed: bool | None
    why: str


def is_too_generic(sources: int, log_sources: int, log_requests: int) -> bool:
    """Whether so many of the sources of a log trigger a rule that it cannot be about one vulnerability."""
    if sources <= gates.SENSOR_SOURCES_LEAST:
        return False
    most = gates.SENSOR_SOURCES_MOST * max(1, log_requests / gates.SENSOR_REQUESTS)
    over_share = wilson(min(sources, log_sources), log_sources).low > gates.SENSOR_SOURCE_SHARE_MOST
    return sources > most or over_share


def judge_count(count: SensorCount) -> SensorVerdict:
    """Decide on a rule by who triggered it: passed, failed, or insufficient evidence."""
    if not count.log_sources:
        return _cannot("no request of the logs has a source address")
    if is_too_generic(count.sources, count.log_sources, count.log_requests):
        return SensorVerdict(False, f"too generic: {_of(count.sources, count.log_sources, 'source')} trigger it")
    if not count.sources:
        return _cannot(f"none of {count.requests:,} hits has a source address" if count.requests else "no hit")
    if not count.judged:
        return _cannot(f"{count.sources} sources, and nothing says which of them are bad")
    bad = wilson(count.known_bad, count.sources)
    verb = "is" if count.known_bad == 1 else "are"
    told = f"{_of(count.known_bad, count.sources, 'source')} {verb} known bad, at 95 % {bad.low:.0%} to {bad.high:.0%}"
    if count.by_contact:
        told += f", {count.by_contact:,} of them by contact with a sensor alone"
    if count.sources < gates.SENSOR_SOURCES_LEAST:
        return _cannot(f"{told}; {gates.SENSOR_SOURCES_LEAST} sources are needed")
    if bad.high < gates.SENSOR_KNOWN_BAD_LEAST:
        return SensorVerdict(False, f"mostly good sources: {told}")
    if bad.low <= gates.SENSOR_KNOWN_BAD_LEAST:
        return _cannot(f"{told}; {gates.SENSOR_KNOWN_BAD_LEAST:.0%} lies between")
    return _cannot(f"{told}; there were more hits than were counted") if count.cut else SensorVerdict(True, told)


def _cannot(why: str) -> SensorVerdict:
    return SensorVerdict(None, f"insufficient evidence: {why}")


def _of(part: int, whole: int, noun: str) -> str:
    return f"{part:,} of {whole:,} {noun}{'' if whole == 1 else 's'} ({part / whole:.1%})"


class _Hits(msgspec.Struct):
    """What a rule fires on in one log."""

    log: SensorLog
    rows: list[int]
    cut: bool
    sources: dict[str, int]  # source → first row
    unknown: int
    first: float | None = None
    last: float | None = None


def _hits_of(rule: Rule, log: SensorLog, evidence: Evidence) -> _Hits:
    most = gates.SENSOR_HITS_MOST
    rows = log.corpus.hits(rule.when, evidence.classes, limit=most + 1)  # type: ignore[arg-type]
    found = _Hits(log, rows[:most], len(rows) > most, {}, 0)
    for number in found.rows:
        request = log.corpus.row(number).request
        source, at = source_of(request.source_address), seconds_of(request.time)
        if source:
            found.sources.setdefault(source, number)
        else:
            found.unknown += 1
        if at is not None:
            found.first = at if found.first is None else min(found.first, at)
            found.last = at if found.last is None else max(found.last, at)
    return found


def _count(found: list[_Hits], sensors: Sensors) -> SensorCount:
    sources = {source for hits in found for source in hits.sources}
    return SensorCount(
        sources=len(sources),
        known_bad=sum(sensors.known_bad(source) for source in sources),
        by_contact=sum(sensors.by_contact(source) for source in sources),
        requests=sum(len(hits.rows) for hits in found),
        unknown=sum(hits.unknown for hits in found),
        log_sources=sensors.sources,
        log_requests=sensors.requests,
        judged=sensors.judged,
        cut=any(hits.cut for hits in found),
    )


@CHECKS.add("sensor_traffic")
def sensor_traffic(rule: Rule, ask: Ask, evidence: Evidence) -> Finding:
    """In logs with attackers, few of all sources trigger the rule, and nearly all of those are known bad."""
    del ask
    sensors = evidence.sensors
    if sensors is None:
        return Finding(CheckResult(check="sensor_traffic", passed=None, detail="no log with attackers was given"))
    found = [_hits_of(rule, log, evidence) for log in sensors.logs]
    count = _count(found, sensors)
    verdict = judge_count(count)
    wrong = _counterexamples(found, sensors, evidence) if verdict.passed is False else ()
    result = CheckResult(
        check="sensor_traffic",
        passed=verdict.passed,
        tried=count.log_requests,
        failed=count.requests if verdict.passed is False else 0,
        detail=verdict.why,
        examples=tuple(c.view.request.id or c.kind for c in wrong)[: gates.EXAMPLES_MOST],
    )
    return Finding(result, hit=wrong, feedback=(verdict.why,) if verdict.passed is False else ())


def _counterexamples(found: list[_Hits], sensors: Sensors, evidence: Evidence) -> tuple[Case, ...]:
    """Choose hits to be silent on, one of a source, those of good sources first; never the exploit itself."""
    own = {identity(c.view.request) for c in evidence.exploits}
    chosen: list[tuple[bool, Case]] = []
    for hits in found:
        for source, number in hits.sources.items():
            request = hits.log.corpus.row(number).request
            bad = sensors.known_bad(source)
            if identity(request) not in own:
                word = "of a source that is known bad" if bad else "of a source that is not known bad"
                chosen.append((bad, case(request, "sensor", note=word)))
    chosen.sort(key=lambda pair: pair[0])
    return tuple(c for _, c in chosen[: gates.SENSOR_COUNTEREXAMPLES_MOST])


def sensor_record(rule: Rule, evidence: Evidence) -> dict[str, Any] | None:
    """Tell for `evidence.json` who triggered a rule: counts, intervals, times. No address of anybody is written.

    `networks` are at most three of the known bad, widened to /24 or /48.
    """
    sensors = evidence.sensors
    if sensors is None:
        return None
    found = [_hits_of(rule, log, evidence) for log in sensors.logs]
    count = _count(found, sensors)
    bad = sorted({anonymised(s) for hits in found for s in hits.sources if sensors.known_bad(s)})
    share = wilson(count.known_bad, count.sources)
    return {
        "requests": count.requests,
        "more": count.cut,
        "sources": count.sources,
        "without_address": count.unknown,
        "known_bad": {
            "sources": count.known_bad, "by_contact_alone": count.by_contact,
            "low": round(share.low, 4), "high": round(share.high, 4),
        },
        "of": {"requests": count.log_requests, "sources": count.log_sources},
        "logs": [
            {
                "log": hits.log.name, "kind": hits.log.kind, "requests": len(hits.rows), "sources": len(hits.sources),
                "first_seen": written(hits.first), "last_seen": written(hits.last),
            }
            for hits in found
        ],
        "networks": bad[: gates.SENSOR_NETWORKS_MOST],
    }  # fmt: skip
