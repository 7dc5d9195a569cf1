"""The loop: how many candidates and rounds, whether the judge is asked, and what is done with what it minds."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from ruleforge.background.table import default_background
from ruleforge.ingest.readers import read_advisory
from ruleforge.ingest.roles import assign_roles
from ruleforge.judge import evidence_judge
from ruleforge.pipeline import loop
from ruleforge.pipeline.forge import Forged, Ground, forge_advisory
from ruleforge.pipeline.loop import LoopOptions
from ruleforge.records.advisory import Advisory
from ruleforge.records.forging import Opinion
from ruleforge.rules.tree import Rule

TEMPLATES = Path(__file__).resolve().parents[2] / "examples" / "templates" / "invented"
NAMES = sorted(file.name for file in TEMPLATES.glob("*.yaml"))[:12]


def forged(name: str, **options: Any) -> Forged:
    found = read_advisory(TEMPLATES / name)
    assert isinstance(found, Advisory)
    return forge_advisory(assign_roles(found), Ground(default_background(), loop=LoopOptions(**options)))


def test_a_rule_carries_the_opinion_and_what_it_may_do() -> None:
    best = forged("tidewater-fetch-traversal.yaml").best
    assert best is not None
    assert best.opinion is not None
    assert best.opinion.mode in ("block", "count")
    assert best.opinion.chain
    assert best.opinion.features


def test_without_the_judge_there_is_a_rule_and_no_opinion() -> None:
    best = forged("tidewater-fetch-traversal.yaml", judge=False).best
    assert best is not None
    assert best.opinion is None


@pytest.mark.parametrize(("candidates", "rounds"), [(1, 0), (1, 5), (3, 1)])
def test_no_more_candidates_and_rounds_are_made_than_asked_for(candidates: int, rounds: int) -> None:
    for name in NAMES:
        loop = forged(name, candidates=candidates, rounds=rounds).loop
        if loop is not None:
            assert loop.candidates <= candidates
            assert loop.rounds <= rounds
            assert all(attempt.candidate.round <= rounds for attempt in loop.attempts)


@pytest.fixture
def strict(monkeypatch: pytest.MonkeyPatch) -> None:
    """A gate that no rule passes, so that every candidate is given advice."""
    nothing = {"count": {"miss": 0.0, "off": 0.0}, "block": {"off": 0.0}}
    model = msgspec.structs.replace(evidence_judge.shipped_model(), thresholds=nothing)
    monkeypatch.setattr(evidence_judge, "shipped_model", lambda: model)


@pytest.mark.usefixtures("strict")
def test_the_judge_refuses_no_rule_and_its_advice_costs_none() -> None:
    for name in NAMES:
        heeded, deaf = forged(name), forged(name, judge_feedback=False)
        assert (heeded.best is None) == (deaf.best is None), name
        if heeded.best is not None and deaf.best is not None and heeded.best.opinion and deaf.best.opinion:
            assert heeded.best.trial.passed
            assert heeded.best.opinion.mode == "review"
            assert all(attempt.candidate.round <= 5 for attempt in heeded.loop.attempts)  # type: ignore[union-attr]


@pytest.mark.usefixtures("strict")
def test_no_request_of_the_judge_stands_in_what_the_generator_made() -> None:
    for name in NAMES:
        best = forged(name).best
        if best is not None and best.opinion is not None:
            shown = [reason.request for reason in best.opinion.chain if reason.request]
            assert not any(request in change for request in shown for change in best.candidate.changes)


@pytest.mark.parametrize(("gap", "overruled"), [(0.0, False), (0.05, False), (0.2, True)])
def test_the_judge_overrules_the_strategies_only_by_a_clear_margin(
    gap: float, overruled: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "tidewater-fetch-traversal.yaml"
    first = forged(name, judge=False).best
    assert first is not None

    def suspects_the_first(rule: Rule, *_: Any, **__: Any) -> Opinion:
        p_miss = 0.5 if rule.when == first.candidate.rule.when else 0.5 - gap
        return Opinion(judge="test", p_miss=p_miss, p_off_target=0.1, mode="count")

    monkeypatch.setattr(loop, "judge_rule", suspects_the_first)
    best = forged(name).best
    assert best is not None
    assert (best.candidate.rule.when != first.candidate.rule.when) is overruled
