"""Answers are read within bounds, and every problem is told in words for their author."""

import json
from typing import Annotated, Any

import jsonschema
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ruleforge.llm.answers import ANSWER_MOST, PROBLEMS_MOST, parse_answer, problems_of, read_json, schema_of


class Seed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: Annotated[str, msgspec.Meta(min_length=1, max_length=5)]
    tree: Annotated[str, msgspec.Meta(extra_json_schema={"x-ids": "tree"})]


class Basket(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    weight: Annotated[float, msgspec.Meta(ge=0, le=1)] | None
    seeds: Annotated[tuple[Seed, ...], msgspec.Meta(min_length=1, max_length=2)]
    count: int = 3
    full: bool = False


SCHEMA = schema_of(Basket, {"tree": ("t1", "t2")})
RIGHT: dict[str, Any] = {"weight": 0.5, "seeds": [{"name": "pip", "tree": "t1"}]}


def test_a_schema_has_no_references_and_lists_the_ids_that_exist() -> None:
    assert "$ref" not in json.dumps(SCHEMA)
    assert SCHEMA["properties"]["seeds"]["items"]["properties"]["tree"]["enum"] == ["t1", "t2"]
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def test_a_right_answer_is_read() -> None:
    parsed = parse_answer(json.dumps(RIGHT), Basket, SCHEMA)
    assert parsed.value == Basket(0.5, (Seed("pip", "t1"),))
    assert parse_answer(f"```json\n{json.dumps(RIGHT)}\n```\n", Basket, SCHEMA) == parsed


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"weight": 2}, "weight lies from 0 to 1; found 2"),
        ({"weight": "much"}, 'weight is a number or null; found "much"'),
        ({"weight": True}, "weight is a number or null; found true"),
        ({"seeds": []}, "seeds has 1 to 2 entries; found 0"),
        ({"seeds": {}}, "seeds is a list; found {}"),
        ({"seeds": [{"name": "", "tree": "t1"}]}, "seeds[0].name has 1 to 5 characters; found 0"),
        ({"seeds": [{"name": "pip", "tree": "t9"}]}, 'seeds[0].tree is one of: t1, t2; found "t9"'),
        ({"seeds": [{"name": "pip"}]}, "seeds[0].tree is missing"),
        ({"count": 1.5}, "count is a whole number; found 1.5"),
        ({"full": 1}, "full is true or false; found 1"),
        ({"run": "rm -rf /"}, 'the answer has a key that nobody asked for: "run"'),
    ],
)
def test_a_problem_names_its_place(change: dict[str, Any], problem: str) -> None:
    parsed = parse_answer(json.dumps(RIGHT | change), Basket, SCHEMA)
    assert parsed.value is None
    assert parsed.problems == (problem,)


def test_all_problems_are_told_at_once_up_to_a_bound() -> None:
    parsed = parse_answer('{"weight": 7, "seeds": [{"tree": 1}], "count": null}', Basket, SCHEMA)
    assert len(parsed.problems) == 4
    many = json.dumps(RIGHT | {f"extra{number}": 1 for number in range(99)})
    assert len(parse_answer(many, Basket, SCHEMA).problems) == PROBLEMS_MOST + 1


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("I think it is fine.", "not one JSON document"),
        ("", "not one JSON document"),
        ('{"weight": 0.5', "not one JSON document"),
        ("{} {}", "not one JSON document"),
        ('{"a": 1, "a": 2}', "twice"),
        ('{"a": NaN}', "no number"),
        ('{"a": -Infinity}', "no number"),
        ('{"a": 1e999}', "too large"),
        ('{"a": ' + "9" * 5_000 + "}", "too many digits"),
        ("[" * 50_000, "nested"),
        ("x" * (ANSWER_MOST + 1), "longer than"),
        ("ä" * (ANSWER_MOST // 2 + 1), "longer than"),
        ('{"a": "\\ud800"}', "surrogate"),
    ],
)
def test_what_is_no_json_document_within_bounds_is_told_so(text: str, problem: str) -> None:
    read = read_json(text)
    assert problem in read.problem
    assert read.value is None


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 5)
    | st.floats(-1, 2)
    | st.sampled_from(["t1", "t2", "pip", "", "longer"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["weight", "seeds", "name", "tree", "count", "full", "other"]), inner, max_size=4
        )
    ),
    max_leaves=8,
)
NEAR = st.fixed_dictionaries(
    {"weight": JSON, "seeds": st.lists(st.fixed_dictionaries({"name": JSON, "tree": JSON}), max_size=3)},
    optional={"count": JSON, "full": JSON, "other": JSON},
)


@given(JSON | NEAR | st.just(RIGHT))
def test_there_are_no_problems_exactly_where_json_schema_sees_none(value: object) -> None:
    assert (problems_of(value, SCHEMA) == ()) is jsonschema.Draft202012Validator(SCHEMA).is_valid(value)


@given(st.text(max_size=300))
def test_any_text_is_an_answer_or_has_problems(text: str) -> None:
    parsed = parse_answer(text, Basket, SCHEMA)
    assert (parsed.value is None) is bool(parsed.problems)
