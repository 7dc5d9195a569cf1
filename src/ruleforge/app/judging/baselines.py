"""Trivial judges on the same rows: what can be told of a rule without judging it.

Which end of a number is the bad one is found on natural rules of the train part, label by label, and never on the
test part. Each is also made a probability there, by isotonic regression, so that it can be compared in calibration.
"""

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import TypeAlias

import msgspec
import numpy as np

from ruleforge.app.judging.metrics import Bools, Floats, auroc
from ruleforge.app.judging.pairs import Label, Pair
from ruleforge.app.scanning.specificity import bits_of
from ruleforge.errors import RuleError
from ruleforge.rules.parse import load_rule
from ruleforge.rules.tree import Rule, conditions_of

Measure: TypeAlias = Callable[[Pair], float | None]
TRAIN_LEAST = 5  # good and bad rows each, of the train part, below which no direction is fixed


class Baseline(msgspec.Struct, frozen=True):
    """One trivial judge: what it looks at."""

    key: str
    title: str
    measure: Measure


class Fitted(msgspec.Struct, frozen=True):
    """A baseline with what the train part fixed for one label: the bad end, a filling, a table of probabilities."""

    sign: float  # +1: more is worse
    fill: float  # value of rows where it has none: the median of the train part
    at: tuple[float, ...]  # signed values, rising
    share: tuple[float, ...]  # probability at each, not falling

    def score(self, values: Sequence[float | None]) -> Floats:
        """Return signed values, higher being worse."""
        return self.sign * np.array([self.fill if value is None else value for value in values], dtype=np.float64)

    def probability(self, values: Sequence[float | None]) -> Floats:
        """Return the fitted probability of each."""
        return np.asarray(np.interp(self.score(values), self.at, self.share), dtype=np.float64)


def rule_of(pair: Pair) -> Rule | None:
    """Load the rule of a pair; None where it does not load."""
    return _rule(json.dumps(pair.rule, sort_keys=True))


@lru_cache(maxsize=4_096)
def _rule(document: str) -> Rule | None:
    try:
        return load_rule(document.encode()).rule
    except (RuleError, RecursionError):
        return None


def _conditions(pair: Pair) -> float | None:
    rule = rule_of(pair)
    return None if rule is None else float(sum(1 for _ in conditions_of(rule.when)))


def _length(pair: Pair) -> float | None:
    return float(len(json.dumps(pair.rule.get("when"), separators=(",", ":"), sort_keys=True)))


def _literal_bits(pair: Pair) -> float | None:
    rule = rule_of(pair)
    return None if rule is None else bits_of(rule)


def _benign(pair: Pair) -> float | None:
    told = [passed for name, passed in pair.gates.items() if name.startswith("benign") and passed is not None]
    return float(not all(told)) if told else None


def _tests(pair: Pair) -> float | None:
    return None if pair.tests_passed is None else float(not pair.tests_passed)


BASELINES: tuple[Baseline, ...] = (
    Baseline("constant", "constant (base rate of train)", lambda _: 0.0),
    Baseline("conditions", "number of conditions", _conditions),
    Baseline("length", "length of the rule", _length),
    Baseline("literal_bits", "literal information content", _literal_bits),
    Baseline("benign", "hit on ordinary traffic only", _benign),
    Baseline("tests", "synthetic tests only", _tests),
    Baseline("confidence", "the generator's own confidence", lambda pair: pair.confidence),
)


def values_of(pairs: Iterable[Pair]) -> dict[str, dict[str, float | None]]:
    """Return baseline → pair → value; each rule is loaded once."""
    found: dict[str, dict[str, float | None]] = {baseline.key: {} for baseline in BASELINES}
    for pair in pairs:
        for baseline in BASELINES:
            value = baseline.measure(pair)
            found[baseline.key][pair.pair] = value if value is None or math.isfinite(value) else None
    return found


def fit_baseline(values: Mapping[str, float | None], train: Sequence[Pair], label: Label) -> Fitted | None:
    """Fix direction, filling and probabilities on the labelled rows of `train`; None where they are too few."""
    rows = [(pair.label(label), values[pair.pair]) for pair in train if pair.label(label) is not None]
    bad = np.array([row[0] for row in rows], dtype=np.bool_)
    if min(bad.sum(), (~bad).sum()) < TRAIN_LEAST:
        return None
    known = [value for _, value in rows if value is not None]
    fill = float(np.median(known)) if known else 0.0
    filled = np.array([fill if value is None else value for _, value in rows], dtype=np.float64)
    sign = 1.0 if auroc(bad, filled) >= 0.5 else -1.0
    at, share = isotonic(bad, sign * filled)
    return Fitted(sign, fill, tuple(map(float, at)), tuple(map(float, share)))


def isotonic(bad: Bools, score: Floats) -> tuple[Floats, Floats]:
    """Return distinct scores and the non-falling shares that fit `bad` best (pool adjacent violators)."""
    at, inverse = np.unique(score, return_inverse=True)
    rows = np.bincount(inverse).astype(np.float64)
    bads = np.bincount(inverse, weights=bad)
    blocks: list[tuple[float, float, int]] = []  # rows, bad, distinct scores
    for weight, wrong in zip(rows.tolist(), bads.tolist(), strict=True):
        blocks.append((weight, wrong, 1))
        while len(blocks) > 1 and blocks[-2][1] * blocks[-1][0] >= blocks[-1][1] * blocks[-2][0]:
            last = blocks.pop()
            blocks[-1] = (blocks[-1][0] + last[0], blocks[-1][1] + last[1], blocks[-1][2] + last[2])
    share = np.repeat([wrong / weight for weight, wrong, _ in blocks], [count for *_, count in blocks])
    return at, np.asarray(share, dtype=np.float64)
