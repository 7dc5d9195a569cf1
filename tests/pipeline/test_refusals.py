"""Why there is no rule: each reason from what shows it."""

import json

import pytest

from ruleforge.events.request import Request
from ruleforge.generate.draft import Draft
from ruleforge.pipeline.loop import Attempt, LoopResult
from ruleforge.pipeline.refusals import refuse_after, refuse_before
from ruleforge.records.advisory import Advisory, PocRequest
from ruleforge.records.forging import REFUSALS, Candidate, CheckResult, Trial
from ruleforge.rules.parse import load_rule


def advisory(*roles: str, matchers: tuple[str, ...] = ()) -> Advisory:
    request = Request(method=b"GET", target=b"/press")
    return Advisory(
        id="X", sources=("x",), requests=tuple(PocRequest(request=request, role=r, matchers=matchers) for r in roles)
    )


CASES = [
    (advisory(), "no_http"),
    (advisory("probe"), "fingerprint_only"),
    (advisory("probe", "setup", matchers=("word(body):pears",)), "fingerprint_only"),
    (advisory("probe", matchers=("dsl:compare_versions(v, '< 2.1')",)), "version_check"),
    (advisory("probe", matchers=("regex(body):Version ([0-9.]+)",)), "version_check"),
]


@pytest.mark.parametrize(("given", "reason"), CASES)
def test_what_no_candidate_could_save_is_refused_at_once(given: Advisory, reason: str) -> None:
    refusal = refuse_before(given)
    assert refusal is not None
    assert refusal[0] == reason
    assert refusal[0] in REFUSALS
    assert refusal[1]


@pytest.mark.parametrize("roles", [("exploit",), ("setup", "exploit", "probe")])
def test_an_exploit_request_is_worth_a_try(roles: tuple[str, ...]) -> None:
    assert refuse_before(advisory(*roles)) is None
    assert refuse_before(advisory(*roles, matchers=("dsl:compare_versions(v, '< 2')",))) is None


def test_requests_without_anything_distinctive_are_normal_use() -> None:
    reason, detail = refuse_after(advisory("exploit"), LoopResult((), None, 0, 0))
    assert reason == "normal_use"
    assert detail


RESULTS = [
    (CheckResult(check="near_misses", passed=False, tried=5, failed=3, detail="users sign in; another page"),
     "near_misses: 3 of 5 (users sign in; another page)"),
    (CheckResult(check="benign_traffic", passed=False, tried=9, failed=2, examples=("r1", "r4")),
     "benign_traffic: 2 of 9 (r1, r4)"),
    (CheckResult(check="siblings", passed=False, tried=2, failed=1), "siblings: 1 of 2"),
    (CheckResult(check="surprise", passed=False, tried=1, detail="3.0 bits"), "surprise: 3.0 bits"),
]  # fmt: skip


@pytest.mark.parametrize(("result", "told"), RESULTS)
def test_a_refusal_says_what_a_check_found_and_why_it_matters(result: CheckResult, told: str) -> None:
    when = {"field": "path", "op": "ends_with", "value": "/press.php"}
    document = {"schema": 1, "id": "RF-CVE-2099-0001-1", "title": "Press", "severity": "high", "when": when}
    rule = load_rule(json.dumps(document).encode()).require()
    good = CheckResult(check="replay", passed=True, tried=1)
    trial = Trial(rule_id=rule.id, results=(good, result))
    attempt = Attempt(Candidate(rule=rule, strategy="x"), Draft("x", ()), trial)
    reason, detail = refuse_after(advisory("exploit"), LoopResult((attempt,), None, 1, 0))
    assert reason == "normal_use"
    assert detail == told


def test_one_request_is_told_as_one() -> None:
    assert refuse_before(advisory("probe")) == ("fingerprint_only", "the one request carries no attack")
    assert refuse_before(advisory("probe", "setup")) == ("fingerprint_only", "none of 2 requests carries an attack")
