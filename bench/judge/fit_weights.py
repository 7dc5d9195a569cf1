"""Fit how much a model counts beside the evidence judge, on labelled rules of the training part.

    python bench/judge/fit_weights.py ROWS.jsonl OUT.json --base miss=0.03 --base off_target=0.03

Each row: {"question": "miss" | "off_target", "evidence": p, "llm": p, "label": true | false}, one rule each. First the
model's numbers are brought to scale (Platt), then both are weighed (logistic regression on log-odds), each with a ridge
towards the built-in weights. `--base` is the share of bad rules that the user will see: rows are weighted to it, since
rules for labelling are chosen so that bad ones are not rare. What is written can be read by `combine.load_weights`.
"""

import argparse
import datetime as dt
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from ruleforge.judge.combine import CLAMP, LOWERS_LEAST, BothWeights, Weights

RIDGE = 1.0  # in rows: how many rows the built-in weights are worth
STEPS = 50
FEWEST = 20  # rows of a question, 5 of them bad: fewer fit nothing


def log_odds(p: np.ndarray) -> np.ndarray:
    """Log-odds, held off the ends as the program does."""
    held = np.clip(p, CLAMP, 1 - CLAMP)
    return np.asarray(np.log(held / (1 - held)))


def logistic(columns: np.ndarray, labels: np.ndarray, shares: np.ndarray, towards: Sequence[float]) -> np.ndarray:
    """Weights of the columns by Newton's method, with a ridge towards given ones.

    A step is halved until it makes things better: whole steps run away where few rows weigh much.
    """
    prior = np.asarray(towards, dtype=float)

    def loss(weights: np.ndarray) -> float:
        margins = np.where(labels == 1, 1, -1) * (columns @ weights)
        return float((shares * np.logaddexp(0, -margins)).sum() + RIDGE / 2 * ((weights - prior) ** 2).sum())

    weights = prior.copy()
    for _ in range(STEPS):
        p = 1 / (1 + np.exp(-np.clip(columns @ weights, -30, 30)))
        slope = columns.T @ (shares * (p - labels)) + RIDGE * (weights - prior)
        curve = (columns.T * (shares * p * (1 - p))) @ columns + RIDGE * np.eye(len(prior))
        step = np.linalg.solve(curve, slope)
        size = 1.0
        while size > 1e-6 and loss(weights - size * step) > loss(weights):
            size /= 2
        weights = weights - size * step
        if np.abs(size * step).max() < 1e-9:
            break
    return weights


def fit(rows: Sequence[dict[str, Any]], base: float | None, day: str) -> Weights:
    """Fit one question; the built-in weights where there are too few rows."""
    labels = np.array([float(row["label"]) for row in rows])
    bad = int(labels.sum())
    if len(rows) < FEWEST or min(bad, len(rows) - bad) < 5:
        return Weights()
    evidence = log_odds(np.array([row["evidence"] for row in rows], dtype=float))
    model = log_odds(np.array([row["llm"] for row in rows], dtype=float))
    shares = np.ones(len(rows))
    if base is not None:
        own = bad / len(rows)
        shares = np.where(labels == 1, base / own, (1 - base) / (1 - own))
    scale, shift = logistic(np.stack([model, np.ones(len(rows))], 1), labels, shares, (1.0, 0.0))
    scale, shift = max(scale, 0.0), float(np.clip(shift, -12, 12))
    scaled = scale * model + shift
    columns = np.stack([evidence, scaled, np.ones(len(rows))], 1)
    own_weight, other, bias = logistic(columns, labels, shares, (0.75, 0.25, 0.0))
    return Weights(
        evidence=round(float(np.clip(own_weight, 0, 3)), 4),
        llm=round(float(np.clip(other, 0, 3)), 4),
        bias=round(float(np.clip(bias, -12, 12)), 4),
        llm_scale=round(float(min(scale, 3.0)), 4),
        llm_shift=round(shift, 4),
        lowers=len(rows) >= LOWERS_LEAST,
        rules=len(rows),
        fitted=day,
    )


def fit_both(rows: Sequence[dict[str, Any]], bases: dict[str, float], day: str) -> BothWeights:
    """Fit both questions."""
    sides = {
        side: fit([row for row in rows if row["question"] == side], bases.get(side), day)
        for side in ("miss", "off_target")
    }
    return BothWeights(miss=sides["miss"], off_target=sides["off_target"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("rows", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--base", action="append", default=[], metavar="QUESTION=SHARE")
    given = parser.parse_args()
    rows = [json.loads(line) for line in given.rows.read_text("utf-8").splitlines() if line.strip()]
    bases = {name: float(share) for name, _, share in (each.partition("=") for each in given.base)}
    both = fit_both(rows, bases, dt.datetime.now(dt.UTC).date().isoformat())
    given.out.write_text(json.dumps(msgspec.to_builtins(both), indent=2) + "\n", "utf-8")
    for side, weights in msgspec.structs.asdict(both).items():
        print(side, msgspec.to_builtins(weights) if weights.rules else "too few rows: the built-in weights")


if __name__ == "__main__":
    main()
