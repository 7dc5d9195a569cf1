"""The normal form keeps the meaning, and the content hash covers what a rule does and nothing else."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ruleforge.engine.reference import compile_tree
from ruleforge.events.places import HttpView
from ruleforge.events.request import Request
from ruleforge.rules.canonical import canonical_json, content_hash, normal_form, normal_tree
from ruleforge.rules.classes import CLASSES
from ruleforge.rules.tree import AllOf, AnyOf, Condition, Count, Name, Not, Product, Rule, Some, Tree

VERSIONS = {name: versions[-1] for name, versions in CLASSES.items()}
A = Condition("path", "equals", b"/a")
B = Condition("path", "equals", b"/b")
C = Condition("args", "present", name=Name(b"q"))

SAME = [
    (AllOf((A, AllOf((B, C)))), AllOf((C, B, A))),
    (AnyOf((A, AnyOf((B, A)))), AnyOf((B, A))),
    (AllOf((A,)), A),
    (AllOf((A, A)), A),
    (Not(Not(A)), A),
    (Not(AllOf((Not(A),))), A),
    (AllOf((A, AnyOf((AllOf((B, C)),)))), AllOf((A, B, C))),
    (Some("args", AllOf((A, A))), Some("args", A)),
    (Condition("path", "in", (b"b", b"a", b"b")), Condition("path", "in", (b"a", b"b"))),
    (Condition("headers", "present", name=Name(b"Host")), Condition("headers", "present", name=Name(b"hOST", "lower"))),
]
DIFFERENT = [
    (AllOf((A, B)), AnyOf((A, B))),
    (A, Not(A)),
    (Condition("args", "present", name=Name(b"Q")), C),
    (
        Condition("path", "contains", b"a", None, ("lower", "trim")),
        Condition("path", "contains", b"a", None, ("trim", "lower")),
    ),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_trees_that_differ_in_shape_only_have_one_normal_form(one: Tree, other: Tree) -> None:
    assert normal_tree(one) == normal_tree(other)
    assert content_hash(Rule(id="RF-1", when=one)) == content_hash(Rule(id="RF-2", when=other))


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_trees_that_mean_something_else_keep_their_own_form(one: Tree, other: Tree) -> None:
    assert content_hash(Rule(id="RF-1", when=one)) != content_hash(Rule(id="RF-1", when=other))


@given(st.from_type(Not), st.from_type(Request))
def test_the_normal_form_means_the_same(tree: Not, request_: Request) -> None:
    before = compile_tree(tree.part, VERSIONS)(HttpView(request_))
    assert compile_tree(normal_tree(tree.part), VERSIONS)(HttpView(request_)) is before


@given(st.from_type(Rule))
def test_the_normal_form_of_a_normal_form_is_itself(rule: Rule) -> None:
    once = normal_form(rule.when)
    assert normal_form(once) == once


def test_the_hash_ignores_everything_written_for_people() -> None:
    rule = Rule(id="RF-1", when=A)
    told = Rule(id="RF-2", when=A, revision=7, title="t", cves=("CVE-2021-0001",), products=(Product("v", "p"),))
    assert content_hash(rule) == content_hash(told)


def test_the_hash_covers_event_and_class_versions() -> None:
    rule = Rule(id="RF-1", when=A)
    assert content_hash(rule) != content_hash(msgspec.structs.replace(rule, event="dns"))
    assert content_hash(rule) != content_hash(msgspec.structs.replace(rule, classes=(("xss", 1),)))


def test_the_hash_never_changes_between_releases() -> None:
    rule = Rule(id="RF-1", when=AllOf((C, Condition("path", "path_suffix", b"/\xff"), A)))
    assert content_hash(rule) == "sha256:49b1d9649f65eeb22a774c96ba53e611797290672b2d30246f916791379c221d"


def test_counts_and_sequences_have_a_normal_form_too() -> None:
    count = Count(AllOf((A, A)), ("source.address",), 60, 2)
    assert normal_form(count) == Count(A, ("source.address",), 60, 2)


def test_canonical_json_is_that_of_rfc_8785() -> None:
    assert canonical_json({"b": [1, "é\u2028"], "a": {"\n": None, '"\\': True}}) == (
        '{"a":{"\\n":null,"\\"\\\\":true},"b":[1,"é\u2028"]}'.encode()
    )
    assert canonical_json({"\U0001f600": 1, "\ufb33": 2}) == '{"\U0001f600":1,"\ufb33":2}'.encode()
    assert canonical_json("\x00\x1f\x7f") == b'"\\u0000\\u001f\x7f"'


@pytest.mark.parametrize("number", [2**53, -(2**53), 1.5])
def test_numbers_that_readers_change_are_refused(number: float) -> None:
    with pytest.raises(ValueError, match="no canonical form"):
        canonical_json([number])


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=4),
        lambda x: st.lists(x) | st.dictionaries(st.text(max_size=3), x),
    )
)
def test_canonical_json_reads_back_and_does_not_depend_on_the_order_of_keys(data: object) -> None:
    text = canonical_json(data)
    assert json.loads(text) == data
    assert canonical_json(json.loads(text)) == text
