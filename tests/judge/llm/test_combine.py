"""Two opinions become one by plain numbers; disagreement is shown; no model talks a rule through a gate."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ruleforge.errors import InputError
from ruleforge.judge.combine import DEFAULT, BothWeights, Weights, combine, combined_opinion, load_weights, pool
from ruleforge.judge.llm_judge import CitedReason, LlmOpinion, Sampled
from ruleforge.records.forging import Opinion

P = st.floats(0, 1)
MAYBE = st.none() | P


def sampled(probability: float | None, spread: float | None = None, **more: Any) -> Sampled:
    return Sampled(probability=probability, spread=spread, **more)


def opinion_of(miss: Sampled, off: Sampled) -> LlmOpinion:
    return LlmOpinion(
        judge="llm judge 1 (fake)",
        models=("fake",),
        miss=miss,
        off_target=off,
        conditions={"c1": "the path is x"},
        requests={"miss r1": "GET /x"},
        warnings=("take care",),
    )


@given(evidence=MAYBE, model=MAYBE, spread=MAYBE)
def test_no_model_lowers_what_the_evidence_says(
    evidence: float | None, model: float | None, spread: float | None
) -> None:
    pooled = pool(evidence, sampled(model, spread))
    assert pooled.p is None or (evidence is not None and pooled.p >= round(evidence, 4) - 1e-9)


@given(
    evidence=P, model=P, weights=st.sampled_from([DEFAULT.miss, Weights(lowers=True, rules=9), Weights(evidence=1.2)])
)
def test_a_probability_stays_one(evidence: float, model: float, weights: Weights) -> None:
    pooled = pool(evidence, sampled(model), weights)
    assert pooled.p is None or 0 <= pooled.p <= 1
    assert (pooled.evidence, pooled.llm) == (evidence, model)  # both are shown, whatever comes out


@given(evidence=P, one=P, other=P)
def test_a_model_that_sees_more_risk_never_lowers_the_result(evidence: float, one: float, other: float) -> None:
    low, high = (pool(evidence, sampled(p)).p for p in sorted((one, other)))
    assert low is None or high is None or low <= high


def test_pooling_is_in_log_odds() -> None:
    assert pool(0.2, sampled(0.6)).p == pytest.approx(0.2812, abs=1e-4)  # 1/(1+exp(-(.75·logit .2 + .25·logit .6)))
    assert pool(0.2, sampled(0.05)).p == 0.2
    fitted = Weights(evidence=0.5, llm=0.5, lowers=True, rules=300)
    assert pool(0.2, sampled(0.05), fitted).p == pytest.approx(0.1029, abs=1e-4)


def test_strong_disagreement_is_shown_and_not_averaged() -> None:
    pooled = pool(0.05, sampled(0.9))
    assert (pooled.p, pooled.how, pooled.evidence, pooled.llm) == (None, "abstains", 0.05, 0.9)
    assert pooled.note == "the judges disagree: evidence 0.05, model 0.90; look yourself"
    assert pool(0.9, sampled(0.05)).p is None


def test_samples_that_lie_apart_say_nothing() -> None:
    pooled = pool(0.1, sampled(0.5, 0.8))
    assert (pooled.p, pooled.how) == (0.1, "evidence alone")
    assert "0.80 apart" in pooled.note


def test_a_model_is_never_the_only_judge() -> None:
    pooled = pool(None, sampled(0.1))
    assert (pooled.p, pooled.how) == (None, "evidence alone")
    assert "a model alone, which says 0.10, is not enough" in pooled.note


def test_without_the_model_the_evidence_stays_as_it_is() -> None:
    pooled = pool(0.123456, sampled(None, problems=("[RF430] no budget",)))
    assert (pooled.p, pooled.note) == (0.1235, "[RF430] no budget")


def test_an_obedient_model_that_was_told_to_approve_changes_no_verdict() -> None:
    """Whatever it is talked into, a rule that the evidence holds back is not let through."""
    evidence = Opinion(judge="evidence judge", p_miss=0.45, p_off_target=0.8)
    for said in (0.0, None, 1.0):
        both = combine(evidence, opinion_of(sampled(said), sampled(said)))
        assert both.miss.p is None or both.miss.p >= 0.45
        assert both.off_target.p is None or both.off_target.p >= 0.8


def test_the_joint_opinion_carries_the_reasons_of_both() -> None:
    reasons = (CitedReason(claim="another page is not asked for", condition="c1", request="r1"),)
    evidence = Opinion(judge="evidence judge", p_miss=0.2, p_off_target=0.1, reasons=("p_miss: misses 1 of 9",))
    joint = combined_opinion(evidence, opinion_of(sampled(0.6, reasons=reasons), sampled(0.9)))
    assert joint.judge == "evidence judge + llm judge 1 (fake)"
    assert (joint.p_miss, joint.p_off_target) == (pytest.approx(0.2812, abs=1e-4), None)
    assert joint.reasons == (
        "p_miss: misses 1 of 9",
        "p_miss: a model says: another page is not asked for (about: the path is x; shown by GET /x)",
        "p_off_target: the judges disagree: evidence 0.10, model 0.90; look yourself",
        "take care",
    )


def test_a_disagreement_leaves_the_rule_to_a_person() -> None:
    evidence = Opinion(judge="e", p_miss=0.01, p_off_target=0.01, p_defect=0.02, mode="block")
    joint = combined_opinion(evidence, opinion_of(sampled(0.9), sampled(0.02)))
    assert (joint.mode, joint.thin, joint.p_defect) == ("review", "the judges disagree", None)
    agreed = combined_opinion(evidence, opinion_of(sampled(0.01), sampled(0.01)))
    assert (agreed.mode, agreed.thin, agreed.p_defect) == ("block", "", 0.02)


def test_a_higher_probability_closes_the_gate_of_a_mode() -> None:
    evidence = Opinion(judge="e", p_miss=0.01, p_off_target=0.015, p_defect=0.02, mode="block")
    joint = combined_opinion(evidence, opinion_of(sampled(0.01), sampled(0.45)))
    assert joint.p_off_target == pytest.approx(0.0392, abs=1e-3)
    assert joint.mode == "count"


def test_a_model_that_always_speaks_of_risk_is_brought_to_scale() -> None:
    fitted = Weights(llm_scale=0.5, llm_shift=-3.0, lowers=True, rules=300)
    pooled = pool(0.02, sampled(0.9), fitted)
    assert (pooled.how, pooled.p) == ("pooled", pytest.approx(0.0325, abs=1e-3))


def test_weights_are_read_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "weights.json"
    fitted = {"evidence": 0.9, "llm": 0.2, "lowers": True, "rules": 220, "fitted": "2099-12-31"}
    file.write_text(json.dumps({"miss": fitted}))
    assert load_weights(file) == BothWeights(miss=Weights(**fitted))


WRONG = """{"evidence":-1} {"llm":9} {"disagree":0} {"lowers":true} {"speed":1} {"llm_shift":99} {"llm_scale":-1} []"""


@pytest.mark.parametrize("text", ["", "[]", *(f'{{"off_target": {each}}}' for each in WRONG.split())])
def test_weights_that_make_no_sense_are_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "weights.json"
    file.write_text(text)
    with pytest.raises(InputError, match="RF267"):
        load_weights(file)
    with pytest.raises(InputError, match="RF267"):
        load_weights(tmp_path / "none.json")
