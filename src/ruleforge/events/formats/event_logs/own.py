"""Events of any kind as JSON lines in RuleForge's own words: what tests, tools and other programs write."""

from collections.abc import Iterator, Mapping
from typing import BinaryIO

from ruleforge.errors import InputError
from ruleforge.events.event import Event, Given, make_event
from ruleforge.events.formats.event_logs.json_lines import read_rows, text_of
from ruleforge.events.formats.event_logs.times import iso_us
from ruleforge.events.kinds import EVENTS, HTTP

_KEYS = frozenset({"event", "time", "id", "times", "fields", "unrecorded"})


def is_own(data: dict[str, object]) -> bool:
    """Whether an object is an event in RuleForge's own words."""
    return isinstance(data.get("fields"), dict) and data.get("event") in EVENTS


def read_own(stream: BinaryIO, name: str, most: int, until_us: int | None = None) -> Iterator[Event | InputError]:
    """Read one event a line: `{"event": kind, "time": RFC 3339, "fields": {field: value, [values] or {name: value}}}`.

    Optional are `id`, `times` (how many events it stands for) and `unrecorded` (fields nothing is known of).
    """
    for row in read_rows(stream, name, most):
        try:
            yield row if isinstance(row, InputError) else event_of(row.data, row.where, name)
        except InputError as problem:
            yield problem


def event_of(data: Mapping[str, object], where: str, source: str, kind: str | None = None) -> Event:
    """Build an event from plain data.

    Args:
        data: as a line has it.
        where: for messages, and the id where the data has none.
        source: name of the file.
        kind: kind of the event where the data does not say.

    Raises:
        InputError: a key, kind, field or value that does not fit (RF251).
    """
    kind = str(data.get("event", kind))
    if kind not in EVENTS or kind == HTTP:
        raise InputError(f"unknown event {kind[:80]!r}", where=where, hint=EVENTS.suggest(kind[:80]), code="RF251")
    for key in data:
        if key not in _KEYS:
            hint = "known: " + ", ".join(sorted(_KEYS))
            raise InputError(f"unknown key {str(key)[:80]!r}", where=where, hint=hint, code="RF251")
    fields, missing = data.get("fields", {}), data.get("unrecorded", [])
    if not isinstance(fields, dict) or not isinstance(missing, list):
        raise InputError("fields is no object, or unrecorded is no list", where=where, code="RF251")
    known = EVENTS[kind].fields
    for field in (*fields, *missing):
        if field not in known:
            raise InputError(f"unknown field {str(field)[:80]!r}", where=where, hint=", ".join(known), code="RF251")
    given = {field: _value(value, f"{where} {field}") for field, value in fields.items()}
    return make_event(
        kind,
        given,
        time_us=_time(data.get("time"), where),
        id=(text_of(data.get("id")) or where)[:200],
        source=source,
        recorded=frozenset(known) - frozenset(missing),
        times=_times(data.get("times", 1), where),
    )


def _time(value: object, where: str) -> int | None:
    time_us = iso_us(value)
    if value is not None and time_us is None:
        raise InputError("the time is not RFC 3339", where=where, hint='such as "2099-01-31T08:00:00Z"', code="RF251")
    return time_us


def _times(value: object, where: str) -> int:
    text = text_of(value) or ""
    if not (text.isascii() and text.isdigit() and 1 <= len(text) <= 7 and int(text) >= 1):
        raise InputError("times is no number of 1 or more", where=where, code="RF251")
    return int(text)


def _value(value: object, where: str) -> Given:
    if isinstance(value, dict):
        return {str(name): _text(part, where) for name, part in value.items()}
    if isinstance(value, list):
        return [_text(part, where) for part in value]
    return None if value is None else _text(value, where)


def _text(value: object, where: str) -> bytes:
    text = text_of(value)
    if text is None:
        raise InputError("a value is a text, a number, true or false", where=where, code="RF251")
    return text.encode("utf-8", "surrogatepass")
