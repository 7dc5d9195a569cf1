"""Scan logs of any kind with rules of any kind: those about single events give hits, those that count give alerts."""

import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

import msgspec

from ruleforge.app.detections import BUILTIN, load_detections
from ruleforge.app.rules import Loaded, load_rules
from ruleforge.engine.correlation import Alert, Correlator, Tally, is_correlation
from ruleforge.engine.correlation.correlator import MAX_KEYS
from ruleforge.engine.event_watch import EventWatch, Seen
from ruleforge.errors import InputError, RuleForgeError, UsageError
from ruleforge.events.event import Event
from ruleforge.events.formats import FORMATS, detect_format
from ruleforge.events.formats.bounded import MAX_TOTAL_BYTES, open_file
from ruleforge.events.formats.event_logs import EVENT_FORMATS, HEAD_BYTES, detect_event_format
from ruleforge.events.kinds import HTTP
from ruleforge.events.origin import seconds_of
from ruleforge.events.reading import Element
from ruleforge.events.request import Request
from ruleforge.rules.tree import Rule

Progress = Callable[[str, int, int], None]
PROBLEMS_KEPT = 100
PROGRESS_EVERY = 1_000
MAX_SHOWN = 200  # characters of one value in a hit
_SHOWN_VALUES = 10
_LOOKED_AT = 1_000  # events at the beginning of a file, for the time of its first


class EventHit(msgspec.Struct, frozen=True, kw_only=True):
    """One event that one rule about single events holds for."""

    rule: str
    event: str  # id of the event
    kind: str  # of the event, a key of EVENTS
    file: str
    time_us: int | None  # microseconds since 1970 in UTC
    title: str = ""
    severity: str = "unknown"
    times: int = 1  # events the record stands for
    fields: dict[str, str] = {}  # field → value, escaped and bounded


class EventReport(msgspec.Struct, kw_only=True):
    """Counts of a scan; complete once its results were read to the end."""

    files: int = 0
    events: int = 0
    by_kind: dict[str, int] = msgspec.field(default_factory=dict)
    hits: int = 0
    alerts: int = 0
    rules: int = 0
    rules_not_asked: tuple[str, ...] = ()  # about kinds of events that no file had
    left_to_scan: int = 0  # rules about single requests: `scan` asks them
    broken: tuple[str, ...] = ()  # rules that failed to load
    unvalidated: int = 0  # rules left out because no evidence says they passed
    unreadable: int = 0  # lines, or whole files, that are no event
    unreadable_files: int = 0
    problems: list[str] = msgspec.field(default_factory=list)
    undecidable: dict[str, int] = msgspec.field(default_factory=dict)  # rule → events that it could not be decided for
    by_rule: dict[str, int] = msgspec.field(default_factory=dict)  # rule → hits or alerts
    tally: Tally = msgspec.field(default_factory=Tally)  # what counting did not use, and why


def event_rules(rules: Path | Loaded, *, unvalidated: bool = False) -> Loaded:
    """Load rules; the path `builtin` stands for our own.

    Raises:
        UsageError: there is no such path (RF110).
    """
    if isinstance(rules, Loaded):
        return rules
    if str(rules) == BUILTIN and not rules.exists():
        return load_detections()
    return load_rules(rules, unvalidated=unvalidated)


def scan_events(
    rules: Path | Loaded,
    files: Sequence[Path],
    report: EventReport,
    progress: Progress = lambda *_: None,
    *,
    lateness_seconds: float | None = None,
    max_keys: int = MAX_KEYS,
    unvalidated: bool = False,
    single_requests: bool = False,
    until_us: int | None = None,
) -> Iterator[EventHit | Alert]:
    """Run rules over logs; yield hits as they are found and alerts when they are certain.

    Args:
        rules: a folder of rules, one rule, `builtin` for our own, or rules already loaded.
        files: any format of EVENT_FORMATS and of FORMATS, plain or gzip; read by the time of their first event.
        report: filled while the results are read.
        progress: told (file, events so far, 0) now and then.
        lateness_seconds: how far out of order events may be; None: any, and alerts come at the end of all files.
        max_keys: keys that counting remembers.
        unvalidated: run rules without evidence, too.
        single_requests: ask rules about single requests as well; by default `scan` does that, and faster.
        until_us: when the logs ended at the latest, for times without a year; None: when each file last changed.

    Raises:
        UsageError: there is no such folder (RF110), or it holds no rule that can run here (RF111).
    """
    loaded = event_rules(rules, unvalidated=unvalidated)
    asked = [rule for rule in loaded.rules if single_requests or is_correlation(rule) or rule.event != HTTP]
    report.broken = tuple(map(str, loaded.broken))
    report.unvalidated, report.rules = len(loaded.unvalidated), len(asked)
    report.left_to_scan = len(loaded.rules) - len(asked)
    if not asked and not loaded.broken:
        what = "no rule about other events, and none that counts or orders events"
        raise UsageError(what, where=str(rules) if isinstance(rules, Path) else "", hint=_HINT, code="RF111")
    counting = [rule for rule in asked if is_correlation(rule)]
    correlator = Correlator(counting, lateness_seconds=lateness_seconds, max_keys=max_keys)
    yield from _watch(EventWatch(asked, correlator), files, report, progress, until_us)


_HINT = "try --rules builtin, or scan with --unvalidated"


def _watch(
    watch: EventWatch, files: Sequence[Path], report: EventReport, progress: Progress, until_us: int | None
) -> Iterator[EventHit | Alert]:
    kinds: Counter[str] = Counter()
    counts: Counter[str] = Counter()
    unknowns: Counter[int] = Counter()
    report.tally = watch.correlator.tally
    for file in in_order(files, until_us):
        report.files += 1
        for item in _items(file, report, until_us):
            kinds[HTTP if isinstance(item, Request) else item.kind] += 1
            report.events += 1
            if report.events % PROGRESS_EVERY == 0:
                progress(str(file), report.events, 0)
            seen = watch.see(item)
            unknowns.update(seen.unknowns)
            for found in _found(watch.rules, item, seen, file):
                counts[found.rule] += 1
                yield found
    for alert in watch.close():
        counts[alert.rule] += 1
        yield alert
    counting = {rule.id for rule in watch.rules if is_correlation(rule)}
    report.alerts = sum(count for rule, count in counts.items() if rule in counting)
    report.hits = sum(counts.values()) - report.alerts
    report.by_kind, report.by_rule = dict(kinds.most_common()), dict(counts.most_common())
    report.undecidable = {watch.rules[number].id: count for number, count in unknowns.most_common()}
    report.rules_not_asked = tuple(rule.id for rule in watch.rules if rule.event not in kinds)


def in_order(files: Sequence[Path], until_us: int | None = None) -> list[Path]:
    """Order files by the time of their first event, so that rotated logs are read as they were written.

    Files whose first 1,000 events have no time come last, in the order given.
    """
    times = {file: _first_time(file, until_us) for file in files}
    return sorted(files, key=lambda file: (times[file] is None, times[file] or 0))


def _first_time(file: Path, until_us: int | None) -> int | None:
    try:
        for item in islice(read_any(file, until_us=until_us), _LOOKED_AT):
            if isinstance(item, InputError):
                continue
            time_us = _time_us(item) if isinstance(item, Request) else item.time_us
            if time_us is not None:
                return time_us
    except (RuleForgeError, OSError, EOFError, zlib.error):
        return None  # told when the file is read
    return None


def _found(rules: Sequence[Rule], item: Event | Request, seen: Seen, file: Path) -> Iterator[EventHit | Alert]:
    for number in seen.hits:
        yield event_hit(rules[number], item, file)
    yield from seen.alerts


def event_hit(rule: Rule, item: Event | Request, file: Path) -> EventHit:
    """Describe one event that a rule holds for."""
    if isinstance(item, Request):
        kind, time_us, times = HTTP, _time_us(item), 1
        fields = {"method": shown(item.method), "target.raw": shown(item.target)}
        fields |= {"source.address": shown(item.source_address)} if item.source_address else {}
    else:
        kind, time_us, times = item.kind, item.time_us, item.times
        fields = {field: _values(elements) for field, elements in item.values.items()}
    return EventHit(
        rule=rule.id,
        event=item.id,
        kind=kind,
        file=str(file),
        time_us=time_us,
        title=rule.title,
        severity=rule.severity,
        times=times,
        fields=fields,
    )


def row_of(found: EventHit | Alert) -> dict[str, object]:
    """Return a hit or an alert as plain data for machine output: fields may be added, never removed.

    Times are RFC 3339 in UTC with microseconds; values are escaped and bounded.
    """
    if isinstance(found, EventHit):
        row = msgspec.to_builtins(found)
        del row["time_us"]
        return {"type": "hit", **row, "time": stamp(found.time_us)}
    key = {field: shown(value) for field, value in found.key}
    row = {name: getattr(found, name) for name in ("rule", "kind", "title", "severity", "count", "first", "last")}
    times = {"start": stamp(found.start_us), "end": stamp(found.end_us)}
    return {"type": "alert", **row, "key": key, **times, "sample": list(found.sample)}


def stamp(time_us: int | None) -> str:
    """Write a time as RFC 3339 in UTC; empty for None."""
    if time_us is None:
        return ""
    moment = datetime.fromtimestamp(time_us // 1_000_000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{time_us % 1_000_000:06}Z"


def _values(elements: tuple[Element, ...]) -> str:
    texts = [(f"{shown(one.name)}=" if one.name else "") + shown(one.value) for one in elements[:_SHOWN_VALUES]]
    return ", ".join(texts)


def _time_us(request: Request) -> int | None:
    seconds = seconds_of(request.time)
    return None if seconds is None else round(seconds * 1_000_000)


def shown(value: bytes) -> str:
    """Show bytes of a stranger: what is not printable as an escape, at most 200 characters."""
    text = value[: MAX_SHOWN * 4].decode("utf-8", "backslashreplace")
    safe = "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
    return safe if len(safe) <= MAX_SHOWN else safe[: MAX_SHOWN - 1] + "…"


def _items(file: Path, report: EventReport, until_us: int | None) -> Iterator[Event | Request]:
    try:
        for item in read_any(file, until_us=until_us):
            if isinstance(item, InputError):
                report.unreadable += 1
                if len(report.problems) < PROBLEMS_KEPT:
                    report.problems.append(str(item))
            else:
                yield item
    except (RuleForgeError, OSError, EOFError, zlib.error) as problem:  # the last three: a damaged gzip file
        report.unreadable += 1
        report.unreadable_files += 1
        damaged = InputError(f"the file is damaged: {problem}", where=str(file), code="RF225")
        report.problems.append(str(problem if isinstance(problem, RuleForgeError) else damaged))


def read_any(file: Path, *, until_us: int | None = None) -> Iterator[Event | Request | InputError]:
    """Read a log of events or of requests; its first bytes say which it is.

    Raises:
        InputError: the format is not known (RF220).
        OutsideError: the file cannot be opened (RF501).
    """
    with open_file(file) as stream:
        head: bytes = stream.peek(HEAD_BYTES)  # type: ignore[attr-defined]
        if not head:  # a log that was rotated a moment ago
            return
        name = detect_event_format(head)
        if name is None:
            yield from FORMATS[detect_format(file, head)].read(stream, file.name, MAX_TOTAL_BYTES)
            return
        until = file.stat().st_mtime_ns // 1_000 if until_us is None else until_us
        yield from EVENT_FORMATS[name].read(stream, file.name, MAX_TOTAL_BYTES, until)
