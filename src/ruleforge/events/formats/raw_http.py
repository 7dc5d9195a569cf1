"""One HTTP/1 request as text, the way proxies and write-ups show it."""

import re
from collections.abc import Iterator
from typing import BinaryIO

import msgspec

from ruleforge.errors import InputError
from ruleforge.events.formats.bounded import MAX_LINE_BYTES, MAX_TOTAL_BYTES
from ruleforge.events.request import Header, Request

METHOD = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}+")
_VERSION = re.compile(rb"HTTP/[0-9][0-9.]{0,8}", re.IGNORECASE)
_LINE_END = re.compile(rb"\r?\n\Z")


class RequestLine(msgspec.Struct, frozen=True):
    """The first line of a request; where it is broken, `method` is empty and `target` is the line as sent."""

    method: bytes
    target: bytes
    version: bytes  # empty: none was sent


def parse_request_line(line: bytes) -> RequestLine:
    """Split a request line; doubled blanks, a missing version and blanks inside the target are tolerated."""
    method, _, rest = line.strip(b" \t").partition(b" ")
    target = rest.strip(b" \t")
    if not target or not METHOD.fullmatch(method):
        return RequestLine(b"", line, b"")
    before, _, last = target.rpartition(b" ")
    if not _VERSION.fullmatch(last):
        return RequestLine(method, target, b"")
    return RequestLine(method, before.rstrip(b" \t"), last) if before.strip() else RequestLine(b"", line, b"")


def read_raw_http(stream: BinaryIO, name: str, most: int = MAX_TOTAL_BYTES) -> Iterator[Request | InputError]:
    """Read the one request that a file holds."""
    bound = min(most, MAX_LINE_BYTES)
    text = stream.read(bound + 1)
    if len(text) > bound:
        yield InputError(f"request of more than {bound} bytes", where=name, code="RF222")
    elif not text.strip():
        yield InputError("no request in the file", where=name, code="RF224")
    else:
        yield parse_raw_request(text, request_id=f"{name}:1", source=name)


def parse_raw_request(text: bytes, *, request_id: str = "", source: str = "") -> Request:
    """Read a request from its text; CRLF or LF, never refuses.

    Everything after the blank line is the body. The line end that an editor adds to a file is left out where the
    Content-Length says so, or where no header declares a body's length.
    """
    head, body = _halves(text.lstrip(b"\r\n"))
    first, *lines = [line.removesuffix(b"\r") for line in head.split(b"\n")]
    line, headers = parse_request_line(first), _headers(lines)
    return Request(
        method=line.method,
        target=line.target,
        version=line.version,
        headers=headers,
        body=None if body is None else _body(body, headers),
        id=request_id,
        source=source,
    )


def _halves(text: bytes) -> tuple[bytes, bytes | None]:
    """Head and what follows the blank line; None where there is no blank line."""
    start = 0
    while (end := text.find(b"\n", start)) >= 0:
        if text[start:end] in (b"", b"\r"):
            return text[:start].removesuffix(b"\n"), text[end + 1 :]
        start = end + 1
    return text.removesuffix(b"\n"), None


def _headers(lines: list[bytes]) -> tuple[Header, ...]:
    joined: list[list[bytes]] = []
    for line in lines:
        if line[:1] in (b" ", b"\t") and joined:
            joined[-1].append(line.strip())  # a folded value
        else:
            joined.append([line])
    headers = []
    for parts in joined:
        name, _, value = b" ".join(parts).partition(b":")
        headers.append((name.strip(), value.strip()))
    return tuple(headers)


def _body(body: bytes, headers: tuple[Header, ...]) -> bytes | None:
    lengths = [value for name, value in headers if name.lower() == b"content-length"]
    chunked = any(name.lower() == b"transfer-encoding" for name, _ in headers)
    if not lengths and not chunked:
        return _LINE_END.sub(b"", body) or None
    if len(lengths) == 1 and lengths[0].isdigit() and len(lengths[0]) < 10:
        length = int(lengths[0])
        if not body[length:].strip(b"\r\n"):
            return body[:length]
    return body
