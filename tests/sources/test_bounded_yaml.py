"""YAML from strangers is text within bounds, or a clear error."""

import time

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from ruleforge.errors import InputError
from ruleforge.sources.bounded_yaml import MAX_BYTES, load_yaml


def laughs() -> bytes:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [" + ", ".join([f"*a{n - 1}"] * 9) + "]" for n in range(1, 11)]
    return "\n".join(lines).encode()


HOSTILE = {
    "too large": (b"a" * (MAX_BYTES + 1), "RF210"),
    "not UTF-8": (b"a: \xff\xfe", "RF211"),
    "NUL byte": (b"a: \0", "RF211"),
    "control byte": (b"a: \x01", "RF212"),
    "unclosed": (b"a: [1, 2", "RF212"),
    "bad indentation": (b"a: 1\n b: 2\n", "RF212"),
    "deep flow": (b"[" * 1_000_000, "RF213"),
    "deep block": (b"- " * 500_000, "RF213"),
    "deep mapping": (b"{a: " * 300_000, "RF213"),
    "billion laughs": (laughs(), "RF213"),
    "many aliases": (b"a: &a x\nb: [" + b"*a, " * 200 + b"*a]", "RF213"),
    "alias of itself": (b"a: &a [*a]", "RF213"),
    "many nodes": (b"a: [" + b"x, " * 300_000 + b"x]", "RF213"),
    "list as key": (b"? [a, b]\n: c", "RF213"),
}


def test_hostile_cases_are_there() -> None:
    assert len(HOSTILE) >= 14


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_yaml_is_refused_quickly_with_code_place_and_hint(name: str) -> None:
    data, code = HOSTILE[name]
    started = time.process_time()
    with pytest.raises(InputError) as caught:
        load_yaml(data, "x.yaml")
    assert (caught.value.code, caught.value.where) == (code, "x.yaml")
    assert caught.value.hint
    assert time.process_time() - started < 5


def test_scalars_stay_the_text_that_was_written() -> None:
    root = load_yaml(b"off: no\n010: 0x1F\nv: 1e3\nd: 2024-01-02\ns: 1_000\nt: 12:30:45\nn:\nq: ''\nx: ~").root
    assert root == {
        "off": "no", "010": "0x1F", "v": "1e3", "d": "2024-01-02", "s": "1_000", "t": "12:30:45", "n": None,
        "q": "", "x": None,
    }  # fmt: skip


def test_tags_construct_nothing() -> None:
    assert load_yaml(b"a: !!python/object/apply:os.getcwd []").root == {"a": []}


def test_of_two_equal_keys_the_later_wins_and_is_reported() -> None:
    document = load_yaml(b"a: 1\na: 2\n")
    assert document.root == {"a": "2"}
    assert "twice" in document.problems[0]


def test_aliases_and_merges_work_within_bounds() -> None:
    assert load_yaml(b"a: &a {x: 1}\nb: *a\nc: {<<: *a, y: 2}").root == {
        "a": {"x": "1"}, "b": {"x": "1"}, "c": {"x": "1", "y": "2"},
    }  # fmt: skip


def test_only_the_first_document_is_read() -> None:
    document = load_yaml(b"a: 1\n---\nb: 2\n")
    assert document.root == {"a": "1"}
    assert document.problems


def test_a_byte_order_mark_is_no_part_of_the_first_key() -> None:
    assert load_yaml(b"\xef\xbb\xbfa: 1").root == {"a": "1"}


TEXTS = st.text(st.characters(min_codepoint=32, max_codepoint=0x2FF, exclude_categories=["Cc", "Cs"]), max_size=12)
TREES = st.recursive(TEXTS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4))


@given(TREES)
def test_what_was_dumped_is_read_back(tree: object) -> None:
    dumped = yaml.safe_dump(tree, allow_unicode=True, default_style='"')
    assert load_yaml(dumped.encode()).root == tree


@given(st.binary(max_size=200))
def test_any_bytes_give_a_document_or_an_input_error(data: bytes) -> None:
    try:
        outcome = str(load_yaml(data))
    except InputError as error:
        outcome = error.code
    assert outcome.startswith(("RF21", "Document("))
