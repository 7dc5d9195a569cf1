"""Intervals: whole clusters are drawn, the same ones for everything that is measured on them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ruleforge.app.judging import bootstrap, metrics
from ruleforge.app.judging.bootstrap import Clusters, auroc_of, difference_of, ece_of, mean_of


def rows_of(count: int, seed: int = 3) -> tuple[metrics.Bools, metrics.Floats, list[str]]:
    random = np.random.default_rng(seed)
    score = random.random(count).round(2)
    return random.random(count) < score, score, [f"advisory {at // 4}" for at in range(count)]


@given(st.integers(4, 60), st.integers(0, 9))
def test_weights_of_one_each_give_the_measure_itself(count: int, seed: int) -> None:
    bad, score, _ = rows_of(count, seed)
    bad[:2] = True, False
    once = np.ones((1, count))
    assert auroc_of(bad, score)(once)[0] == pytest.approx(metrics.auroc(bad, score))
    assert ece_of(bad, score)(once)[0] == pytest.approx(metrics.ece(bad, score))
    assert mean_of((score - bad) ** 2)(once)[0] == pytest.approx(metrics.brier(bad, score))


@given(st.integers(4, 40), st.integers(0, 9))
def test_a_weight_of_two_is_a_row_that_stands_there_twice(count: int, seed: int) -> None:
    bad, score, _ = rows_of(count, seed)
    bad[:2] = True, False
    times = np.random.default_rng(seed).integers(1, 3, count)
    weighted = auroc_of(bad, score)(times[None, :].astype(np.float64))[0]
    assert weighted == pytest.approx(metrics.auroc(np.repeat(bad, times), np.repeat(score, times)))


def test_rows_of_one_cluster_are_drawn_together_and_every_draw_has_as_many_clusters() -> None:
    clusters = Clusters([f"advisory {at // 4}" for at in range(40)], 50)
    (block,) = clusters.weights()
    assert block.shape == (50, 40)
    assert (block.reshape(50, 10, 4) == block.reshape(50, 10, 4)[:, :, :1]).all()
    assert (block.sum(axis=1) == 40).all()
    assert len({tuple(row) for row in block}) > 40


def test_blocks_and_what_is_kept_change_no_draw(monkeypatch: pytest.MonkeyPatch) -> None:
    names = [str(at) for at in range(30)]
    (whole,) = Clusters(names, 20).weights()
    monkeypatch.setattr(bootstrap, "CHUNK_CELLS", 90)
    assert (np.concatenate(list(Clusters(names, 20).weights())) == whole).all()
    monkeypatch.setattr(bootstrap, "KEPT_CELLS", 0)
    blocks = list(Clusters(names, 20).weights())
    assert len(blocks) == 7
    assert (np.concatenate(blocks) == whole).all()


def test_clusters_that_agree_widen_the_interval() -> None:
    random = np.random.default_rng(5)
    good = random.random(100) < 0.5
    bad, score = np.repeat(good, 10), np.repeat(np.where(good, 0.6, 0.4) + random.normal(0, 0.3, 100), 10)
    alone = Clusters([str(at) for at in range(1000)], 400).interval(auroc_of(bad, score))
    together = Clusters([str(at // 10) for at in range(1000)], 400).interval(auroc_of(bad, score))
    assert alone is not None
    assert together is not None
    assert together.high - together.low > 2 * (alone.high - alone.low)


def test_the_interval_holds_what_was_measured_and_is_the_same_each_time() -> None:
    bad, score, names = rows_of(400)
    first = Clusters(names, 500).interval(auroc_of(bad, score))
    assert first is not None
    assert first.low < metrics.auroc(bad, score) < first.high
    assert Clusters(names, 500).interval(auroc_of(bad, score)) == first


def test_a_score_is_never_ahead_of_itself() -> None:
    bad, score, names = rows_of(80)
    found = Clusters(names, 100).interval(difference_of(auroc_of(bad, score), auroc_of(bad, score * 2)))
    assert found == bootstrap.Interval(0.0, 0.0)


def test_no_interval_where_draws_have_one_class_only() -> None:
    bad = np.array([True] + [False] * 9, dtype=np.bool_)
    clusters = Clusters([str(at) for at in range(10)], 200)
    assert clusters.interval(auroc_of(bad, np.linspace(0, 1, 10))) is None
    assert Clusters(["one"] * 10, 200).interval(mean_of(np.ones(10))) is None
    assert Clusters([], 200).interval(mean_of(np.ones(0))) is None
