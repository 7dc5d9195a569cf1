"""Transforms map a value to one value or to none; each shows its work here."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ruleforge.errors import UsageError
from ruleforge.rules.transforms import TRANSFORMS, compile_transforms

CASES = [
    ("percent_decode", b"%41%2541%zz%", b"A%41%zz%"),
    ("percent_decode_stable", b"%252541", b"A"),
    ("percent_u_decode", b"%u0041%u00e9%uzz", b"A\xc3\xa9%uzz"),
    ("plus_to_space", b"a+b", b"a b"),
    ("html_entity_decode", b"&lt;&#65;&#x42;", b"<AB"),
    ("unicode_escape_decode", rb"\u0041\x42", b"AB"),
    ("lower", b"A\xc9z", b"a\xc9z"),
    ("normalize_path", b"/a//b/../c;x/./d", b"/a/c/d"),
    ("base64_decode", b"YWJj", b"abc"),
    ("base64_decode", b"YWJjZA", b"abcd"),
    ("base64_decode", b"?", None),
    ("hex_decode", b"616263", b"abc"),
    ("hex_decode", b"61626", None),
    ("remove_nulls", b"a\0b\0", b"ab"),
    ("compress_whitespace", b"a \t\r\n b", b"a b"),
    ("trim", b" \ta b\n", b"a b"),
]


def test_every_transform_has_a_case() -> None:
    assert {name for name, _, _ in CASES} == set(TRANSFORMS)
    assert len(TRANSFORMS) == 13


@pytest.mark.parametrize(("name", "value", "expect"), CASES)
def test_a_transform_gives_the_recorded_value(name: str, value: bytes, expect: bytes | None) -> None:
    assert TRANSFORMS[name].apply(value) == expect
    assert TRANSFORMS[name].meaning


def test_transforms_apply_left_to_right() -> None:
    first = compile_transforms(("percent_decode", "base64_decode", "lower"))
    other = compile_transforms(("lower", "percent_decode", "base64_decode"))
    assert first is not None
    assert other is not None
    assert first(b"QUJD%52A%3D%3D") == b"abcd"
    assert other(b"QUJD%52A%3D%3D") != b"abcd"


def test_nothing_comes_after_none() -> None:
    apply = compile_transforms(("hex_decode", "lower"))
    assert apply is not None
    assert apply(b"zz") is None


def test_no_transforms_compile_to_none_and_a_typo_gets_a_hint() -> None:
    assert compile_transforms(()) is None
    with pytest.raises(UsageError, match="percent_decode"):
        compile_transforms(("percent_decod",))


@given(st.sampled_from(TRANSFORMS.names()), st.binary(max_size=60))
def test_no_transform_fails_or_grows_a_value_without_bound(name: str, value: bytes) -> None:
    after = TRANSFORMS[name].apply(value)
    assert after is None or len(after) <= 4 * len(value) + 4
