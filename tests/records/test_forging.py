"""The papers between stages: frozen, plain data, and honest about what could not be told."""

import re

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ruleforge.events.request import Request
from ruleforge.records.advisory import Advisory, PocRequest
from ruleforge.records.forging import REFUSALS, Candidate, CheckResult, Opinion, Outcome, Trial
from ruleforge.rules.tree import Condition, Rule

RULE = Rule(id="RF-X-1", when=Condition("path", "present"))
REQUEST = Request(method=b"GET", target=b"/press")
PAPERS = (
    Advisory(id="X", sources=("x.yaml",)),
    PocRequest(request=REQUEST),
    Candidate(rule=RULE, strategy="s"),
    CheckResult(check="replay", passed=None),
    Trial(rule_id="RF-X-1", results=()),
    Opinion(judge="j", p_miss=None, p_off_target=None),
    Outcome(advisory="X", sources=(), cves=(), outcome="refused"),
)


@pytest.mark.parametrize("paper", PAPERS, ids=lambda paper: type(paper).__name__)
def test_a_paper_cannot_be_edited(paper: msgspec.Struct) -> None:
    for field in paper.__struct_fields__:
        with pytest.raises(AttributeError):
            setattr(paper, field, None)


def results(*passed: bool | None) -> tuple[CheckResult, ...]:
    return tuple(CheckResult(check=f"c{number}", passed=one) for number, one in enumerate(passed))


@given(st.lists(st.sampled_from([True, False, None])))
def test_a_trial_passes_unless_a_check_failed(passed: list[bool | None]) -> None:
    assert Trial(rule_id="r", results=results(*passed)).passed is (False not in passed)


def test_a_check_that_could_not_tell_does_not_fail_a_rule() -> None:
    assert Trial(rule_id="r", results=results(True, None)).passed
    assert not Trial(rule_id="r", results=results(True, None, False)).passed


texts = st.text(max_size=20)
many = st.lists(texts, max_size=3).map(tuple)


@given(
    st.builds(
        Outcome,
        advisory=texts,
        sources=many,
        cves=many,
        outcome=st.sampled_from(["rule", "refused", "failed"]),
        reason=texts,
        detail=texts,
        rules=many,
        candidates=st.integers(0, 99),
        rounds=st.integers(0, 9),
        seconds=st.floats(0, 1e6),
    )
)
def test_an_outcome_survives_json_and_plain_data(outcome: Outcome) -> None:
    assert msgspec.json.decode(msgspec.json.encode(outcome), type=Outcome) == outcome
    assert msgspec.convert(msgspec.to_builtins(outcome), Outcome) == outcome


def test_an_outcome_of_no_known_kind_is_refused() -> None:
    plain = {"advisory": "X", "sources": [], "cves": [], "outcome": "perhaps"}
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(plain, Outcome)


def test_every_reason_to_refuse_is_one_sentence_for_people() -> None:
    assert len(REFUSALS) >= 9
    for reason, sentence in REFUSALS.items():
        assert re.fullmatch(r"[a-z]+(_[a-z]+)*", reason)
        assert sentence[0].isupper()
        assert sentence.endswith(".")
    assert len(set(REFUSALS.values())) == len(REFUSALS)
