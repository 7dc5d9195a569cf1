"""Shapes of values, and what a table knows of the values that parameters hold."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ruleforge.background.shapes import SHAPES, shape_of
from ruleforge.background.table import build_background
from ruleforge.events.request import Request

KNOWN = [
    (b"", "empty"), (b"true", "flag"), (b"1", "flag"), (b"17", "number"), (b"-3.5", "number"), (b"2024-05-17", "date"),
    (b"7d9f2b1c-3a4e-4c5d-8e6f-0a1b2c3d4e5f", "uuid"), (b"ann@larder.example", "mail"),
    (b"https://larder.example/a b", "text"), (b"https://larder.example/a?b=c", "url"), (b"/larder/plum", "path"),
    (b'{"a": [1]}', "json"), (b"<p>plum</p>", "markup"), (b"plum,pear", "list"), (b"0123456789abcdef0123", "token"),
    (b"plum jam.pdf", "file"), (b"plum", "word"), (b"plum jam for ten", "text"), (b"a\xffb", "text"),
]  # fmt: skip


@pytest.mark.parametrize(("value", "shape"), KNOWN)
def test_a_value_has_the_simplest_shape_that_fits(value: bytes, shape: str) -> None:
    assert shape_of(value) == shape


@given(st.binary(max_size=300))
def test_every_value_has_one_of_the_shapes(value: bytes) -> None:
    assert shape_of(value) in SHAPES


def test_a_long_value_is_judged_by_its_beginning() -> None:
    assert shape_of(b"a" * 5_000_000) == "token"


def test_a_table_tells_the_usual_shapes_of_a_parameter_and_forgets_rare_ones() -> None:
    def request(value: bytes, site: bytes) -> Request:
        return Request(method=b"GET", target=b"/larder?jar=" + value, headers=((b"Host", site),))

    rows = [request(b"%d" % (n + 10), b"a.example" if n % 2 else b"b.example") for n in range(40)]
    rows += [request(b"https://x.example/", b"a.example" if n % 2 else b"b.example") for n in range(3)]
    rows += [request(b"plum+jam+for+ten", b"a.example")]
    table = build_background(rows, made="2099-01-01", source="test")
    assert table.shapes(b"jar") == ("number", "url")
    assert table.usual_shapes(b"jar") == ("number",)
    assert table.shapes(b"other") == ()
