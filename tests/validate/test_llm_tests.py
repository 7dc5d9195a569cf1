"""Tests of a model are further ones: they can fail a rule, and never are all that speaks about it."""

import pytest

from ruleforge.cases.evidence import Case, Evidence, case
from ruleforge.events.request import Request
from ruleforge.records.forging import CheckResult
from ruleforge.rules.tree import Condition, Rule
from ruleforge.validate.llm_tests import model_tests

RULE = Rule(id="RF-X-1", when=Condition("path", "contains", b"hit"))


def one(kind: str, *, hit: bool) -> Case:
    return case(Request(method=b"GET", target=b"/hit" if hit else b"/else", id=kind), kind)


def checked(proposed: list[Case], variants: int = 20, near: int = 5) -> CheckResult:
    evidence = Evidence(
        advisory="CVE-2099-0001",
        product="",
        exploits=(one("exploit", hit=True),),
        variants=(one("variant", hit=True),) * variants,
        near_misses=(one("near", hit=False),) * near,
        classes={},
        proposed=tuple(proposed),
    )
    return model_tests(RULE, lambda each: b"hit" in each.view.request.target, evidence).result


def attacks(missed: int, of: int) -> list[Case]:
    return [one("model_malicious", hit=number >= missed) for number in range(of)]


@pytest.mark.parametrize(
    ("missed", "of", "variants", "passed"),
    [(0, 6, 20, True), (1, 6, 20, True), (2, 6, 20, True), (3, 6, 20, False), (6, 6, 20, False), (6, 6, 0, None)],
)
def test_misses_count_with_the_variants_and_not_without_them(
    missed: int, of: int, variants: int, passed: bool | None
) -> None:
    assert checked(attacks(missed, of), variants=variants).passed is passed


@pytest.mark.parametrize(("near", "passed"), [(5, False), (0, None)])
def test_a_hit_on_a_harmless_one_fails_where_there_are_other_look_alikes(near: int, passed: bool | None) -> None:
    found = checked([one("model_benign", hit=True), one("model_benign", hit=False)], near=near)
    assert found.passed is passed
    assert (found.tried, found.failed) == (2, 1)


def test_counterexamples_go_on_only_where_they_fail_the_rule() -> None:
    evidence = Evidence(advisory="X", product="", exploits=(), classes={}, proposed=(one("model_benign", hit=True),))
    finding = model_tests(RULE, lambda each: b"hit" in each.view.request.target, evidence)
    assert finding.result.passed is None
    assert not finding.hit
