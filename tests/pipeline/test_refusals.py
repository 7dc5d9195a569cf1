"""Why there is no rule: each reason from what shows it."""

import pytest

from ruleforge.events.request import Request
from ruleforge.pipeline.loop import LoopResult
from ruleforge.pipeline.refusals import refuse_after, refuse_before
from ruleforge.records.advisory import Advisory, PocRequest
from ruleforge.records.forging import REFUSALS


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
