"""Explanations agree with the evaluator, point at the bytes that decided, and stay small."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ruleforge.engine.explain import MAX_BYTES, MAX_VALUES, Spot, explain
from ruleforge.engine.reference import evaluate
from ruleforge.errors import RuleError
from ruleforge.events.request import Request
from ruleforge.rules.patterns import Span
from ruleforge.rules.tree import AllOf, AnyOf, Condition, Count, Name, Not, Rule, Some, Tree

REQUEST = Request(
    id="r-1",
    method=b"GET",
    target=b"/shop/run?a=zz&q=1%27+or+1%3D1--+-&h=616263",
    headers=((b"X-Key", b"open sesame"),),
    unrecorded=frozenset({"body"}),
)

TEXT = """\
RF-1: unknown
  unknown all of
    true    path path_suffix '/run'
            + '/shop/run' bytes 5 to 9 (target 5 to 9)
    true    query_args ['h'] (hex_decode) contains 'bc'
            + 'h' = 'abc' bytes 1 to 3
    unknown not
      unknown body contains_any ['x\\n', "'"]  (the source does not record the body)
    true    any of
      false   headers ['X-None'] present  (no value there)
      true    headers ['X-Key'] starts_with 'open'
              + 'x-key' = 'open sesame' bytes 0 to 4 (headers[0] 0 to 4)
    true    some element of query_args where
            + 'h' = '616263'
            - 'a' = 'zz'
            - 'q' = "1' or 1=1-- -"
      true    all of
        true    value length_gt 3
                + 'h' = '616263' bytes 0 to 6 (target 37 to 43)
        true    name equals 'h'
                + 'h' = 'h' bytes 0 to 1"""


def rule(when: Tree, *classes: tuple[str, int]) -> Rule:
    return Rule(id="RF-1", when=when, classes=classes)


def test_the_text_shows_each_node_its_values_and_its_reason() -> None:
    tree = AllOf(
        (
            Condition("path", "path_suffix", b"/run"),
            Condition("query_args", "contains", b"bc", Name(b"h"), ("hex_decode",)),
            Not(Condition("body", "contains_any", (b"x\n", b"'"))),
            AnyOf(
                (
                    Condition("headers", "present", name=Name(b"X-None")),
                    Condition("headers", "starts_with", b"open", Name(b"X-Key")),
                )
            ),
            Some("query_args", AllOf((Condition("value", "length_gt", 3), Condition("name", "equals", b"h")))),
        )
    )
    text = explain(rule(tree), REQUEST).to_text()
    assert text == TEXT


def test_a_payload_is_explained_by_its_form_and_pattern() -> None:
    tree = Condition("query_args", "is_class", b"sql_injection", Name(b"q"))
    request = Request(method=b"GET", target=b"/?q=1%2527%2520or%25201%253D1--%2520-")
    (seen,) = explain(rule(tree, ("sql_injection", 1)), request).root.seen
    assert seen.satisfies
    assert seen.note.startswith("pattern ")
    assert 'in the form "1\' or 1=1-- -"' in seen.note
    assert seen.span == Span(0, seen.size)


def test_a_place_in_the_request_is_given_only_where_it_is_meant_once() -> None:
    def spot(target: bytes) -> Spot | None:
        request = Request(method=b"GET", target=target)
        return explain(rule(Condition("query_args", "contains", b"abc")), request).root.seen[0].spot

    assert spot(b"/?q=xabc") == Spot("target", 5, 8)
    assert spot(b"/?q=x%61bc") is None
    assert spot(b"/abc?q=abc") is None


UNKNOWN = [
    (Condition("body", "present"), {"unrecorded": frozenset({"body"})}, "the source does not record the body"),
    (Condition("args", "present"), {"unrecorded": frozenset({"body"})}, "the source does not record the body"),
    (Condition("path", "present"), {"unrecorded": frozenset({"target"})}, "the source does not record the target"),
    (Condition("response.status", "int_eq", 200), {}, "the source does not record response.status"),
    (
        Condition("headers", "present", name=Name(b"cookie")),
        {"recorded_headers": frozenset({b"referer"})},
        "the source does not record the header 'cookie'",
    ),
    (Condition("body.raw", "contains", b"x"), {"body": b"a" * (2 << 20)}, "cut off by a size bound or not decodable"),
]


@pytest.mark.parametrize(("tree", "rest", "reason"), UNKNOWN)
def test_what_is_unknown_has_a_reason(tree: Tree, rest: dict[str, object], reason: str) -> None:
    step = explain(rule(tree), Request(method=b"GET", target=b"/", **rest)).root  # type: ignore[arg-type]
    assert step.answer is None
    assert step.reason == reason


def test_the_output_is_bounded_and_the_value_that_satisfies_is_shown() -> None:
    target = b"/?" + b"&".join(b"a=%d" % number for number in range(500)) + b"&z=" + b"y" * 5_000
    found = explain(rule(Condition("query_args", "contains", b"yy")), Request(method=b"GET", target=target))
    assert len(found.root.seen) == MAX_VALUES
    assert found.root.more == 501 - MAX_VALUES
    assert found.root.seen[0].satisfies
    assert found.root.seen[0].size == 5_000
    assert len(found.root.seen[0].value) == MAX_BYTES
    assert len(found.to_text()) < 1_500


def test_bytes_of_the_request_cannot_write_to_the_terminal() -> None:
    request = Request(method=b"GET", target=b"/?\x1b[31m=\x1b]0;x\x07%0a%00\xff")
    found = explain(rule(Condition("query_args", "contains", b"\x1b")), request)
    text = found.to_text()
    assert text.isascii()
    assert text.replace("\n", "").isprintable()
    assert "\\x1b" in json.dumps(found.to_dict())


def test_plain_data_says_the_same() -> None:
    found = explain(rule(Not(Condition("path", "path_suffix", b"/run"))), REQUEST)
    assert found.to_dict() == {
        "rule": "RF-1",
        "request": "r-1",
        "answer": "false",
        "root": {
            "answer": "false",
            "label": "not",
            "parts": [
                {
                    "answer": "true",
                    "label": "path path_suffix '/run'",
                    "values": [
                        {
                            "value": "'/shop/run'",
                            "size": 9,
                            "satisfies": True,
                            "span": [5, 9],
                            "in_request": {"part": "target", "start": 5, "end": 9},
                        }
                    ],
                }
            ],
        },
    }


def test_a_count_is_refused() -> None:
    with pytest.raises(RuleError) as caught:
        explain(Rule(id="RF-1", when=Count(Condition("path", "present"), ("method",), 60, 2)), REQUEST)
    assert caught.value.code == "RF330"


leaves = st.sampled_from(
    [
        Condition("path", "equals", b"/a"),
        Condition("args", "contains", b"a"),
        Condition("body", "present"),
        Condition("args", "absent", name=Name(b"q")),
        Condition("headers", "regex", b"a|b"),
        Some("args", Not(Condition("value", "equals", b"1"))),
        Some("headers", Condition("name", "in", (b"a", b"b"))),
    ]
)
trees = st.recursive(
    leaves,
    lambda inner: (
        st.builds(AllOf, st.lists(inner, min_size=1, max_size=3).map(tuple))
        | st.builds(AnyOf, st.lists(inner, min_size=1, max_size=3).map(tuple))
        | st.builds(Not, inner)
    ),
    max_leaves=6,
)
requests = st.builds(
    Request,
    method=st.just(b"POST"),
    target=st.sampled_from([b"/a", b"/a?q=1", b"/b?x=a&q=", b"/b?q=1&q=2"]),
    headers=st.sampled_from([(), ((b"A", b"b"),), ((b"C", b"d"),)]),
    body=st.sampled_from([None, b"", b"q=a"]),
    unrecorded=st.frozensets(st.sampled_from(["body", "headers", "target"])),
)


@given(trees, requests)
def test_an_explanation_gives_the_answer_of_the_evaluator(tree: Tree, request_: Request) -> None:
    assert explain(rule(tree), request_).answer is evaluate(rule(tree), request_)
