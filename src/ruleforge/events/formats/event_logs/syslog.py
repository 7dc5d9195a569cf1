"""Lines of a system log in any of their envelopes: RFC 3164, ISO times, RFC 5424, journald's JSON, CloudWatch."""

import re
from collections.abc import Iterator
from typing import BinaryIO

import msgspec

from ruleforge.errors import InputError
from ruleforge.events.formats.bounded import Line, read_lines
from ruleforge.events.formats.event_logs.json_lines import Row, decode_row
from ruleforge.events.formats.event_logs.times import iso_us, number_us, yearless_us

MAX_TEXT = 8 << 10  # bytes of a line that are looked at
MAX_MESSAGE = 2 << 10
MAX_BATCH = 10_000  # events in one envelope of CloudWatch
_PRIORITY = rb"(?:<\d{1,3}>)?"
_OLD = re.compile(
    _PRIORITY + rb"(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) )?([A-Z][a-z]{2}) {1,2}(\d{1,2}) (?:(\d{4}) )?"
    rb"(\d{2}):(\d{2}):(\d{2})(?:[.,]\d{1,9})?(?: (\d{4}))? +(?:[a-z]{2,8}\d?\.[a-z]{3,7} )?(.*)",
    re.DOTALL,
)
_ISO = re.compile(
    _PRIORITY + rb"(\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}:\d{2}(?:[.,]\d{1,9})?(?:Z|[+-]\d{2}:?\d{2})?) +(.*)", re.DOTALL
)
_NEW = re.compile(rb"<\d{1,3}>\d{1,2} (\S{1,40}) (\S{1,255}) (\S{1,48}) (\S{1,128}) \S{1,32} (.*)", re.DOTALL)
_STRUCTURED = re.compile(rb"(?:-|(?:\[(?:[^\]\\]|\\.)*+\])++)(?: \xef\xbb\xbf| |\Z)", re.DOTALL)
_PROGRAM = re.compile(rb"([A-Za-z/][\w./-]{0,63})(?:\(([\w-]{1,32})\))?(?:\[(\d{1,10})\])?: +(.*)", re.DOTALL)
_HOST = re.compile(rb"([\w.:-]{1,255}) +(.*)", re.DOTALL)
_SOLARIS = re.compile(rb"\[ID \d{1,10} [\w.]{1,40}\] ")


class Entry(msgspec.Struct, frozen=True):
    """One message of a program."""

    time_us: int | None
    host: bytes
    program: bytes  # b"sshd"; empty where the envelope does not say
    module: bytes  # b"pam_unix" of "sshd(pam_unix)[12]"
    pid: bytes
    message: bytes
    where: str


def read_syslog(stream: BinaryIO, name: str, most: int, until_us: int | None = None) -> Iterator[Entry | InputError]:
    """Yield every message; a line in no known envelope is an error, and the rest goes on.

    Args:
        stream: decompressed.
        name: of the file.
        most: bytes to read at most.
        until_us: when the log ended at the latest, for times without a year.
    """
    for line in read_lines(stream, name, most):
        if isinstance(line, Line):
            yield from parse_entry(line.text, f"{name}:{line.number}", until_us)
        else:
            yield line


def parse_entry(text: bytes, where: str, until_us: int | None = None) -> Iterator[Entry | InputError]:
    """Read one line, which may be an envelope of several."""
    if text[:1] == b"{":
        row = decode_row(text, where)
        if isinstance(row, InputError):
            yield row
        else:
            yield from _from_json(row, until_us)
        return
    entry = parse_line(text[:MAX_TEXT], where, until_us)
    yield entry or InputError("not a line of a system log", where=where, hint=_HINT, code="RF250")


_HINT = "expected: time host program[number]: message"


def parse_line(text: bytes, where: str, until_us: int | None) -> Entry | None:
    """Read one line of text; None where it is in no known envelope."""
    if found := _NEW.match(text):
        time, host, program, pid, rest = found.groups()
        message = _STRUCTURED.sub(b"", rest, count=1) if _STRUCTURED.match(rest) else rest
        return Entry(_iso(time), _some(host), _some(program), b"", _some(pid), message[:MAX_MESSAGE], where)
    if found := _ISO.match(text):
        time_us, rest = _iso(found[1]), found[2]
        inner = _OLD.match(rest)  # an export of CloudWatch puts its own time before the line's
        return _named(time_us, inner[8] if inner else rest, where)
    if found := _OLD.match(text):
        return _named(_old_time(found, until_us), found[8], where)
    return None


def _named(time_us: int | None, rest: bytes, where: str) -> Entry | None:
    """Take host and program off a message; old devices leave the host out."""
    if program := _PROGRAM.match(rest):
        return _entry(time_us, b"", program, where)
    host = _HOST.match(rest)
    if host is None:
        return None
    program = _PROGRAM.match(host[2])
    if program is None:
        return Entry(time_us, host[1], b"", b"", b"", host[2][:MAX_MESSAGE], where)
    return _entry(time_us, host[1], program, where)


def _entry(time_us: int | None, host: bytes, found: re.Match[bytes], where: str) -> Entry:
    program, module, pid, message = found.groups()
    message = _SOLARIS.sub(b"", message, count=1) if message.startswith(b"[ID ") else message
    return Entry(
        time_us, host, program.rpartition(b"/")[2], module or b"", pid or b"", message[:MAX_MESSAGE].rstrip(), where
    )


def _old_time(found: re.Match[bytes], until_us: int | None) -> int | None:
    month, day, year, hour, minute, second, late_year = found.groups()[:7]
    clock = int(hour), int(minute), int(second)
    written = year or late_year
    if written is None:
        return yearless_us(month, int(day), clock, until_us)
    end = iso_us(f"{int(written):04}-12-31T23:59:59")
    return yearless_us(month, int(day), clock, end)


def _iso(text: bytes) -> int | None:
    return iso_us(text.decode("ascii", "replace").replace(",", "."))


def _some(text: bytes) -> bytes:
    return b"" if text == b"-" else text


# --- JSON envelopes -----------------------------------------------------------------------------------------


def is_journal(data: dict[str, object]) -> bool:
    """Whether an object is an entry of journald."""
    return "MESSAGE" in data and ("__REALTIME_TIMESTAMP" in data or "_HOSTNAME" in data)


def _from_json(row: Row, until_us: int | None) -> Iterator[Entry | InputError]:
    data = row.data
    if is_journal(data):
        yield _from_journal(row)
        return
    batch = next((data[key] for key in ("logEvents", "events") if isinstance(data.get(key), list)), None)
    if batch is None and "message" in data:
        batch = [data]
    if batch is None:
        yield InputError("neither an entry of journald nor of CloudWatch", where=row.where, code="RF250")
        return
    several = len(batch) > 1
    for number, one in enumerate(batch[:MAX_BATCH], 1):
        where = f"{row.where}:{number}" if several else row.where
        yield _from_cloudwatch(one, data, where, until_us)
    if len(batch) > MAX_BATCH:
        yield InputError(f"more than {MAX_BATCH} events in one envelope", where=row.where, code="RF222")


def _from_journal(row: Row) -> Entry:
    data = row.data
    stamp = data.get("__REALTIME_TIMESTAMP", data.get("_SOURCE_REALTIME_TIMESTAMP"))
    stamp = str(stamp) if isinstance(stamp, str | int) else ""
    time_us = int(stamp) if stamp.isascii() and stamp.isdigit() and len(stamp) <= 17 else None
    program = data.get("SYSLOG_IDENTIFIER") or data.get("_COMM")
    pid = data.get("SYSLOG_PID") or data.get("_PID")
    message = _bytes(data.get("MESSAGE"))
    return Entry(time_us, _bytes(data.get("_HOSTNAME")), _bytes(program), b"", _bytes(pid), message, row.where)


def _from_cloudwatch(one: object, around: dict[str, object], where: str, until_us: int | None) -> Entry | InputError:
    if not isinstance(one, dict) or not isinstance(one.get("message"), str):
        return InputError("an event of CloudWatch without a message", where=where, code="RF250")
    stamp = one.get("timestamp")
    time_us = number_us(str(stamp)) if isinstance(stamp, int) else iso_us(stamp)
    text = _bytes(one["message"])
    entry = parse_line(text, where, time_us if time_us is not None else until_us)
    host = _bytes(one.get("logStreamName") or around.get("logStream"))
    if entry is not None:
        return entry if entry.time_us is not None else msgspec.structs.replace(entry, time_us=time_us)
    if program := _PROGRAM.match(text):
        return _entry(time_us, host, program, where)
    return Entry(time_us, host, b"", b"", b"", text[:MAX_MESSAGE], where)


def _bytes(value: object) -> bytes:
    """Return a text as bytes; journald writes what is not UTF-8 as a list of numbers."""
    if isinstance(value, str):
        return value[:MAX_TEXT].encode("utf-8", "surrogatepass")[:MAX_MESSAGE]
    if isinstance(value, int):
        return b"%d" % value
    if isinstance(value, list) and all(isinstance(one, int) and 0 <= one < 256 for one in value[:MAX_MESSAGE]):
        return bytes(value[:MAX_MESSAGE])
    return b""
