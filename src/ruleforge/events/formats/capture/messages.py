"""The HTTP/1 messages in a run of bytes: where each begins, its head, and its body as sent."""

import re
from collections.abc import Iterator

import msgspec

from ruleforge.events.formats.raw_http import parse_raw_request
from ruleforge.events.request import Header, Request

MAX_HEAD = 256 << 10  # bytes of request line and headers
MAX_LINE = 64 << 10

# One blank between the parts, and no more: two runs of blanks that meet would be tried in every combination.
_LINE = rb"([!#$%&'*+.^_`|~0-9A-Za-z-]{1,32}[ \t][^\r\n]{1,65536}[ \t]HTTP/[0-9][0-9.]{0,8})\r?\n"
_HERE = re.compile(_LINE)
_LATER = re.compile(rb"\n" + _LINE)
_RESPONSE = re.compile(rb"HTTP/[0-9.]{1,8}[ \t]+([0-9]{3})[^\r\n]{0,1000}\r?\n")
_HEAD_END = re.compile(rb"\r?\n\r?\n")
_CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,8})[ \t]*(?:;[^\n]{0,4096})?\r?\n")
_NO_BODY = frozenset({204, 304})


class Message(msgspec.Struct, frozen=True):
    """One request found in a run."""

    offset: int
    request: Request  # without ids, times and addresses
    cut: bool  # its body goes on where the run ends


class _Body(msgspec.Struct, frozen=True):
    end: int  # offset after it
    cut: bool = False


def find_requests(data: bytes, *, whole: bool) -> Iterator[Message]:
    """Yield the requests in `data`, skipping what is none.

    Args:
        data: bytes one client sent, without gaps.
        whole: the sender closed after them: a body shorter than announced was sent so.
    """
    position = 0
    while (found := _next_request(data, position)) is not None:
        start = found.start(1)
        end = _HEAD_END.search(data, found.end() - 2, start + MAX_HEAD)
        if end is None:  # the head is cut off, or too long; its first lines may tell enough
            position = min(start + MAX_HEAD, len(data))
            yield Message(start, _broken(data[start:position], whole), cut=not whole)
            continue
        request = parse_raw_request(data[start : end.end()])
        body = _body_of(data, end.end(), request.headers)
        cut = body.cut and not whole
        yield Message(start, _with_body(request, data[end.end() : body.end], cut=cut), cut)
        position = body.end


def find_statuses(data: bytes, methods: list[bytes]) -> list[int]:
    """The status codes of the final responses that `data` begins with, at most one per method.

    Args:
        data: bytes one server sent, from the beginning.
        methods: of the requests they answer, in order: a HEAD has no body.
    """
    statuses: list[int] = []
    position = 0
    while len(statuses) < len(methods) and (found := _RESPONSE.match(data, position)) is not None:
        status = int(found[1])
        end = _HEAD_END.search(data, found.end() - 2, position + MAX_HEAD)
        if status >= 200 or status == 101:
            method = methods[len(statuses)]
            statuses.append(status)
        else:
            method = b""
        if end is None:
            break
        if method == b"HEAD" or status < 200 or status in _NO_BODY:
            position = end.end()
            continue
        headers = parse_raw_request(data[position : end.end()]).headers
        if not any(name.lower() in (b"content-length", b"transfer-encoding") for name, _ in headers):
            break  # it ends with the connection
        position = _body_of(data, end.end(), headers).end
    return statuses


def _next_request(data: bytes, position: int) -> re.Match[bytes] | None:
    """The next request line: right here, after empty lines, or at the beginning of a later line."""
    while position < len(data) and data[position] in b"\r\n":
        position += 1
    return _HERE.match(data, position) or _LATER.search(data, position)


def _broken(head: bytes, whole: bool) -> Request:
    """A request whose head never ends: kept as far as it goes, and what is missing is unknown."""
    if whole:
        return parse_raw_request(head)
    lines = head.split(b"\n")
    kept = b"\n".join(lines[:-1]) + b"\n\n"  # the last line may be half of one
    request = parse_raw_request(kept)
    names = frozenset(name.lower() for name, _ in request.headers)
    return msgspec.structs.replace(request, unrecorded=frozenset({"body"}), recorded_headers=names)


def _with_body(request: Request, body: bytes, *, cut: bool) -> Request:
    if cut:
        return msgspec.structs.replace(request, body=None, unrecorded=frozenset({"body"}))
    declared = any(name.lower() in (b"content-length", b"transfer-encoding") for name, _ in request.headers)
    return msgspec.structs.replace(request, body=body if body or declared else None)


def _body_of(data: bytes, start: int, headers: tuple[Header, ...]) -> _Body:
    """Where the body that begins at `start` ends: chunked goes before a length, as servers read it."""
    if any(name.lower() == b"transfer-encoding" and b"chunked" in value.lower() for name, value in headers):
        return _chunked(data, start)
    length = next((value for name, value in headers if name.lower() == b"content-length"), b"0").strip()
    if not length.isdigit() or len(length) > 12:
        return _Body(start)
    end = start + int(length)
    return _Body(min(end, len(data)), cut=end > len(data))


def _chunked(data: bytes, start: int) -> _Body:
    position = start
    while (size := _CHUNK_SIZE.match(data, position)) is not None:
        position = size.end() + int(size[1], 16)
        if not int(size[1], 16):
            return _trailers(data, size.end())
        line_end = data[position : position + 2]
        position += 2 if line_end == b"\r\n" else 1 if line_end[:1] == b"\n" else 0
        if position > len(data):
            break
    return _Body(min(position, len(data)), cut=True)


def _trailers(data: bytes, position: int) -> _Body:
    """After the last chunk: lines up to an empty one."""
    for _ in range(100):
        end = data.find(b"\n", position, position + MAX_LINE)
        if end < 0:
            return _Body(len(data), cut=True)
        line, position = data[position:end], end + 1
        if line in (b"", b"\r"):
            return _Body(position)
    return _Body(position)
