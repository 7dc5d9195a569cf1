"""Readers of logs that hold no HTTP requests. Each gives events of one kind, and an error for what it cannot read."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, TypeAlias

import msgspec

from ruleforge._registry import Registry
from ruleforge.errors import InputError
from ruleforge.events.event import Event
from ruleforge.events.formats.bounded import MAX_TOTAL_BYTES, open_file
from ruleforge.events.formats.combined import is_access_line
from ruleforge.events.formats.event_logs.auditd import is_audit_line, read_auditd
from ruleforge.events.formats.event_logs.cloudtrail import is_cloudtrail, read_cloudtrail
from ruleforge.events.formats.event_logs.cowrie import is_cowrie, read_cowrie
from ruleforge.events.formats.event_logs.dns_text import is_bind_line, is_dnsmasq_line, read_bind, read_dnsmasq
from ruleforge.events.formats.event_logs.json_lines import Row, decode_row
from ruleforge.events.formats.event_logs.own import is_own, read_own
from ruleforge.events.formats.event_logs.process_json import is_ecs_process, is_sysmon, read_process_json
from ruleforge.events.formats.event_logs.sshd import is_login_line, read_auth_log
from ruleforge.events.formats.event_logs.syslog import Entry, parse_entry, parse_line
from ruleforge.events.formats.event_logs.vpc_flow import is_flow_head, read_vpc_flow
from ruleforge.events.formats.event_logs.zeek_dns import is_zeek_dns, read_zeek_dns

EventReader: TypeAlias = Callable[[BinaryIO, str, int, int | None], Iterator[Event | InputError]]
HEAD_BYTES = 64 << 10
_HEAD_LINES = 50


class EventFormat(msgspec.Struct, frozen=True):
    """One way events are written to files."""

    name: str
    event: str  # a key of EVENTS; "any": each line says it
    meaning: str
    read: EventReader  # decompressed stream, name of the file, bytes at most, end of the log in microseconds or None


EVENT_FORMATS = Registry[EventFormat]("event format")
for _format in (
    EventFormat(
        "auth_log", "auth_log", "sshd and PAM in a system log: RFC 3164, RFC 5424, journald, CloudWatch", read_auth_log
    ),
    EventFormat("cowrie", "auth_log", "events of the honeypot Cowrie, one JSON object a line", read_cowrie),
    EventFormat("cloudtrail", "cloud_api", "AWS CloudTrail: files with Records, or a record a line", read_cloudtrail),
    EventFormat(
        "vpc_flow", "network_flow", "AWS VPC flow logs: version 2, or fields named in the first line", read_vpc_flow
    ),
    EventFormat("auditd", "process", "program starts in the log of the Linux audit system", read_auditd),
    EventFormat("process_json", "process", "program starts as JSON lines: ECS, or Sysmon's event 1", read_process_json),
    EventFormat("bind", "dns", "query log of BIND", read_bind),
    EventFormat("dnsmasq", "dns", "log of dnsmasq with log-queries", read_dnsmasq),
    EventFormat("zeek_dns", "dns", "Zeek's dns.log, with its header or as JSON lines", read_zeek_dns),
    EventFormat("events", "any", "events of any kind as JSON lines in RuleForge's own words", read_own),
):
    EVENT_FORMATS.put(_format.name, _format)

_JSON = (
    ("events", is_own),
    ("cowrie", is_cowrie),
    ("cloudtrail", is_cloudtrail),
    ("process_json", is_sysmon),
    ("process_json", is_ecs_process),
)


def detect_event_format(head: bytes) -> str | None:
    """Name the format of a log of events from its first (decompressed) bytes; None: it is none that is known here."""
    head = head[:HEAD_BYTES].lstrip(b"\xef\xbb\xbf \t\r\n")
    if is_zeek_dns(head):
        return "zeek_dns"
    lines = [line for line in head.split(b"\n", _HEAD_LINES + 1)[:_HEAD_LINES] if line.strip()]
    if not lines:
        return None
    return _detect_json(head, lines) if head[:1] == b"{" else _detect_text(lines)


def _detect_text(lines: list[bytes]) -> str | None:
    if is_flow_head(lines[0].strip()):
        return "vpc_flow"
    for line in lines:
        if is_audit_line(line):
            return "auditd"
        if is_bind_line(line):
            return "bind"
        if is_dnsmasq_line(line):
            return "dnsmasq"
    if is_access_line(lines[0]):  # requests, perhaps sent through syslog
        return None
    entries = [parse_line(line.strip(), "", None) for line in lines]
    known = [entry for entry in entries if entry is not None and entry.program]
    # A system log of programs, most lines of which are in its envelope.
    return "auth_log" if known and len(known) * 2 >= len(lines) else None


def _detect_json(head: bytes, lines: list[bytes]) -> str | None:
    row = decode_row(lines[0], "")
    if not isinstance(row, Row):  # one document over many lines, or one longer than what was looked at
        named = b'"Records"' in head[:4096] and b'"eventSource"' in head and b'"eventName"' in head
        return "cloudtrail" if named else None
    records = row.data.get("Records")
    if isinstance(records, list) and records and isinstance(records[0], dict) and is_cloudtrail(records[0]):
        return "cloudtrail"
    for name, fits in _JSON:
        if fits(row.data):
            return name
    entries = [entry for entry in parse_entry(lines[0], "") if isinstance(entry, Entry)]
    return "auth_log" if any(map(is_login_line, entries)) or any(entry.program for entry in entries) else None


def read_events(
    path: Path, format_name: str | None = None, *, most: int = MAX_TOTAL_BYTES, until_us: int | None = None
) -> Iterator[Event | InputError]:
    """Read the events of a plain or gzip file, one after the other.

    Args:
        path: the file.
        format_name: a key of EVENT_FORMATS; None: found out from the first bytes.
        most: decompressed bytes to read at most; then the last item is an error.
        until_us: when the log ended at the latest, for times without a year; None: when the file was last changed.

    Raises:
        InputError: the format is not known (RF220).
        OutsideError: the file cannot be opened (RF501).
        UsageError: no such format (RF102).
    """
    with open_file(path) as stream:
        name = format_name or detect_event_format(stream.peek(HEAD_BYTES))  # type: ignore[attr-defined]
        if name is None:
            hint = "name it: " + ", ".join(EVENT_FORMATS)
            raise InputError("the format of the file is not known", where=str(path), hint=hint, code="RF220")
        until = path.stat().st_mtime_ns // 1_000 if until_us is None else until_us
        yield from EVENT_FORMATS[name].read(stream, path.name, most, until)
