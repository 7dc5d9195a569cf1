"""Rules that were not made of facets: how surprising they are, what shape they have, what of them was never tried."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ruleforge.background.table import default_background
from ruleforge.events.places import HttpView
from ruleforge.events.request import Request
from ruleforge.generate.llm_shape import ARMS_MOST, TooManyArmsError, idle_arms, strategy_of, surprise_of, written_out
from ruleforge.rules.parse import parse_tree
from ruleforge.rules.tree import AllOf, AnyOf, Condition, Not, Tree

PAGE = {"field": "path", "op": "path_suffix", "value": "/orchard/fruit_press.php"}
SQL = {"field": "args", "op": "is_class", "value": "sql_injection"}
NAMED = SQL | {"name": "crate_no"}


def tree(document: Any) -> Tree:
    found, problems = parse_tree(document)
    assert isinstance(found, Condition | AllOf | AnyOf | Not) or found is not None, problems
    return found  # type: ignore[return-value]


def bits(document: Any) -> float:
    return surprise_of(tree(document), default_background())


@pytest.mark.parametrize(
    "document",
    [
        {"field": "path", "op": "regex", "value": "."},
        {"field": "path", "op": "regex", "value": "[abcdefghijklmnopqrstuvwxyz]"},
        {"field": "path", "op": "regex", "value": "longest-word-of-all|x?"},
        {"field": "path", "op": "contains", "value": "/"},
        {"not": PAGE},
        {"any": [{"all": [PAGE, NAMED]}, {"field": "method", "op": "equals", "value": "GET"}]},
        {"field": "args", "op": "length_gt", "value": 3},
        {"field": "headers", "name": "cookie", "op": "absent"},
    ],
)  # fmt: skip
def test_what_many_requests_satisfy_surprises_nobody(document: Any) -> None:
    assert bits(document) < 8


def test_more_conditions_never_make_a_rule_less_surprising_and_alternatives_never_more() -> None:
    assert bits({"all": [PAGE, NAMED]}) > bits(PAGE) > 8
    assert bits({"any": [{"all": [PAGE, NAMED]}, PAGE]}) == bits(PAGE)


def test_saying_a_thing_again_and_again_adds_nothing() -> None:
    texts = ["a crate", "a crat", "a cra", "a cr"]
    many = [{"field": "args", "name": "crate_no", "op": "contains", "value": text} for text in texts]
    assert bits({"all": [PAGE, PAGE, *many]}) == bits({"all": [PAGE, many[0]]})


def test_a_third_condition_of_a_kind_counts_nothing() -> None:
    texts = ["first wonder", "second marvel", "third miracle", "fourth prodigy"]
    many = [{"field": "body", "op": "contains", "value": text} for text in texts]
    assert bits({"all": many}) == bits({"all": many[:3]}) == pytest.approx(bits({"all": many[:2]}))


@given(st.lists(st.sampled_from([PAGE, SQL, NAMED, {"not": SQL}]), min_size=1, max_size=6))
def test_surprise_is_a_number_that_no_part_outdoes(parts: list[Any]) -> None:
    assert 0 <= bits({"any": parts}) <= min(bits(part) for part in parts)


def test_too_many_alternatives_are_not_written_out() -> None:
    pair = {"any": [PAGE, SQL]}
    with pytest.raises(TooManyArmsError):
        written_out(tree({"all": [pair] * 9}))
    assert len(written_out(tree({"all": [pair] * 7}))) == ARMS_MOST


@pytest.mark.parametrize(
    ("document", "strategy"),
    [
        ({"all": [PAGE, SQL]}, "endpoint_any_parameter"),
        ({"all": [PAGE, NAMED]}, "endpoint_payload"),
        ({"all": [PAGE, {"some": "args", "where": {"all": [
            {"field": "name", "op": "equals", "value": "crate_no"},
            {"field": "value", "op": "is_class", "value": "xss"}]}}]}, "endpoint_payload"),
        (NAMED, "parameter_anywhere"),
        (SQL, "parameter_anywhere"),
        ({"all": [PAGE, {"field": "args", "name": "role", "op": "equals", "value": "steward"}]}, "magic_parameter"),
        ({"all": [PAGE, {"field": "body", "op": "contains", "value": "steward"}]}, "endpoint_literal"),
        ({"all": [PAGE, {"field": "headers", "name": "x-press", "op": "present"}]}, "endpoint_structure"),
        ({"any": [{"all": [PAGE, SQL]}, {"all": [PAGE, NAMED]}]}, "endpoint_payload"),
    ],
)  # fmt: skip
def test_the_shape_of_a_rule_is_that_of_its_least_general_alternative(document: Any, strategy: str) -> None:
    assert strategy_of(tree(document)) == strategy


def test_alternatives_that_share_the_place_or_the_payload_may_stand_untried() -> None:
    attack = HttpView(Request(method=b"GET", target=b"/orchard/fruit_press.php?crate_no=1%27+or+1=1--"))
    json_too = {"all": [PAGE, {"any": [NAMED, {"field": "json", "op": "is_class", "value": "sql_injection"}]}]}
    other_page = {"all": [{"field": "path", "op": "path_suffix", "value": "/orchard/sieve.php"}, SQL]}
    foreign = {"field": "path", "op": "path_suffix", "value": "/checkout/payment"}
    background = default_background()
    assert not idle_arms(tree(json_too), [attack], background)
    assert not idle_arms(tree({"any": [json_too, other_page]}), [attack], background)
    found = idle_arms(tree({"any": [json_too, foreign]}), [attack], background)
    assert [arm.tree for arm in found] == [tree(foreign)]


def test_of_a_rule_that_fires_on_no_attack_nothing_is_called_idle() -> None:
    attack = HttpView(Request(method=b"GET", target=b"/"))
    assert not idle_arms(tree({"any": [PAGE, SQL]}), [attack], default_background())
