"""Fill the tables: every group, split and label apart; baselines on the same rows and the same draws."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import msgspec
import numpy as np

from ruleforge.app.judging import scores as told
from ruleforge.app.judging.baselines import BASELINES, Baseline, Fitted, fit_baseline, values_of
from ruleforge.app.judging.bootstrap import Clusters, auroc_of, difference_of
from ruleforge.app.judging.measuring import Measured, Sample, both_ways, measure
from ruleforge.app.judging.metrics import auroc
from ruleforge.app.judging.pairs import LABELS, Group, Label, Pair
from ruleforge.app.judging.report import APART, JOINED, JUDGE, Against, Operating, Table
from ruleforge.app.judging.rows import BESIDE, GROUPS, MODES, ORIGINS, SLICES, TESTED, Rows
from ruleforge.records.quality import rate


def judge_tables(rows: Rows) -> Iterator[Table]:
    """Yield the judge's tables: groups by split, then natural and constructed by origin."""
    for group in GROUPS:
        splits = ("all", *sorted({pair.split for pair in rows.pairs} if len({p.split for p in rows.pairs}) > 1 else ()))
        for split in splits:
            yield from _tables(rows, group, "", split)
        for origin in (*SLICES, *ORIGINS[group]):
            yield from _tables(rows, group, origin, "all")


def _tables(rows: Rows, group: Group, origin: str, split: str) -> Iterator[Table]:
    pairs = rows.chosen(group, origin, split)
    if not pairs:
        return
    for label in LABELS:
        known = [pair for pair in pairs if pair.label(label) is not None]
        for scorer in (JUDGE, APART, JOINED):
            if scorer == JOINED and label not in ("any", "sure"):
                continue
            answers = [rows.answer(pair, label, scorer) for pair in known]
            if scorer != JUDGE and all(answer is None for answer in answers):
                continue
            sure = [not rows.abstains(pair) for pair in known]
            base = rows.base(group, origin, label)
            answered, filled = both_ways(sample_of(known, label), answers, sure, base, rows.draws)
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
    for group, origin in BESIDE:
        pairs, train = rows.chosen(group, origin), rows.trained(group, origin)
        for label in LABELS if pairs else ():
            progress("measure baselines", len(against), len(BESIDE) * len(LABELS) * len(BASELINES))
            known = [pair for pair in pairs if pair.label(label) is not None]
            for baseline in BASELINES:
                own = values[baseline.key]
                fitted = fit_baseline(own, train, label)
                measured = _baseline(known, label, own, fitted)
                against.append(_against(rows, known, (group, origin), label, baseline, own, fitted))
                tables.append(
                    Table(
                        group=group, origin=origin, split="all", label=label, scorer=baseline.key, answered=measured,
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
    which: tuple[Group, str],
    label: Label,
    baseline: Baseline,
    own: Mapping[str, float | None],
    fitted: Fitted | None,
) -> Against:
    """Compare on all labelled rows, the judge's abstentions filled with the base rate."""
    sample, base = sample_of(known, label), rows.base(*which, label)
    names = {"group": which[0], "origin": which[1], "label": label, "baseline": baseline.key, "title": baseline.title}
    without = sum(own[pair.pair] is None for pair in known)
    plain = Against(**names, auroc=None, without=without, ahead=None, interval=None)  # type: ignore[arg-type]
    if fitted is None:
        return msgspec.structs.replace(plain, reason="too few labelled rows in the train part")
    if known and without == len(known):
        return msgspec.structs.replace(plain, reason="no row has a value")
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
        for origin in ("", TESTED, *ORIGINS[group]) if group == "natural" else ("",):
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
