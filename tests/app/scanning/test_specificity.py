"""The most specific rule comes first: by proof where there is one, else by what ordinary traffic has."""

from typing import Any

import pytest

from ruleforge.app.scanning.specificity import Specificity, rule_implies
from ruleforge.rules.parse import parse_rule
from ruleforge.rules.tree import Rule


def rule(name: str, when: Any) -> Rule:
    return parse_rule({"schema": 1, "id": name, "title": name, "when": when}).require()


def cond(field: str, op: str, value: str, **more: Any) -> dict[str, Any]:
    return {"field": field, "op": op, "value": value} | more


PATH = cond("path", "path_suffix", "/fruit/press.php")
SUFFIX = cond("path", "path_suffix", "/press.php")
UP = cond("args", "contains", "../", name="crate")
UPS = cond("args", "contains", "../../", name="crate")

PROVED = [
    ({"all": [PATH, UP]}, PATH),
    ({"all": [PATH, UPS]}, {"all": [SUFFIX, UP]}),
    (PATH, {"any": [UP, SUFFIX]}),
    ({"any": [PATH, {"all": [SUFFIX, UP]}]}, SUFFIX),
    ({"not": SUFFIX}, {"not": PATH}),
    (
        {"some": "args", "where": cond("value", "contains", "../../")},
        {"some": "args", "where": cond("value", "contains", "../")},
    ),
]


@pytest.mark.parametrize(("one", "other"), PROVED)
def test_what_follows_is_proved_one_way_only(one: Any, other: Any) -> None:
    a, b = rule("A", one), rule("B", other)
    assert rule_implies(a, b)
    assert not rule_implies(b, a)


def test_a_rule_comes_before_every_rule_it_implies() -> None:
    rules = [rule("A", SUFFIX), rule("B", {"all": [PATH, UPS]}), rule("C", {"all": [SUFFIX, UP]})]
    assert Specificity(rules).order([0, 1, 2]) == [1, 2, 0]


def test_without_a_proof_the_rarer_literals_come_first() -> None:
    rules = [
        rule("A", cond("path", "contains", "/index.php")),
        rule("B", cond("path", "contains", "/xq9-crush-zz.php")),
    ]
    assert Specificity(rules).order([0, 1]) == [1, 0]


def test_equal_rules_are_ordered_by_their_ids() -> None:
    rules = [rule("B", UP), rule("A", UP)]
    assert Specificity(rules).order([0, 1]) == [1, 0]
