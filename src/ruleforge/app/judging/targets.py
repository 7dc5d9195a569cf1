"""What was asked of the judge, beside what was found; and what a reader must know, in words."""

from collections.abc import Iterator, Sequence

import msgspec

from ruleforge.app.judging.bootstrap import Interval
from ruleforge.app.judging.frozen import FrozenCheck
from ruleforge.app.judging.matching import Matched
from ruleforge.app.judging.measuring import CLUSTERS_LEAST, Measured
from ruleforge.app.judging.pairs import Part
from ruleforge.app.judging.report import APART, JUDGE, Against, Table, Target, table_of
from ruleforge.app.judging.rows import TESTED
from ruleforge.app.judging.selection import Selection

CLOSE = 0.05  # AUROC between the judge and a baseline below which the report says that it comes close
_TRAIN = "on the train part, which the judge was fitted on: no estimate"


def targets(
    tables: tuple[Table, ...], against: Sequence[Against], selection: Selection, part: Part
) -> tuple[Target, ...]:
    """Return the figures that targets were set for: natural rules, either defect."""
    judge, sure = _measured(tables, JUDGE), _measured(tables, JUDGE, label="sure")
    found = (
        _auroc("auroc", "AUROC, natural rules, either defect", judge, 0.85, 0.95),
        _auroc("auroc_sure", "the same where both labels are known", sure, 0.85, 0.95),
        _auroc("auroc_tested", "among rules that passed the tests", _measured(tables, JUDGE, TESTED), None, None),
        _auroc("auroc_apart", "without the features of the label's own kind", _measured(tables, APART), None, 0.80),
        _error("ece", "ECE, ten bins of equal mass", judge, 0.08, 0.05),
        _error("brier", "Brier score", judge, 0.12, 0.12),
        _reduction("reduction", selection.matched, ""),
        _reduction("reduction_sure", selection.sure, ", both labels known"),
        _distance(tables, against, "any"),
        _distance(tables, against, "sure"),
    )
    return tuple(_on_train(target) if part == "train" else target for target in found)


def _on_train(target: Target) -> Target:
    note = _TRAIN + (f"; {target.note}" if target.note else "")
    return msgspec.structs.replace(target, met=None, note=note)


def _measured(tables: tuple[Table, ...], scorer: str, origin: str = "", label: str = "any") -> Measured | None:
    """Return what was measured over all rows, the base rate standing for abstentions."""
    table = table_of(tables, group="natural", label=label, scorer=scorer, origin=origin)
    return table.filled if table else None


def _target(
    key: str,
    title: str,
    measured: Measured | None,
    value: float | None,
    interval: Interval | None,
    wanted: str,
    target: float | None,
    stretch: float | None,
    why: str = "",
) -> Target:
    met = None
    if value is not None and target is not None and not why:
        met = value >= target if wanted == "high" else value <= target
    rows, clusters = (measured.rows, measured.clusters) if measured else (0, 0)
    return Target(
        key=key, title=title, value=value, interval=interval, rows=rows, clusters=clusters, wanted=wanted,
        target=target, stretch=stretch, met=met, note=why,
    )  # fmt: skip


def _auroc(key: str, title: str, measured: Measured | None, target: float | None, stretch: float | None) -> Target:
    if measured is None:
        return _target(key, title, None, None, None, "high", target, stretch, "not measured: no such answers")
    why = measured.reasons.get("auroc", "")
    if not why and not measured.claimed:
        why = f"{measured.clusters} advisories; {CLUSTERS_LEAST} are needed to claim a bound"
    return _target(key, title, measured, measured.auroc, measured.auroc_interval, "high", target, stretch, why)


def _error(key: str, title: str, measured: Measured | None, target: float, stretch: float) -> Target:
    if measured is None:
        return _target(key, title, None, None, None, "low", target, stretch, "not measured: no such answers")
    value = measured.ece if key == "ece" else measured.brier
    interval = measured.ece_interval if key == "ece" else measured.brier_interval
    return _target(key, title, measured, value, interval, "low", target, stretch, measured.reasons.get(key, ""))


def _reduction(key: str, found: Matched, which: str) -> Target:
    title = "fewer bad rules shipped, tests only → tests and judge, at equal numbers of good rules"
    return Target(
        key=key, title=title + which, value=found.reduction, interval=found.interval, rows=found.before.bad,
        clusters=found.advisories, wanted="high", target=0.67, stretch=0.9,
        met=None if not found.claimed or found.reduction is None else found.reduction >= 0.67, note=found.reason,
    )  # fmt: skip


def best_baseline(against: Sequence[Against], group: str, label: str) -> Against | None:
    """Return the trivial baseline that ranks best on these very rows: the hardest one to beat."""
    known = [
        each
        for each in against
        if (each.group, each.origin, each.label) == (group, "", label) and each.auroc is not None
    ]
    return max(known, key=lambda each: each.auroc or 0.0, default=None)


def _distance(tables: tuple[Table, ...], against: Sequence[Against], label: str) -> Target:
    best, measured = best_baseline(against, "natural", label), _measured(tables, JUDGE, label=label)
    key = "distance" if label == "any" else f"distance_{label}"
    title = "AUROC ahead of the best trivial baseline" + ("" if label == "any" else ", both labels known")
    if best is None:
        return _target(key, title, measured, None, None, "high", 0.08, 0.15, "no baseline could be measured")
    named = f"{title} ({best.title})"
    return _target(key, named, measured, best.ahead, best.interval, "high", 0.08, 0.15)


def words(
    tables: tuple[Table, ...], against: Sequence[Against], selection: Selection, frozen: FrozenCheck, part: Part
) -> Iterator[str]:
    """Yield what a reader must know before the figures."""
    if part == "test" or frozen.same is False:
        yield frozen.words
    if part == "train":
        yield ("These are rows of the train part, on which the judge was fitted: figures show the fit, no estimate.")
    yield from _close(against)
    constructed = table_of(tables, group="constructed", label="any", scorer=JUDGE)
    if constructed is not None:
        yield "Constructed rules are spoiled on purpose and easier to tell: read them apart from the natural ones."
    if not selection.ranked and selection.matched.advisories:
        yield "The pairs do not say the generator's own order: its first choice is guessed from its strategies."


def _close(against: Sequence[Against]) -> Iterator[str]:
    """Name the trivial baselines that come close to the judge or are ahead of it, one sentence a group and label."""
    found: dict[str, list[Against]] = {}
    for each in against:
        if each.ahead is not None and each.baseline != "constant" and each.ahead < CLOSE:
            which = f"{each.group} rules" + (f" that {each.origin}" if each.origin else "")
            found.setdefault(f"{which}, label {each.label}", []).append(each)
    for which, close in found.items():
        best = max(close, key=lambda each: each.auroc or 0.0)
        judge = (best.auroc or 0.0) + (best.ahead or 0.0)
        how = "comes" if len(close) == 1 else "come"
        named = ", ".join(
            f"{each.title} {each.auroc:.3f}" for each in sorted(close, key=lambda each: each.ahead or 0.0)
        )
        what = "A trivial baseline" if len(close) == 1 else f"{len(close)} trivial baselines"
        yield f"{what} {how} within {CLOSE:g} of the judge or ahead of it ({which}): {named}; the judge {judge:.3f}."
