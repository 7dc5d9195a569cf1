"""The first cause of a miss: which condition of the closest arm fails, and of what kind that is."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ruleforge.engine.first_cause import first_cause
from ruleforge.engine.reference import evaluate
from ruleforge.errors import RuleError
from ruleforge.events.request import Request
from ruleforge.records.quality import CAUSES
from ruleforge.rules.parse import parse_tree
from ruleforge.rules.tree import AllOf, AnyOf, Condition, Count, Not, Rule, Some, Tree

CLASSES = (("sql_injection", 1), ("traversal", 1))
PRESS = {"field": "path", "op": "path_suffix", "value": "/fruit/press.php"}
CRATE = {"field": "args", "name": "crate", "op": "is_class", "value": "traversal"}
ANY = {"field": "args", "op": "is_class", "value": "traversal"}
POST = {"field": "method", "op": "equals", "value": "POST"}
MODE = {"field": "args", "name": "mode", "op": "equals", "value": "raw"}
SOME = {
    "some": "args",
    "where": {"all": [{"field": "name", "op": "equals", "value": "crate"}, ANY | {"field": "value"}]},
}
UP = "../../../../cellar/keys"
FORM = ((b"Content-Type", b"application/x-www-form-urlencoded"),)
JSON = ((b"Content-Type", b"application/json"),)


def rule_of(tree: Any) -> Rule:
    parsed, problems = parse_tree(tree)
    assert parsed is not None
    assert problems == ()
    return Rule(id="RF-CVE-2099-0001-1", when=parsed, classes=CLASSES)


def get(target: str, **keys: Any) -> Request:
    return Request(method=b"GET", target=target.encode(), **keys)


def json_of(body: str) -> Request:
    return Request(method=b"POST", target=b"/fruit/press.php", headers=JSON, body=body.encode())


CASES = [
    ("another endpoint", "", {"all": [PRESS, CRATE]}, get(f"/fruit/mill.php?crate={UP}")),
    ("another method", "", {"all": [POST, PRESS, CRATE]}, get(f"/fruit/press.php?crate={UP}")),
    ("another parameter", "", {"all": [PRESS, CRATE]}, get(f"/fruit/press.php?basket={UP}")),
    ("another parameter", "", {"all": [PRESS, SOME]}, get(f"/fruit/press.php?basket={UP}")),
    ("payload not of the class", "", {"all": [PRESS, CRATE]}, get("/fruit/press.php?crate=pears")),
    ("payload not of the class", "", {"all": [PRESS, ANY]}, get("/fruit/press.php?basket=pears")),
    ("payload not of the class", "", {"all": [PRESS, SOME]}, get("/fruit/press.php?crate=pears")),
    ("place not read", "json", {"all": [PRESS, CRATE]}, json_of('{"crate": "pears"}')),
    ("place not read", "json", {"all": [PRESS, ANY]}, json_of(f'{{"basket": "{UP}"}}')),
    ("place not read", "json", {"all": [PRESS, SOME]}, json_of(f'{{"a": {{"crate": "{UP}"}}}}')),
    (
        "place not read",
        "cookies",
        {"all": [PRESS, CRATE]},
        get("/fruit/press.php", headers=((b"Cookie", f"crate={UP}".encode()),)),
    ),
    ("selector or literal differs", "", {"all": [PRESS, MODE]}, get("/fruit/press.php?mode=cooked")),
    ("selector or literal differs", "", {"not": {"all": [PRESS]}}, get("/fruit/press.php")),
    ("not decidable", "", {"all": [PRESS, CRATE]}, get("/fruit/press.php", unrecorded=frozenset({"body"}))),
    # The endpoint comes first, whatever else fails, and however late it is asked for.
    ("another endpoint", "", {"all": [MODE, CRATE, PRESS]}, get("/orchard?mode=cooked")),
    # Of two arms the one whose endpoint is met is the closest, though more of its conditions fail.
    (
        "another parameter",
        "",
        {"any": [{"all": [{**PRESS, "value": "/fruit/mill.php"}]}, {"all": [PRESS, CRATE, MODE]}]},
        get("/fruit/press.php?x=1"),
    ),
    # A payload in a place that is not read is nearer than one that is not there at all.
    (
        "place not read",
        "json",
        {"all": [PRESS, {"any": [ANY | {"value": "sql_injection"}, ANY]}]},
        json_of(f'{{"basket": "{UP}"}}'),
    ),
]


@pytest.mark.parametrize(("kind", "place", "tree", "request_"), CASES)
def test_a_miss_has_the_cause_a_reader_would_name(kind: str, place: str, tree: Any, request_: Request) -> None:
    found = first_cause(rule_of(tree), request_)
    assert found is not None
    assert (found.kind, found.place) == (kind, place)
    assert found.condition
    assert found.distance > 0


def test_every_kind_of_cause_is_among_the_cases() -> None:
    assert {kind for kind, *_ in CASES} == set(CAUSES) - {"no rule"}


def test_a_rule_that_holds_has_no_cause() -> None:
    assert first_cause(rule_of({"all": [PRESS, CRATE]}), get(f"/a/fruit/press.php?crate={UP}")) is None


def test_a_rule_that_counts_is_refused() -> None:
    rule = Rule(id="RF-1", when=Count(Condition("path", "present"), ("source.address",), 60, 3))
    with pytest.raises(RuleError):
        first_cause(rule, get("/"))


fields = st.sampled_from(("path", "args", "json", "body", "headers", "method"))
values = st.sampled_from((b"a", b"/a", b"1", b"'", b""))
conditions: st.SearchStrategy[Tree] = st.builds(
    lambda field, value: Condition(field, "contains", value), fields, values
) | st.sampled_from(
    [
        Condition("args", "is_class", b"sql_injection"),
        Condition("body", "present"),
        Some("args", Condition("name", "equals", b"a")),
        Some("json", AllOf((Condition("name", "contains", b"a"), Condition("value", "is_class", b"traversal")))),
    ]
)
trees = st.recursive(
    conditions,
    lambda inner: (
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: AllOf(tuple(parts)))
        | st.lists(inner, min_size=1, max_size=3).map(lambda parts: AnyOf(tuple(parts)))
        | inner.map(Not)
    ),
    max_leaves=6,
)
requests = st.builds(
    lambda target, body, gaps: Request(
        method=b"POST", target=target, headers=JSON, body=None if gaps else body, unrecorded=frozenset(gaps)
    ),
    st.sampled_from((b"/", b"/a?a=1", b"/a?b='+or+1=1--")),
    st.sampled_from((b"", b'{"a": "../../../x"}', b"a=1", b"{")),
    st.sampled_from(((), ("body",))),
)


@given(trees, requests)
def test_there_is_a_cause_exactly_where_the_rule_does_not_hold(tree: Tree, request_: Request) -> None:
    rule = Rule(id="RF-1", when=tree, classes=CLASSES)
    found = first_cause(rule, request_)
    assert (found is None) == (evaluate(rule, request_) is True)
    assert found is None or found.kind in CAUSES
