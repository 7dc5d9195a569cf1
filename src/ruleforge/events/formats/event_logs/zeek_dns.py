"""Zeek's dns.log, tab-separated with its header or as JSON lines."""

import re
from collections.abc import Iterator, Sequence
from typing import BinaryIO

from ruleforge.errors import InputError
from ruleforge.events.event import Event, Given, make_event
from ruleforge.events.formats.bounded import Line, read_lines
from ruleforge.events.formats.event_logs.json_lines import Row, decode_row, text_of
from ruleforge.events.formats.event_logs.names import question
from ruleforge.events.formats.event_logs.times import iso_us, number_us

MAX_COLUMNS = 200
MAX_ANSWERS = 1_000
_ESCAPE = re.compile(rb"\\x([0-9A-Fa-f]{2})")
_UNSET = (b"-", b"(empty)")
# Columns of Zeek → fields of dns.
_FIELDS = {
    "id.orig_h": "source.address",
    "id.orig_p": "source.port",
    "id.resp_h": "destination.address",
    "proto": "network.transport",
    "qtype_name": "question.type",
    "qclass_name": "question.class",
    "rcode_name": "response.code",
}


def is_zeek_dns(head: bytes) -> bool:
    """Whether a file begins as Zeek's dns.log does, with its header or as JSON."""
    if head.startswith(b"#separator"):
        return b"\n#path\tdns" in head
    return head[:1] == b"{" and b'"id.orig_h"' in head and b'"query"' in head and b'"qtype' in head


def read_zeek_dns(stream: BinaryIO, name: str, most: int, until_us: int | None = None) -> Iterator[Event | InputError]:
    """Read one query a line; a line that does not fit its header is an error, and the rest goes on."""
    columns: Sequence[str] = ()
    for line in read_lines(stream, name, most):
        if isinstance(line, InputError):
            yield line
        elif line.text[:1] == b"{":
            row = decode_row(line.text, f"{name}:{line.number}")
            yield row if isinstance(row, InputError) else _from_json(row, name)
        elif line.text[:1] == b"#":
            if line.text.startswith(b"#fields\t"):
                columns = [word.decode("utf-8", "replace") for word in line.text.split(b"\t")[1 : MAX_COLUMNS + 1]]
        else:
            yield _from_columns(line, columns, name)


def _from_columns(line: Line, columns: Sequence[str], name: str) -> Event | InputError:
    where = f"{name}:{line.number}"
    words = line.text.split(b"\t", MAX_COLUMNS + 1)
    if len(words) != len(columns):
        what = f"{len(words)} columns, the line #fields has {len(columns)}"
        return InputError(what, where=where, hint="keep the header of the file", code="RF250")
    row = {column: word for column, word in zip(columns, words, strict=True) if word not in _UNSET}
    values = {column: _unescape(word) for column, word in row.items()}
    answers = row.get("answers", b"").split(b",")[: MAX_ANSWERS + 1] if "answers" in row else []
    stamp = row.get("ts", b"").decode("ascii", "replace")
    return _event(values, [_unescape(one) for one in answers], frozenset(columns), number_us(stamp), where, name)


def _from_json(row: Row, name: str) -> Event:
    data = row.data
    values = {
        key: text.encode("utf-8", "surrogatepass") for key in (*_FIELDS, "query") if (text := text_of(data.get(key)))
    }
    listed = data.get("answers")
    answers = [
        text.encode("utf-8", "surrogatepass")
        for one in (listed[: MAX_ANSWERS + 1] if isinstance(listed, list) else [])
        if (text := text_of(one)) is not None
    ]
    stamp = data.get("ts")
    time_us = number_us(repr(stamp)) if isinstance(stamp, int | float) else iso_us(stamp)
    return _event(values, answers, frozenset({"answers", "query", *_FIELDS}), time_us, row.where, name)


def _event(
    values: dict[str, bytes], answers: list[bytes], columns: frozenset[str], time_us: int | None, where: str, name: str
) -> Event:
    given: dict[str, Given] = {field: values.get(column) for column, field in _FIELDS.items()}
    given["answers"] = answers
    if values.get("qclass_name") == b"C_INTERNET":
        given["question.class"] = b"IN"  # as all others call it
    recorded = {field for column, field in _FIELDS.items() if column in columns}
    if "query" in columns:
        recorded |= {"question.name", "question.domain", "question.subdomain"}
        given |= question(values["query"]) if values.get("query") else {}
    if "answers" in columns:
        recorded.add("answers")
    return make_event("dns", given, time_us=time_us, id=where, source=name, recorded=frozenset(recorded))


def _unescape(text: bytes) -> bytes:
    return _ESCAPE.sub(lambda found: bytes((int(found[1], 16),)), text) if b"\\x" in text else text
