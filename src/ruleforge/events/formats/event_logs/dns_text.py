"""DNS queries in text logs: BIND's query log, and dnsmasq."""

import re
from collections.abc import Iterator
from typing import BinaryIO

from ruleforge.errors import InputError
from ruleforge.events.event import Event, Given, make_event
from ruleforge.events.formats.bounded import Line, read_lines
from ruleforge.events.formats.event_logs.names import question
from ruleforge.events.formats.event_logs.syslog import Entry, read_syslog
from ruleforge.events.formats.event_logs.times import iso_us, yearless_us

_BIND = re.compile(
    rb"(?:queries: )?(?:info: )?client (?:@0x[0-9a-f]{1,16} )?([0-9A-Fa-f.:]{2,45})#(\d{1,5})(?: \([^)]{0,1020}\))?: "
    rb"(?:view \S{1,64}: )?query: (\S{1,1020}) (\S{1,16}) (\S{1,16}) ([-+]\S{0,16})"
    rb"(?: \(([0-9A-Fa-f.:]{2,45})\))?.{0,100}"
)
_BIND_TIME = re.compile(rb"(\d{1,2})-([A-Z][a-z]{2})-(\d{4}) (\d{2}):(\d{2}):(\d{2})(\.\d{1,6})? (.*)", re.DOTALL)
_DNSMASQ = re.compile(
    rb"(?:\d{1,12} )?(?:[0-9A-Fa-f.:]{2,45}/\d{1,5} )?"
    rb"query\[([A-Za-z0-9=]{1,16})\] (\S{0,1020}) from ([0-9A-Fa-f.:]{2,45})"
)
_SYSLOG_TIME = re.compile(rb"([A-Z][a-z]{2}) {1,2}(\d{1,2}) (\d{2}):(\d{2}):(\d{2}) ")


def is_bind_line(line: bytes) -> bool:
    """Whether a line is of BIND's query log, by itself or in a system log."""
    return b" query: " in line and b"client " in line and _BIND.search(line[:4096]) is not None


def is_dnsmasq_line(line: bytes) -> bool:
    """Whether a line was written by dnsmasq, or by the one inside Pi-hole."""
    return b"dnsmasq[" in line[:200] or b"pihole-FTL[" in line[:200]


def read_bind(stream: BinaryIO, name: str, most: int, until_us: int | None = None) -> Iterator[Event | InputError]:
    """Read one query a line; a line that is none is an error, and the rest goes on."""
    for line in read_lines(stream, name, most):
        yield _bind(line, name, until_us) if isinstance(line, Line) else line


def _bind(line: Line, name: str, until_us: int | None) -> Event | InputError:
    where, text = f"{name}:{line.number}", line.text[:4096]
    found = _BIND.search(text) if b" query: " in text else None
    if found is None:
        hint = "expected: client ADDRESS#PORT (NAME): query: NAME IN TYPE +"
        return InputError("not a line of BIND's query log", where=where, hint=hint, code="RF250")
    address, port, asked, klass, kind, flags, server = found.groups()
    given: dict[str, Given] = question(asked) | {
        "source.address": address,
        "source.port": port,
        "question.class": klass,
        "question.type": kind,
        "destination.address": server,
        "network.transport": "tcp" if b"T" in flags else "udp",
    }
    time_us = _bind_time(text, until_us)
    recorded = frozenset({"question.domain", "question.subdomain"})
    return make_event("dns", given, time_us=time_us, id=where, source=name, recorded=recorded)


def _bind_time(text: bytes, until_us: int | None) -> int | None:
    if found := _BIND_TIME.match(text):
        day, month, year, hour, minute, second, part, _ = found.groups()
        end = iso_us(f"{int(year):04}-12-31T23:59:59")
        whole = yearless_us(month, int(day), (int(hour), int(minute), int(second)), end)
        return None if whole is None else whole + round(float(part or 0) * 1_000_000)
    if found := _SYSLOG_TIME.match(text):
        return yearless_us(found[1], int(found[2]), (int(found[3]), int(found[4]), int(found[5])), until_us)
    return iso_us(text.partition(b" ")[0].decode("ascii", "replace"))


def read_dnsmasq(stream: BinaryIO, name: str, most: int, until_us: int | None = None) -> Iterator[Event | InputError]:
    """Read one event for each query; lines about answers, leases and the program itself are passed over."""
    for entry in read_syslog(stream, name, most, until_us):
        if isinstance(entry, InputError):
            yield entry
        elif found := _DNSMASQ.fullmatch(entry.message):
            yield _dnsmasq(entry, found, name)


def _dnsmasq(entry: Entry, found: re.Match[bytes], name: str) -> Event:
    given: dict[str, Given] = question(found[2]) | {
        "question.type": found[1],
        "source.address": found[3],
        "host": entry.host or None,
    }
    recorded = frozenset({"question.domain", "question.subdomain"})
    return make_event("dns", given, time_us=entry.time_us, id=entry.where, source=name, recorded=recorded)
