"""Parser and JSON Schema accept the same documents, but for the few things a schema cannot say."""

import copy
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ruleforge.events.kinds import EVENTS, HTTP, fields_of
from ruleforge.rules.dump import dump_rule, dump_tree
from ruleforge.rules.operators import OPERATORS
from ruleforge.rules.parse import parse_rule
from ruleforge.rules.schema import rule_schema, tree_schema, whole_schema
from ruleforge.rules.tree import Rule

VALIDATOR = jsonschema.Draft202012Validator(rule_schema())
TREE_VALIDATOR = jsonschema.Draft202012Validator(tree_schema())
# Classes used exactly, depth and nodes, patterns, path literals in base64, networks.
UNSAYABLE = {"RF311", "RF314", "RF320", "RF321", "RF322", "RF323", "RF324"}

SCALARS = [None, True, False, 0, 1, -1, 1.0, 1.5, 2**53, "", "a", "path", "args", "is_class", "xss", "/a", "/a/", "/.."]
TEXTS = ["5m", "0m", "5m\n", "2026-01-31", "CVE-2021-0001\n"]
SHAPES = [[], {}, [1], ["a"], {"base64": "YQ=="}, {"base64": "YQ"}, {"lower": "a"}, {"lower": "a", "regex": "b"}]
NODES = [{"field": "path", "op": "present"}, {"not": {"field": "name", "op": "present"}}, ["lower"] * 17]
JUNK = st.sampled_from([*SCALARS, *TEXTS, *SHAPES, *NODES]).map(copy.deepcopy)  # later damage must not stay
KEYS = st.sampled_from(
    ["extra", "name", "value", "transforms", "some", "where", "all", "field", "classes", "distinct", "event"]
)


@st.composite
def damaged(draw: st.DrawFn) -> Any:
    """Make a document that was valid before one or two of its places were changed."""
    document = copy.deepcopy(dump_rule(draw(st.from_type(Rule))))
    for _ in range(draw(st.integers(1, 2))):
        holder: Any = document
        while True:
            inner = [
                item
                for item in (holder.values() if isinstance(holder, dict) else holder)
                if isinstance(item, dict | list) and item
            ]
            if not inner or draw(st.integers(0, 3)) == 0:
                break
            holder = draw(st.sampled_from(inner))
        keys = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
        key = draw(st.sampled_from(keys))
        match draw(st.sampled_from(["replace", "replace", "delete", "add"])):
            case "replace":
                holder[key] = draw(JUNK)
            case "delete":
                del holder[key]
            case "add" if isinstance(holder, dict):
                holder[draw(KEYS)] = draw(JUNK)
            case _:
                holder.append(draw(JUNK))
        if not holder:
            break
    return document


def test_the_schemas_are_valid_themselves() -> None:
    jsonschema.Draft202012Validator.check_schema(rule_schema())
    jsonschema.Draft202012Validator.check_schema(tree_schema())


@given(st.from_type(Rule))
def test_every_rule_that_parses_fits_the_schema(rule: Rule) -> None:
    assert VALIDATOR.is_valid(dump_rule(rule))
    assert TREE_VALIDATOR.is_valid(dump_tree(rule.when))


@given(damaged())
def test_parser_and_schema_agree_on_damaged_documents(document: Any) -> None:
    problems = [problem for problem in parse_rule(document).problems if problem.severity == "error"]
    if VALIDATOR.is_valid(document):
        assert {problem.code for problem in problems} <= UNSAYABLE, problems
    else:
        assert problems


def document(when: object, **rest: object) -> dict[str, object]:
    return {"schema": 1, "id": "RF-1", "when": when, **rest}


PLAIN = {"field": "path", "op": "present"}
BOTH_REFUSE = [
    None,
    [],
    {},
    document(PLAIN, schema=2),
    document(PLAIN, schema=True),
    document(PLAIN, id="a b"),
    document(PLAIN, id="RF-1\n"),
    document(PLAIN, revision=0),
    document(PLAIN, revision=True),
    document(PLAIN, severity="urgent"),
    document(PLAIN, title=1),
    document(PLAIN, cves="CVE-2021-0001"),
    document(PLAIN, cves=["cve-2021-0001"]),
    document(PLAIN, products=[{"vendor": "v"}]),
    document(PLAIN, event="smoke"),
    document(PLAIN, notes=""),
    document(PLAIN, classes={"nonsense": 1}),
    document(PLAIN, classes={"xss": 999}),
    document({"all": []}),
    document({"any": [PLAIN], "all": [PLAIN]}),
    document({"not": [PLAIN]}),
    document({"field": "path"}),
    document({"field": "pth", "op": "present"}),
    document({"field": "path", "op": "present", "value": None}),
    document({"field": "path", "op": "equals"}),
    document({"field": "path", "op": "equals", "value": 1}),
    document({"field": "path", "op": "equals", "value": {"base64": "Y"}}),
    document({"field": "path", "op": "in", "value": []}),
    document({"field": "path", "op": "in", "value": ["a"] * 201}),
    document({"field": "path", "op": "length_gt", "value": -1}),
    document({"field": "path", "op": "int_gt", "value": True}),
    document({"field": "path", "op": "int_gt", "value": 1.5}),
    document({"field": "path", "op": "path_suffix", "value": "/a/"}),
    document({"field": "path", "op": "path_suffix", "value": "/a/../b"}),
    document({"field": "path", "op": "path_suffix", "value": "/"}),
    document({"field": "path", "op": "cidr", "value": []}),
    document({"field": "path", "op": "is_class", "value": "nonsense"}),
    document({"field": "path", "op": "is_class", "value": "xss", "transforms": ["lower"]}, classes={"xss": 1}),
    document({"field": "path", "name": "q", "op": "present"}),
    document({"field": "args", "name": {"upper": "q"}, "op": "present"}),
    document({"field": "args", "transforms": ["upper"], "op": "present"}),
    document({"some": "path", "where": {"field": "value", "op": "present"}}),
    document({"some": "args", "where": PLAIN}),
    document({"some": "args", "where": {"some": "args", "where": {"field": "value", "op": "present"}}}),
    document({"field": "value", "op": "present"}),
    document({"all": [{"count": {"when": PLAIN, "by": ["method"], "within": "5m", "at_least": 1}}]}),
    document({"count": {"when": PLAIN, "by": [], "within": "5m", "at_least": 1}}),
    document({"count": {"when": PLAIN, "by": ["method"], "within": "5 minutes", "at_least": 1}}),
    document({"sequence": [PLAIN], "by": ["method"], "within": "5m"}),
]


@pytest.mark.parametrize("refused", BOTH_REFUSE)
def test_parser_and_schema_both_refuse(refused: object) -> None:
    assert not VALIDATOR.is_valid(refused)
    assert parse_rule(refused).rule is None


BOTH_ACCEPT = [
    document(PLAIN),
    document(PLAIN, revision=2.0, created="2026-01-31T10:00:00Z", title=""),
    document({"field": "path", "op": "cidr", "value": "10.0.0.0/8"}),
    document({"field": "path", "op": "path_suffix", "value": {"base64": "L/8="}}),
    document({"field": "args", "name": {"regex": "^a"}, "transforms": [], "op": "equals", "value": {"base64": ""}}),
    document({"field": "path", "op": "is_class", "value": "xss", "transforms": []}, classes={"xss": 1}),
    document({"count": {"when": PLAIN, "by": ["method"], "within": "5m", "at_least": 1, "distinct": "path"}}),
    document({"sequence": [PLAIN, PLAIN], "by": ["method"], "within": "1d"}),
]


@pytest.mark.parametrize("accepted", BOTH_ACCEPT)
def test_parser_and_schema_both_accept(accepted: object) -> None:
    assert VALIDATOR.is_valid(accepted)
    assert parse_rule(accepted).problems == ()


WHOLE = jsonschema.Draft202012Validator(whole_schema())
ALL_FIELDS = sorted({field for event in EVENTS for field in fields_of(event)} | {"value", "nonsense"})
VALUES = [None, "a", 4, ["a", "b"], ["192.0.2.0/24"], "xss"]
conditions = st.fixed_dictionaries(
    {"field": st.sampled_from(ALL_FIELDS), "op": st.sampled_from(OPERATORS.names())},
    optional={"value": st.sampled_from(VALUES), "name": st.just("n"), "transforms": st.just(["lower"])},
)
roots = st.one_of(
    conditions,
    st.builds(lambda one, two: {"all": [one, {"not": two}]}, conditions, conditions),
    st.builds(lambda one: {"some": "args", "where": one}, conditions),
    st.builds(
        lambda one, by, more: {"count": {"when": one, "by": [by], "within": "5m", "at_least": 2} | more},
        conditions,
        st.sampled_from(ALL_FIELDS),
        st.just({}) | st.fixed_dictionaries({"distinct": st.sampled_from(ALL_FIELDS)}),
    ),
    st.builds(
        lambda one, by: {"sequence": [one, one], "by": [by], "within": "5m"}, conditions, st.sampled_from(ALL_FIELDS)
    ),
)


@given(st.sampled_from([*EVENTS, "smoke", 7, None]), roots)
def test_the_schema_of_all_events_accepts_what_the_parser_accepts(event: Any, when: Any) -> None:
    document = {"schema": 1, "id": "R", "when": when} | ({} if event is None else {"event": event})
    codes = {problem.code for problem in parse_rule(document).problems if problem.severity == "error"}
    if codes <= UNSAYABLE:
        WHOLE.validate(document)
    elif codes - UNSAYABLE:
        assert not WHOLE.is_valid(document)


@pytest.mark.parametrize("event", [name for name in EVENTS if name != HTTP])
def test_each_event_accepts_every_field_of_its_own(event: str) -> None:
    for field in fields_of(event):
        document = {"schema": 1, "id": "R", "event": event, "when": {"field": field, "op": "present"}}
        assert parse_rule(document).rule is not None
        WHOLE.validate(document)
        jsonschema.Draft202012Validator(rule_schema(event)).validate(document)
