"""Fill the tables: every group, split and label apart; baselines on the same rows and the same draws."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import msgspec
import numpy as np

from ruleforge.app.judging import scores as told
from ruleforge.app.judging.baselines import BASELINES, Baseline, Fitted, fit_baseline, values_of
from ruleforge.app.judging.bootstrap import Clusters, auroc_of, difference_of
from ruleforge.app.judging.measuring import Measured, Sample, both_ways, measure
from ruleforge.app.judging.metrics import auroc
from ruleforge.app.judging.pairs import CONSTRUCTED, LABELS, NATURAL, Group, Label, Pair
from ruleforge.app.judging.report import APART, JOINED, JUDGE, Against, Operating, Table
from ruleforge.app.judging.scores import Score
from ruleforge.records.quality import rate

GROUPS: tuple[Group, ...] = ("natural", "constructed")
ORIGINS: Mapping[Group, Sequence[str]] = {"natural": NATURAL, "constructed": CONSTRUCTED}
MODES = ("none", "count", "block")
Answer = Callable[[Score, Label], float | None]
ANSWERS: Mapping[str, Answer] = {
    JUDGE: lambda score, label: told.probability(score, label),
    APART: lambda score, label: told.probability(score, label, apart=True),
    JOINED: lambda score, label: told.joined(score) if label == "any" else None,
}


class Rows(msgspec.Struct, frozen=True):
    """What is measured: the pairs of the part, those of the train part, and what the judge said of each."""

    pairs: Sequence[Pair]
    train: Sequence[Pair]
    scores: Mapping[str, Score]
    draws: int

    def chosen(self, group: Group, origin: str = "", split: str = "all") -> list[Pair]:
        """Return the pairs of a group, of one origin and split where these are named."""
        return [
            pair for pair in self.pairs
            if pair.group == group and origin in ("", pair.origin) and split in ("all", pair.split)
        ]  # fmt: skip

    def answer(self, pair: Pair, label: Label, scorer: str) -> float | None:
        """Return what a scorer said; None where it said nothing."""
        score = self.scores.get(pair.pair)
        return None if score is None or score.problem else ANSWERS[scorer](score, label)

    def abstains(self, pair: Pair) -> bool:
        """Whether the judge lets no answer stand."""
        return told.abstains(self.scores.get(pair.pair))

    def base(self, group: Group, label: Label) -> float:
        """Return the share of bad rules in the train part of a group; one half where there is none."""
        known = [pair.label(label) for pair in self.train if pair.group == group and pair.label(label) is not None]
        return sum(map(bool, known)) / len(known) if known else 0.5


def judge_tables(rows: Rows) -> Iterator[Table]:
    """Yield the judge's tables: groups by split, then natural and constructed by origin."""
    for group in GROUPS:
        splits = ("all", *sorted({pair.split for pair in rows.pairs} if len({p.split for p in rows.pairs}) > 1 else ()))
        for split in splits:
            yield from _tables(rows, group, "", split)
        for origin in ORIGINS[group]:
            yield from _tables(rows, group, origin, "all")


def _tables(rows: Rows, group: Group, origin: str, split: str) -> Iterator[Table]:
    pairs = rows.chosen(group, origin, split)
    if not pairs:
        return
    for label in LABELS:
        known = [pair for pair in pairs if pair.label(label) is not None]
        for scorer in (JUDGE, APART, JOINED):
            if scorer == JOINED and label != "any":
                continue
            answers = [rows.answer(pair, label, scorer) for pair in known]
            if scorer != JUDGE and all(answer is None for answer in answers):
                continue
            sure = [not rows.abstains(pair) for pair in known]
            answered, filled = both_ways(sample_of(known, label), answers, sure, rows.base(group, label), rows.draws)
            yield Table(
                group=group, origin=origin, split=split, label=label, scorer=scorer, answered=answered, filled=filled,
                unlabelled=len(pairs) - len(known),
            )  # fmt: skip


def sample_of(pairs: Sequence[Pair], label: Label) -> Sample:
    """Return the rows of `pairs`, all of which have the label."""
    return Sample(np.array([pair.label(label) for pair in pairs], np.bool_), tuple(pair.advisory for pair in pairs))


def baseline_tables(rows: Rows, progress: Callable[[str, int, int], None]) -> tuple[list[Table], list[Against]]:
    """Measure every baseline on the rows that the judge was measured on, and the distance between them."""
    values = values_of([*{pair.pair: pair for pair in (*rows.train, *rows.pairs)}.values()])
    tables: list[Table] = []
    against: list[Against] = []
    for group in GROUPS:
        pairs = rows.chosen(group)
        for label in LABELS if pairs else ():
            progress("measure baselines", len(against), len(GROUPS) * len(LABELS) * len(BASELINES))
            known = [pair for pair in pairs if pair.label(label) is not None]
            train = [pair for pair in rows.train if pair.group == group]
            for baseline in BASELINES:
                own = values[baseline.key]
                fitted = fit_baseline(own, train, label)
                measured = _baseline(known, label, own, fitted)
                against.append(_against(rows, known, group, label, baseline, own, fitted))
                tables.append(
                    Table(
                        group=group, origin="", split="all", label=label, scorer=baseline.key, answered=measured,
                        filled=measured, unlabelled=len(pairs) - len(known),
                    )
                )  # fmt: skip
    return tables, against


def _baseline(known: Sequence[Pair], label: Label, own: Mapping[str, float | None], fitted: Fitted | None) -> Measured:
    sample = sample_of(known, label)
    if fitted is None:
        empty = Measured(rows=len(known), bad=int(sample.bad.sum()), clusters=len(set(sample.clusters)))
        why = "the train part has too few labelled rows to fix a direction"
        return msgspec.structs.replace(empty, reasons=dict.fromkeys(("auroc", "brier", "ece"), why))
    values = [own[pair.pair] for pair in known]
    ranks = measure(sample, fitted.score(values), 0, probabilities=False)
    if "brier" in ranks.reasons or ranks.rows < 1:
        return ranks
    shown = measure(sample, fitted.probability(values), 0)
    names = ("brier", "log_loss", "ece", "said", "reliability")
    reasons = {**ranks.reasons, **{k: v for k, v in shown.reasons.items() if k in names}}
    return msgspec.structs.replace(ranks, reasons=reasons, **{name: getattr(shown, name) for name in names})


def _against(
    rows: Rows,
    known: Sequence[Pair],
    group: Group,
    label: Label,
    baseline: Baseline,
    own: Mapping[str, float | None],
    fitted: Fitted | None,
) -> Against:
    """Compare on all labelled rows, the judge's abstentions filled with the base rate."""
    sample, base = sample_of(known, label), rows.base(group, label)
    names = {"group": group, "label": label, "baseline": baseline.key, "title": baseline.title}
    without = sum(own[pair.pair] is None for pair in known)
    plain = Against(**names, auroc=None, without=without, ahead=None, interval=None)  # type: ignore[arg-type]
    if fitted is None:
        return msgspec.structs.replace(plain, reason="too few labelled rows in the train part")
    if "auroc" in (told_why := measure(sample, np.zeros(len(known)), 0).reasons):
        return msgspec.structs.replace(plain, reason=told_why["auroc"])
    answers = [rows.answer(pair, label, JUDGE) for pair in known]
    judge = np.array([base if answer is None else answer for answer in answers], dtype=np.float64)
    other = fitted.score([own[pair.pair] for pair in known])
    clusters = Clusters(sample.clusters, rows.draws)
    return msgspec.structs.replace(
        plain,
        auroc=auroc(sample.bad, other),
        ahead=auroc(sample.bad, judge) - auroc(sample.bad, other),
        interval=clusters.interval(difference_of(auroc_of(sample.bad, judge), auroc_of(sample.bad, other))),
    )


def operating_points(rows: Rows) -> Iterator[Operating]:
    """Count what each gate lets through, natural and constructed apart, and each origin of natural rules."""
    for group in GROUPS:
        for origin in ("", *(ORIGINS[group] if group == "natural" else ())):
            pairs = rows.chosen(group, origin)
            if pairs:
                yield from (_operating(rows, pairs, group, origin, mode) for mode in MODES)


def _operating(rows: Rows, pairs: Sequence[Pair], group: Group, origin: str, mode: str) -> Operating:
    passing = [pair for pair in pairs if mode == "none" or told.passes(rows.scores.get(pair.pair), mode)]
    labels = [pair.label("any") for pair in passing]
    good, bad = labels.count(False), labels.count(True)
    known = [pair for pair in pairs if pair.label("any") is not None]
    silent = 0 if mode == "none" else sum(rows.abstains(pair) for pair in known)
    return Operating(
        group=group,
        origin=origin,
        mode=mode,
        shipped=rate(bad, good + bad),
        good=rate(good, sum(pair.label("any") is False for pair in known)),
        abstained=silent,
        unlabelled=labels.count(None),
    )


def counted(pairs: Iterable[Pair]) -> dict[str, int]:
    """Count rows by group and origin."""
    found: dict[str, int] = {}
    for pair in pairs:
        for name in (pair.group, f"{pair.group} {pair.origin}"):
            found[name] = found.get(name, 0) + 1
    return dict(sorted(found.items()))
