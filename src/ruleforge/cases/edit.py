"""Change one place of a request and leave every other byte as it was sent.

A change that the place cannot hold (a line end in a header, a boundary in a part, a compressed body) gives None.
"""

import re
from collections.abc import Callable, Sequence

import msgspec

from ruleforge.cases.anatomy import Part
from ruleforge.cases.bodies import (
    PartSpan,
    json_leaves,
    json_scalar,
    json_string,
    json_text,
    multipart_spans,
    part_elements,
)
from ruleforge.events.bodies.multipart import boundary_of, sniff_boundary
from ruleforge.events.decoding import percent_decode
from ruleforge.events.places import HttpView
from ruleforge.events.request import Header, Request

# What a query may hold as it is (RFC 3986), less the bytes that split arguments.
_QUERY_UNSAFE = re.compile(rb"[^A-Za-z0-9_.~!$'()*,;:@/?=-]")
_NAME_UNSAFE = re.compile(rb"[^A-Za-z0-9_.~!$'()*,;:@/?\[\]-]")
_HEADER_BREAKS = re.compile(rb"[\r\n\x00]")
_FILENAME = re.compile(rb'(;\s*filename\s*=\s*)("(?:[^"\\]++|\\.)*"?|[^;\r\n]*)', re.IGNORECASE)
_FIELD_NAME = re.compile(rb'(;\s*name\s*=\s*)("(?:[^"\\]++|\\.)*"?|[^;\r\n]*)', re.IGNORECASE)
MAX_EDITED_BODY = 128 * 1024  # each edit reads the body once
FORM = b"application/x-www-form-urlencoded"


class Target(msgspec.Struct, frozen=True):
    """A request target, cut: scheme and authority (absolute form only), path, query without its `?` or None."""

    authority: bytes
    path: bytes
    query: bytes | None

    def join(self) -> bytes:
        """The target as it is sent."""
        return self.authority + self.path + (b"" if self.query is None else b"?" + self.query)


def target_of(request: Request) -> Target:
    """Cut the target of a request."""
    path, query = HttpView(request).split_target()
    tail = len(path) + (0 if query is None else len(query) + 1)
    return Target(request.target[: len(request.target) - tail], path, query)


def with_path(request: Request, path: bytes) -> Request:
    """Replace the path as sent; scheme, authority and query stay."""
    cut = target_of(request)
    return _with_target(request, Target(cut.authority, path, cut.query))


def with_query(request: Request, query: bytes | None) -> Request:
    """Replace the query as sent; None takes the `?` away too."""
    cut = target_of(request)
    return _with_target(request, Target(cut.authority, cut.path, query))


def _with_target(request: Request, target: Target) -> Request:
    return msgspec.structs.replace(request, target=target.join())


def with_body(request: Request, body: bytes | None) -> Request:
    """Replace the body and set Content-Length, where there is one, to its length."""
    headers = tuple(
        (name, b"%d" % len(body or b"")) if name.lower() == b"content-length" else (name, value)
        for name, value in request.headers
    )
    return msgspec.structs.replace(request, body=body, headers=headers)


def header_value(request: Request, name: bytes) -> bytes | None:
    """The first value of a header; `name` in lower case."""
    return next((value for key, value in request.headers if key.lower() == name), None)


def with_header(request: Request, name: bytes, value: bytes) -> Request:
    """Replace the first header of this name, or add it at the end."""
    headers = list(request.headers)
    for index, (key, _) in enumerate(headers):
        if key.lower() == name.lower():
            headers[index] = (key, value)
            return msgspec.structs.replace(request, headers=tuple(headers))
    return msgspec.structs.replace(request, headers=(*request.headers, (name, value)))


def without_header(request: Request, name: bytes) -> Request:
    """Leave out every header of this lower-case name."""
    kept = tuple(pair for pair in request.headers if pair[0].lower() != name)
    return msgspec.structs.replace(request, headers=kept)


def with_headers(request: Request, headers: Sequence[Header]) -> Request:
    """Replace all headers."""
    return msgspec.structs.replace(request, headers=tuple(headers))


def encode_argument(value: bytes) -> bytes:
    """Percent-encode what cannot stand in the value of an argument."""
    return _QUERY_UNSAFE.sub(lambda found: b"%%%02X" % found[0][0], value)


def encode_name(name: bytes) -> bytes:
    """Percent-encode what cannot stand in the name of an argument."""
    return _NAME_UNSAFE.sub(lambda found: b"%%%02X" % found[0][0], name)


def encode_fully(value: bytes) -> bytes:
    """Percent-encode every byte."""
    return b"".join([b"%%%02X" % byte for byte in value])


def decode_argument(raw: bytes) -> bytes:
    """Read an argument's name or value the way rules do."""
    return percent_decode(raw.replace(b"+", b" "))


def plain_body(request: Request) -> bytes | None:
    """The body, where it is sent as it is (not chunked, compressed or in a wide character set) and 128 KiB at most."""
    if request.body is None or "body" in request.unrecorded or len(request.body) > MAX_EDITED_BODY:
        return None
    return request.body if HttpView(request).decoded_body().content == request.body else None


def is_form(request: Request) -> bool:
    """Whether the body is declared as a form and begins like one."""
    declared = (header_value(request, b"content-type") or b"").partition(b";")[0].strip().lower()
    body = request.body or b""
    return declared == FORM and body.lstrip()[:1] not in (b"", b"{", b"[", b"<")


# --- arguments ------------------------------------------------------------------------------------------------------


def argument_pieces(request: Request, place: str) -> list[bytes] | None:
    """The `name=value` texts of `query_args` or `form_args` as sent; None where there is no such place."""
    text = target_of(request).query if place == "query_args" else plain_body(request)
    return None if text is None else text.split(b"&")


def with_argument_pieces(request: Request, place: str, pieces: Sequence[bytes]) -> Request:
    """Replace all arguments of a place by texts as they are to be sent."""
    text = b"&".join(pieces)
    return with_query(request, text) if place == "query_args" else with_body(request, text)


def add_argument(request: Request, place: str, piece: bytes, *, first: bool = False) -> Request:
    """Add one argument, written as it is to be sent, at either end of a place."""
    pieces = [one for one in argument_pieces(request, place) or [] if one]
    return with_argument_pieces(request, place, [piece, *pieces] if first else [*pieces, piece])


def find_argument(pieces: Sequence[bytes], part: Part) -> int:
    """Which piece is `part`; -1 where none is."""
    for index, piece in enumerate(pieces):
        name, _, value = piece.partition(b"=")
        if piece and decode_argument(name) == part.name and decode_argument(value) == part.value:
            return index
    return -1


def with_raw_argument(request: Request, part: Part, raw: bytes) -> Request | None:
    """Replace an argument's value by text as it is to be sent."""
    pieces = argument_pieces(request, part.place)
    at = find_argument(pieces, part) if pieces is not None else -1
    if pieces is None or at < 0:
        return None
    pieces[at] = pieces[at].partition(b"=")[0] + b"=" + raw
    return with_argument_pieces(request, part.place, pieces)


def _argument_value(request: Request, part: Part, value: bytes) -> Request | None:
    raw = encode_argument(value)
    return with_raw_argument(request, part, raw.replace(b"%20", b"+") if part.place == "form_args" else raw)


def _argument_name(request: Request, part: Part, name: bytes) -> Request | None:
    pieces = argument_pieces(request, part.place)
    at = find_argument(pieces, part) if pieces is not None else -1
    if pieces is None or at < 0 or not name:
        return None
    _, equals, value = pieces[at].partition(b"=")
    pieces[at] = encode_name(name) + equals + value
    return with_argument_pieces(request, part.place, pieces)


# --- headers and cookies --------------------------------------------------------------------------------------------


def _header(request: Request, part: Part, name: bytes, value: bytes) -> Request | None:
    if _HEADER_BREAKS.search(value) or value != value.strip() or not re.fullmatch(rb"[^\s:\x00]+", name):
        return None
    headers = list(request.headers)
    for index, (key, old) in enumerate(headers):
        if key.lower() == part.name and old == part.value:
            headers[index] = (key if name == part.name else name, value)
            return with_headers(request, headers)
    return None


def _header_value(request: Request, part: Part, value: bytes) -> Request | None:
    return _header(request, part, part.name, value)


def _header_name(request: Request, part: Part, name: bytes) -> Request | None:
    return _header(request, part, name, part.value)


def _cookie(request: Request, part: Part, name: bytes, value: bytes) -> Request | None:
    pair = name + b"=" + value
    if b"=" in name or b";" in pair or _HEADER_BREAKS.search(pair) or pair != pair.strip():
        return None
    headers = list(request.headers)
    for index, (key, text) in enumerate(headers):
        if key.lower() != b"cookie":
            continue
        pieces = text.split(b";")
        for at, piece in enumerate(pieces):
            old_name, _, old_value = piece.strip().partition(b"=")
            if piece.strip() and (old_name, old_value) == (part.name, part.value):
                pieces[at] = (b" " if piece[:1] == b" " else b"") + pair
                headers[index] = (key, b";".join(pieces))
                return with_headers(request, headers)
    return None


def _cookie_value(request: Request, part: Part, value: bytes) -> Request | None:
    return _cookie(request, part, part.name, value)


def _cookie_name(request: Request, part: Part, name: bytes) -> Request | None:
    return _cookie(request, part, name, part.value)


# --- bodies ---------------------------------------------------------------------------------------------------------


def _json_value(request: Request, part: Part, value: bytes) -> Request | None:
    body = plain_body(request)
    for leaf in json_leaves(body) if body is not None else ():
        if leaf.pointer == part.name and body is not None:
            old = body[leaf.start : leaf.end]
            if json_text(old) == part.value:
                return with_body(request, body[: leaf.start] + json_scalar(value, old) + body[leaf.end :])
    return None


def _json_name(request: Request, part: Part, name: bytes) -> Request | None:
    """`name` is the new last step of the pointer, unescaped."""
    body = plain_body(request)
    for leaf in json_leaves(body) if body is not None else ():
        if leaf.pointer == part.name and leaf.key_start >= 0 and body is not None:
            return with_body(request, body[: leaf.key_start] + json_string(name) + body[leaf.key_end :])
    return None


def boundary(request: Request) -> bytes:
    """The boundary of a multipart body, declared or shown; empty where there is none."""
    declared = boundary_of(header_value(request, b"content-type") or b"")
    body = request.body or b""
    return declared if declared and declared in body else sniff_boundary(body)


def _find_part(request: Request, part: Part) -> PartSpan | None:
    body = plain_body(request)
    if body is None:
        return None
    for span in multipart_spans(body, boundary(request)):
        for element in part_elements(body, span):
            if (element.name, element.value, element.filename) == (part.name, part.value, part.filename):
                return span
    return None


def _multipart_value(request: Request, part: Part, value: bytes) -> Request | None:
    span, body = _find_part(request, part), request.body or b""
    if span is None or b"--" + boundary(request) in value:
        return None
    return with_body(request, body[: span.value] + value + body[span.end :])


def _multipart_parameter(request: Request, part: Part, pattern: re.Pattern[bytes], text: bytes) -> Request | None:
    span, body = _find_part(request, part), request.body or b""
    if span is None or _HEADER_BREAKS.search(text):
        return None
    quoted = b'"' + text.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'
    head, count = pattern.subn(lambda found: found[1] + quoted, body[span.start : span.head_end], count=1)
    return with_body(request, body[: span.start] + head + body[span.head_end :]) if count else None


def _multipart_name(request: Request, part: Part, name: bytes) -> Request | None:
    return _multipart_parameter(request, part, _FIELD_NAME, name)


def with_filename(request: Request, part: Part, filename: bytes) -> Request | None:
    """Replace the file name of a multipart part that has one."""
    return _multipart_parameter(request, part, _FILENAME, filename) if part.filename is not None else None


_XML_LETTERS = {b"&": b"&amp;", b"<": b"&lt;", b">": b"&gt;", b'"': b"&quot;"}


def _xml_escape(text: bytes) -> bytes:
    return re.sub(rb'[&<>"]', lambda found: _XML_LETTERS[found[0]], text)


def _xml_value(request: Request, part: Part, value: bytes) -> Request | None:
    """Try the places where the old text stands and keep the one that changes this very value and no other."""
    body = plain_body(request)
    if body is None or value != value.strip() or not part.value:
        return None
    before = HttpView(request).read("xml").elements
    expected = [(one.name, value if (one.name, one.value) == (part.name, part.value) else one.value) for one in before]
    for written in dict.fromkeys((part.value, _xml_escape(part.value))):
        context = rb"(?P<before>[>\"']\s*|<!\[CDATA\[\s*)" + re.escape(written) + rb"(?=\s*(?:[<\"']|\]\]>))"
        for count, found in enumerate(re.finditer(context, body)):
            if count == 8:
                break
            new = value if found["before"].startswith(b"<!") else _xml_escape(value)
            changed = with_body(request, body[: found.end("before")] + new + body[found.end() :])
            if [(one.name, one.value) for one in HttpView(changed).read("xml").elements] == expected:
                return changed
    return None


def _body_value(request: Request, _part: Part, value: bytes) -> Request | None:
    return with_body(request, value) if plain_body(request) is not None else None


_Change = Callable[[Request, Part, bytes], Request | None]
_VALUES: dict[str, _Change] = {
    "query_args": _argument_value, "form_args": _argument_value, "json": _json_value, "multipart": _multipart_value,
    "xml": _xml_value, "headers": _header_value, "cookies": _cookie_value, "body": _body_value,
}  # fmt: skip
_NAMES: dict[str, _Change] = {
    "query_args": _argument_name, "form_args": _argument_name, "json": _json_name, "multipart": _multipart_name,
    "headers": _header_name, "cookies": _cookie_name,
}  # fmt: skip


def with_value(request: Request, part: Part, value: bytes) -> Request | None:
    """Replace the value of one part, encoded as its place needs; None where the part is not there or cannot hold it."""
    return _VALUES[part.place](request, part, value)


def with_name(request: Request, part: Part, name: bytes) -> Request | None:
    """Replace the name of one part; for JSON the key. None where that is not possible (XML, raw bodies)."""
    change = _NAMES.get(part.place)
    return change(request, part, name) if change else None
