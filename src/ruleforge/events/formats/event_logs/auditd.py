"""Process starts in the log of the Linux audit system: the lines SYSCALL, EXECVE, CWD and PROCTITLE of one event."""

import binascii
import re
from collections import OrderedDict
from collections.abc import Iterator
from typing import BinaryIO

from msgspec import structs

from ruleforge.errors import InputError
from ruleforge.events.event import Event, Given, make_event
from ruleforge.events.formats.bounded import read_lines
from ruleforge.events.formats.event_logs.processes import MAX_ARGS, with_names

MAX_RECORD_BYTES = 64 << 10  # the kernel's own bound is about 8 KiB
MAX_OPEN = 1_000  # events whose lines are still coming
MAX_ARGS_BYTES = 512 << 10  # of the arguments of one event, so that open events cannot fill memory
_RECORD = re.compile(rb"(?:node=(\S{1,255}) )?type=([A-Z_0-9]{1,40}) msg=audit\((\d{1,12})\.(\d{3}):(\d{1,20})\): ?")
_PAIR = re.compile(rb"([A-Za-z0-9_\[\]-]{1,40})=(?:\"([^\"]*+)\"|'([^']*+)'|([^\s\x1d]*+))")
_HEX = re.compile(rb"(?:[0-9A-F]{2})++")
_PART = re.compile(rb"a(\d{1,6})(?:\[(\d{1,6})\])?")
_ENDS = frozenset({b"PROCTITLE", b"EOE"})  # the last lines of an event
_KNOWN = frozenset({b"SYSCALL", b"EXECVE", b"CWD", b"PROCTITLE", b"PATH", b"EOE"})
_EXEC = frozenset({b"59", b"322", b"execve", b"execveat", b"11", b"221", b"281"})  # x86-64, x86, arm64


class _Open:
    """Lines of one event that came so far."""

    def __init__(self, line: int, time_us: int, node: bytes) -> None:
        self.line, self.time_us, self.node = line, time_us, node
        self.call: dict[bytes, bytes] = {}
        self.args: dict[tuple[int, int], bytes] = {}
        self.args_bytes = 0  # of all that came, also those that a later one replaced
        self.folder = b""


def is_audit_line(line: bytes) -> bool:
    """Whether a line is of the audit log."""
    return _RECORD.match(line) is not None


def read_auditd(stream: BinaryIO, name: str, most: int, until_us: int | None = None) -> Iterator[Event | InputError]:
    """Read one event for each program that was started; audit events of other kinds are passed over."""
    opened: OrderedDict[tuple[bytes, bytes], _Open] = OrderedDict()
    for line in read_lines(stream, name, most):
        if isinstance(line, InputError):
            yield line
            continue
        found = _RECORD.match(line.text) if len(line.text) <= MAX_RECORD_BYTES else None
        if found is None:
            yield InputError("not a line of the audit log", where=f"{name}:{line.number}", code="RF250")
            continue
        if found[2] not in _KNOWN:
            continue
        at = (found[1] or b"", found[5])
        one = opened.get(at)
        if one is None:
            one = opened[at] = _Open(line.number, int(found[3]) * 1_000_000 + int(found[4]) * 1_000, found[1] or b"")
        _take(one, found[2], line.text[found.end() :])
        if found[2] in _ENDS or len(opened) > MAX_OPEN:
            done = at if found[2] in _ENDS else next(iter(opened))
            yield from _finish(opened.pop(done), name)
    for one in opened.values():
        yield from _finish(one, name)


def _take(one: _Open, kind: bytes, text: bytes) -> None:
    if kind == b"SYSCALL":
        one.call = {key: quoted or single or plain for key, quoted, single, plain in _PAIR.findall(text)}
    elif kind == b"EXECVE":
        for key, quoted, single, plain in _PAIR.findall(text):
            part = _PART.fullmatch(key)
            if part is not None and len(one.args) <= MAX_ARGS and one.args_bytes < MAX_ARGS_BYTES:
                value = one.args[int(part[1]), int(part[2] or 0)] = _text(quoted or single, plain)
                one.args_bytes += len(value)
    elif kind == b"CWD":
        for key, quoted, single, plain in _PAIR.findall(text):
            if key == b"cwd":
                one.folder = _text(quoted or single, plain)


def _text(quoted: bytes, plain: bytes) -> bytes:
    """Return a text; one with blanks or control characters is written in hexadecimal digits without quotes."""
    if quoted or not _HEX.fullmatch(plain):
        return quoted or plain
    return binascii.unhexlify(plain)


def _finish(one: _Open, name: str) -> Iterator[Event]:
    if not one.args and one.call.get(b"syscall") not in _EXEC:
        return
    args: dict[int, bytes] = {}
    for (number, _), text in sorted(one.args.items()):
        args[number] = args.get(number, b"") + text
    call = one.call
    exe = call.get(b"exe")
    given: dict[str, Given] = {
        "process.executable": _text(b"", exe) if exe else None,
        "process.args": list(args.values()),
        "process.command_line": b" ".join(args.values()) or None,
        "process.id": call.get(b"pid"),
        "parent.id": call.get(b"ppid"),
        "process.working_directory": one.folder or None,
        "user": call.get(b"UID"),
        "user.id": call.get(b"uid"),
        "login.user.id": call.get(b"auid"),
        "outcome": {b"yes": "success", b"no": "failure"}.get(call.get(b"success", b"")),
        "host": one.node or None,
    }
    event = make_event(
        "process",
        with_names(given),
        time_us=one.time_us,
        id=f"{name}:{one.line}",
        source=name,
        recorded=frozenset({"process.args", "process.command_line"}) if args else frozenset(),
    )
    is_cut = one.args_bytes >= MAX_ARGS_BYTES  # there may have been more
    yield structs.replace(event, unrecorded=event.unrecorded | {"process.args"}) if is_cut else event
