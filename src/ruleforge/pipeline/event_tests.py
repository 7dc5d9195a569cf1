"""`tests.yaml` of rules about other events, and of rules that count or order: each test is a stream of events.

A test holds `events`, written out (with `repeat` and `every` for many alike; `{n}` in a value is the number of the
repetition), or a `log` in a `format`. It matches when the rule holds for some event, or makes some alert.
"""

import io
import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from ruleforge.engine.correlation import Correlator, is_correlation
from ruleforge.engine.event_watch import EventWatch
from ruleforge.errors import InputError
from ruleforge.events.event import Event
from ruleforge.events.formats.event_logs import EVENT_FORMATS
from ruleforge.events.formats.event_logs.own import event_of
from ruleforge.events.formats.event_logs.times import iso_us
from ruleforge.events.formats.jsonl import read_jsonl
from ruleforge.events.kinds import HTTP
from ruleforge.events.origin import written
from ruleforge.events.request import Request
from ruleforge.pipeline.rule_tests import VERDICTS
from ruleforge.rules.document import SECONDS
from ruleforge.rules.tree import Rule
from ruleforge.sources.bounded_yaml import Node, load_yaml

MAX_REPEAT = 10_000
_HINT = "see docs/howto/rules-for-other-events.md"
_UNTIL = "2099-12-31T23:59:59Z"  # the end of logs whose lines have no year


class EventTest(msgspec.Struct, frozen=True):
    """One test: what a rule is shown, and whether it should match."""

    name: str
    verdict: str  # one of VERDICTS
    items: tuple[Event | Request, ...]


def needs_events(rule: Rule) -> bool:
    """Whether a rule is tested with streams of events instead of single requests."""
    return rule.event != HTTP or is_correlation(rule)


def read_event_tests(file: Path, rule: Rule) -> Iterator[EventTest]:
    """Yield the tests of a `tests.yaml`.

    Raises:
        InputError: not such a file (RF230), or an event in it that cannot be read (RF250, RF251, RF223).
    """
    where = str(file)
    root = load_yaml(file.read_bytes(), where).root
    tests = root.get("tests") if isinstance(root, dict) else None
    if not isinstance(tests, list):
        raise InputError("the key 'tests' is no list", where=where, hint=_HINT, code="RF230")
    for number, test in enumerate(tests, 1):
        place = f"{where} tests[{number - 1}]"
        if not isinstance(test, dict) or test.get("verdict") not in VERDICTS:
            raise InputError("a test needs a verdict", where=place, hint="one of " + ", ".join(VERDICTS), code="RF230")
        items = tuple(_from_log(test, place) if "log" in test else _written_out(test, rule, place))
        yield EventTest(str(test.get("name") or f"test {number}"), str(test["verdict"]), items)


def ask_events(rule: Rule, items: tuple[Event | Request, ...]) -> bool | None:
    """Say whether a rule matches a stream: it holds or alerts; None where it might, for all that is known."""
    correlator = Correlator([rule] if is_correlation(rule) else [], lateness_seconds=None)
    watch = EventWatch([rule], correlator)
    hit = unknown = False
    for item in items:
        seen = watch.see(item)
        hit, unknown = hit or bool(seen.hits or seen.alerts), unknown or bool(seen.unknowns)
    return True if watch.close() or hit else None if unknown else False


def _from_log(test: Mapping[str, Node], where: str) -> Iterator[Event]:
    form = EVENT_FORMATS.get(str(test.get("format")))
    if form is None:
        hint = "one of " + ", ".join(EVENT_FORMATS)
        raise InputError("a log needs the name of its format", where=where, hint=hint, code="RF230")
    data = str(test["log"]).encode()
    for item in form.read(io.BytesIO(data), where, len(data) + 1, iso_us(_UNTIL)):
        if isinstance(item, InputError):
            raise item
        yield item


def _written_out(test: Mapping[str, Node], rule: Rule, where: str) -> Iterator[Event | Request]:
    events = test.get("events")
    if not isinstance(events, list) or not events:
        raise InputError("a test needs events, or a log", where=where, hint=_HINT, code="RF230")
    for number, event in enumerate(events):
        if not isinstance(event, dict):
            raise InputError("an event is no object", where=where, hint=_HINT, code="RF230")
        yield from _repeated(event, rule, f"{where} events[{number}]")


def _repeated(event: dict[str, Node], rule: Rule, where: str) -> Iterator[Event | Request]:
    text = str(event.get("repeat", "1"))
    if not (text.isascii() and text.isdigit() and 1 <= len(text) <= 5 and 1 <= int(text) <= MAX_REPEAT):
        raise InputError(f"repeat is no number from 1 to {MAX_REPEAT}", where=where, code="RF230")
    pause, start = _seconds(event.get("every", "1s"), where), iso_us(event.get("time"))
    plain = {key: value for key, value in event.items() if key not in ("repeat", "every", "time")}
    for number in range(int(text)):
        row = _numbered(plain, number)
        if event.get("time") is not None:
            if start is None:
                raise InputError("the time is not RFC 3339", where=where, hint=_HINT, code="RF251")
            row["time"] = written((start + number * pause * 1_000_000) / 1_000_000)
        name = f"{where}:{number}"
        yield _request(row, name) if rule.event == HTTP else event_of(row, name, "test", rule.event)


def _numbered(value: dict[str, Node], number: int) -> dict[str, object]:
    copied: dict[str, object] = json.loads(json.dumps(value).replace("{n}", str(number)))
    return copied


def _seconds(text: Node, where: str) -> int:
    words = str(text)
    if not (2 <= len(words) <= 6 and words[:-1].isascii() and words[:-1].isdigit() and words[-1] in SECONDS):
        raise InputError("every is no duration", where=where, hint='such as "30s" or "5m"', code="RF230")
    return int(words[:-1]) * SECONDS[words[-1]]


def _request(row: dict[str, object], where: str) -> Request:
    line = json.dumps({"ts": row.pop("time", ""), **row}).encode()
    for item in read_jsonl(io.BytesIO(line), where):
        if isinstance(item, InputError):
            raise item
        return item
    raise InputError("a test needs a request", where=where, code="RF230")
