"""Intervals by resampling whole clusters: rules about one advisory share its fate, and are drawn together."""

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache

import msgspec
import numpy as np
from numpy.typing import NDArray

from ruleforge.app.judging.metrics import Bools, Floats, Ints, bin_of

SEED = 20_260_401  # fixed: the same file gives the same interval
SHARE = 0.95
CHUNK_CELLS = 2_000_000  # numbers worked on at a time
KEPT_CELLS = 8_000_000  # draws kept for the next table
UNDEFINED_MOST = 0.05  # share of resamples without one of the classes above which no interval is given


class Interval(msgspec.Struct, frozen=True):
    """A two-sided 95 % percentile interval."""

    low: float
    high: float


class Clusters:
    """Rows by cluster, ready to be drawn from; the draws are the same for all that is measured on them."""

    def __init__(self, names: Sequence[str], draws: int) -> None:
        self.draws = draws
        distinct, at = np.unique(np.asarray(names, dtype=object).astype(str), return_inverse=True)
        self.at: Ints = at.astype(np.int64)
        self.count = len(distinct)

    def weights(self) -> Iterator[Floats]:
        """Yield how often each row was drawn, as blocks of (draws, rows)."""
        rows = max(1, CHUNK_CELLS // max(len(self.at), self.count, 1))
        for drawn in _drawn(self.count, self.draws, rows):
            yield drawn[:, self.at].astype(np.float64)

    def interval(self, measure: Callable[[Floats], Floats]) -> Interval | None:
        """Return the interval of what `measure` says of blocks of weights; None where too many draws are undefined."""
        if self.count < 2 or not self.draws:
            return None
        found = np.concatenate([measure(block) for block in self.weights()])
        return interval_of(found)


def _drawn(count: int, draws: int, rows: int) -> Iterator[NDArray[np.int32]]:
    """Yield how often each cluster was drawn, in blocks of at most `rows` draws; the blocks' size changes no draw."""
    if count * draws <= KEPT_CELLS:
        whole = _kept(count, draws)
        yield from (whole[start : start + rows] for start in range(0, draws, rows))
        return
    random, even = np.random.default_rng(SEED), np.full(count, 1 / count)
    for start in range(0, draws, rows):
        yield random.multinomial(count, even, size=min(rows, draws - start)).astype(np.int32)


@lru_cache(maxsize=4)
def _kept(count: int, draws: int) -> NDArray[np.int32]:
    """Return all draws at once: one table after the other is about the same advisories."""
    random = np.random.default_rng(SEED)
    return random.multinomial(count, np.full(count, 1 / count), size=draws).astype(np.int32)


def interval_of(found: Floats) -> Interval | None:
    """Return the middle 95 % of resampled values; None where more than a twentieth are undefined."""
    defined = found[~np.isnan(found)]
    if len(defined) < (1 - UNDEFINED_MOST) * len(found) or not len(defined):
        return None
    low, high = np.quantile(defined, [(1 - SHARE) / 2, (1 + SHARE) / 2])
    return Interval(float(low), float(high))


def auroc_of(bad: Bools, score: Floats) -> Callable[[Floats], Floats]:
    """Return AUROC as a function of weights; NaN where a resample has one class only."""
    order = np.argsort(score, kind="stable")
    starts = np.flatnonzero(np.concatenate(([True], np.diff(score[order]) > 0)))
    is_bad = bad[order]

    def measure(weights: Floats) -> Floats:
        drawn = weights[:, order]
        bads = np.add.reduceat(np.where(is_bad, drawn, 0.0), starts, axis=1)
        goods = np.add.reduceat(np.where(is_bad, 0.0, drawn), starts, axis=1)
        below = np.cumsum(goods, axis=1) - goods
        whole = bads.sum(axis=1) * goods.sum(axis=1)
        won = (bads * (below + goods / 2)).sum(axis=1)
        shares: Floats = np.divide(won, whole, out=np.full(len(weights), np.nan), where=whole > 0)
        return shares

    return measure


def mean_of(values: Floats) -> Callable[[Floats], Floats]:
    """Return the mean of `values` as a function of weights."""

    def measure(weights: Floats) -> Floats:
        return np.asarray(weights @ values / weights.sum(axis=1), dtype=np.float64)

    return measure


def ece_of(bad: Bools, probability: Floats) -> Callable[[Floats], Floats]:
    """Return the calibration error over the bins of the whole sample as a function of weights."""
    at = bin_of(probability)
    member = (at[:, None] == np.arange(at.max() + 1)).astype(np.float64)
    gap = probability - bad

    def measure(weights: Floats) -> Floats:
        return np.asarray(np.abs((weights * gap) @ member).sum(axis=1) / weights.sum(axis=1), dtype=np.float64)

    return measure


def difference_of(one: Callable[[Floats], Floats], other: Callable[[Floats], Floats]) -> Callable[[Floats], Floats]:
    """Return the difference of two measures on the same draws: a paired comparison."""
    return lambda weights: one(weights) - other(weights)
