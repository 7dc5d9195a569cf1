"""What is certain of the beginning of a value holds of every value that begins so."""

from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ruleforge.engine.compiled import CompiledSet
from ruleforge.engine.cut import compile_certain
from ruleforge.engine.explain import explain
from ruleforge.engine.matching import PlainMatcher
from ruleforge.engine.reference import compile_question, compile_rule, evaluate
from ruleforge.events.bodies import coding
from ruleforge.events.places import HttpView
from ruleforge.events.reading import Element, Reading
from ruleforge.events.request import Request
from ruleforge.rules.operators import OPERATORS
from ruleforge.rules.patterns import compile_pattern, reads_ahead
from ruleforge.rules.transforms import TRANSFORMS
from ruleforge.rules.tree import Condition, Rule

PIECES = st.sampled_from(
    (b"a", b"A", b"b", b" ", b"  ", b"%", b"%4", b"%41", b"%25", b"25", b"41", b"4", b"1", b"&", b"&l", b"&lt", b";",
     b"lt;", b"&#6", b"5;", b"+", b"\x00", b"/", b"..", b"\\u00", b"61", b"YWJj", b"=", b"\xff")
)  # fmt: skip
TEXTS = st.lists(PIECES, max_size=6).map(b"".join)
PATTERNS = (b"a", rb"a\z", rb"\ba", rb"a\b", rb"a\B", rb"(?s)a.*", rb"a\z|b", rb"[^a]b", rb"\x41\b|<", rb"(?i)A\B.*b?")
CONDITIONS = st.one_of(
    st.tuples(st.sampled_from(("contains", "starts_with", "ends_with", "equals", "path_segments")), TEXTS),
    st.tuples(st.sampled_from(("contains_any", "contains_all", "in")), st.lists(TEXTS, min_size=1).map(tuple)),
    st.tuples(st.sampled_from(("length_gt", "length_lt", "int_gt", "int_eq")), st.integers(0, 9)),
    st.tuples(st.just("regex"), st.sampled_from(PATTERNS)),
)
CHAINS = st.lists(st.sampled_from(TRANSFORMS.names()), max_size=3).map(tuple)


@settings(max_examples=1_500, deadline=None)
@given(asked=CONDITIONS, chain=CHAINS, beginning=TEXTS, rest=TEXTS)
def test_what_is_certain_of_a_beginning_holds_of_the_whole(asked, chain, beginning, rest):
    condition = Condition("body", *asked, None, chain)
    if compile_certain(condition, {})(beginning):
        about = compile_question(condition, {})
        assert about(Reading((Element(beginning + rest),))) is True
        assert about(Reading((Element(beginning),))) is True


ASKED_OF_A_VALUE = [name for name, operator in OPERATORS.items() if operator.compile and operator.fails]


def test_nearly_every_operator_is_asked_about_a_cut_value():
    left_out = set(OPERATORS.names()) - set(ASKED_OF_A_VALUE)
    assert all(OPERATORS[op].compile is None or OPERATORS[op].fails is None for op in left_out)
    assert len(ASKED_OF_A_VALUE) >= 16


@pytest.mark.parametrize("op", ASKED_OF_A_VALUE)
def test_a_cut_value_never_makes_a_condition_false(op):
    operator = OPERATORS[op]
    condition = Condition("body", op, operator.fails.value)
    assert compile_question(condition, {})(Reading((Element(operator.fails.text, cut=True),), complete=False)) is None


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_with_small_bounds_the_compiled_set_and_explain_answer_as_the_reference(drawn, data):
    bound = data.draw(st.integers(3, 40))
    with (
        mock.patch.object(coding, "MAX_BODY_BYTES", bound),
        mock.patch("ruleforge.events.places.MAX_BODY_BYTES", bound),
    ):
        request = data.draw(drawn.requests())
        rules = [
            drawn.make_rule(tree) for tree in data.draw(st.lists(drawn.rules_for(request), min_size=1, max_size=4))
        ]
        answers = [compile_rule(rule).ask(HttpView(request)) for rule in rules]
        found = CompiledSet(rules, matcher=PlainMatcher).answers(request)
        assert found.hits == tuple(index for index, answer in enumerate(answers) if answer)
        assert found.unknowns == tuple(index for index, answer in enumerate(answers) if answer is None)
        assert [explain(rule, request).answer for rule in rules] == answers


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_what_is_decided_of_a_cut_body_is_decided_so_of_the_whole(drawn, data):
    request = data.draw(drawn.requests())
    tree = data.draw(drawn.rules_for(request))
    whole = evaluate(drawn.make_rule(tree), request)
    bound = data.draw(st.integers(0, 60))
    with (
        mock.patch.object(coding, "MAX_BODY_BYTES", bound),
        mock.patch("ruleforge.events.places.MAX_BODY_BYTES", bound),
    ):
        known = evaluate(drawn.make_rule(tree), request)
    assert known is None or known is whole


@pytest.mark.parametrize(
    ("regex", "expected"),
    [(rb"a", False), (rb"a\z", True), (rb"\ba", True), (rb"\B", True), (rb"\\z", False), (rb"\\\z", True),
     (rb"\Q\z\E", False), (rb"\Q\E\z", True), (rb"\Qa", False), (rb"\A\d", False)],
)  # fmt: skip
def test_assertions_about_what_follows_are_found_in_patterns(regex, expected):
    compile_pattern(regex)
    assert reads_ahead(regex) is expected


def test_an_explanation_says_that_only_the_known_part_holds():
    request = Request(method=b"POST", target=b"/", body=b"a" * ((1 << 20) + 1))
    explanation = explain(Rule(id="RF-1", when=Condition("body", "ends_with", b"aa")), request)
    assert explanation.answer is None
    assert explanation.root.seen[0].satisfies is False
    assert explanation.root.seen[0].note == "holds for the part that is known"
    assert "size bound" in explanation.root.reason
