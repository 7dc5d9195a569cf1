"""Arguments of a query or a form: split on raw `&`, then `+` is a space, then percent-decoded once."""

import re

from ruleforge.events.bodies.bounds import MAX_VALUES
from ruleforge.events.decoding import percent_decode
from ruleforge.events.reading import NOTHING, Element, Reading

_OPEN_ESCAPE = re.compile(rb"%[0-9a-fA-F]?\Z")


def parse_arguments(text: bytes, *, cut: bool = False) -> Reading:
    """Names and values of `a=b&c`, decoded. `c` and `c=` are one empty value; empty pieces are nothing."""
    return decode_arguments(parse_raw_arguments(text, cut=cut), text)


def decode_arguments(raw: Reading, text: bytes) -> Reading:
    """Decode what `parse_raw_arguments` read of `text`; the very same reading where nothing is encoded."""
    if b"%" not in text and b"+" not in text:
        return raw
    return Reading(tuple([_decoded(element) for element in raw.elements]), raw.complete)


def parse_raw_arguments(text: bytes, *, cut: bool = False) -> Reading:
    """Names and values of `a=b&c` as sent.

    Args:
        text: a query or a form.
        cut: only the beginning of it is known. Then the reading is incomplete, the last value is marked, and a last
            piece without `=` is left out, because its name may go on.
    """
    if cut:
        return _cut_arguments(text)
    if not text:
        return NOTHING
    elements: list[Element] = []
    for piece in text.split(b"&"):
        if not piece:
            continue
        if len(elements) == MAX_VALUES:
            return Reading(tuple(elements), complete=False)
        name, _, value = piece.partition(b"=")
        elements.append(Element(value, name))
    return Reading(tuple(elements))


def _cut_arguments(text: bytes) -> Reading:
    """Read the whole pieces, then the one that is cut."""
    known, _, last = text.rpartition(b"&")
    whole = parse_raw_arguments(known)
    name, equals, value = last.partition(b"=")
    if not whole.complete or not equals:
        return Reading(whole.elements, complete=False)
    return Reading((*whole.elements, Element(value, name, cut=True)), complete=False)


def _decoded(element: Element) -> Element:
    if not element.cut:
        return Element(_decode(element.value), _decode(element.name))
    whole = _OPEN_ESCAPE.sub(b"", element.value)  # half an escape would decode to what was not sent
    return Element(_decode(whole), _decode(element.name), cut=True)


def _decode(text: bytes) -> bytes:
    if b"+" in text:
        text = text.replace(b"+", b" ")
    return percent_decode(text) if b"%" in text else text
