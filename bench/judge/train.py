"""Fit the judge's model on labelled pairs: python bench/judge/train.py PAIRS OUT.json --templates DIR --benign FILE.

Only rows of part "train" are read: the line of any other row is dropped before its labels are decoded. Feature
selection, weights, calibration and thresholds come from these rows alone; what is printed is cross-validated by product
inside them. scikit-learn and SciPy are needed here and nowhere else; what ships is plain numbers.
"""

import argparse
import gzip
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from fitting import QUESTIONS, Data, Fitted, cross_validate, fit_question, label_of, select
from measures import calibration_table, scores

from ruleforge.app.judge import judge_pairs
from ruleforge.judge.features import FEATURES
from ruleforge.judge.model import calibrated

WITHHELD: tuple[tuple[str, ...], ...] = (
    (),
    ("cross", "benign"),  # a rule judged by itself, with no traffic beside it
    ("variation",),
    ("near", "neutral", "cross", "benign"),
    ("variation", "near", "neutral", "cross", "benign"),
)
JUDGE = "evidence judge 4"
# Of quiet rules too few are off target (34 of 2,873 in training) for a sum of their own.
SUMS: tuple[tuple[str, bool | None], ...] = (
    ("miss", False), ("miss", True), ("off", None), ("any", False), ("any", True),
)  # fmt: skip
SLICES = {
    "natural": lambda row: row["group"] == "natural",
    "passed the tests": lambda row: row["group"] == "natural" and row["origin"] in ("passed", "shipped"),
    "constructed": lambda row: row["group"] != "natural",
}


def main() -> None:
    options = _options()
    rows = read_train(options.pairs)
    features = measure(rows, options)
    kept = [(row, found) for row, found in zip(rows, features, strict=True) if found is not None]
    if options.measure_only:
        return
    print(f"{len(rows)} training pairs, {len(rows) - len(kept)} without evidence; groups", end=" ")
    print(dict(Counter(row["group"] for row, _ in kept)), dict(Counter(row["origin"] for row, _ in kept)))
    fits, thresholds, stated = [], {}, {}
    outside: dict[str, np.ndarray[Any, Any]] = {}
    for without in WITHHELD:
        told = {question: np.full(len(kept), np.nan) for question in QUESTIONS}
        for question, quiet in SUMS:
            data = Data.of(kept, question, without, options.constructed, quiet)
            if data is None:
                continue
            names = select(data, options.most)
            found = cross_validate(data, options.most)
            final = fit_question(data, names)
            table = calibration_table(found.logits[data.natural], data.bad[data.natural], options.calibration)
            found.probabilities = crossed(data, found.logits, options.calibration)
            report(question, without, data, names, found)
            told[question][data.at] = found.probabilities
            fits.append(as_fit(question, without, data, final, table))
            if not without:
                coefficients(final)
        together([row for row, _ in kept], told, without)
        outside = outside or told
    thresholds, stated = gates([row for row, _ in kept], outside, options)
    model = {
        "judge": JUDGE, "date": options.date, "pairs": len(kept), "split": options.split, "fits": fits,
        "thresholds": thresholds, "stated": stated,
    }  # fmt: skip
    options.out.write_text(json.dumps(model, indent=1) + "\n")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("pairs", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--templates", type=Path, required=True)
    parser.add_argument("--benign", type=Path, action="append", default=[])
    parser.add_argument("--cache", type=Path, help="indexes, and the features of the pairs")
    parser.add_argument("--again", action="store_true", help="measure features again")
    parser.add_argument("--measure-only", action="store_true", help="fill the cache and stop")
    parser.add_argument("--date", default="", help="of the training, for the model file")
    parser.add_argument("--split", default="", help="name of the frozen split, for the model file")
    parser.add_argument("--most", type=int, default=12, help="features of one sum")
    parser.add_argument("--constructed", type=float, default=0.15, help="weight of a constructed pair; natural: 1")
    parser.add_argument("--calibration", choices=("platt", "isotonic"), default="platt")
    parser.add_argument("--count-off", type=float, default=0.015, help="share of off-target rules in mode count")
    parser.add_argument("--block-off", type=float, default=0.0075, help="share of off-target rules in mode block")
    parser.add_argument("--count-miss", type=float, default=0.02, help="share of rules with misses in mode count")
    return parser.parse_args()


def read_train(file: Path) -> list[dict[str, Any]]:
    """Read the training rows; of others nothing but the part is looked at."""
    with gzip.open(file, "rt") if file.suffix == ".gz" else file.open() as lines:
        return [row for line in lines if (row := json.loads(line)).pop("part") == "train"]


def measure(rows: Sequence[Mapping[str, Any]], options: argparse.Namespace) -> list[dict[str, float | None] | None]:
    """Measure every row; kept in the cache by pair."""
    store = options.cache / "features.json" if options.cache else None
    known: dict[str, Any] = {}
    if store is not None and store.is_file() and not options.again:
        known = json.loads(store.read_text())
    todo = [row for row in rows if row["pair"] not in known]
    found = judge_pairs(todo, options.templates, benign=options.benign, cross=True, cache=options.cache)
    problems: Counter[str] = Counter()
    for row, judged in zip(todo, found, strict=True):
        known[row["pair"]] = None if judged.opinion is None else dict(judged.opinion.features)
        problems[judged.problem[:80]] += judged.opinion is None
    if store is not None:
        store.write_text(json.dumps(known))
    for problem, count in problems.items():
        if count:
            print(f"  not judged: {count} × {problem}")
    return [known[row["pair"]] for row in rows]


def crossed(data: Data, logits: np.ndarray[Any, Any], how: str) -> np.ndarray[Any, Any]:
    """Calibrate the cross-validated log-odds of each fold by the natural pairs of the others."""
    found = np.zeros(len(logits))
    for train, test in data.folds:
        own = train[data.natural[train]]
        table = tuple(calibration_table(logits[own], data.bad[own], how))
        found[test] = [calibrated(float(score), table) for score in logits[test]]
    return found


def report(question: str, without: Sequence[str], data: Data, names: Sequence[str], found: Fitted) -> None:
    """Print cross-validated figures, natural and constructed apart."""
    which = "quiet rules, " if data.quiet else ""
    print(f"\n{question}, {which}without {', '.join(without) or 'nothing'}: {len(names)} features: {', '.join(names)}")
    for group, chosen in (("natural", data.natural), ("constructed", ~data.natural)):
        if chosen.sum() and len(set(data.bad[chosen])) == 2:
            print(f"  {group:12s} {scores(data.bad[chosen], found.probabilities[chosen])}")
    for origin in sorted(set(data.origin[data.natural])):
        chosen = data.natural & (data.origin == origin)
        if len(set(data.bad[chosen])) == 2:
            print(f"    {origin:10s} {scores(data.bad[chosen], found.probabilities[chosen])}")


def together(
    rows: Sequence[Mapping[str, Any]], told: Mapping[str, np.ndarray[Any, Any]], without: Sequence[str]
) -> None:
    """Print the cross-validated figures of quiet and other rules together, and of those that passed the tests."""
    print(f"\nall together, without {', '.join(without) or 'nothing'}")
    for question in QUESTIONS:
        for name, chosen in SLICES.items():
            pairs = [
                (label_of(row, question), float(p))
                for row, p in zip(rows, told[question], strict=True)
                if chosen(row) and label_of(row, question) is not None and not np.isnan(p)
            ]
            bad = np.array([label for label, _ in pairs], dtype=float)
            if len(set(bad)) == 2:
                print(f"  {question:5s}{name:22s} {scores(bad, np.array([p for _, p in pairs]))}")


def coefficients(final: Fitted) -> None:
    for term in sorted(final.terms, key=lambda term: -abs(term["weight"])):
        meaning = FEATURES[term["feature"]].meaning
        print(f"    {term['feature']:20s} {term['weight']:+.3f}  missing {term['missing']:+.3f}  {meaning}")


def as_fit(
    question: str, without: Sequence[str], data: Data, final: Fitted, table: Iterable[tuple[float, float]]
) -> dict[str, Any]:
    return {
        "question": question, "without": list(without), "quiet": bool(data.quiet), "n": int(data.natural.sum()),
        "bad": int(data.bad[data.natural].sum()), "intercept": round(final.intercept, 5), "terms": final.terms,
        "calibration": [[round(score, 4), round(p, 5)] for score, p in table],
    }  # fmt: skip


def gates(
    rows: Sequence[Mapping[str, Any]], outside: Mapping[str, np.ndarray[Any, Any]], options: argparse.Namespace
) -> tuple[dict[str, dict[str, float]], dict[str, dict[str, float]]]:
    """Choose the largest threshold below which the share of bad rules stays under what is asked.

    Of all training pairs with their weights, by their cross-validated and calibrated probabilities.
    """
    wanted = {
        "count": {"miss": options.count_miss, "off": options.count_off},
        "block": {"off": options.block_off},
    }
    thresholds: dict[str, dict[str, float]] = {}
    stated: dict[str, dict[str, float]] = {}
    for mode, shares in wanted.items():
        for question, most in shares.items():
            pairs = [
                (
                    float(p),
                    label_of(row, question) is True,
                    1.0 if row["group"] == "natural" else options.constructed,
                    row,
                )
                for row, p in zip(rows, outside[question], strict=True)
                if label_of(row, question) is not None
            ]
            limit, share = _limit(sorted(pairs, key=lambda pair: pair[0]), most)
            thresholds.setdefault(mode, {})[question] = round(limit, 4)
            stated.setdefault(mode, {})[question] = round(share, 4)
            print(f"gate {mode} {question}: p ≤ {limit:.4f} lets {share:.2%} bad ones through")
            for origin in ("shipped", "passed", "rejected"):
                own = [(p, bad) for p, bad, _, row in pairs if row["origin"] == origin]
                kept = [bad for p, bad in own if p <= limit]
                print(f"  {origin}: keeps {len(kept)} of {len(own)}; bad {sum(kept)} of {sum(bad for _, bad in own)}")
    return thresholds, stated


def _limit(pairs: Sequence[tuple[float, bool, float, Any]], most: float) -> tuple[float, float]:
    bad = total = 0.0
    best = (0.0, 0.0)
    for p, is_bad, weight, _ in pairs:
        total += weight
        bad += weight * is_bad
        if bad <= most * total:
            best = (p, bad / total)
    return best


if __name__ == "__main__":
    main()
