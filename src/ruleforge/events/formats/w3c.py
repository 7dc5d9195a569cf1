"""Logs that name their fields: IIS and other servers' W3C extended format, CloudFront's standard and real-time logs.

What is recorded follows from the field list. IIS writes `+` for a blank inside a value, so a User-Agent or Cookie is
shown with blanks but does not count as recorded exactly: a rule that does not find its text there answers "unknown".
CloudFront percent-encodes some characters of header values, once or twice; the target is taken as it stands.
Sources: w3.org/TR/WD-logfile, learn.microsoft.com (IIS logging), docs.aws.amazon.com (CloudFront access logs).
"""

import re
import urllib.parse
from collections.abc import Callable, Iterator, Sequence
from typing import BinaryIO

from ruleforge.errors import InputError
from ruleforge.events.formats.bounded import MAX_TOTAL_BYTES, Line, read_lines
from ruleforge.events.formats.parts import Parts, as_status, as_time, request_of
from ruleforge.events.request import Header, Request

MAX_FIELDS = 500

_FIELDS = re.compile(rb"#Fields:[ \t]*", re.IGNORECASE)
_HEADER_FIELD = re.compile(rb"cs\(([^()]{1,100})\)", re.IGNORECASE)
# CloudFront's real-time logs call the same things otherwise.
_ALIASES = {
    b"timestamp": b"epoch",
    b"cs-protocol-version": b"cs-version",
    b"x-host-header": b"cs-host",
    b"cs-user-agent": b"cs(user-agent)",
    b"cs-referer": b"cs(referer)",
    b"cs-cookie": b"cs(cookie)",
}
_HINT = "as many values as the line #Fields: names"
_PRAGMAS = (b"#Fields:", b"#Version:", b"#Software:", b"#Date:")


def is_w3c(start: bytes) -> bool:
    """Whether a file that begins so names its fields."""
    return start.startswith(_PRAGMAS) and b"#Fields:" in start and b"#separator" not in start[:200]


def read_w3c(
    stream: BinaryIO, name: str, most: int = MAX_TOTAL_BYTES, fields: Sequence[str] = ()
) -> Iterator[Request | InputError]:
    """Read one request a line.

    Args:
        stream: decompressed bytes.
        name: of the file.
        most: bytes to read at most.
        fields: of lines before the first `#Fields:`; real-time logs of CloudFront have none.
    """
    read = _reader_of([field.encode() for field in fields], is_cloudfront=True) if fields else None
    is_cloudfront = bool(fields)
    for line in read_lines(stream, name, most):
        if isinstance(line, InputError):
            yield line
        elif (found := _FIELDS.match(line.text)) is not None:
            names = line.text[found.end() :].split()[:MAX_FIELDS]
            is_cloudfront = b"x-edge-location" in names or b"x-edge-result-type" in names
            read = _reader_of(names, is_cloudfront=is_cloudfront)
        elif not line.text.startswith(b"#"):
            yield _no_fields(line, name) if read is None else read(line, name)


def _no_fields(line: Line, name: str) -> InputError:
    hint = "the field list stands before the lines, or is given"
    return InputError("no #Fields: before this line", where=f"{name}:{line.number}", hint=hint, code="RF224")


def _reader_of(names: list[bytes], *, is_cloudfront: bool) -> Callable[[Line, str], Request | InputError]:
    """The reader of lines with these fields."""
    keys = [_ALIASES.get(name.lower(), name.lower()) for name in names]
    if is_cloudfront and b"cs-host" in keys:
        keys = [b"" if key == b"cs(host)" else key for key in keys]  # the distribution's own name, not what was sent
    headers = _header_fields(names, keys)
    exact = {name.lower() for _, name in headers}
    exact -= {b"cookie"} if is_cloudfront else {b"user-agent", b"cookie"}  # CloudFront logs cookies only if told to
    recorded = frozenset(exact)

    def read(line: Line, name: str) -> Request | InputError:
        where = f"{name}:{line.number}"
        values = line.text.split(b"\t") if b"\t" in line.text else line.text.split(b" ")
        if len(values) != len(keys):
            what = f"{len(values)} values for {len(keys)} fields"
            return InputError(what, where=where, hint=_HINT, code="RF224")
        entry = dict(zip(keys, values, strict=True))
        sent = tuple([pair for key, header in headers if (pair := _header(header, entry[key], is_cloudfront))])
        try:
            return request_of(_parts(entry, sent if headers else None, recorded), where, name)
        except ValueError as error:
            return InputError(f"not a request: {error}", where=where, hint=_HINT, code="RF224")

    return read


def _header_fields(names: list[bytes], keys: list[bytes]) -> list[tuple[bytes, bytes]]:
    found = []
    for name, key in zip(names, keys, strict=True):
        if key == b"cs-host":
            found.append((key, b"Host"))
        elif (header := _HEADER_FIELD.fullmatch(name if _HEADER_FIELD.fullmatch(name) else key)) and key:
            found.append((key, header[1].title() if header[1].islower() else header[1]))
        elif key == b"x-forwarded-for":
            found.append((key, b"X-Forwarded-For"))
    return found


def _header(name: bytes, value: bytes, is_cloudfront: bool) -> Header | None:
    if value == b"-":
        return None
    if not is_cloudfront:
        return name, value.replace(b"+", b" ") if name.lower() in (b"user-agent", b"cookie") else value
    for _ in range(2):
        if b"%" in value:
            value = urllib.parse.unquote_to_bytes(value)
    return name, value.strip()


def _parts(entry: dict[bytes, bytes], headers: tuple[Header, ...] | None, recorded: frozenset[bytes]) -> Parts:
    path, query = entry.get(b"cs-uri-stem"), entry.get(b"cs-uri-query", b"-")
    target = None if path is None or b"cs-uri-query" not in entry else path + (b"" if query == b"-" else b"?" + query)
    if target is None and (uri := entry.get(b"cs-uri")) is not None:
        target = uri
    if target is None and path is not None:
        target = path if b"?" in path else None
    method, version = entry.get(b"cs-method"), entry.get(b"cs-version")
    return Parts(
        method=None if method is None else method.replace(b"-", b"", int(method == b"-")),
        target=target,
        version=None if version in (None, b"-") else version,
        headers=headers,
        recorded=recorded,
        source_address=entry.get(b"c-ip", b"-").removeprefix(b"-"),
        status=as_status(entry.get(b"sc-status", b"").decode("latin-1")),
        time=_time(entry),
    )


def _time(entry: dict[bytes, bytes]) -> str:
    """Date and time, which are in UTC."""
    if b"epoch" in entry:
        return as_time(entry[b"epoch"].decode("utf-8", "replace"))
    date, time = (entry.get(key, b"").decode("utf-8", "replace")[:40] for key in (b"date", b"time"))
    return f"{date}T{time}Z" if date and time else ""
