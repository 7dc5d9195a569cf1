"""The parts of a multipart body, read as tolerantly as the loosest server does."""

import re
from collections.abc import Iterator

import msgspec

from ruleforge.events.bodies.bounds import MAX_VALUES
from ruleforge.events.decoding import percent_decode
from ruleforge.events.reading import Element, Reading

_PARAMETER = re.compile(rb';\s*+([^\s=;"]++)\s*+=\s*+("(?:[^"\\]++|\\.)*"?|[^;]*+)', re.DOTALL)
_ESCAPED = re.compile(rb'\\(["\\])')
_AFTER_DELIMITER = re.compile(rb"(--)|[ \t]*+(?:\r?\n|\Z)")
_BLANK_LINE = re.compile(rb"(?:\A|\r?\n)\r?\n")
_FOLD = re.compile(rb"\r?\n[ \t]++")
_FIRST_LINE = re.compile(rb"\s*+--([^\r\n]{1,200})\r?\n")


def boundary_of(content_type: bytes) -> bytes:
    """The boundary that a Content-Type header declares; empty where it declares none."""
    return dict(_parameters(content_type)).get(b"boundary", b"")


def sniff_boundary(body: bytes) -> bytes:
    """The boundary that the first line of a body shows; empty where it shows none."""
    line = _FIRST_LINE.match(body)
    return line[1].rstrip() if line else b""


def parse_multipart(body: bytes, boundary: bytes, *, cut: bool = False) -> Reading | None:
    """Read every part with its field name, value, file name and content type.

    Line ends may be LF, the closing boundary may be missing, names may be unquoted. A part that states several
    different file names is given once for each: servers differ in which one they take.

    Args:
        body: all of it, or its beginning.
        boundary: as declared or shown, without the two dashes.
        cut: only the beginning is known. Then the value of a part that is not closed is marked, and such a part whose
            headers are not closed either is left out.

    Returns:
        None where the boundary does not occur.
    """
    if not boundary:
        return None
    elements: list[Element] = []
    seen = False
    delimiter = b"--" + boundary
    for part, is_open in _parts(_before_open_line(body, delimiter) if cut else body, delimiter):
        seen = True
        elements += _elements(part, cut=cut and is_open) if part is not None else ()
        if len(elements) > MAX_VALUES:
            return Reading(tuple(elements[:MAX_VALUES]), complete=False)
    return Reading(tuple(elements)) if seen else None


def _before_open_line(body: bytes, delimiter: bytes) -> bytes:
    """Drop a last line, and the line end before it, that might go on to be a delimiter."""
    start = body.rfind(b"\n") + 1
    line = body[start:]
    if delimiter.startswith(line) or line.startswith(delimiter):
        body = body[: max(0, start - 1)]
    return body.removesuffix(b"\r")


def _parts(body: bytes, delimiter: bytes) -> Iterator[tuple[bytes | None, bool]]:
    """Each part's bytes, and whether it runs to the end of the body; None once for a body closed without a part."""
    start, at = -1, body.find(delimiter)
    while at >= 0:
        after = _AFTER_DELIMITER.match(body, at + len(delimiter))
        if after and (at == 0 or body[at - 1] == 0x0A):
            if start >= 0:
                yield body[start : max(start, at - (2 if body[at - 2 : at] == b"\r\n" else 1))], False
            if after[1]:
                if start < 0:
                    yield None, False
                return
            start = after.end()
        at = body.find(delimiter, at + len(delimiter))
    if start >= 0:
        yield body[start:], True


class _Head(msgspec.Struct, frozen=True):
    """What the headers of one part say."""

    name: bytes
    filenames: tuple[bytes | None, ...]
    content_type: bytes | None


def _elements(part: bytes, *, cut: bool) -> list[Element]:
    blank = _BLANK_LINE.search(part)
    if cut and not blank:
        return []
    head = _head(part[: blank.start()] if blank else part)
    value = part[blank.end() :] if blank else b""
    return [Element(value, head.name, filename, head.content_type, cut) for filename in head.filenames]


def _head(block: bytes) -> _Head:
    name, filenames, content_type = b"", dict[bytes | None, None](), None
    for line in _FOLD.sub(b" ", block).split(b"\n"):
        key, _, text = line.partition(b":")
        key = key.strip().lower()
        if key == b"content-type":
            content_type = text.strip()
        elif key == b"content-disposition":
            for parameter, value in _parameters(text):
                if parameter == b"name":
                    name = value
                elif parameter in (b"filename", b"filename*"):
                    filenames[value] = None
    return _Head(name, tuple(filenames) or (None,), content_type)


def _parameters(text: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Lower-case parameter names with their values, unquoted."""
    for found in _PARAMETER.finditer(text):
        name, value = found[1].lower(), found[2].strip()
        if value[:1] == b'"':
            closed = len(value) > 1 and value.endswith(b'"')
            value = _ESCAPED.sub(rb"\1", value[1:-1] if closed else value[1:])
        if name.endswith(b"*"):  # RFC 5987: charset'language'percent-encoded
            value = percent_decode(value.split(b"'", 2)[-1])
        yield name, value
