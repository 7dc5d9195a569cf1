"""Choose the parser of a body, by its declared type and else by its first byte."""

import msgspec

from ruleforge.events.bodies.form import decode_arguments, parse_raw_arguments
from ruleforge.events.bodies.json_leaves import parse_json
from ruleforge.events.bodies.multipart import boundary_of, parse_multipart, sniff_boundary
from ruleforge.events.bodies.xml_leaves import parse_xml
from ruleforge.events.reading import NOT_RECORDED, NOTHING, Reading

_BLANKS = b" \t\r\n\xef\xbb\xbf"  # before the first byte that counts; a UTF-8 byte order mark too


class ParsedBody(msgspec.Struct, frozen=True, gc=False):
    """What each parser found; mostly one of them, or none."""

    form: Reading = NOTHING
    form_raw: Reading = NOTHING
    json: Reading = NOTHING
    xml: Reading = NOTHING
    multipart: Reading = NOTHING


def parse_body(body: bytes, content_type: bytes = b"", *, complete: bool = True) -> ParsedBody:
    """Read the named values of a decoded body.

    By declared type; where that is missing, unknown, or its parser fails, by the first byte that is no blank: `{` or
    `[` JSON, `<` XML, `--` multipart, else form. A declared form that begins with `{` or `<` fills both.

    Args:
        body: after content codings, in UTF-8.
        content_type: the header's value; empty where there is none or it is not known.
        complete: False where a bound cut `body` off; then every reading is incomplete, and a value that the cut went
            through is marked.
    """
    if complete:
        return ParsedBody(**_read(body, content_type)) if body else _NO_BODY
    found = dict.fromkeys(ParsedBody.__struct_fields__, NOT_RECORDED)
    for name, reading in (_read_cut(body, content_type) if body else {}).items():
        found[name] = Reading(reading.elements, complete=False)
    return ParsedBody(**found)


_NO_BODY = ParsedBody()


def _read_cut(body: bytes, content_type: bytes) -> dict[str, Reading]:
    """Read the beginning of a body. No parser takes the place of a declared one: that one might read the whole."""
    declared, shown = _declared(content_type), _shown(body)
    kind = declared or shown
    if kind == "form":
        return _form(body, cut=True)
    if kind == "multipart":
        boundary = boundary_of(content_type) if declared else sniff_boundary(body)
        reading = parse_multipart(body, boundary, cut=True)
    else:
        reading = _parse(kind, body, content_type)
        if reading is not None:  # a root that is a scalar may go on
            reading = Reading(tuple(element for element in reading.elements if element.name))
    return {} if reading is None else {kind: reading}


def _read(body: bytes, content_type: bytes) -> dict[str, Reading]:
    declared, shown = _declared(content_type), _shown(body)
    if declared == "form":
        also = (
            {shown: _parse(shown, body, b"")} if shown in ("json", "xml") and body.lstrip(_BLANKS)[:1] != b"[" else {}
        )
        return _form(body) | {name: reading for name, reading in also.items() if reading is not None}
    if declared:
        reading = _parse(declared, body, content_type)
        if reading is not None:
            return {declared: reading}
    if shown == "form":
        return _form(body)
    reading = _parse(shown, body, b"") if shown != declared or shown == "multipart" else None
    return {} if reading is None else {shown: reading}


def _form(body: bytes, *, cut: bool = False) -> dict[str, Reading]:
    raw = parse_raw_arguments(body, cut=cut)
    return {"form": decode_arguments(raw, body), "form_raw": raw}


def _parse(kind: str, body: bytes, content_type: bytes) -> Reading | None:
    if kind == "json":
        return parse_json(body)
    if kind == "xml":
        return parse_xml(body)
    return parse_multipart(body, boundary_of(content_type) if content_type else sniff_boundary(body))


def _declared(content_type: bytes) -> str:
    """The parser for a declared type; empty where none is declared or known."""
    media_type = content_type.partition(b";")[0].strip().lower()
    if media_type == b"application/x-www-form-urlencoded":
        return "form"
    if media_type.startswith(b"multipart/"):
        return "multipart"
    subtype = media_type.rpartition(b"/")[2].rpartition(b"+")[2]
    if subtype in (b"json", b"x-json", b"json-rpc", b"csp-report"):
        return "json"
    return "xml" if subtype in (b"xml", b"xml-external-parsed-entity") else ""


def _shown(body: bytes) -> str:
    start = body.lstrip(_BLANKS)[:2]
    if start[:1] in (b"{", b"["):
        return "json"
    if start[:1] == b"<":
        return "xml"
    return "multipart" if start == b"--" else "form"
