"""Where the values of a JSON or multipart body stand in its bytes, so that one can change alone."""

import re
from collections.abc import Iterator

import msgspec

from ruleforge.events.bodies.bounds import MAX_DEPTH, MAX_VALUES
from ruleforge.events.bodies.multipart import parse_multipart
from ruleforge.events.reading import Element

_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*"|[\[\]{}:,]|[^\s\[\]{}:,"]++', re.DOTALL)
_ESCAPED = re.compile(rb'["\\\x00-\x1f]')
_NUMBER = re.compile(rb"-?(?:0|[1-9][0-9]{0,15})(?:\.[0-9]{1,15})?\Z")
_SHORT = {b'"': b'\\"', b"\\": b"\\\\", b"\n": b"\\n", b"\r": b"\\r", b"\t": b"\\t"}
_UNESCAPE = re.compile(rb"\\(?:u[0-9a-fA-F]{4}(?:\\u[0-9a-fA-F]{4})*|.)", re.DOTALL)
_AFTER_DELIMITER = re.compile(rb"(--)|[ \t]*+(?:\r?\n|\Z)")
_BLANK_LINE = re.compile(rb"(?:\A|\r?\n)\r?\n")


class Leaf(msgspec.Struct, frozen=True):
    """One scalar of a JSON text: its pointer, where it stands, and where the key before it does (-1: in an array)."""

    pointer: bytes
    start: int
    end: int
    key_start: int = -1
    key_end: int = -1


class Member(msgspec.Struct, frozen=True):
    """One `"key": value` of the outermost object."""

    start: int
    end: int


class PartSpan(msgspec.Struct, frozen=True):
    """One part of a multipart body: head from `start` to `head_end`, value from `value` to `end`."""

    start: int
    head_end: int
    value: int
    end: int


class _Open(msgspec.Struct):
    """A container that is being read."""

    is_object: bool
    pointer: bytes
    index: int = 0
    key: bytes = b""
    key_start: int = -1
    key_end: int = -1
    expects_key: bool = True


def json_leaves(text: bytes) -> list[Leaf]:
    """Find the scalars of a well-formed JSON text in document order; at most 1,000, not deeper than 64."""
    leaves: list[Leaf] = []
    stack: list[_Open] = []
    for token in _TOKEN.finditer(text):
        mark = text[token.start() : token.start() + 1]
        top = stack[-1] if stack else None
        if mark in (b"{", b"["):
            if len(stack) >= MAX_DEPTH:
                return leaves
            stack.append(_Open(mark == b"{", _pointer(top)))
        elif mark in (b"}", b"]"):
            if stack:
                stack.pop()
        elif mark == b",":
            if top is not None:
                top.index, top.expects_key = top.index + 1, True
        elif mark == b":":
            if top is not None:
                top.expects_key = False
        elif top is not None and top.is_object and top.expects_key:
            top.key, top.key_start, top.key_end = json_text(token[0]), token.start(), token.end()
        elif len(leaves) < MAX_VALUES:
            key = (top.key_start, top.key_end) if top is not None and top.is_object else (-1, -1)
            leaves.append(Leaf(_pointer(top), token.start(), token.end(), *key))
    return leaves


def _pointer(top: _Open | None) -> bytes:
    if top is None:
        return b""
    step = top.key.replace(b"~", b"~0").replace(b"/", b"~1") if top.is_object else b"%d" % top.index
    return top.pointer + b"/" + step


def json_members(text: bytes) -> list[Member]:
    """Find the members of the outermost object; empty where the text is no object."""
    members: list[Member] = []
    depth, start, end = 0, -1, -1
    for token in _TOKEN.finditer(text):
        mark = text[token.start() : token.start() + 1]
        if mark in (b"{", b"["):
            if depth == 0 and mark == b"[":
                return []
            depth += 1
            if depth == 1:
                continue
        elif mark in (b"}", b"]"):
            depth -= 1
            if depth == 0:
                break
        elif mark == b"," and depth == 1:
            members.append(Member(start, end))
            start = -1
            continue
        if start < 0:
            start = token.start()
        end = token.end()
    return [*members, Member(start, end)] if start >= 0 else members


def json_tokens(text: bytes) -> Iterator[bytes]:
    """Yield the text token by token, blanks between tokens left out."""
    for token in _TOKEN.finditer(text):
        yield token[0]


def json_text(token: bytes) -> bytes:
    """Return the value of a scalar's source text: a string unescaped, anything else as it is written."""
    if token[:1] != b'"':
        return token
    return _UNESCAPE.sub(_unescape, token[1:-1]) if b"\\" in token else token[1:-1]


def _unescape(found: re.Match[bytes]) -> bytes:
    text = found[0]
    if text[1:2] == b"u":
        units = bytes.fromhex(text.replace(b"\\u", b"").decode())
        return units.decode("utf-16-be", "surrogatepass").encode("utf-8", "surrogatepass")
    simple = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"\b", b"f": b"\f"}
    return simple.get(text[1:2], text[1:2])


def json_string(value: bytes) -> bytes:
    """Write `value` as a JSON string, other letters than the forbidden ones as they are."""
    return b'"' + _ESCAPED.sub(lambda found: _SHORT.get(found[0], b"\\u%04x" % found[0][0]), value) + b'"'


def json_scalar(value: bytes, old: bytes) -> bytes:
    """Write `value` in the kind of scalar that `old` is; a string where that is not possible."""
    bare = old[:1] != b'"' and (_NUMBER.match(value) or value in (b"true", b"false", b"null"))
    return value if bare else json_string(value)


def multipart_spans(body: bytes, boundary: bytes) -> list[PartSpan]:
    """Find the parts of a multipart body; at most 1,000."""
    delimiter = b"--" + boundary
    spans: list[PartSpan] = []
    start, at = -1, body.find(delimiter)
    while at >= 0 and len(spans) < MAX_VALUES:
        after = _AFTER_DELIMITER.match(body, at + len(delimiter))
        if after and (at == 0 or body[at - 1] == 0x0A):
            if start >= 0:
                spans.append(_span(body, start, max(start, at - (2 if body[at - 2 : at] == b"\r\n" else 1))))
            if after[1]:
                return spans
            start = after.end()
        at = body.find(delimiter, at + len(delimiter))
    if start >= 0:
        spans.append(_span(body, start, len(body)))
    return spans


def _span(body: bytes, start: int, end: int) -> PartSpan:
    blank = _BLANK_LINE.search(body[start:end])
    if blank is None:
        return PartSpan(start, end, end, end)
    return PartSpan(start, start + blank.start(), start + blank.end(), end)


def part_elements(body: bytes, span: PartSpan) -> tuple[Element, ...]:
    """Read one part the way the whole body is read."""
    reading = parse_multipart(b"--b\r\n" + body[span.start : span.end] + b"\r\n--b--", b"b")
    return reading.elements if reading else ()
