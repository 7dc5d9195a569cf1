"""Logistic sums with known signs, selected and checked by product inside the training part."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
from scipy.optimize import minimize
from sklearn.model_selection import GroupKFold

from ruleforge.judge.features import FEATURES, is_quiet

Array = np.ndarray[Any, Any]
QUESTIONS = ("miss", "off", "any")
FOLDS = 5
RIDGE = 1.0  # on standardised weights
LEAST_WEIGHT = 0.05  # of a standardised feature; below it, it is left out
FEW = 100  # pairs; nothing is fitted on fewer
GUESSED = 0.25  # weight of a label that is close to a guess
FLOOR = 0.1  # least weight of a fact: what is answered wrongly always counts a little, whatever else explains it
FACTS: Mapping[str, tuple[str, ...]] = {
    "miss": ("replay_missed", "variants_missed"),
    "off": ("neutral_hit", "near_hit", "benign_hit", "strangers_hit"),
    "any": ("replay_missed", "variants_missed", "neutral_hit", "near_hit", "benign_hit", "strangers_hit"),
}
RARELY_MISSING = 0.01  # below this share a missing value gets no weight of its own
# Where it is known which way a feature speaks: +1 it can only speak for the defect, -1 against it.
SIGNS: Mapping[str, Mapping[str, int]] = {
    "miss": {
        "replay_missed": 1, "variants_missed": 1, "seen_missed": 1, "ways_missed": 1, "conditions": 1,
        "names_wanted": 1, "exact_values": 1, "some_values": 1, "literal_bytes": 1, "raw_reads": 1, "path_whole": 1,
        "wanted_from_attack": 1, "wanted_standins": 1, "idle_conditions": 1, "listed": 1, "documents_listed": 1,
        "payload_read": -1, "class_breadth": 0, "surprise": 1, "no_payload_known": 1, "alternatives": 0,
        "choices_lost": 1, "choice_worst": 1, "payload_lost": 1, "value_lost": 1, "named_lost": 1,
        "literal_lost": 1, "shown_ways": 0, "unvaried_wanted": 1, "method_wanted": 1,
        "presence_wanted": 1, "selectors_wanted": 1, "place_words": 1, "nameless": -1, "endpoint_bits": 1,
        "generic_place": 0, "guard": 0, "no_endpoint": -1,
    },
    "off": {
        "neutral_hit": 1, "near_hit": 1, "near_kinds": 1, "steps_hit": 1, "benign_hit": 1, "strangers_hit": 1,
        "no_endpoint": 1, "surprise": -1, "endpoint_bits": -1, "class_breadth": -1, "tell_read": -1,
        "payload_read": -1, "names_wanted": -1, "generic_place": 1, "absences": 1, "raw_reads": 1, "alternatives": 1,
        "place_shared": 1, "place_nearly": 1, "kin_hit": 1, "nameless": 1, "place_words": -1, "selectors_wanted": -1,
        "conditions": -1, "guard": 0,
    },
    "any": {
        "replay_missed": 1, "variants_missed": 1, "seen_missed": 1, "ways_missed": 1, "neutral_hit": 1, "near_hit": 1,
        "near_kinds": 1, "steps_hit": 1, "benign_hit": 1, "strangers_hit": 1, "wanted_standins": 1, "tell_read": -1,
        "exact_values": 1, "wanted_from_attack": 1, "raw_reads": 1, "path_whole": 1, "surprise": -1,
        "endpoint_bits": -1, "class_breadth": -1, "payload_read": -1, "generic_place": 1, "absences": 1, "listed": 1,
        "literal_bytes": 1, "alternatives": 1, "no_payload_known": 0, "choices_lost": 1, "choice_worst": 1,
        "payload_lost": 1, "value_lost": 1, "named_lost": 1, "literal_lost": 1,
        "unvaried_wanted": 1, "method_wanted": 1, "presence_wanted": 1, "place_shared": 1, "place_nearly": 1,
        "kin_hit": 1, "nameless": 0, "place_words": 0,
        "selectors_wanted": 0, "conditions": 0, "guard": 0, "names_wanted": 0,
    },
}  # fmt: skip


class Fitted(msgspec.Struct):
    """Weights, or cross-validated answers."""

    intercept: float = 0.0
    terms: list[dict[str, Any]] = []
    logits: Array = np.zeros(0)
    probabilities: Array = np.zeros(0)


class Data:
    """The pairs of one question with a label: values (rows × features, NaN: missing), labels, weights, products."""

    def __init__(
        self,
        question: str,
        names: list[str],
        rows: list[tuple[int, Mapping[str, Any], Mapping[str, Any]]],
        weight: float,
        quiet: bool | None = None,
    ) -> None:
        self.question, self.names, self.quiet = question, names, quiet
        self.at = np.array([number for number, _, _ in rows])
        self.values = np.array(
            [[np.nan if found[n] is None else found[n] for n in names] for _, _, found in rows], dtype=float
        )
        self.bad = np.array([label_of(row, question) for _, row, _ in rows], dtype=float)
        self.natural = np.array([row["group"] == "natural" for _, row, _ in rows])
        self.origin = np.array([row["origin"] for _, row, _ in rows])
        self.products = np.array([row["product"] or row["advisory"] for _, row, _ in rows])
        self.weights = np.where(self.natural, 1.0, weight)
        if question == "any":
            # Of a rule that failed the tests and that no twin could be made for, "not off target" is close to a guess.
            guessed = [row["off"]["label"] is None and not row["tests_passed"] for _, row, _ in rows]
            self.weights = self.weights * np.where(guessed, GUESSED, 1.0)
        self.used = np.flatnonzero(self.weights > 0)
        self.folds = [
            (np.intersect1d(train, self.used), test)
            for train, test in GroupKFold(FOLDS).split(self.values, groups=self.products)
        ]

    @classmethod
    def of(
        cls, kept: Sequence[tuple[Mapping[str, Any], Mapping[str, Any]]], question: str, without: Sequence[str],
        weight: float, quiet: bool | None = None,
    ) -> "Data | None":  # fmt: skip
        """Take the rows that have a label for `question`, and of their features those that are not withheld.

        Args:
            kept: each row with its features.
            question: one of QUESTIONS.
            without: kinds of features that are withheld.
            weight: of a constructed row.
            quiet: take the rules that answered everything rightly, as far as it is not withheld; False: the others;
                None: all.

        Returns:
            None where there are too few to fit anything on, since what tells them apart is withheld.
        """
        names = [name for name, feature in FEATURES.items() if feature.kind not in without]
        labelled = [
            (number, row, found)
            for number, (row, found) in enumerate(kept)
            if label_of(row, question) is not None and quiet in (None, is_quiet({name: found[name] for name in names}))
        ]
        return cls(question, names, labelled, weight, quiet) if len(labelled) >= FEW else None

    def column(self, name: str) -> Array:
        """Values of one feature."""
        return np.asarray(self.values[:, self.names.index(name)])

    def spread(self, values: Array, size: int) -> Array:
        """Put values of the labelled rows where they stand among all rows."""
        whole = np.full(size, np.nan)
        whole[self.at] = values
        return whole


def label_of(row: Mapping[str, Any], question: str) -> bool | None:
    """The label of a pair; None where it is not known.

    "off" counts where near-misses or neutralised exploits were tried: elsewhere a defect can show but its absence
    cannot. "any" is true where one of the two is, null where both are, else false: as the bench counts it.
    """
    miss: bool | None = row["miss"]["label"]
    if question == "miss":
        return miss
    if question == "off":
        return row["off"]["label"] if row["off"]["near"][1] + row["off"]["neutral"][1] else None
    both = (miss, row["off"]["label"])
    return True if True in both else None if both == (None, None) else False


def select(data: Data, most: int, rows: Array | None = None) -> list[str]:
    """Fit all features, take the facts and those of the largest weight, and leave out what adds next to nothing.

    Known signs leave most weights at nought, so this finds what adding one feature at a time does, in two fits instead
    of hundreds.

    Args:
        data: the pairs.
        most: features of one sum.
        rows: which pairs may be looked at; None: all that are used.
    """
    used = data.used if rows is None else rows
    there = [name for name in data.names if len(set(data.column(name)[used][~np.isnan(data.column(name)[used])])) > 1]
    facts = [name for name in FACTS[data.question] if name in there]
    chosen = [name for name in SIGNS[data.question] if name in there]
    for least in (0.0, LEAST_WEIGHT):
        terms = _fit(data, list(dict.fromkeys((*facts, *chosen))), used).terms
        size = {term["feature"]: max(abs(term["weight"]), abs(term["missing"]) / 4) for term in terms}
        ranked = sorted((name for name in size if name not in facts and size[name] > least), key=lambda n: -size[n])
        chosen = ranked[: max(most - len(facts), 0)]
    return [*facts, *chosen]


def cross_validate(data: Data, most: int) -> Fitted:
    """Give every pair the answer of a fit, and of a choice of features, that has not seen its product."""
    logits = np.zeros(len(data.bad))
    for train, test in data.folds:
        fitted = _fit(data, select(data, most, train), train)
        logits[test] = predict(fitted, data, test)
    return Fitted(logits=logits, probabilities=1 / (1 + np.exp(-logits)))


def fit_question(data: Data, names: Sequence[str]) -> Fitted:
    """Fit on all pairs."""
    return _fit(data, names, data.used)


def _fit(data: Data, names: Sequence[str], rows: Array) -> Fitted:
    terms, columns, bounds = _columns(data, names, rows)
    matrix = np.column_stack([np.ones(len(rows)), *columns]) if columns else np.ones((len(rows), 1))
    bad, weights = data.bad[rows], data.weights[rows]

    def loss(beta: Array) -> tuple[float, Array]:
        z = matrix @ beta
        value = np.sum(weights * (np.logaddexp(0, z) - bad * z)) + RIDGE / 2 * np.sum(beta[1:] ** 2)
        gradient = matrix.T @ (weights * (1 / (1 + np.exp(-z)) - bad))
        gradient[1:] += RIDGE * beta[1:]
        return float(value), gradient

    start = np.zeros(matrix.shape[1])
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=[(None, None), *bounds]).x
    at = 1
    for term in terms:
        term["weight"], at = round(float(found[at]), 5), at + 1
        if term.pop("sometimes"):
            term["missing"], at = round(float(found[at]), 5), at + 1
    return Fitted(intercept=float(found[0]), terms=terms)


def _columns(
    data: Data, names: Sequence[str], rows: Array
) -> tuple[list[dict[str, Any]], list[Array], list[tuple[float | None, float | None]]]:
    """One standardised column for each feature, 0 where missing, and one that says where that is."""
    signs = SIGNS[data.question]
    terms: list[dict[str, Any]] = []
    columns: list[Array] = []
    bounds: list[tuple[float | None, float | None]] = []
    for name in names:
        values = data.column(name)[rows]
        known = values[~np.isnan(values)]
        centre = round(float(known.mean()), 5) if len(known) else 0.0
        scale = max(round(float(known.std()), 5), 0.02) if len(known) else 1.0
        sign = signs.get(name, 0)
        columns.append(np.nan_to_num((values - centre) / scale))
        least = FLOOR if name in FACTS[data.question] else 0.0
        bounds.append((least if sign > 0 else None, 0.0 if sign < 0 else None))
        sometimes = bool(np.isnan(values).mean() > RARELY_MISSING)
        if sometimes:
            columns.append(np.isnan(values).astype(float))
            bounds.append((None, None))
        terms.append(
            {"feature": name, "weight": 0.0, "centre": centre, "scale": scale, "missing": 0.0, "sometimes": sometimes}
        )
    return terms, columns, bounds


def predict(fitted: Fitted, data: Data, rows: Array) -> Array:
    """Return the log-odds of rows."""
    total = np.full(len(rows), fitted.intercept)
    for term in fitted.terms:
        values = data.column(term["feature"])[rows]
        total += np.where(
            np.isnan(values), term["missing"], np.nan_to_num(term["weight"] * (values - term["centre"]) / term["scale"])
        )
    return total
