"""The judge's model: two calibrated sums of weighted features, as plain numbers in `model.json`.

`bench/judge/train.py` writes the file; nothing is fitted here.
"""

import itertools
import math
from collections.abc import Collection, Mapping
from functools import lru_cache
from pathlib import Path

import msgspec

from ruleforge.errors import InputError

FILE = Path(__file__).with_name("model.json")
QUESTIONS = ("miss", "off", "any")


class Term(msgspec.Struct, frozen=True, kw_only=True):
    """One feature's part in the log-odds: weight × (value - centre) / scale, or `missing` where there is no value."""

    feature: str
    weight: float
    centre: float
    scale: float
    missing: float = 0.0

    def contribution(self, value: float | None) -> float:
        """What the feature adds to the log-odds."""
        return self.missing if value is None else self.weight * (value - self.centre) / self.scale


class Fit(msgspec.Struct, frozen=True, kw_only=True):
    """One question's sum.

    `without`: kinds of features it does not use, because they were withheld or not there. `quiet`: it is for rules that
    answered everything that was tried rightly, on which only suspicions are left (`features.is_quiet`).
    """

    question: str  # one of QUESTIONS
    without: tuple[str, ...] = ()
    quiet: bool = False
    n: int  # pairs it was fitted on
    bad: int  # of these, with the defect
    intercept: float
    terms: tuple[Term, ...]
    calibration: tuple[tuple[float, float], ...] = ()  # (log-odds, probability), both ascending; empty: the logistic

    def contributions(self, features: Mapping[str, float | None]) -> dict[str, float]:
        """What each feature adds to the log-odds."""
        return {term.feature: term.contribution(features.get(term.feature)) for term in self.terms}

    def probability(self, features: Mapping[str, float | None]) -> float:
        """Return the calibrated probability of the defect."""
        score = self.intercept + math.fsum(self.contributions(features).values())
        return calibrated(score, self.calibration)


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """All fits, the thresholds of the gates, and what they were made from."""

    judge: str  # name and version for opinions
    date: str  # of the training
    pairs: int  # labelled pairs used
    split: str  # the name of the frozen split whose test part was not read
    fits: tuple[Fit, ...]
    # mode → question → most probability; and of the training rules below all of a mode's thresholds, the bad share
    thresholds: dict[str, dict[str, float]]
    stated: dict[str, dict[str, float]] = {}

    def fit(self, question: str, without: Collection[str] = (), *, quiet: bool = False) -> Fit:
        """Choose the fit that uses no feature of the kinds in `without`, and as many others as there is one for.

        Args:
            question: one of QUESTIONS.
            without: kinds of features that are withheld or not there.
            quiet: for a rule that answered everything rightly, where there is a fit of its own for such.
        """
        fits = [fit for fit in self.fits if fit.question == question]
        fits = [fit for fit in fits if fit.quiet == quiet] or fits
        allowed = [fit for fit in fits if set(fit.without) >= set(without)]
        return min(allowed or fits, key=lambda fit: len(fit.without) if allowed else -len(fit.without))


def calibrated(score: float, table: tuple[tuple[float, float], ...]) -> float:
    """Look a log-odds up: between two points of the table on a straight line, outside the nearest point."""
    if not table:
        return 1 / (1 + math.exp(-max(-30.0, min(30.0, score))))
    if score <= table[0][0]:
        return table[0][1]
    for (left, low), (right, high) in itertools.pairwise(table):
        if score <= right:
            return low + (high - low) * (score - left) / (right - left) if right > left else high
    return table[-1][1]


def load_model(path: Path) -> Model:
    """Read a model.

    Raises:
        InputError: it is none (RF241).
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=Model)
    except (OSError, msgspec.MsgspecError) as problem:
        hint = "make one with 'python bench/judge/train.py PAIRS OUT.json'"
        raise InputError("cannot read the judge's model", where=str(path), hint=hint, code="RF241") from problem


@lru_cache(maxsize=1)
def shipped_model() -> Model:
    """Return the model that comes with the package."""
    return load_model(FILE)
