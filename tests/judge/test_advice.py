"""What of an opinion goes to the next round: conditions and what to do about them, never a request of the judge."""

from types import SimpleNamespace

import msgspec
import pytest

from ruleforge.judge.advice import ADVICE_MOST, advice_of, tree_at
from ruleforge.judge.evidence_judge import judge_rule
from ruleforge.records.forging import Opinion, Reason
from ruleforge.rules.tree import AllOf, AnyOf, Condition, Name

EXACT = Condition("args", "equals", b"../../etc/shadow", Name(b"file"))


def opinion_with(*reasons: Reason) -> Opinion:
    return Opinion(judge="j", p_miss=0.5, p_off_target=0.5, chain=reasons)


def reason(code: str, condition: str = "when", weight: float = 1.0) -> Reason:
    return Reason(code=code, question="miss", text="x", condition=condition, weight=weight, request="GET /secret-case")


@pytest.mark.parametrize(
    ("code", "place", "action"),
    [
        ("misses_variant", "when.all[1]", "drop"),
        ("copied_from_attack", "when.all[1]", "drop"),
        ("idle_condition", "when.all[1]", "drop"),
        ("fires_without_payload", "when", "add_payload"),
        ("fires_on_near_miss", "when.all[0]", "add_payload"),
        ("no_endpoint", "when", "add_endpoint"),
        ("fires_on_stranger", "when", "add_endpoint"),
    ],
)
def test_each_reason_that_can_be_mended_gives_an_action(
    press: SimpleNamespace, code: str, place: str, action: str
) -> None:
    rule = press.rule_of(AllOf((press.page, EXACT)))
    (advice,) = advice_of(opinion_with(reason(code, place)), rule)
    assert (advice.action, advice.code) == (action, code)
    assert advice.conditions == ((EXACT,) if action == "drop" else ())


def test_no_request_of_the_judge_is_in_an_advice(press: SimpleNamespace) -> None:
    rule = press.rule_of(AllOf((press.page, EXACT)))
    opinion = judge_rule(rule, press.disclosed(press.hit))
    assert any(reason.request for reason in opinion.chain)
    given = advice_of(opinion, rule)
    assert given
    told = msgspec.json.encode([(advice.action, advice.code) for advice in given]).decode()
    conditions = [condition for advice in given for condition in advice.conditions]
    assert all(condition in rule.when.parts for condition in conditions)
    assert not any(reason.request and reason.request in told for reason in opinion.chain)


def test_the_weightiest_reason_comes_first_and_no_advice_twice(press: SimpleNamespace) -> None:
    rule = press.rule_of(AllOf((press.page, EXACT)))
    chain = [reason("no_endpoint"), reason("no_endpoint"), reason("misses_variant", "when.all[1]")]
    assert [advice.code for advice in advice_of(opinion_with(*chain), rule)] == ["no_endpoint", "misses_variant"]


def test_a_rule_as_a_whole_cannot_be_dropped(press: SimpleNamespace) -> None:
    assert advice_of(opinion_with(reason("misses_variant", "when")), press.rule_of(EXACT)) == ()


def test_advice_is_bounded(press: SimpleNamespace) -> None:
    parts = tuple(Condition("args", "equals", b"x%d" % n, Name(b"n")) for n in range(30))
    chain = [reason("exact_value", f"when.all[{n}]") for n in range(30)]
    assert len(advice_of(opinion_with(*chain), press.rule_of(AllOf(parts)))) == ADVICE_MOST


@pytest.mark.parametrize(
    ("path", "found"),
    [("when", True), ("when.any[1].all[0]", True), ("when.any[2]", False), ("when.any[0].all[0]", False)],
)
def test_a_place_names_a_part_of_the_rule_or_nothing(press: SimpleNamespace, path: str, found: bool) -> None:
    root = AnyOf((press.page, AllOf((EXACT, press.traversal))))
    assert (tree_at(root, path) is not None) is found
