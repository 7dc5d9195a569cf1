"""Every operator answers as recorded, one case per line of tests/rules/operators/<operator>.json."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ruleforge.rules.classes import CLASSES, MAX_FORM_BYTES, MAX_FORMS, load_class
from ruleforge.rules.operators import OPERATORS, read_decimal
from ruleforge.rules.values import VALUE_TYPES, read_literal

FOLDER = Path(__file__).parent / "operators"
CASES = [(file.stem, case) for file in sorted(FOLDER.glob("*.json")) for case in json.loads(file.read_text())]
VERSIONS = {name: versions[0] for name, versions in CLASSES.items()}


def test_every_operator_has_at_least_four_cases() -> None:
    counts = {name: sum(op == name for op, _ in CASES) for name in OPERATORS}
    assert min(counts.values()) >= 4, counts
    assert {op for op, _ in CASES} == set(OPERATORS)
    assert len(CASES) >= 100


def value_of(op: str, case: dict[str, Any]) -> Any:
    return VALUE_TYPES[OPERATORS[op].takes].read(case["value"]) if "value" in case else None


@pytest.mark.parametrize(("op", "case"), CASES)
def test_operator_answers_as_recorded(op: str, case: dict[str, Any]) -> None:
    operator = OPERATORS[op]
    if operator.compile_count is not None:
        assert operator.compile_count(value_of(op, case))(case["count"]) is case["expect"]
        return
    assert operator.compile is not None
    assert operator.compile(value_of(op, case), VERSIONS)(read_literal(case["text"])) is case["expect"]


@pytest.mark.parametrize(("op", "case"), [(op, case) for op, case in CASES if "text" in case])
def test_what_is_located_lies_in_the_value_exactly_when_the_operator_holds(op: str, case: dict[str, Any]) -> None:
    operator, text = OPERATORS[op], read_literal(case["text"])
    assert operator.locate is not None
    span = operator.locate(value_of(op, case), VERSIONS)(text)
    assert (span is not None) is case["expect"]
    if span is not None:
        assert 0 <= span.start <= span.end <= len(text)


@pytest.mark.parametrize("name", [name for name, part in OPERATORS.items() if part.holds])
def test_the_examples_shown_in_the_reference_are_true(name: str) -> None:
    operator = OPERATORS[name]
    assert operator.compile is not None
    assert operator.holds is not None
    assert operator.fails is not None
    assert operator.compile(operator.holds.value, {})(operator.holds.text) is True
    assert operator.compile(operator.fails.value, {})(operator.fails.text) is False


@pytest.mark.parametrize("name", list(OPERATORS))
def test_an_operator_asks_about_one_value_or_about_their_number(name: str) -> None:
    operator = OPERATORS[name]
    assert (operator.compile is None) is (operator.compile_count is not None)
    assert (operator.compile is None) is (operator.locate is None)
    assert operator.over == ("values" if operator.compile is None else "value")
    assert operator.meaning


@given(st.integers(-(10**19), 10**19), st.integers(0, 3))
def test_decimals_are_read_as_python_reads_them(number: int, zeros: int) -> None:
    sign, digits = ("-" if number < 0 else ""), str(abs(number))
    assert read_decimal((sign + "0" * zeros + digits).encode()) == number


@given(st.binary(max_size=8), st.binary(max_size=8).filter(bool))
def test_a_suffix_that_holds_also_occurs_as_segments(text: bytes, segment: bytes) -> None:
    path = b"/" + segment.replace(b"/", b"-")
    suffix, segments = OPERATORS["path_suffix"].compile, OPERATORS["path_segments"].compile
    assert suffix is not None
    assert segments is not None
    for whole in (text, text + path, path + text, text + path + b"/"):
        if suffix(path, {})(whole):
            assert segments(path, {})(whole)


def test_the_forms_of_a_hostile_value_are_bounded() -> None:
    loaded = load_class("sql_injection", 1)
    small = list(loaded.forms(b"&#39;%u0027+\\u0027%2525" * 10))
    large = list(loaded.forms(b"&#39;%u0027+\\u0027%2525" * 45_000))
    assert len(small) == len(set(small)) <= MAX_FORMS
    assert len(small) > 8
    assert sum(map(len, large)) < MAX_FORM_BYTES + (1 << 20)
