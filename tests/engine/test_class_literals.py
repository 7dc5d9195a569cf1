"""Literals of payload classes: no payload is without one, however it is escaped."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ruleforge.engine.class_literals import class_clauses
from ruleforge.engine.zones import zone_text
from ruleforge.events.places import HttpView
from ruleforge.events.request import Request
from ruleforge.rules.classes import CLASSES, load_class

WITH_CLAUSES = [name for name, versions in CLASSES.items() if class_clauses(name, versions[-1])]


def text_of(value):
    """The folded text of an argument with this value."""
    sent = b"".join(b"%%%02x" % byte for byte in value)
    return zone_text(HttpView(Request(method=b"GET", target=b"/?q=" + sent)), "args")


def escaped(letter, how):
    point = ord(letter)
    ways = {"units": f"\\u{point:04x}",
            "many": f"\\uuu{point:04X}", "byte": f"\\x{point:02X}", "braces": f"\\u{{{point:x}}}",
            "octal": f"\\{point:o}", "decimal": f"&#{point};", "zeros": f"&#00{point}", "hex": f"&#X{point:X};",
            "wide": f"%u{point:04x}", "both": f"&#92;u{point:04x}"}  # fmt: skip
    return ways.get(how, letter)


def test_most_classes_have_clauses():
    assert len(WITH_CLAUSES) >= 15


@given(data=st.data())
@pytest.mark.parametrize("name", WITH_CLAUSES)
def test_every_payload_has_a_literal_of_every_clause(name, data):
    version = CLASSES[name][-1]
    known = load_class(name, version)
    shown = (*known.data.positive, *known.data.evasion)
    examples = [one for one in shown if isinstance(one, str) and one.isascii()]
    text = data.draw(st.sampled_from(examples))
    how = st.sampled_from(
        ("", "", "", "units", "many", "byte", "braces", "octal", "decimal", "zeros", "hex", "wide", "both")
    )
    value = "".join(escaped(letter, data.draw(how)) for letter in text[:40]) + text[40:]
    if known.matches(value.encode()):
        folded = text_of(value.encode())
        for clause in class_clauses(name, version):
            assert any(literal in folded for literal in clause)
