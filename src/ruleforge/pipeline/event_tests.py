"""`tests.yaml` of rules about other events, and of rules that count or order: each test is a stream of events.

A test holds `events`, written out (with `repeat` and `every` for many alike; `{n}` in a value is the number of the
repetition), or a `log` in a `format`. It matches when the rule holds for some event, or makes some alert.
"""

import io
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from ruleforge.engine.correlation import is_correlation
from ruleforge.engine.event_watch import ask_stream
from ruleforge.errors import InputError
from ruleforge.events.event import Event
from ruleforge.events.formats.event_logs import EVENT_FORMATS
from ruleforge.events.formats.event_logs.times import iso_us
from ruleforge.events.kinds import HTTP
from ruleforge.events.request import Request
from ruleforge.pipeline.rule_tests import VERDICTS
from ruleforge.rules.tree import Rule
from ruleforge.sources.bounded_yaml import Node, load_yaml
from ruleforge.sources.event_streams import HINT, written_out

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
        raise InputError("the key 'tests' is no list", where=where, hint=HINT, code="RF230")
    for number, test in enumerate(tests, 1):
        place = f"{where} tests[{number - 1}]"
        if not isinstance(test, dict) or test.get("verdict") not in VERDICTS:
            raise InputError("a test needs a verdict", where=place, hint="one of " + ", ".join(VERDICTS), code="RF230")
        items = tuple(_from_log(test, place) if "log" in test else written_out(test, rule.event, place))
        yield EventTest(str(test.get("name") or f"test {number}"), str(test["verdict"]), items)


def ask_events(rule: Rule, items: tuple[Event | Request, ...]) -> bool | None:
    """Say whether a rule matches a stream: it holds or alerts; None where it might, for all that is known."""
    return ask_stream(rule, items)


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
