"""A command line is split as a shell splits it, and never takes the rest of a document with it."""

import re
import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ruleforge.sources.prose.shell_words import MAX_COMMAND, MAX_WORDS, split_command


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a b\tc", ["a", "b", "c"]),
        ("a 'b c'\"d e\"f", ["a", "b cd ef"]),
        ("a '' b", ["a", "", "b"]),
        (r'a "b\"c\\d\n"', ["a", 'b"c\\d\\n']),
        (r"a b\ c", ["a", "b c"]),
        ("a \\\nb", ["a", "b"]),
        ("a\nb", ["a"]),
        ("a; b", ["a"]),
        ("a && b", ["a"]),
        ("a | b", ["a"]),
        ("a 2>/dev/null b", ["a", "b"]),
        ("a >out", ["a"]),
        ("$'a\\tb\\101\\x42'", ["a\tbAB"]),
        ('$"a"', ["a"]),
        ("a$ b", ["a$", "b"]),
        ("'a", ["a"]),
        ("x=1&y=2", ["x=1&y=2"]),
    ],
)
def test_words(text: str, words: list[str]) -> None:
    assert list(split_command(text).words) == words


def test_the_rest_of_a_line_is_what_an_open_quote_means() -> None:
    command = split_command("a 'b c\nd e")
    assert (command.words, command.closed) == (("a", "b c"), False)


def test_what_only_a_run_would_know_is_named() -> None:
    command = split_command('a $NAME "${OTHER}x" $(cat /x) `id`')
    marked = [name for word in command.words for name in re.findall(r"\0(\w+)\0", word)]
    assert list(dict.fromkeys(marked)) == ["NAME", "OTHER", "command"]
    assert command.unknown == ("NAME", "OTHER", "command")


def test_bounds_hold() -> None:
    assert len(split_command("a " * 1_000_000).words) <= MAX_WORDS
    assert split_command("'" + "a" * 1_000_000).end <= MAX_COMMAND


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1), max_size=8))
def test_quoted_words_come_back(words: list[str]) -> None:
    plain = [word for word in words if not set(word) & set("“”‘’")]
    assert list(split_command(" ".join(shlex.quote(word) for word in plain)).words) == plain


@given(st.text("ab '\"\\$`(){}|;&<>\n\t#“”", max_size=60))
def test_any_text_is_split(text: str) -> None:
    command = split_command(text)
    assert 0 <= command.end <= len(text) + 2
