"""Figures of probabilities against labels, and tables that calibrate log-odds."""

from typing import Any

import numpy as np
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss, roc_auc_score

Array = np.ndarray[Any, Any]
BINS = 10
GRID = np.linspace(-8, 8, 65)  # of log-odds


def scores(bad: Array, found: Array) -> str:
    """AUROC, ECE of ten bins of equal mass and Brier score, with what they are counted on."""
    auc = roc_auc_score(bad, found)
    return (
        f"n {len(bad):5d} bad {int(bad.sum()):4d} AUROC {auc:.3f} ECE {ece(bad, found):.3f} "
        f"Brier {brier_score_loss(bad, found):.3f} (constant {bad.mean() * (1 - bad.mean()):.3f})"
    )


def ece(bad: Array, found: Array) -> float:
    """Expected calibration error over ten bins that hold as many pairs each."""
    order = np.argsort(found, kind="stable")
    parts = np.array_split(order, BINS)
    return float(sum(len(p) * abs(found[p].mean() - bad[p].mean()) for p in parts if len(p)) / len(bad))


def calibration_table(logits: Array, bad: Array, how: str) -> list[tuple[float, float]]:
    """Map log-odds to probabilities by what came out of cross-validation; a rising table of points."""
    if how == "isotonic":
        fitted = IsotonicRegression(y_min=0.005, y_max=0.995, out_of_bounds="clip").fit(logits, bad)
        return _points(GRID, np.asarray(fitted.predict(GRID)))
    platt = LogisticRegression(C=1e6).fit(logits.reshape(-1, 1), bad)
    return _points(GRID, platt.predict_proba(GRID.reshape(-1, 1))[:, 1])


def _points(grid: Array, found: Array) -> list[tuple[float, float]]:
    return [(float(score), float(p)) for score, p in zip(grid, np.maximum.accumulate(found), strict=True)]
