"""The report of `bench judge` for people: lines of a terminal, Markdown; and as plain data."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ruleforge.cli import terminal as term
from ruleforge.cli.bench_text import md_table

if TYPE_CHECKING:
    from ruleforge.app.judging.bootstrap import Interval
    from ruleforge.app.judging.matching import Matched, Shipped
    from ruleforge.app.judging.measuring import Measured
    from ruleforge.app.judging.report import Against, JudgeReport, Operating, Table, Target

Cells = Sequence[str]
Section = tuple[str, Cells, list[Cells], Sequence[str]]  # title, head, rows, words below
DASH = "–"
_PAGE_ONLY = ("AUPRC", "log loss", "told", "area")  # columns that a terminal has no room for
_MET = {True: "met", False: "not met", None: ""}
_NAMES = {"brier": "Brier"}
TESTED = "passed tests"  # a slice of `app.judging.rows`, whose import takes longer than the help
LABELS = {"miss": "misses", "off": "off target", "any": "either", "sure": "either, both known"}
MODES = {"none": "no judge", "count": "gate: count", "block": "gate: block"}


def judge_dict(report: "JudgeReport") -> dict[str, Any]:
    """Plain data, with shares and coverage beside the counts."""
    import msgspec

    data: dict[str, Any] = msgspec.to_builtins(report)
    for table, plain in zip(report.tables, data["tables"], strict=True):
        plain["coverage"] = table.coverage
    for point, plain in zip(report.operating, data["operating"], strict=True):
        plain["bad_per_100_shipped"] = _per_hundred(point)
    for kind, found in (("matched", report.selection.matched), ("sure", report.selection.sure)):
        for name in ("before", "whole", "after"):
            data["selection"][kind][name]["bad_per_100_shipped"] = getattr(found, name).per_hundred
    return data


def judge_lines(report: "JudgeReport") -> Iterator[str]:
    """Words first, then targets, then every table."""
    yield term.paint(_title(report), "bold")
    for sentence in report.words:
        loud = "NOT THE FROZEN" in sentence
        yield term.paint(f"  {term.visible(sentence)}", "mark" if loud else "yellow")
    for title, head, rows, below in _sections(report):
        if not rows:
            continue
        yield ""
        yield term.paint(title, "bold")
        kept = [at for at, name in enumerate(head) if name not in _PAGE_ONLY]
        yield from term.columns([tuple(term.visible(cells[at]) for at in kept) for cells in (head, *rows)])
        yield from (f"  {term.visible(sentence)}" for sentence in below)


def judge_markdown(report: "JudgeReport") -> Iterator[str]:
    """The same as a page."""
    yield f"# {_plain(_title(report))}\n"
    if report.command:
        yield f"`{_plain(report.command).replace('`', '')}`\n"
    for sentence in report.words:
        yield f"- {_plain(sentence)}"
    for title, head, rows, below in _sections(report):
        if not rows:
            continue
        yield f"\n## {title}\n"
        yield from md_table(head, rows)
        yield from (f"\n{_plain(sentence)}" for sentence in below)


def _plain(text: str) -> str:
    return term.visible(text).replace("\\", "\\\\").replace("<", "&lt;")


def _title(report: "JudgeReport") -> str:
    whole = sum(count for name, count in report.rows.items() if " " not in name)
    return f"{term.visible(report.judge)} on {term.plural(whole, 'pair')} of the {report.part} part"


def _sections(report: "JudgeReport") -> Iterator[Section]:
    """Yield what both outputs show, where it has a row."""
    own = [table for table in report.tables if table.scorer.startswith("judge")]
    yield "Targets", _TARGETS, [_target(target) for target in report.targets], ()
    for group in ("natural", "constructed"):
        mine = [table for table in own if table.group == group]
        if mine:
            name = group.capitalize()
            yield f"{name} rules", _HEAD, [_cells(t) for t in mine if not t.origin], _reasons(mine)
            yield f"{name} rules by origin", _HEAD, [_cells(t) for t in mine if t.origin and t.scorer == "judge"], ()
            yield f"Trivial baselines, {group} rules", _AGAINST, list(_baselines(report, group, "")), ()
            yield (
                f"Trivial baselines, {group} rules that {TESTED}",
                _AGAINST,
                list(_baselines(report, group, TESTED)),
                (),
            )
    yield "Operating points, either defect", _OPERATING, [_operating(point) for point in report.operating], ()
    yield _selection(report)
    yield "All rules, the base rate of the train part where there is no answer", _HEAD, _filled(own), ()
    yield "The run", ("", ""), list(_run(report)), ()


_TARGETS = ("", "found", "95 %", "target", "", "rows", "advisories", "")
_HEAD = (
    "split or origin", "label", "score", "rules", "bad", "advisories", "answered", "AUROC", "95 %", "AUPRC", "Brier",
    "log loss", "ECE", "told", "TPR at 5 %", "area",
)  # fmt: skip
_AGAINST = ("label", "baseline", "AUROC", "judge ahead by", "95 %", "Brier", "ECE", "without a value", "")
_OPERATING = ("rules", "", "shipped", "bad", "bad per 100", "95 %", "good ones kept", "abstained", "unlabelled")


def _number(value: float | None, digits: int = 3) -> str:
    return DASH if value is None else f"{value:.{digits}f}"


def _interval(found: "Interval | None", digits: int = 3) -> str:
    return "" if found is None else f"{found.low:.{digits}f} to {found.high:.{digits}f}"


def _target(target: "Target") -> Cells:
    sign = "≥" if target.wanted == "high" else "≤"
    asked = f"{sign} {target.target:.2f}" if target.target is not None else "reported"
    if target.stretch is not None and target.stretch != target.target:
        asked += f" ({target.stretch:.2f})"
    counts = (f"{target.rows:,}", f"{target.clusters:,}")
    return (
        target.title,
        _number(target.value),
        _interval(target.interval),
        asked,
        _MET[target.met],
        *counts,
        target.note,
    )


def _cells(table: "Table", measured: "Measured | None" = None) -> Cells:
    found = measured or table.answered
    share = "" if table.coverage is None else f"{100 * table.coverage:.1f} %"
    where = table.origin or ("all" if table.split == "all" else f"split {table.split}")
    counts = (f"{found.rows:,}", f"{found.bad:,}", f"{found.clusters:,}", share)
    return (where, LABELS[table.label], _SCORES[table.scorer], *counts, *_measures(found))


_SCORES = {"judge": "judge", "judge_apart": "apart", "judge_joined": "joined"}


def _measures(found: "Measured") -> Cells:
    interval = _interval(found.auroc_interval)
    return (
        _number(found.auroc),
        interval if found.claimed or not interval else f"({interval})",
        *map(_number, (found.auprc, found.brier, found.log_loss, found.ece, found.said, found.tpr, found.aurc)),
    )


def _reasons(tables: "Iterable[Table]") -> list[str]:
    """Say once why measures are missing, and what the marks mean."""
    found: dict[tuple[str, str], list[str]] = {}
    for table in tables:
        for name, why in table.answered.reasons.items():
            names = found.setdefault((f"{table.origin or table.split}, {LABELS[table.label]}", why), [])
            names += [_NAMES.get(name, name.upper())] * (_NAMES.get(name, name.upper()) not in names)
    left_out = max((table.unlabelled for table in tables), default=0)
    notes = ["apart: fitted without the features of the label's own kind. An interval in brackets claims no bound."]
    if left_out:
        notes.append("Rules whose label nobody could tell are left out of that label's rows.")
    return [*notes, *(f"{where}: {', '.join(names)} could not be told: {why}" for (where, why), names in found.items())]


def _baselines(report: "JudgeReport", group: str, origin: str) -> Iterator[Cells]:
    mine = [table for table in report.tables if (table.group, table.origin, table.split) == (group, origin, "all")]
    measured: Mapping[tuple[str, str], Table] = {(table.label, table.scorer): table for table in mine}
    for each in report.against:
        if (each.group, each.origin) == (group, origin):
            yield _against(each, measured[each.label, each.baseline].answered)


def _against(each: "Against", found: "Measured") -> Cells:
    ahead = DASH if each.ahead is None else f"{each.ahead:+.3f}"
    numbers = (_number(each.auroc), ahead, _interval(each.interval), _number(found.brier), _number(found.ece))
    return (LABELS[each.label], each.title, *numbers, f"{each.without:,}" if each.without else "", each.reason)


def _per_hundred(point: "Operating") -> float | None:
    return None if point.shipped.share is None else 100 * point.shipped.share


def _operating(point: "Operating") -> Cells:
    low, high = 100 * point.shipped.low, 100 * point.shipped.high
    return (
        f"{point.group} {point.origin}".strip(),
        MODES[point.mode],
        f"{point.shipped.of:,}",
        f"{point.shipped.hits:,}",
        _number(_per_hundred(point), 1),
        f"{low:.1f} to {high:.1f}" if point.shipped.of else "",
        f"{point.good.hits:,} of {point.good.of:,}",
        f"{point.abstained:,}",
        f"{point.unlabelled:,}",
    )


def _selection(report: "JudgeReport") -> Section:
    found = report.selection
    rows, below = [], []
    for which, matched in (("either", found.matched), ("either, both known", found.sure)):
        rows += [
            _shipped(which, "tests only: the generator's first choice", matched.before),
            _shipped(which, "tests, then the judge's choice, nothing dropped", matched.whole),
            _shipped(which, "tests, then the judge, as many good rules", matched.after),
        ]
        below.append(_saved(which, matched))
    below += [
        f"{found.matched.advisories:,} advisories, of which {found.choices:,} have more than one candidate.",
        "The threshold is set on these labels, to compare at equal numbers of good rules; it is not the shipped gate.",
    ]
    return "Bad rules shipped", ("label", "", "good", "bad", "bad per 100", "unlabelled"), rows, below


def _saved(which: str, found: "Matched") -> str:
    saved = "could not be told" if found.reduction is None else f"{100 * found.reduction:.1f} %"
    if found.interval is not None:
        saved += f" (95 %: {100 * found.interval.low:.1f} to {100 * found.interval.high:.1f})"
    why = f"; no reduction is claimed: {found.reason}" if found.reason else ""
    return f"Bad rules saved ({which}): {saved}{why}."


def _shipped(label: str, title: str, found: "Shipped") -> Cells:
    return (label, title, f"{found.good:,}", f"{found.bad:,}", _number(found.per_hundred, 1), f"{found.unlabelled:,}")


def _filled(tables: "Sequence[Table]") -> list[Cells]:
    return [_cells(t, t.filled) for t in tables if not t.origin and t.split == "all" and t.filled != t.answered]


def _run(report: "JudgeReport") -> Iterator[Cells]:
    yield "rows", ", ".join(f"{name} {count:,}" for name, count in report.rows.items())
    yield "test part", report.frozen.words
    for opening in report.openings:
        same = {True: "the frozen one", False: "NOT the frozen one", None: "nothing to compare with"}[opening.frozen]
        yield "opened", f"{opening.at}, {same}, {opening.judge}"
    yield "CPU time", ", ".join(f"{name} {seconds:,.1f} s" for name, seconds in report.seconds.items())
    yield "load", _number(report.load, 2)
    yield "resamples", f"{report.draws:,}, whole advisories drawn"
    if report.unreadable:
        yield "not read", term.plural(report.unreadable, "line")
    for why, count in report.abstained.items():
        yield "abstained", f"{count:,}: {why}"
