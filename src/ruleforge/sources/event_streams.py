"""Streams of events written out by hand, as tests beside rules and examples of cases hold them."""

import io
import json
from collections.abc import Iterator, Mapping

from ruleforge.errors import InputError
from ruleforge.events.event import Event
from ruleforge.events.formats.event_logs.own import event_of
from ruleforge.events.formats.event_logs.times import iso_us
from ruleforge.events.formats.jsonl import read_jsonl
from ruleforge.events.kinds import HTTP
from ruleforge.events.origin import written
from ruleforge.events.request import Request
from ruleforge.rules.document import SECONDS
from ruleforge.sources.bounded_yaml import Node

MAX_REPEAT = 10_000
HINT = "see docs/howto/rules-for-other-events.md"


def written_out(test: Mapping[str, Node], kind: str, where: str) -> Iterator[Event | Request]:
    """Yield the events of one test, or of one example of a case: `events`, with `repeat` and `every` for many alike.

    Args:
        test: holds the list `events`.
        kind: kind of the events, a key of EVENTS; for requests an event is a request as in JSON lines.
        where: for messages.

    Raises:
        InputError: there is no such list (RF230), or an event in it cannot be read (RF250, RF251, RF223).
    """
    events = test.get("events")
    if not isinstance(events, list) or not events:
        raise InputError("a test needs events, or a log", where=where, hint=HINT, code="RF230")
    for number, event in enumerate(events):
        if not isinstance(event, dict):
            raise InputError("an event is no object", where=where, hint=HINT, code="RF230")
        yield from _repeated(event, kind, f"{where} events[{number}]")


def _repeated(event: dict[str, Node], kind: str, where: str) -> Iterator[Event | Request]:
    text = str(event.get("repeat", "1"))
    if not (text.isascii() and text.isdigit() and 1 <= len(text) <= 5 and 1 <= int(text) <= MAX_REPEAT):
        raise InputError(f"repeat is no number from 1 to {MAX_REPEAT}", where=where, code="RF230")
    pause, start = _seconds(event.get("every", "1s"), where), iso_us(event.get("time"))
    plain = {key: value for key, value in event.items() if key not in ("repeat", "every", "time")}
    for number in range(int(text)):
        row = _numbered(plain, number)
        if event.get("time") is not None:
            if start is None:
                raise InputError("the time is not RFC 3339", where=where, hint=HINT, code="RF251")
            row["time"] = written((start + number * pause * 1_000_000) / 1_000_000)
        name = f"{where}:{number}"
        yield _request(row, name) if kind == HTTP else event_of(row, name, "test", kind)


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
