"""Run rules over logs with attackers in them, and say of each rule who triggers it."""

from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from ruleforge.app.rules import Loaded, load_rules, without_correlation
from ruleforge.engine.compiled import CompiledSet
from ruleforge.engine.sensor_logs import MAX_SOURCES
from ruleforge.errors import InputError, UsageError
from ruleforge.events.formats import read_requests
from ruleforge.events.origin import source_of
from ruleforge.records.interval import wilson
from ruleforge.rules.tree import Rule
from ruleforge.sources.reputation import Reputation, load_reputation
from ruleforge.validate.sensor import SensorCount, judge_count

Progress = Callable[[str, int, int], None]
CANNOT = "insufficient evidence: "
ANSWERS = {True: "passed", False: "failed", None: "insufficient evidence"}


class SensorLine(msgspec.Struct, frozen=True, kw_only=True):
    """What the logs say of one rule."""

    rule: str
    answer: str  # a value of ANSWERS
    why: str
    requests: int
    sources: int
    known_bad: int
    known_bad_low: float  # of the 95 % interval of their share, 0 to 1
    known_bad_high: float
    without_address: int


class SensorReport(msgspec.Struct, frozen=True, kw_only=True):
    """All rules, failed ones first, and what they were asked about."""

    lines: tuple[SensorLine, ...]
    requests: int
    sources: int
    unreadable: int
    broken: tuple[str, ...] = ()  # rules that failed to load
    unvalidated: int = 0


class _Tally(msgspec.Struct):
    sources: set[str]
    requests: int = 0
    unknown: int = 0


class _Seen(msgspec.Struct):
    sources: set[str]
    contacts: set[str]
    requests: int = 0
    unreadable: int = 0


def sensor_check(
    rules: Path | Loaded,
    sensors: Sequence[Path],
    mixed: Sequence[Path] = (),
    known_bad: Sequence[Path] = (),
    *,
    unvalidated: bool = False,
    progress: Progress = lambda *_: None,
) -> SensorReport:
    """Judge rules by who triggers them, as the check `sensor_traffic` does when they are forged.

    Args:
        rules: a folder of rules, one rule, or rules already loaded.
        sensors: logs that only receive attacks.
        mixed: logs of a site, with visitors and attackers.
        known_bad: lists of addresses with a bad name.
        unvalidated: judge rules without evidence, too.
        progress: told (file, requests so far, 0) now and then.

    Raises:
        UsageError: no such folder (RF110), no rule (RF111), no log (RF123), no such file (RF117).
        InputError: a list (RF226, RF227) or a log cannot be used (RF220, RF228).
    """
    if not sensors and not mixed:
        raise UsageError("no log to look at", hint="give logs, or --sensor and --mixed", code="RF123")
    for path in (*sensors, *mixed, *known_bad):
        if not path.exists():
            raise UsageError("no such file or folder", where=str(path), hint="check the path", code="RF117")
    loaded = without_correlation(rules if isinstance(rules, Loaded) else load_rules(rules, unvalidated=unvalidated))
    if not loaded.rules and not loaded.broken:
        hint = "make rules with 'ruleforge forge', or give --unvalidated"
        raise UsageError("no rule to judge", where=str(rules), hint=hint, code="RF111")
    reputation = load_reputation(known_bad)
    compiled, seen = CompiledSet(loaded.rules), _Seen(set(), set())
    tallies = [_Tally(set()) for _ in loaded.rules]
    for file, contact in [(file, True) for file in sensors] + [(file, False) for file in mixed]:
        _read(file, contact, compiled, tallies, seen, progress)
    lines = [
        _line(rule, tally, seen, reputation, judged=bool(sensors or reputation))
        for rule, tally in zip(loaded.rules, tallies, strict=True)
    ]
    order = ("failed", "passed", "insufficient evidence")
    return SensorReport(
        lines=tuple(sorted(lines, key=lambda line: (order.index(line.answer), -line.sources, line.rule))),
        requests=seen.requests,
        sources=len(seen.sources),
        unreadable=seen.unreadable,
        broken=tuple(str(problem) for problem in loaded.broken),
        unvalidated=len(loaded.unvalidated),
    )


def _read(
    file: Path, contact: bool, compiled: CompiledSet, tallies: Sequence[_Tally], seen: _Seen, progress: Progress
) -> None:
    for request in read_requests(file):
        if isinstance(request, InputError):
            seen.unreadable += 1
            continue
        seen.requests += 1
        if seen.requests % 1000 == 0:
            progress(file.name, seen.requests, 0)
        source = source_of(request.source_address)
        if source:
            seen.sources.add(source)
            if contact:
                seen.contacts.add(source)
            if len(seen.sources) > MAX_SOURCES:
                raise InputError(f"more than {MAX_SOURCES} sources", where=str(file), hint="split it", code="RF228")
        for number in compiled.answers(request).hits:
            tally = tallies[number]
            tally.requests += 1
            tally.unknown += not source
            if source:
                tally.sources.add(source)


def _line(rule: Rule, tally: _Tally, seen: _Seen, reputation: Reputation | None, *, judged: bool) -> SensorLine:
    listed = {source for source in tally.sources if reputation is not None and reputation.lists(source)}
    contacts = (tally.sources & seen.contacts) - listed
    bad = len(listed) + len(contacts)
    count = SensorCount(
        sources=len(tally.sources), known_bad=bad, by_contact=len(contacts), requests=tally.requests,
        unknown=tally.unknown, log_sources=len(seen.sources), log_requests=seen.requests, judged=judged,
    )  # fmt: skip
    verdict, share = judge_count(count), wilson(bad, len(tally.sources))
    return SensorLine(
        rule=rule.id, answer=ANSWERS[verdict.passed], why=verdict.why.removeprefix(CANNOT), requests=tally.requests,
        sources=len(tally.sources), known_bad=bad, known_bad_low=round(share.low, 4),
        known_bad_high=round(share.high, 4), without_address=tally.unknown,
    )  # fmt: skip
