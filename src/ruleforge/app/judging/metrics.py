"""Measures of a probability of failure against labels, in numpy. A bad rule is the positive class everywhere.

All take `bad` (n booleans) and `score` (n numbers, higher: more likely bad), and need both classes where they say so.
Ties never depend on the order of rows: rows with one score stand at one point of a curve, and share a bin.

Sources: AUROC as the Mann-Whitney statistic (Hanley and McNeil 1982); AUPRC as average precision; equal-mass bins as in
Nixon et al. 2019, "Measuring Calibration in Deep Learning"; coverage-risk as in Geifman and El-Yaniv 2017.
"""

from typing import TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

Bools: TypeAlias = NDArray[np.bool_]
Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int64]

BINS = 10
FALSE_ALARMS = 0.05  # share of good rules that may be called bad where the share of bad ones found is read off
_LEAST = float(np.finfo(np.float64).eps)


class Bin(msgspec.Struct, frozen=True):
    """Rows whose probabilities lie together: what was said of them, and what was so."""

    rows: int
    said: float  # mean probability
    bad: int

    @property
    def share(self) -> float:
        """Share of the rows that are bad, 0 to 1."""
        return self.bad / self.rows


class Steps(msgspec.Struct, frozen=True):
    """Rows counted by distinct score, lowest score first: a curve has one point for each."""

    score: Floats
    rows: Floats
    bad: Floats


def steps(bad: Bools, score: Floats) -> Steps:
    """Count rows and bad rows at each distinct score."""
    distinct, at = np.unique(score, return_inverse=True)
    rows = np.bincount(at, minlength=len(distinct)).astype(np.float64)
    bads = np.bincount(at, weights=bad, minlength=len(distinct)).astype(np.float64)
    return Steps(distinct, rows, bads)


def auroc(bad: Bools, score: Floats) -> float:
    """Return the probability that a bad rule scores above a good one; a tie counts half. Needs both classes."""
    step = steps(bad, score)
    good = step.rows - step.bad
    below = np.cumsum(good) - good
    return float((step.bad * (below + good / 2)).sum() / (step.bad.sum() * good.sum()))


def auprc(bad: Bools, score: Floats) -> float:
    """Return the average precision, without interpolation. Needs a bad rule."""
    step = steps(bad, score)
    found = np.cumsum(step.bad[::-1])
    called = np.cumsum(step.rows[::-1])
    return float((step.bad[::-1] * found / called).sum() / step.bad.sum())


def brier(bad: Bools, probability: Floats) -> float:
    """Return the mean squared distance of probability and outcome, 0 to 1."""
    return float(np.mean((probability - bad) ** 2))


def log_loss(bad: Bools, probability: Floats) -> float:
    """Return the mean negative log likelihood in nats; probabilities are kept 2e-16 from 0 and 1."""
    kept = np.clip(probability, _LEAST, 1 - _LEAST)
    return float(-np.mean(np.where(bad, np.log(kept), np.log1p(-kept))))


def bin_of(score: Floats, bins: int = BINS) -> Ints:
    """Return the number of the equal-mass bin of each row; equal scores share one, so that bins may be uneven."""
    distinct, at = np.unique(score, return_inverse=True)
    rows = np.bincount(at, minlength=len(distinct))
    middle = np.cumsum(rows) - rows / 2
    return np.minimum((bins * middle / len(score)).astype(np.int64), bins - 1)[at]


def reliability(bad: Bools, probability: Floats, bins: int = BINS) -> tuple[Bin, ...]:
    """Return the bins that hold a row, lowest probability first."""
    at = bin_of(probability, bins)
    rows = np.bincount(at, minlength=bins)
    said = np.bincount(at, weights=probability, minlength=bins)
    bads = np.bincount(at, weights=bad, minlength=bins)
    return tuple(Bin(int(rows[k]), float(said[k] / rows[k]), int(bads[k])) for k in range(bins) if rows[k])


def ece(bad: Bools, probability: Floats, bins: int = BINS) -> float:
    """Return the expected calibration error: mean over rows of |said - so| of the row's bin, 0 to 1."""
    return sum(b.rows * abs(b.said - b.share) for b in reliability(bad, probability, bins)) / len(bad)


def tpr_at(bad: Bools, score: Floats, false_alarms: float = FALSE_ALARMS) -> float:
    """Return the largest share of bad rules found by a threshold that calls few good ones bad. Needs both classes."""
    step = steps(bad, score)
    found = np.concatenate(([0.0], np.cumsum(step.bad[::-1]))) / step.bad.sum()
    good = step.rows - step.bad
    wrong = np.concatenate(([0.0], np.cumsum(good[::-1]))) / good.sum()
    return float(found[wrong <= false_alarms + 1e-12].max())


def risks(bad: Bools, score: Floats) -> Floats:
    """Return, for k = 1 to n, the share of bad rules among the k that look best; within a tie the expected share."""
    step = steps(bad, score)
    each = np.repeat(step.bad / step.rows, step.rows.astype(np.int64))
    return np.asarray(np.cumsum(each) / np.arange(1, len(bad) + 1), dtype=np.float64)


def aurc(bad: Bools, score: Floats) -> float:
    """Return the area under the coverage-risk curve: the mean of `risks`. Lower is better, 0 to 1."""
    return float(risks(bad, score).mean())
