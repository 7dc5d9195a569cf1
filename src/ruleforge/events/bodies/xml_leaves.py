"""The texts and attributes of an XML body, each named by its path; no entity is ever expanded or fetched."""

import re
from typing import NoReturn
from xml.parsers import expat

from ruleforge.events.bodies.bounds import MAX_DEPTH, MAX_NAME_BYTES, MAX_VALUES
from ruleforge.events.reading import Element, Reading

# The document type declaration, with what may stand before it. Possessive throughout: no byte is looked at twice.
_DOCTYPE = re.compile(
    rb"\A((?:[ \t\r\n]++|<\?(?:[^?]++|\?(?!>))*\?>|<!--(?:[^-]++|-(?!->))*-->)*)"
    rb"<!DOCTYPE(?:[^\[>\"']++|\"[^\"]*+\"|'[^']*+')*"
    rb"(?:\[(?:[^\]\"'<]++|\"[^\"]*+\"|'[^']*+'|<!--(?:[^-]++|-(?!->))*-->|<\?(?:[^?]++|\?(?!>))*\?>|<(?!!--|\?))*\]"
    rb"[ \t\r\n]*+)?>"
)
_DECLARATION = re.compile(rb"\A<\?xml(?=[ \t\r\n])(?:[^?]++|\?(?!>))*\?>")


def parse_xml(body: bytes) -> Reading | None:
    """Read each element's own text as `/root/child` and each attribute as `/root/child/@name`.

    Names keep their prefixes, texts are trimmed. An element with children and only blanks of its own gives no value,
    an empty one gives the empty value. References to declared or unknown entities stay in texts as they are written
    and are left out of attributes; the document type declaration is not read.

    Returns:
        None where this is not well-formed.
    """
    leaves = _Leaves(_is_utf8(body))
    parser = expat.ParserCreate("utf-8" if leaves.is_utf8 else "iso-8859-1")
    parser.buffer_text = parser.ordered_attributes = True
    parser.UseForeignDTD(True)  # an unknown entity is then skipped, not an error
    parser.StartElementHandler, parser.EndElementHandler = leaves.start, leaves.end
    parser.CharacterDataHandler, parser.SkippedEntityHandler = leaves.text, leaves.reference
    parser.EntityDeclHandler = _refuse
    try:
        parser.Parse(_without_prolog(body.removeprefix(b"\xef\xbb\xbf").lstrip()), True)
    except expat.ExpatError:
        return None
    except _BoundError:
        return Reading(tuple(leaves.found), complete=False)
    return Reading(tuple(leaves.found), leaves.complete)


class _BoundError(Exception):
    """A bound was met or a declaration refused; what was found so far counts."""


def _refuse(*_: object) -> NoReturn:
    raise _BoundError


def _is_utf8(body: bytes) -> bool:
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True


def _without_prolog(body: bytes) -> bytes:
    """Drop the XML declaration (its encoding no longer holds) and the document type."""
    return _DOCTYPE.sub(rb"\1", _DECLARATION.sub(b"", body))


class _Leaves:
    """Collects texts and attributes in document order until a bound is met."""

    def __init__(self, is_utf8: bool) -> None:
        self.is_utf8 = is_utf8
        self.found: list[Element] = []
        self.complete = True
        self._paths: list[bytes] = []
        self._texts: list[list[str]] = []
        self._is_parent: list[bool] = []
        self._skipped = 0  # open elements that lie beyond a bound

    def start(self, tag: str, attributes: list[str]) -> None:
        path = (self._paths[-1] if self._paths else b"") + b"/" + self._encode(tag)
        if self._skipped or len(self._paths) == MAX_DEPTH or len(path) > MAX_NAME_BYTES:
            self._skipped += 1
            self.complete = False
            return
        if self._is_parent:
            self._is_parent[-1] = True
        self._paths.append(path)
        self._texts.append([])
        self._is_parent.append(False)
        for name, value in zip(attributes[::2], attributes[1::2], strict=True):
            self._add(path + b"/@" + self._encode(name), value)

    def end(self, _tag: str) -> None:
        if self._skipped:
            self._skipped -= 1
            return
        path, text, is_parent = self._paths.pop(), "".join(self._texts.pop()).strip(" \t\r\n"), self._is_parent.pop()
        if not is_parent or text:
            self._add(path, text)

    def text(self, data: str) -> None:
        if not self._skipped:
            self._texts[-1].append(data)

    def reference(self, name: str, is_parameter: bool) -> None:
        if not is_parameter and self._texts:
            self.text(f"&{name};")

    def _add(self, name: bytes, value: str) -> None:
        if len(self.found) == MAX_VALUES or len(name) > MAX_NAME_BYTES:
            raise _BoundError
        self.found.append(Element(self._encode(value), name))

    def _encode(self, text: str) -> bytes:
        if self.is_utf8:
            return text.encode()
        try:  # bytes that are no UTF-8 were read as Latin-1, so that they come out as they went in
            return text.encode("iso-8859-1")
        except UnicodeEncodeError:
            return text.encode()
