"""All measures of one score on one set of rows, with intervals; what cannot be told has a reason and no number."""

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np

from ruleforge.app.judging import metrics
from ruleforge.app.judging.bootstrap import Clusters, Interval, auroc_of, ece_of, mean_of
from ruleforge.app.judging.metrics import Bin, Bools, Floats

ROWS_LEAST = 20  # below this nothing is said
CLASS_LEAST = 5  # good and bad rows each, for whatever ranks one against the other
ECE_ROWS_LEAST = 10 * metrics.BINS
CLUSTERS_LEAST = 250  # below this an interval is shown, and no bound claimed


class Sample(msgspec.Struct, frozen=True):
    """Labelled rows: which are bad, and which advisory each belongs to."""

    bad: Bools
    clusters: tuple[str, ...]

    def where(self, kept: Bools) -> "Sample":
        """Return the rows of `kept`."""
        return Sample(self.bad[kept], tuple(name for name, keep in zip(self.clusters, kept, strict=True) if keep))


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """One score on one set of rows. A measure that is None could not be told; `reasons` says why, by its name."""

    rows: int
    bad: int
    clusters: int  # advisories
    auroc: float | None = None
    auroc_interval: Interval | None = None  # 95 %, clustered by advisory
    claimed: bool = False  # whether there are clusters enough to claim the bound
    auprc: float | None = None
    brier: float | None = None
    brier_interval: Interval | None = None
    log_loss: float | None = None
    ece: float | None = None
    ece_interval: Interval | None = None
    said: float | None = None  # mean probability, to hold against bad / rows
    tpr: float | None = None  # share of bad rules found where 5 % of the good ones are called bad
    aurc: float | None = None  # area under the coverage-risk curve
    reliability: tuple[Bin, ...] = ()
    risk: tuple[float, ...] = ()  # share of bad ones among the best 5 %, 10 %, …, 100 %
    reasons: dict[str, str] = {}


def measure(sample: Sample, probability: Floats, draws: int, *, probabilities: bool = True) -> Measured:
    """Measure one score on `sample`.

    Args:
        sample: labelled rows.
        probability: one number a row, in [0, 1] unless `probabilities` is False.
        draws: resamples of the intervals; 0: none.
        probabilities: False for a score that only ranks.
    """
    bad, rows = sample.bad, len(sample.bad)
    plain = Measured(rows=rows, bad=int(bad.sum()), clusters=len(set(sample.clusters)))
    if rows < ROWS_LEAST:
        why = f"{rows} labelled rows; {ROWS_LEAST} are needed"
        return msgspec.structs.replace(plain, reasons=dict.fromkeys(("auroc", "brier", "ece"), why))
    clusters = Clusters(sample.clusters, draws)
    found = _ranks(bad, probability, clusters)
    if probabilities:
        told = _probabilities(bad, probability, clusters)
        found = {**found, **told, "reasons": {**found["reasons"], **told["reasons"]}}
    return msgspec.structs.replace(plain, **found)


def _ranks(bad: Bools, score: Floats, clusters: Clusters) -> dict[str, Any]:
    least = min(int(bad.sum()), int((~bad).sum()))
    risk = metrics.risks(bad, score)
    shares = np.arange(1, 21) / 20
    curve = tuple(float(risk[max(round(share * len(risk)), 1) - 1]) for share in shares)
    found: dict[str, Any] = {"aurc": float(risk.mean()), "risk": curve, "reasons": {}}
    if least < CLASS_LEAST:
        which = "bad" if bad.sum() < CLASS_LEAST else "good"
        why = f"{least} {which} rows; {CLASS_LEAST} are needed to rank one kind against the other"
        return found | {"reasons": dict.fromkeys(("auroc", "auprc", "tpr"), why)}
    interval = clusters.interval(auroc_of(bad, score))
    return found | {
        "auroc": metrics.auroc(bad, score),
        "auroc_interval": interval,
        "claimed": interval is not None and clusters.count >= CLUSTERS_LEAST,
        "auprc": metrics.auprc(bad, score),
        "tpr": metrics.tpr_at(bad, score),
    }


def _probabilities(bad: Bools, probability: Floats, clusters: Clusters) -> dict[str, Any]:
    found: dict[str, Any] = {
        "brier": metrics.brier(bad, probability),
        "brier_interval": clusters.interval(mean_of((probability - bad) ** 2)),
        "log_loss": metrics.log_loss(bad, probability),
        "said": float(probability.mean()),
        "reliability": metrics.reliability(bad, probability),
        "reasons": {},
    }
    if len(bad) < ECE_ROWS_LEAST:
        why = f"{len(bad)} labelled rows; {ECE_ROWS_LEAST} are needed for {metrics.BINS} bins"
        return found | {"reasons": {"ece": why}}
    return found | {"ece": metrics.ece(bad, probability), "ece_interval": clusters.interval(ece_of(bad, probability))}


def both_ways(
    sample: Sample, answers: Sequence[float | None], sure: Sequence[bool], base: float, draws: int
) -> tuple[Measured, Measured]:
    """Measure a judge that may abstain: on the rows it is sure enough of, and on all, with `base` where it is silent.

    Args:
        sample: labelled rows.
        answers: its probabilities; None: it has none.
        sure: whether it lets its answer stand; where it has none it cannot be.
        base: probability in place of none.
        draws: resamples of the intervals.
    """
    known = [answer is not None and stands for answer, stands in zip(answers, sure, strict=True)]
    answered = np.array(known, dtype=np.bool_)
    filled = np.array([base if answer is None else answer for answer in answers], dtype=np.float64)
    told = measure(sample.where(answered), filled[answered], draws)
    return told, told if answered.all() else measure(sample, filled, draws)
