"""Arguments of a query or a form: split on raw `&`, then `+` is a space, then percent-decoded once."""

from ruleforge.events.bodies.bounds import MAX_VALUES
from ruleforge.events.decoding import percent_decode
from ruleforge.events.reading import NOTHING, Element, Reading


def parse_arguments(text: bytes) -> Reading:
    """Names and values of `a=b&c`, decoded. `c` and `c=` are one empty value; empty pieces are nothing."""
    if b"%" not in text and b"+" not in text:
        return parse_raw_arguments(text)
    raw = parse_raw_arguments(text)
    return Reading(tuple([Element(_decode(one.value), _decode(one.name)) for one in raw.elements]), raw.complete)


def parse_raw_arguments(text: bytes) -> Reading:
    """Names and values of `a=b&c` as sent."""
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


def _decode(text: bytes) -> bytes:
    return percent_decode(text.replace(b"+", b" "))
