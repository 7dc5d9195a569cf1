"""HAR: what a browser recorded, one JSON document; an entry that is broken costs only itself."""

import base64
import json
import re
import urllib.parse
import zlib
from collections.abc import Iterator
from typing import Any, BinaryIO

import msgspec

from ruleforge.errors import InputError
from ruleforge.events.formats.bounded import MAX_TOTAL_BYTES
from ruleforge.events.request import Header, Request

MAX_HAR_BYTES = 64 << 20  # after decompression
MAX_ENTRIES = 100_000

_URL = re.compile(r"(?:https?|wss?)://([^/?#]*)([^#]*)", re.IGNORECASE)
_LOOKS_LIKE_HAR = re.compile(rb'\{\s{0,200}"log"\s{0,200}:\s{0,200}\{')


class _Pair(msgspec.Struct):
    """A header or a form argument."""

    name: str = ""
    value: str | None = ""


class _PostData(msgspec.Struct):
    """The body, as text or as form arguments."""

    text: str | None = None
    encoding: str | None = None
    mime_type: str | None = msgspec.field(default=None, name="mimeType")
    params: list[_Pair] | None = None


class _Sent(msgspec.Struct):
    """The request of an entry; other keys are ignored."""

    url: str
    method: str = ""
    version: str | None = msgspec.field(default=None, name="httpVersion")
    headers: list[_Pair] | None = None
    body: _PostData | None = msgspec.field(default=None, name="postData")
    body_size: int | float | None = msgspec.field(default=None, name="bodySize")


class _Answer(msgspec.Struct):
    """The response of an entry."""

    status: int | float | None = None


class _Entry(msgspec.Struct):
    """One exchange."""

    request: _Sent
    response: _Answer | None = None
    time: str | None = msgspec.field(default=None, name="startedDateTime")


class _RawLog(msgspec.Struct):
    entries: list[msgspec.Raw]


class _RawDocument(msgspec.Struct):
    log: _RawLog


class _Log(msgspec.Struct):
    entries: list[Any]


class _Document(msgspec.Struct):
    log: _Log


_DOCUMENT = msgspec.json.Decoder(_RawDocument)
_ENTRY = msgspec.json.Decoder(_Entry)


def is_har(start: bytes) -> bool:
    """Whether a file that begins so, blanks and byte order mark taken off, is a HAR document."""
    return _LOOKS_LIKE_HAR.match(start) is not None


def read_har(stream: BinaryIO, name: str, most: int = MAX_TOTAL_BYTES) -> Iterator[Request | InputError]:
    """Read the requests of all entries, in order; an entry that cannot be read is given as an error.

    Args:
        stream: decompressed bytes.
        name: of the file, for ids and places.
        most: bytes to read at most; never more than 64 MiB.
    """
    bound = min(most, MAX_HAR_BYTES)
    try:
        data = stream.read(bound + 1)
    except (OSError, EOFError, zlib.error) as error:
        yield InputError(f"the file is damaged: {error}", where=name, code="RF225")
        return
    if len(data) > bound:
        yield InputError(f"more than {bound} bytes", where=name, hint="export fewer entries", code="RF222")
        return
    try:
        entries = _entries(data.removeprefix(b"\xef\xbb\xbf").strip())
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        yield InputError(f"not a HAR document: {error}", where=name, hint="export it again", code="RF223")
        return
    for number, raw in enumerate(entries[:MAX_ENTRIES], 1):
        yield _read(raw, f"{name}:{number}", name)
    if len(entries) > MAX_ENTRIES:
        yield InputError(f"only {MAX_ENTRIES} of {len(entries)} entries are read", where=name, code="RF222")


def _read(raw: object, where: str, name: str) -> Request | InputError:
    try:
        return _request(_decode(raw), where, name)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        hint = "an entry has `request` with `method` and an http `url`"
        return InputError(f"not a request: {error}", where=where, hint=hint, code="RF223")


def _entries(data: bytes) -> list[Any]:
    """The entries, each as JSON text; as plain data where the document has lone surrogates, which msgspec refuses."""
    try:
        return list(_DOCUMENT.decode(data).log.entries)
    except msgspec.ValidationError:
        raise
    except msgspec.DecodeError:
        if b"\\u" not in data:
            raise
        return msgspec.convert(json.loads(data), _Document).log.entries


def _decode(entry: object) -> _Entry:
    return _ENTRY.decode(entry) if isinstance(entry, msgspec.Raw) else msgspec.convert(entry, _Entry)


def _request(entry: _Entry, where: str, name: str) -> Request:
    sent = entry.request
    url = _URL.match(sent.url)
    if url is None:
        raise ValueError(f"the URL {sent.url[:40]!r} is not one of HTTP")
    authority = _bytes(url[1].rpartition("@")[2])
    target = _bytes(url[2])
    unrecorded = {"headers"} if sent.headers is None else set()
    version = (sent.version or "").strip()
    if not version or version.lower() == "unknown":
        version = ""
        unrecorded.add("version")
    body = _body(sent)
    if body is None and (sent.body is not None or (sent.body_size or 0) > 0):
        unrecorded.add("body")
    return Request(
        method=_bytes(sent.method),
        target=target if target.startswith(b"/") else b"/" + target,
        version=_bytes(version),
        headers=() if sent.headers is None else _headers(sent.headers, authority),
        body=body,
        id=where,
        source=name,
        status=_status(entry.response),
        time=entry.time or "",
        unrecorded=frozenset(unrecorded),
    )


def _headers(pairs: list[_Pair], authority: bytes) -> tuple[Header, ...]:
    """The headers without HTTP/2's `:method` and the like; `:authority` is what `Host` is in HTTP/1."""
    headers = [(_bytes(pair.name), _bytes((pair.value or "").strip(" \t\r\n"))) for pair in pairs]
    kept = [header for header in headers if not header[0].startswith(b":")]
    if len(kept) < len(headers) and not any(name.lower() == b"host" for name, _ in kept):
        kept.insert(0, (b"host", authority))
    return tuple(kept)


def _body(sent: _Sent) -> bytes | None:
    """The body, or None where there is none or only its parts were recorded."""
    post = sent.body
    if post is None:
        return None
    if post.text:
        return base64.b64decode(post.text, validate=True) if post.encoding == "base64" else _bytes(post.text)
    if post.params and "urlencoded" in (post.mime_type or ""):
        pairs = [(_bytes(pair.name), _bytes(pair.value or "")) for pair in post.params]
        return urllib.parse.urlencode(pairs).encode()
    return None if post.params or (sent.body_size or 0) > 0 else b""


def _status(answer: _Answer | None) -> int | None:
    status = answer.status if answer is not None else None
    return int(status) if status is not None and 100 <= status <= 999 else None


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
