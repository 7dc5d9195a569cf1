"""How the judge takes a rule apart: alternatives, what has to hold together, what each asks and how rare that is."""

from types import SimpleNamespace
from typing import Any

import pytest

from ruleforge.background.table import default_background
from ruleforge.judge.shape import arm_bits, conjuncts_of, tree_bits
from ruleforge.rules.tree import AllOf, AnyOf, Condition, Name, Not

BITS = {"traversal": 15.0, "url_value": 4.0}
KINDS: list[tuple[dict[str, Any], str]] = [
    ({"field": "method", "op": "equals", "value": "PUT"}, "method"),
    ({"field": "path", "op": "path_suffix", "value": "/press/show.php"}, "endpoint"),
    ({"field": "path.raw", "op": "contains", "value": "/press/"}, "endpoint"),
    ({"field": "path.raw", "op": "is_class", "value": "traversal"}, "payload"),
    ({"field": "args", "name": "file", "op": "is_class", "value": "traversal"}, "payload"),
    ({"field": "args", "name": "file", "op": "regex", "value": "[.]{2}"}, "payload"),
    ({"field": "args", "name": "action", "op": "equals", "value": "squeeze"}, "selector"),
    ({"field": "args", "name": "file", "op": "equals", "value": "pears.txt"}, "value"),
    ({"field": "json", "name": "/crate/file", "op": "contains", "value": "pears"}, "value"),
    ({"field": "args", "name": "file", "op": "present"}, "presence"),
    ({"field": "args", "name": "file", "op": "length_gt", "value": 400}, "bound"),
    ({"not": {"field": "headers", "name": "cookie", "op": "present"}}, "negated"),
    ({"some": "args", "where": {"all": [
        {"field": "name", "op": "equals", "value": "file"}, {"field": "value", "op": "is_class", "value": "traversal"},
    ]}}, "payload"),
]  # fmt: skip


@pytest.mark.parametrize(("when", "kind"), KINDS)
def test_every_condition_has_its_kind(press: SimpleNamespace, when: dict[str, Any], kind: str) -> None:
    ((only,),) = conjuncts_of(press.rule_from(when).when)
    assert (only.kind, only.path) == (kind, "when")


def test_alternatives_and_what_holds_together_are_told_apart_with_their_places(press: SimpleNamespace) -> None:
    other = Condition("path", "path_suffix", b"/press/print.php")
    arms = conjuncts_of(AnyOf((AllOf((press.page, press.traversal)), other)))
    assert [[c.path for c in arm] for arm in arms] == [["when.any[0].all[0]", "when.any[0].all[1]"], ["when.any[1]"]]
    assert [[c.tree for c in arm] for arm in arms] == [[press.page, press.traversal], [other]]


def test_what_a_some_asks_of_the_value_is_asked_of_its_place_and_names(press: SimpleNamespace) -> None:
    ((only,),) = conjuncts_of(press.rule_from(KINDS[-1][0]).when)
    (question,) = only.questions
    assert (question.place, [n.text for n in question.names], question.op) == ("args", [b"file"], "is_class")


def test_a_negation_reaches_every_question_below_it() -> None:
    ((only,),) = conjuncts_of(Not(AnyOf((Condition("args", "present"), Condition("body", "present")))))
    assert [question.negated for question in only.questions] == [True, True]


def test_what_more_is_asked_makes_an_alternative_rarer(press: SimpleNamespace) -> None:
    table = default_background()
    one, two = (conjuncts_of(tree)[0] for tree in (press.page, AllOf((press.page, press.traversal))))
    assert arm_bits(one, table, BITS) < arm_bits(two, table, BITS)


def test_the_least_rare_alternative_decides(press: SimpleNamespace) -> None:
    table, common = default_background(), Condition("args", "is_class", b"url_value")
    assert tree_bits(AnyOf((press.traversal, common)), table, BITS) == tree_bits(common, table, BITS)


@pytest.mark.parametrize(
    ("rare", "usual"),
    [
        (Condition("path", "path_suffix", b"/press/show.php"), Condition("path", "path_suffix", b"/index.php")),
        (Condition("args", "equals", b"x", Name(b"fruitcrate_no")), Condition("args", "equals", b"x", Name(b"id"))),
        (Condition("method", "equals", b"MOVE"), Condition("method", "equals", b"GET")),
        (Condition("args", "is_class", b"traversal"), Condition("args", "is_class", b"url_value")),
        (Condition("headers", "present", None, Name(b"x-crate")), Condition("headers", "present", None, Name(b"host"))),
    ],
)  # fmt: skip
def test_what_normal_traffic_holds_is_less_surprising(rare: Condition, usual: Condition) -> None:
    table = default_background()
    assert tree_bits(rare, table, BITS) > tree_bits(usual, table, BITS)
