"""Shapes of attacks are data: each is a pattern of ours that finds what it says and leaves alone what looks like it."""

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from ruleforge.cases.event_shapes import Shape, label_pattern, literal_in, shapes, word_pattern
from ruleforge.rules.patterns import compile_pattern

TABLE = yaml.safe_load((Path(__file__).with_name("event_shapes.yaml")).read_text("utf-8"))


def test_every_shape_has_examples() -> None:
    assert len(shapes()) >= 32
    assert [shape.name for shape in shapes()] == list(TABLE)


@pytest.mark.parametrize("shape", shapes(), ids=lambda shape: shape.name)
def test_a_shape_finds_what_it_is_for_and_nothing_like_it(shape: Shape) -> None:
    pattern = compile_pattern(shape.regex.encode())
    has, has_not = TABLE[shape.name]
    assert has
    assert has_not
    assert [value for value in has if not pattern.test(value.encode())] == []
    assert [value for value in has_not if pattern.test(value.encode())] == []
    assert all(value == value.lower() for value in (*has, *has_not))
    assert not pattern.matches_empty


@given(st.binary(min_size=1, max_size=30))
def test_a_literal_comes_back_out_of_its_pattern(literal: bytes) -> None:
    for make in (word_pattern, label_pattern):
        regex = make(literal)
        found = literal_in(regex)
        assert found in (literal, None)
        if literal.isalnum() and literal.isascii():
            assert found == literal


def test_no_shape_is_taken_for_a_literal() -> None:
    assert [shape.name for shape in shapes() if literal_in(shape.regex.encode()) is not None] == []
