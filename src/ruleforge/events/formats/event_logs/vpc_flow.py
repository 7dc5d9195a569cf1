"""VPC flow logs of AWS: version 2, or any list of fields that the first line names."""

import re
from collections.abc import Iterator, Sequence
from typing import BinaryIO

from ruleforge.errors import InputError
from ruleforge.events.event import Event, Given, make_event
from ruleforge.events.formats.bounded import Line, read_lines
from ruleforge.events.formats.event_logs.times import number_us
from ruleforge.events.kinds import fields_of

VERSION_2 = (
    "version", "account-id", "interface-id", "srcaddr", "dstaddr", "srcport", "dstport", "protocol", "packets",
    "bytes", "start", "end", "action", "log-status",
)  # fmt: skip
# Names of AWS → fields of network_flow.
_FIELDS = {
    "account-id": "account",
    "interface-id": "interface",
    "srcaddr": "source.address",
    "dstaddr": "destination.address",
    "pkt-srcaddr": "packet.source.address",
    "pkt-dstaddr": "packet.destination.address",
    "srcport": "source.port",
    "dstport": "destination.port",
    "protocol": "network.protocol",
    "packets": "packets",
    "bytes": "bytes",
    "action": "action",
    "tcp-flags": "tcp.flags",
    "flow-direction": "direction",
}
_NAME = re.compile(rb"[a-z][a-z0-9-]{1,40}")
_LINE_2 = re.compile(
    rb"2 \S{1,32} \S{1,64} \S{1,45} \S{1,45} (?:\d{1,5}|-) (?:\d{1,5}|-) (?:\d{1,3}|-) (?:\d+|-) (?:\d+|-) \d{9,11} "
)
_INT_MOST = 20  # digits
MAX_FIELDS = 100


def is_flow_head(line: bytes) -> bool:
    """Whether the first line of a file is a list of fields of flow logs, or a line of version 2."""
    return _header(line) is not None or _LINE_2.match(line) is not None


def read_vpc_flow(stream: BinaryIO, name: str, most: int, until_us: int | None = None) -> Iterator[Event | InputError]:
    """Read one flow a line. A line that names fields says what the lines after it hold; without one it is version 2.

    Lines that say that nothing was seen, or that records were lost, are events without addresses.
    """
    columns: Sequence[str] = VERSION_2
    for line in read_lines(stream, name, most):
        if isinstance(line, InputError):
            yield line
        elif (header := _header(line.text)) is not None:
            columns = header
        else:
            yield _read(line, columns, name)


def _header(line: bytes) -> tuple[str, ...] | None:
    words = line.split()
    if not 2 <= len(words) <= MAX_FIELDS or not all(map(_NAME.fullmatch, words)):
        return None
    names = tuple(word.decode() for word in words)
    return names if {"srcaddr", "pkt-srcaddr", "interface-id", "dstport"} & set(names) else None


def _read(line: Line, columns: Sequence[str], name: str) -> Event | InputError:
    where = f"{name}:{line.number}"
    words = line.text.split(maxsplit=MAX_FIELDS + 1)
    if len(words) != len(columns):
        what = f"{len(words)} columns, the list of fields has {len(columns)}"
        return InputError(what, where=where, hint="put the list of fields in the first line", code="RF250")
    row = {column: word for column, word in zip(columns, words, strict=True) if word != b"-"}
    types = fields_of("network_flow")
    given: dict[str, Given] = {}
    for column, field in _FIELDS.items():
        value = row.get(column)
        if value is not None and types[field].type == "int" and not (value.isdigit() and len(value) <= _INT_MOST):
            return InputError(f"{column} is no number", where=where, code="RF250")
        given[field] = value
    start, end = _seconds(row.get("start")), _seconds(row.get("end"))
    if start is not None and end is not None and end >= start:
        given["duration_seconds"] = (end - start) // 1_000_000
    recorded = {field for column, field in _FIELDS.items() if column in columns and column in row}
    return make_event("network_flow", given, time_us=start, id=where, source=name, recorded=frozenset(recorded))


def _seconds(value: bytes | None) -> int | None:
    return number_us(value.decode("ascii", "replace")) if value else None
