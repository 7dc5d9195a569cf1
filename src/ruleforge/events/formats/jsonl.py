"""Requests as JSON lines: one object a line, as `docs/reference/formats.md` describes it, and back again."""

import base64
import binascii
import json
from collections.abc import Iterator
from typing import Any, BinaryIO

import msgspec

from ruleforge.errors import InputError
from ruleforge.events.formats.bounded import MAX_TOTAL_BYTES, Line, read_lines
from ruleforge.events.request import Header, Request

_BODY_HEADERS = frozenset({b"content-length", b"transfer-encoding"})


class _Row(msgspec.Struct):
    """One line as it is written; other keys are ignored."""

    target: str | None = None
    method: str | None = None
    version: str | None = None
    headers: list[tuple[str, str]] | None = None
    body: str | None = None
    body_b64: bool | None = False
    body_sent: bool | None = None  # whether an empty `body` was sent; None: as the headers say
    b64: tuple[str, ...] = ()  # keys whose texts are base64, where they are no UTF-8
    recorded_headers: list[str] | None = None
    id: str | None = None
    source: str | None = None
    src_ip: str | None = None
    ts: str | int | float | None = None
    status: int | str | None = None


_DECODER = msgspec.json.Decoder(_Row)


def read_jsonl(stream: BinaryIO, name: str, most: int = MAX_TOTAL_BYTES) -> Iterator[Request | InputError]:
    """Read one request a line; a line that cannot be read is given as an error and the rest goes on.

    Args:
        stream: decompressed bytes.
        name: of the file, for ids and places.
        most: bytes to read at most.
    """
    for line in read_lines(stream, name, most):
        yield _read(line, name) if isinstance(line, Line) else line


def _read(line: Line, name: str) -> Request | InputError:
    where = f"{name}:{line.number}"
    try:
        return _request(_decode(line.text), where, name)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        hint = "each line is an object with at least `target`"
        return InputError(f"not a request: {error}", where=where, hint=hint, code="RF223")


def _decode(text: bytes) -> _Row:
    try:
        return _DECODER.decode(text)
    except msgspec.ValidationError:
        raise
    except msgspec.DecodeError:
        if b"\\u" not in text:
            raise
        # msgspec refuses lone surrogates, which JavaScript writes where it cut a text; then they stay as they are.
        return msgspec.convert(json.loads(text), _Row)


def _request(row: _Row, where: str, name: str) -> Request:
    unrecorded = {key for key in ("method", "version", "headers", "body") if getattr(row, key) is None}
    if row.target is None:
        unrecorded.add("target")
        if row.method is None:
            raise ValueError("neither method nor target")
    headers = tuple([_header(row, key, value) for key, value in row.headers or ()])
    return Request(
        method=_text(row, "method", row.method),
        target=_text(row, "target", row.target),
        version=_text(row, "version", row.version),
        headers=headers,
        body=_body(row, headers),
        id=row.id or where,
        source=row.source or name,
        source_address=_text(row, "src_ip", row.src_ip),
        status=_status(row.status),
        time="" if row.ts is None else str(row.ts),
        unrecorded=_UNRECORDED.setdefault(key := frozenset(unrecorded), key),
        recorded_headers=None if row.recorded_headers is None else frozenset(_names(row)),
    )


_UNRECORDED: dict[frozenset[str], frozenset[str]] = {}  # at most 32: rows share one set


def _text(row: _Row, key: str, text: str | None) -> bytes:
    if not text:
        return b""
    return base64.b64decode(text, validate=True) if key in row.b64 else text.encode("utf-8", "surrogatepass")


def _header(row: _Row, name: str, value: str) -> Header:
    if "headers" in row.b64:
        return _text(row, "headers", name), _text(row, "headers", value)
    return name.encode("utf-8", "surrogatepass"), value.strip(" \t\r\n").encode("utf-8", "surrogatepass")


def _names(row: _Row) -> list[bytes]:
    return [_text(row, "recorded_headers", name).lower() for name in row.recorded_headers or ()]


def _body(row: _Row, headers: tuple[Header, ...]) -> bytes | None:
    if row.body:
        text = row.body.encode("utf-8", "surrogatepass")
        return base64.b64decode(text, validate=True) if row.body_b64 else text
    if row.body is None:
        return None
    sent = row.body_sent
    return b"" if (declares_body(headers) if sent is None else sent) else None


def declares_body(headers: tuple[Header, ...]) -> bool:
    """Whether the headers announce a body, so that an empty one was sent rather than none."""
    return any(len(name) in (14, 17) and name.lower() in _BODY_HEADERS for name, _ in headers)


def _status(status: int | str | None) -> int | None:
    text = str(status)
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 3 else None


def request_to_json(request: Request) -> dict[str, Any]:
    """Write a request as the object that `read_jsonl` reads back to the same request."""
    row: dict[str, Any] = {"id": request.id, "source": request.source}
    b64: list[str] = []
    for key, value in (("method", request.method), ("target", request.target), ("version", request.version)):
        row[key] = None if key in request.unrecorded else _written(value, key, b64)
    row["headers"] = None if "headers" in request.unrecorded else _written_headers(request.headers, b64)
    row |= _written_body(request)
    if request.recorded_headers is not None:
        names = sorted(request.recorded_headers)
        coded = not all(_is_text(name) for name in names)
        b64 += ["recorded_headers"] * coded
        row["recorded_headers"] = [_as_text(name, coded) for name in names]
    if request.source_address:
        row["src_ip"] = _written(request.source_address, "src_ip", b64)
    if request.time:
        row["ts"] = request.time
    if request.status is not None:
        row["status"] = request.status
    return row | ({"b64": b64} if b64 else {})


def _written(value: bytes, key: str, b64: list[str]) -> str:
    coded = not _is_text(value)
    b64 += [key] * coded
    return _as_text(value, coded)


def _written_headers(headers: tuple[Header, ...], b64: list[str]) -> list[list[str]]:
    coded = not all(_is_text(part) for header in headers for part in header)
    b64 += ["headers"] * coded
    return [[_as_text(name, coded), _as_text(value, coded)] for name, value in headers]


def _written_body(request: Request) -> dict[str, Any]:
    if "body" in request.unrecorded:
        return {"body": None, "body_b64": False}
    body = request.body or b""
    coded = not _is_text(body)
    row: dict[str, Any] = {"body": _as_text(body, coded), "body_b64": coded}
    if not body and (request.body is not None) != declares_body(request.headers):
        row["body_sent"] = request.body is not None
    return row


def _is_text(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True


def _as_text(value: bytes, coded: bool) -> str:
    return binascii.b2a_base64(value, newline=False).decode() if coded else value.decode()
