import pytest

from ruleforge.engine.cost import LIMIT_PER_1000, cost_finding, cost_of
from ruleforge.rules.tree import AllOf, Condition, Count, Name, Not, Rule

RARE = Condition("path", "path_suffix", b"/zq/vexler-admin/run")
COMMON = Condition("headers", "contains", b"mozilla", Name(b"user-agent"))


def rule(tree):
    return Rule(id="RF-X-1", when=tree, classes=(("xss", 1),))


def test_a_rule_costs_as_much_as_its_rarest_part():
    assert cost_of(rule(AllOf((RARE, COMMON)))) == cost_of(rule(RARE))
    assert cost_of(rule(RARE)).per_1000 < LIMIT_PER_1000 < cost_of(rule(COMMON)).per_1000


def test_a_rule_without_a_literal_costs_every_request():
    assert cost_of(rule(Not(RARE))).per_1000 == 1_000
    assert cost_of(rule(Not(RARE))).found_by == ()


@pytest.mark.parametrize("tree", [RARE, Not(RARE), Count(RARE, ("source.address",), 60, 3)])
def test_nothing_is_said_of_a_cheap_rule_or_of_what_others_say(tree):
    assert cost_finding(rule(tree)) is None


def test_a_costly_rule_is_told_by_what_it_is_found():
    finding = cost_finding(rule(Condition("args", "is_class", b"xss")))
    assert finding is not None
    assert (finding.code, finding.severity) == ("RF643", "warning")
    assert "in args" in finding.message
    assert "of 1,000 ordinary requests" in finding.message
