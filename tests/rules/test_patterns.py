"""Patterns that come from data: bytes, linear time, and refusals that say what to write instead."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ruleforge.errors import RuleError
from ruleforge.rules.patterns import MAX_PATTERN_BYTES, Span, compile_alternatives, compile_pattern, quote

REFUSED = [
    (
        b"a$",
        "RF320",
        r"[RF320] the pattern uses $ at byte 1 (write \z for the end of the text, or \$ for a dollar sign)",
    ),
    (b"[]$]|$", "RF320", ""),
    (rb"\\$", "RF320", ""),
    (rb"\Q$\E$", "RF320", ""),
    (b"[[:alpha:]$]$", "RF320", ""),
    (b"(?U)a", "RF320", "[RF320] the pattern uses the flags 'U' (only i, s and m exist)"),
    (b"(?x: a)", "RF320", ""),
    (b"(a", "RF321", "[RF321] not a valid pattern: missing ): (a"),
    (b"(?=a)", "RF321", ""),
    (b"(?!a)", "RF321", ""),
    (b"(?<!a)b", "RF321", ""),
    (rb"(a)\1", "RF321", ""),
    (rb"a\Z", "RF321", ""),
    (b"a++", "RF321", ""),
    (b"a" * (MAX_PATTERN_BYTES + 1), "RF322", ""),
    (b"a{1001}", "RF322", ""),
    (b"(a{100}){100}", "RF322", ""),
    (b"(.{900}b|.{901}c|.{902}d){1}" * 9, "RF322", ""),
]
ACCEPTED = [
    b"[$]",
    rb"\$",
    rb"\Q$\E",
    b"[]$]",
    b"[^]$]",
    b"[[:alpha:]$]",
    b"(?i)a",
    b"(?i-s:a)",
    b"(?P<name>a)",
    rb"[\]$]",
]


@pytest.mark.parametrize(("regex", "code", "text"), REFUSED)
def test_a_foreign_or_unbounded_pattern_is_refused_with_a_code(regex: bytes, code: str, text: str) -> None:
    with pytest.raises(RuleError) as caught:
        compile_pattern(regex)
    assert caught.value.code == code
    if text:
        assert str(caught.value) == text


@pytest.mark.parametrize("regex", ACCEPTED)
def test_a_dollar_sign_is_welcome_where_it_is_a_character(regex: bytes) -> None:
    assert compile_pattern(regex).regex == regex


def test_a_pattern_looks_anywhere_and_tells_where() -> None:
    pattern = compile_pattern(rb"b(.)d")
    assert pattern.search(b"aabcdd") == Span(2, 5)
    assert pattern.search(b"ab\nd") is None
    assert pattern.test(b"bcd")


def test_bytes_are_latin_1_characters_and_only_ascii_letters_fold() -> None:
    assert compile_pattern(b"^.\\z").test(b"\xff")
    assert compile_pattern(b"^[\xe0-\xef]\\z").test(b"\xe9")
    assert compile_pattern(b"(?i)K").test(b"k")
    assert not compile_pattern(b"(?i)\xe9").test(b"\xc9")


def test_a_pattern_says_whether_it_matches_the_empty_text() -> None:
    assert compile_pattern(b"a*").matches_empty
    assert not compile_pattern(b"a+").matches_empty


def test_equal_patterns_are_compiled_once() -> None:
    assert compile_pattern(b"once") is compile_pattern(b"once")


def test_a_pattern_that_would_backtrack_takes_linear_time() -> None:
    pattern = compile_pattern(rb"^(a|a)*(a|a)*(a|a)*b\z")
    start = time.process_time()
    assert not pattern.test(b"a" * 200_000)
    assert time.process_time() - start < 2


def test_alternatives_are_found_where_any_of_them_is_and_flags_do_not_leak() -> None:
    pattern = compile_alternatives((b"(?i)abc", b"x|y"))
    assert pattern.test(b"ABC")
    assert pattern.test(b"-y-")
    assert not pattern.test(b"X")


@given(st.binary(max_size=30), st.binary(max_size=5), st.binary(max_size=5))
def test_a_quoted_literal_finds_exactly_itself(literal: bytes, before: bytes, after: bytes) -> None:
    text = before + literal + after
    assert compile_pattern(quote(literal)).search(text) == Span(text.find(literal), text.find(literal) + len(literal))


@given(st.binary(max_size=40))
def test_any_bytes_compile_or_are_refused_politely(regex: bytes) -> None:
    assert outcome(regex) in {"compiled", "RF320", "RF321", "RF322"}


def outcome(regex: bytes) -> str:
    try:
        compile_pattern(regex).test(b"some text")
    except RuleError as error:
        return error.code
    return "compiled"
