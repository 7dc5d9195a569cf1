"""Measures against scikit-learn, against values worked out by hand, and against what must hold of them always."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as reference
from sklearn.calibration import calibration_curve

from ruleforge.app.judging import metrics
from ruleforge.app.judging.metrics import Bools, Floats


@st.composite
def labelled(draw: st.DrawFn, *, both: bool = True) -> tuple[Bools, Floats]:
    """Labels with probabilities, many of them tied; both classes occur unless told otherwise."""
    size = draw(st.integers(2, 60))
    bad = draw(st.lists(st.booleans(), min_size=size, max_size=size))
    if both:
        bad[:2] = [True, False]
    levels = st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.75, 1.0]) | st.floats(0, 1, allow_subnormal=False)
    score = draw(st.lists(levels, min_size=size, max_size=size))
    return np.array(bad, dtype=np.bool_), np.array(score, dtype=np.float64)


@given(labelled())
def test_measures_agree_with_scikit_learn(rows: tuple[Bools, Floats]) -> None:
    bad, score = rows
    assert metrics.auroc(bad, score) == pytest.approx(reference.roc_auc_score(bad, score))
    assert metrics.auprc(bad, score) == pytest.approx(reference.average_precision_score(bad, score))
    assert metrics.brier(bad, score) == pytest.approx(reference.brier_score_loss(bad, score))
    assert metrics.log_loss(bad, score) == pytest.approx(reference.log_loss(bad, score), rel=1e-6)
    wrong, found, _ = reference.roc_curve(bad, score)
    assert metrics.tpr_at(bad, score) == pytest.approx(found[wrong <= 0.05].max())


def test_bins_of_distinct_probabilities_are_those_of_scikit_learn() -> None:
    random = np.random.default_rng(1)
    score = random.permutation(np.linspace(0.01, 0.97, 200))
    bad = random.random(200) < score
    share, said = calibration_curve(bad, score, n_bins=10, strategy="quantile")
    bins = metrics.reliability(bad, score)
    assert [b.rows for b in bins] == [20] * 10
    assert [b.share for b in bins] == pytest.approx(list(share))
    assert [b.said for b in bins] == pytest.approx(list(said))


def array(*values: float) -> Floats:
    return np.array(values, dtype=np.float64)


def labels(text: str) -> Bools:
    return np.array([letter == "x" for letter in text], dtype=np.bool_)


def test_measures_are_those_worked_out_by_hand() -> None:
    bad, score = labels("..x.x"), array(0.1, 0.2, 0.2, 0.6, 0.9)
    # Pairs of bad and good: 0.2 beats 0.1, ties with 0.2, loses to 0.6; 0.9 beats all three.
    assert metrics.auroc(bad, score) == pytest.approx((1 + 0.5 + 0 + 3) / 6)
    # Recall 1/2 at precision 1 (0.9), the other half at 2 of 4 (0.2, both of the tie).
    assert metrics.auprc(bad, score) == pytest.approx(0.5 * 1 + 0.5 * 0.5)
    assert metrics.brier(bad, score) == pytest.approx((0.01 + 0.04 + 0.64 + 0.36 + 0.01) / 5)
    assert metrics.log_loss(labels("x."), array(0.25, 0.5)) == pytest.approx((math.log(4) + math.log(2)) / 2)
    assert metrics.tpr_at(bad, score) == 0.5
    # Risks: 0/1, then the tie of one good and one bad at half each, then 1/4, 2/5.
    assert list(metrics.risks(bad, score)) == pytest.approx([0, 0.25, 1 / 3, 0.25, 0.4])
    assert metrics.aurc(bad, score) == pytest.approx((0 + 0.25 + 1 / 3 + 0.25 + 0.4) / 5)


def test_the_calibration_error_is_that_worked_out_by_hand() -> None:
    bad = labels("." * 9 + "x" + "." * 5 + "x" * 5)
    score = np.repeat([0.2, 0.9], 10)
    assert metrics.ece(bad, score) == pytest.approx(0.5 * 0.1 + 0.5 * 0.4)
    assert [(b.rows, b.bad) for b in metrics.reliability(bad, score)] == [(10, 1), (10, 5)]


@given(labelled())
def test_auroc_keeps_under_monotone_maps_and_turns_under_negation(rows: tuple[Bools, Floats]) -> None:
    bad, score = rows
    found = metrics.auroc(bad, score)
    ranks = np.unique(score, return_inverse=True)[1].astype(np.float64)
    assert metrics.auroc(bad, ranks**3) == pytest.approx(found)
    assert metrics.auroc(bad, -score) == pytest.approx(1 - found)
    assert metrics.auroc(~bad, score) == pytest.approx(1 - found)


@given(labelled(both=False), st.randoms())
def test_nothing_depends_on_the_order_of_rows(rows: tuple[Bools, Floats], random: object) -> None:
    bad, score = rows
    order = np.arange(len(bad))
    random.shuffle(order)  # type: ignore[attr-defined]
    for measure in (metrics.brier, metrics.log_loss, metrics.ece, metrics.aurc):
        assert measure(bad[order], score[order]) == pytest.approx(measure(bad, score))


@given(st.integers(2, 50), st.integers(2, 50))
def test_a_score_that_says_the_same_of_all_ranks_at_one_half(good: int, bad: int) -> None:
    whole = np.array([True] * bad + [False] * good, dtype=np.bool_)
    same = np.full(good + bad, 0.3)
    assert metrics.auroc(whole, same) == 0.5
    assert metrics.auprc(whole, same) == pytest.approx(bad / (good + bad))
    assert metrics.aurc(whole, same) == pytest.approx(bad / (good + bad))
    assert metrics.tpr_at(whole, same) == 0.0


@given(st.lists(st.tuples(st.integers(0, 8), st.integers(1, 8)), min_size=1, max_size=20))
def test_groups_that_are_told_their_own_share_have_no_calibration_error(groups: list[tuple[int, int]]) -> None:
    bad = np.concatenate([np.arange(size) < min(wrong, size) for wrong, size in groups])
    score = np.concatenate([np.full(size, min(wrong, size) / size) for wrong, size in groups])
    assert metrics.ece(bad, score) == pytest.approx(0, abs=1e-12)


@given(labelled(both=False))
def test_bins_hold_every_row_once_and_never_part_equal_scores(rows: tuple[Bools, Floats]) -> None:
    bad, score = rows
    at = metrics.bin_of(score)
    assert at.min() >= 0
    assert at.max() < metrics.BINS
    assert all(len(set(at[score == level])) == 1 for level in set(score))
    assert all(np.diff(at[np.argsort(score, kind="stable")]) >= 0)
    bins = metrics.reliability(bad, score)
    assert sum(b.rows for b in bins) == len(bad)
    assert sum(b.bad for b in bins) == bad.sum()
    assert 0 <= metrics.ece(bad, score) <= 1


@given(labelled())
def test_a_judge_that_knows_every_label_is_perfect(rows: tuple[Bools, Floats]) -> None:
    bad, _ = rows
    knows = bad.astype(np.float64)
    assert metrics.auroc(bad, knows) == metrics.auprc(bad, knows) == metrics.tpr_at(bad, knows) == 1
    assert metrics.brier(bad, knows) == metrics.ece(bad, knows) == 0
    assert metrics.log_loss(bad, knows) == pytest.approx(0, abs=1e-12)
    others = np.random.default_rng(0).permutation(knows)
    assert metrics.aurc(bad, knows) <= metrics.aurc(bad, others) + 1e-12
