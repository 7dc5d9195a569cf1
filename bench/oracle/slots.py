"""Every place of a request that holds a value someone chose, read and written again.

The ORACLE's own reading: it shares no code with that of the program's cases, so that a mistake there is seen here.
"""

import json
import re
from collections.abc import Callable, Iterator
from urllib.parse import quote_from_bytes

import msgspec

from oracle.case import Case, Piece, join
from ruleforge.events.decoding import percent_decode
from ruleforge.events.request import Request

# Set by the client for every request: nobody chooses these, and none is rewritten.
_FRAMING = frozenset((b"content-length", b"transfer-encoding", b"connection", b"content-encoding", b"cookie"))
_BOUNDARY = re.compile(rb"boundary=\"?([A-Za-z0-9'()+_,./:=?-]{1,70})\"?", re.IGNORECASE)
_NAME = re.compile(rb'(?<!file)name="([^"\r\n]{0,200})"')
_FILENAME = re.compile(rb'filename="([^"\r\n]{0,400})"')
_XML_TEXT = re.compile(rb"(<[A-Za-z_][\w.:-]{0,80}[^<>]{0,2000}>)([^<>]{1,8000})(?=</)")
_XML_ATTRIBUTE = re.compile(rb"(\s[A-Za-z_][\w.:-]{0,80}=)(\"[^\"<]{1,4000}\"|'[^'<]{1,4000}')")
_XML_NAME = re.compile(rb"[<\s]([A-Za-z_][\w.:-]{0,80})")
_KEY = re.compile(r'"([^"\\]{0,200})"\s{0,20}:')
DEPTH_MOST = 40


class Slot(msgspec.Struct, frozen=True):
    """One value with its place."""

    place: (
        str  # "query" | "form" | "json" | "part" | "filename" | "header" | "cookie" | "xml" | "raw_query" | "raw_body"
    )
    name: str  # leaf name, lower case; "" where it has none
    value: bytes  # decoded as a server would, once


Change = Callable[[Slot], bytes | None]  # the new value; None: leave it as it was sent


def slots(case: Case) -> tuple[Slot, ...]:
    """Return every slot of a request, in the order in which they stand."""
    found: list[Slot] = []

    def note(slot: Slot) -> None:
        found.append(slot)

    rewrite(case, note)
    return tuple(found)


def rewrite(case: Case, change: Change) -> Request:
    """Write a request again with other values; what `change` leaves alone stays byte for byte."""
    headers = tuple(_headers(case, change))
    request = msgspec.structs.replace(case.request, headers=headers)
    changed = Case(request, case.advisory)
    target = case.path + (b"?" + _query(case, change) if case.has_query else b"")
    changed = Case(changed.with_target(target), case.advisory)
    body = _body(case, change)
    return changed.request if body is None or body == case.body else changed.with_body(body)


def names(case: Case) -> tuple[bytes, ...]:
    """Return the names of all arguments, keys and parts, decoded once: a name can carry an attack, too."""
    pieces = (*(case.query_pieces or _loose_pieces(case.query)), *case.form_pieces)
    found = [percent_decode(piece.name.replace(b"+", b" ")) for piece in pieces]
    if case.body.lstrip()[:1] in (b"{", b"["):
        found += [key.encode() for key in _KEY.findall(case.body[: 1 << 16].decode("utf-8", "replace"))]
    if case.media_type == b"multipart/form-data":
        found += [each[1] for each in _NAME.finditer(case.body)]
    return tuple(found)


def leaf(name: bytes) -> str:
    """Return the last step of a name: "b" of "a[b]", "a.b" and "a/b"; lower case."""
    steps = [step for step in re.split(rb"[\[\].:/]", name[-200:]) if step and not step.isdigit()]
    return (steps[-1] if steps else b"").decode("latin-1").lower()


def _headers(case: Case, change: Change) -> Iterator[tuple[bytes, bytes]]:
    for name, value in case.request.headers:
        lower = name.lower()
        if lower == b"cookie":
            yield name, _cookies(value, change)
        elif lower in _FRAMING or (lower == b"content-type" and b"multipart" in value.lower()):
            yield name, value
        else:
            new = change(Slot("header", lower.decode("latin-1"), value))
            yield name, value if new is None else new


def _cookies(text: bytes, change: Change) -> bytes:
    pieces = []
    for piece in text.split(b";"):
        name, equals, value = piece.partition(b"=")
        new = change(Slot("cookie", leaf(name.strip()), percent_decode(value))) if equals else None
        pieces.append(piece if new is None else name + b"=" + new)
    return b";".join(pieces)


def _query(case: Case, change: Change) -> bytes:
    pieces = case.query_pieces or _loose_pieces(case.query)
    if pieces:
        return join(_pieces(pieces, "query", change))
    new = change(Slot("raw_query", "", percent_decode(case.query))) if case.query else None
    return case.query if new is None else new


def _loose_pieces(text: bytes) -> tuple[Piece, ...]:
    """Split a query in which some arguments have no value; () where none has one."""
    found = [part.partition(b"=") for part in text.split(b"&")]
    if b"=" not in text or any(not re.fullmatch(rb"[\w\[\].%-]{0,100}", name) for name, _, _ in found):
        return ()
    return tuple(Piece(name, value, bool(equals)) for name, equals, value in found)


def _pieces(pieces: tuple[Piece, ...], place: str, change: Change) -> Iterator[Piece]:
    for piece in pieces:
        if not piece.equals:
            yield piece
            continue
        name = percent_decode(piece.name.replace(b"+", b" "))
        new = change(Slot(place, leaf(name), piece.text))
        yield piece if new is None else Piece(piece.name, quote_from_bytes(new, safe="").encode())


def _body(case: Case, change: Change) -> bytes | None:
    """Return the body written again; None where there is none."""
    body = case.body
    if not body:
        return None
    if case.form_pieces:
        return join(_pieces(case.form_pieces, "form", change))
    for read in (_json, _multipart, _xml):
        written = read(case, change)
        if written is not None:
            return written
    new = change(Slot("raw_body", "", body))
    return body if new is None else new


def _json(case: Case, change: Change) -> bytes | None:
    if case.body.lstrip()[:1] not in (b"{", b"["):
        return None
    try:
        document = json.loads(case.body.decode())
    except (ValueError, RecursionError):
        return None
    touched = False

    def walk(node: object, name: str, depth: int) -> object:
        nonlocal touched
        if depth > DEPTH_MOST:
            return node
        if isinstance(node, dict):
            return {key: walk(value, key, depth + 1) for key, value in node.items()}
        if isinstance(node, list):
            return [walk(value, name, depth + 1) for value in node]
        if isinstance(node, str):
            new = change(Slot("json", leaf(name.encode("utf-8", "replace")), node.encode("utf-8", "surrogatepass")))
            touched |= new is not None
            return node if new is None else new.decode("utf-8", "replace")
        return node

    written = walk(document, "", 0)
    return json.dumps(written, separators=(", ", ": ")).encode() if touched else case.body


def _multipart(case: Case, change: Change) -> bytes | None:
    found = _BOUNDARY.search(case.header(b"content-type"))
    if case.media_type != b"multipart/form-data" or not found or b"--" + found[1] not in case.body:
        return None
    mark = b"--" + found[1]
    return mark.join(_part(text, change) for text in case.body.split(mark))


def _part(text: bytes, change: Change) -> bytes:
    head, blank, content = text.partition(b"\r\n\r\n")
    if not blank:
        head, blank, content = text.partition(b"\n\n")
    if not blank:
        return text
    named, file = _NAME.search(head), _FILENAME.search(head)
    name = leaf(named[1]) if named else ""
    if file:
        new = change(Slot("filename", name, file[1]))
        head = head if new is None else head[: file.start(1)] + new + head[file.end(1) :]
    end = b"\r\n" if content.endswith(b"\r\n") else b"\n" if content.endswith(b"\n") else b""
    value = content[: len(content) - len(end)]
    new = change(Slot("part" if not file else "file", name, value))
    return head + blank + (value if new is None else new) + end


def _xml(case: Case, change: Change) -> bytes | None:
    if case.body.lstrip()[:1] != b"<":
        return None

    def text(found: re.Match[bytes]) -> bytes:
        name = _XML_NAME.search(found[1])
        new = change(Slot("xml", leaf(name[1]) if name else "", found[2])) if found[2].strip() else None
        return found[0] if new is None else found[1] + new

    def attribute(found: re.Match[bytes]) -> bytes:
        name = found[1].strip()[:-1]
        if name.lower().startswith((b"xmlns", b"xsi:")) or name in (b"version", b"encoding"):
            return found[0]
        new = change(Slot("xml", leaf(name), found[2][1:-1]))
        return found[0] if new is None else found[1] + b'"' + new + b'"'

    return _XML_ATTRIBUTE.sub(attribute, _XML_TEXT.sub(text, case.body[: 1 << 18])) + case.body[1 << 18 :]
