"""Undo what a body was wrapped in for the way: chunks, compression, UTF-16 and UTF-7."""

import codecs
import importlib
import re
import zlib
from collections.abc import Iterable

import msgspec

from ruleforge.events.bodies.bounds import MAX_BODY_BYTES, MAX_CODINGS, MAX_GZIP_MEMBERS, MAX_RATIO

_CHUNK_SIZE = re.compile(rb"([0-9a-fA-F]{1,8})[ \t]*+(?:;[^\n]{0,1000})?\r?\n")
_CHARSET = re.compile(rb"charset\s{0,8}=\s{0,8}[\"']?([A-Za-z0-9_.:-]{1,40})", re.IGNORECASE)
_OPAQUE = frozenset({b"zstd", b"compress", b"x-compress", b"dcb", b"dcz"})  # real codings that we cannot undo


class DecodedBody(msgspec.Struct, frozen=True, gc=False):
    """A body after its codings; `content` is None where nothing of it could be read."""

    content: bytes | None
    complete: bool = True


def decode_body(
    raw: bytes, *, transfer: Iterable[bytes] = (), content: Iterable[bytes] = (), media_type: bytes = b""
) -> DecodedBody:
    """Undo chunking, compression and wide character sets.

    A body that does not look like what its headers declare is taken as it is: recorders often undo a coding and
    keep the header. Unknown coding names are ignored, as servers do.

    Args:
        raw: the body as sent.
        transfer: values of the Transfer-Encoding headers.
        content: values of the Content-Encoding headers, in order.
        media_type: the Content-Type header.
    """
    body, complete = raw[:MAX_BODY_BYTES], len(raw) <= MAX_BODY_BYTES
    if b"chunked" in _tokens(transfer):
        body, whole = _dechunk(body)
        complete = complete and whole
    layers = [token for token in _tokens(content) if token in _DECODERS or token in _OPAQUE]
    if len(layers) > MAX_CODINGS or not _OPAQUE.isdisjoint(layers):
        return DecodedBody(None, complete=False)
    most = min(MAX_BODY_BYTES, len(body) * MAX_RATIO)
    for layer in reversed(layers):
        undone = _DECODERS[layer](body, most)
        if undone is None:
            return DecodedBody(None, complete=False)
        body, whole = undone
        complete = complete and whole
    return _to_utf8(body, media_type, complete)


def _tokens(values: Iterable[bytes]) -> list[bytes]:
    return [token.strip().lower() for value in values for token in value.split(b",")]


def _dechunk(body: bytes) -> tuple[bytes, bool]:
    chunks: list[bytes] = []
    at = 0
    while size := _CHUNK_SIZE.match(body, at):
        length, start = int(size[1], 16), size.end()
        if length == 0:
            return b"".join(chunks), True
        chunks.append(body[start : start + length])
        at = start + length
        at += 2 if body[at : at + 2] == b"\r\n" else body[at : at + 1] == b"\n"
    return (b"".join(chunks), False) if chunks else (body, True)


def _inflate(body: bytes, most: int, window: int) -> tuple[bytes, bool]:
    """At most `most` bytes, whether that is all, and for gzip every member."""
    found, members = b"", 0
    while body and members < MAX_GZIP_MEMBERS:
        stream = zlib.decompressobj(window)
        try:
            found += stream.decompress(body, most - len(found) + 1)
        except zlib.error:
            return found[:most], members > 0  # bytes after a whole member are padding, not data
        if len(found) > most or not stream.eof:
            return found[:most], False
        body, members = stream.unused_data, members + 1
        if window != _GZIP:
            return found, True
    return found, not body


_GZIP, _ZLIB, _RAW_DEFLATE = 31, 15, -15


def _gunzip(body: bytes, most: int) -> tuple[bytes, bool]:
    return _inflate(body, most, _GZIP) if body[:2] == b"\x1f\x8b" else (body, True)


def _undeflate(body: bytes, most: int) -> tuple[bytes, bool]:
    has_header = len(body) > 1 and body[0] & 15 == 8 and (body[0] << 8 | body[1]) % 31 == 0
    for window in (_ZLIB, _RAW_DEFLATE) if has_header else (_RAW_DEFLATE,):
        found, whole = _inflate(body, most, window)
        if found:
            return found, whole
    return body, True


def _unbrotli(body: bytes, most: int) -> tuple[bytes, bool] | None:
    """None without a brotli module that can bound its output (1.2 or later)."""
    try:
        module = importlib.import_module("brotli")
        stream = module.Decompressor()
        found = bytes(stream.process(body, output_buffer_limit=most + 1))
        while len(found) <= most and not stream.is_finished() and not stream.can_accept_more_data():
            found += bytes(stream.process(b"", output_buffer_limit=most + 1 - len(found)))
    except (ImportError, TypeError, AttributeError):
        return None
    except module.error:
        return (body, True) if _PLAIN.match(body) else (b"", False)
    whole = len(found) <= most and bool(stream.is_finished())
    # Brotli has no signature: text that makes no stream was undone by the recorder.
    return (body, True) if not found and not whole and _PLAIN.match(body) else (found[:most], whole)


_PLAIN = re.compile(rb"[\t\r\n -~\xc2-\xf4\x80-\xbf]*+\Z")
_DECODERS = {b"gzip": _gunzip, b"x-gzip": _gunzip, b"deflate": _undeflate, b"br": _unbrotli}


def _to_utf8(body: bytes, media_type: bytes, complete: bool) -> DecodedBody:
    codec = _wide_codec(body, media_type)
    if codec is None:
        return DecodedBody(body, complete)
    marked = body.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    decoder = codecs.getincrementaldecoder(codec)("replace" if codec == "utf-7" else "surrogatepass")
    # Of a body that was cut, a last character that is not whole is left out: it would come out as another.
    text = decoder.decode(body if codec == "utf-7" else _even(body[2 * marked :]), final=complete)
    narrow = text.encode("utf-8", "surrogatepass")
    return DecodedBody(narrow[:MAX_BODY_BYTES], complete and len(narrow) <= MAX_BODY_BYTES)


def _even(body: bytes) -> bytes:
    return body[: len(body) & ~1]


def _wide_codec(body: bytes, media_type: bytes) -> str | None:
    if body.startswith(codecs.BOM_UTF16_LE):
        return "utf-16-le"
    if body.startswith(codecs.BOM_UTF16_BE):
        return "utf-16-be"
    declared = _CHARSET.search(media_type[:1000])
    name = declared[1].lower().replace(b"_", b"-") if declared else b""
    if name in (b"utf-7", b"unicode-1-1-utf-7"):
        return "utf-7"
    if not name.startswith((b"utf-16", b"utf16")) or b"\0" not in body:
        return None  # declared wide, but not a wide byte in it: the text is plain
    if name.endswith(b"be"):
        return "utf-16-be"
    return "utf-16-le" if name.endswith(b"le") or body[0] != 0 else "utf-16-be"
