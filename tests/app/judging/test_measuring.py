"""What is told of one score, and what is not: every number that is missing has a reason, and none is NaN."""

import math
from collections.abc import Iterator
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ruleforge.app.judging.measuring import Measured, Sample, both_ways, measure


def sample(bad: int, good: int, *, per_cluster: int = 1) -> Sample:
    rows = np.array([True] * bad + [False] * good, dtype=np.bool_)
    return Sample(rows, tuple(f"advisory {at // per_cluster}" for at in range(len(rows))))


def numbers(value: Any) -> Iterator[float]:
    if isinstance(value, dict):
        for each in value.values():
            yield from numbers(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from numbers(each)
    elif isinstance(value, float):
        yield value


@given(st.integers(0, 30), st.integers(0, 30), st.lists(st.floats(0, 1), min_size=60, max_size=60))
def test_nothing_that_is_told_is_nan_and_what_is_not_has_a_reason(bad: int, good: int, score: list[float]) -> None:
    found = measure(sample(bad, good), np.array(score[: bad + good]), 20)
    assert all(math.isfinite(number) for number in numbers(msgspec.to_builtins(found)))
    for name in ("auroc", "brier", "ece"):
        assert (getattr(found, name) is None) == (name in found.reasons)
    assert (found.rows, found.bad) == (bad + good, bad)


@pytest.mark.parametrize(
    ("bad", "good", "told", "why"),
    [
        (9, 10, set(), "19 labelled rows; 20 are needed"),
        (4, 60, {"brier"}, "4 bad rows; 5 are needed to rank one kind against the other"),
        (60, 0, {"brier"}, "0 good rows; 5 are needed to rank one kind against the other"),
        (5, 60, {"brier", "auroc"}, "65 labelled rows; 100 are needed for 10 bins"),
        (50, 50, {"brier", "auroc", "ece"}, ""),
    ],
)
def test_too_few_rows_could_not_be_told(bad: int, good: int, told: set[str], why: str) -> None:
    found = measure(sample(bad, good), np.linspace(0, 1, bad + good), 10)
    assert {name for name in ("auroc", "brier", "ece") if getattr(found, name) is not None} == told
    assert (why in found.reasons.values()) == bool(why)


def test_a_bound_is_claimed_from_250_advisories_on() -> None:
    random = np.random.default_rng(2)
    many, few = sample(150, 350, per_cluster=2), sample(149, 350, per_cluster=2)
    assert measure(many, random.random(500), 50).clusters == 250
    assert measure(many, random.random(500), 50).claimed is True
    thin = measure(sample(200, 298, per_cluster=2), random.random(498), 50)
    assert (thin.clusters, thin.claimed, thin.auroc_interval is None) == (249, False, False)
    assert measure(few, random.random(499), 0).claimed is False  # without draws there is no interval


def test_a_score_that_only_ranks_has_no_calibration() -> None:
    found = measure(sample(60, 60), np.linspace(-9, 9, 120), 10, probabilities=False)
    assert (found.auroc, found.brier, found.ece, found.reliability) == (0.0, None, None, ())


def test_abstentions_are_scored_both_ways() -> None:
    rows = sample(50, 50)
    answers: list[float | None] = [0.9] * 40 + [0.6] * 10 + [0.1] * 40 + [None] * 10
    sure = [True] * 40 + [False] * 10 + [True] * 50
    answered, filled = both_ways(rows, answers, sure, 0.3, 0)
    assert (answered.rows, answered.bad, filled.rows) == (80, 40, 100)
    assert answered.brier == pytest.approx(0.01)
    # All: what rests on thin evidence with its number, what has none with the base rate.
    assert filled.brier == pytest.approx((80 * 0.01 + 10 * 0.16 + 10 * 0.09) / 100)
    assert both_ways(rows, [0.5] * 100, [True] * 100, 0.3, 0)[0] is not None


def test_the_risk_falls_to_the_base_rate_at_full_coverage() -> None:
    found = measure(sample(30, 70), np.linspace(1, 0, 100), 0)
    assert isinstance(found, Measured)
    assert len(found.risk) == 20
    assert found.risk[0] == 0
    assert found.risk[-1] == pytest.approx(0.3)
