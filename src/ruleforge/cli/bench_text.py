"""The table of `bench quality` for people: lines of a terminal, Markdown; and as plain data."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from ruleforge.cli import terminal as term

if TYPE_CHECKING:
    from ruleforge.app.bench import Comparison, Moved
    from ruleforge.records.quality import Miss, Part, Quality, Rate, Row, WorstRule

WORST_SHOWN = 15
CVES_SHOWN = 30
SILENT = "stratum"  # parts of this group are only named where something fired
Cells = Sequence[str]
_MET = {True: "met", False: "not met", None: ""}


def quality_dict(found: "Quality", changes: "Comparison | None") -> dict[str, Any]:
    """Plain data: what `--compare` reads back, with shares beside the counts."""
    import msgspec

    data: dict[str, Any] = msgspec.to_builtins(found)
    for row, plain in zip(found.rows, data["rows"], strict=True):
        plain["share"] = row.rate.share if row.rate else None
        plain["met"] = row.met
    return data | ({"changes": msgspec.to_builtins(changes)} if changes else {})


def quality_lines(found: "Quality", changes: "Comparison | None", *, misses: bool) -> Iterator[str]:
    """The table, what its rows are made of, worst rules, causes; misses where they are asked for."""
    main, mutators = _split(found.rows)
    causes = list(_causes([*main, *mutators]))
    yield term.paint(f"{term.plural(len(found.rules), 'rule')} measured", "bold") + _half(found)
    yield from term.columns([_HEAD, *map(_cells, main)], right=(1, 2))
    yield from _section("Parts", _table(_parts(main, whole=False)))
    yield from _section("Mutators, worst first", _table(_mutators(main)))
    yield from _section("First cause of what was missed", _table(causes and [_CAUSES, *causes]))
    yield from _section("Worst rules", _table(map(_worst_cells, found.worst[:WORST_SHOWN])))
    if misses:
        yield from _section("Misses of the even half", _table(map(_miss_cells, found.misses)))
    if changes:
        yield from _section("Since the earlier run", _changes(changes, lambda rows: term.columns(rows)))


def quality_markdown(found: "Quality", changes: "Comparison | None", *, misses: bool) -> Iterator[str]:
    """The same as a page, with every part."""
    main, mutators = _split(found.rows)
    yield f"# Quality of {term.plural(len(found.rules), 'rule')}{_half(found)}\n"
    yield from md_table(_HEAD, map(_cells, main))
    yield from _md_section("Parts", ("row", "part", "hit", "share", "95 %", ""), _parts(main, whole=True))
    yield from _md_section("Mutators, worst first", ("mutator", "hit", "share", "95 %", ""), _mutators(main))
    causes = list(_causes([*main, *mutators]))
    yield from _md_section("First cause of what was missed", _CAUSES, causes)
    yield from _md_section(
        "Worst rules", ("rule", "against it", "for example"), map(_worst_cells, found.worst[:WORST_SHOWN])
    )
    if misses:
        head = ("row", "CVE", "request", "cause", "what is asked")
        yield from _md_section("Misses of the even half", head, map(_miss_cells, found.misses))
    if changes:
        head = ("what", "before", "after", "", "CVEs")
        yield "\n## Since the earlier run\n"
        yield from _changes(changes, lambda rows: md_table(head, rows))


_CAUSES = ("row", "cause", "all", "even", "odd")
_HEAD = ("", "hit", "share", "95 %", "target", "", "")


def _split(rows: "Sequence[Row]") -> "tuple[list[Row], list[Row]]":
    """Rows of single mutators are parts of one row, and shown as such."""
    return [r for r in rows if not r.key.startswith("oracle:")], [r for r in rows if r.key.startswith("oracle:")]


def _half(found: "Quality") -> str:
    return "" if found.half == "both" else f", exploits of the {found.half} half only"


def _cells(row: "Row") -> Cells:
    if row.rate is None:
        return row.title, "–", "–", "", _target(row), "not measured", row.note
    return row.title, _count(row.rate), _share(row.rate), _interval(row.rate), _target(row), _MET[row.met], row.note


def _count(rate: "Rate") -> str:
    return f"{rate.hits:,} of {rate.of:,}"


def _share(rate: "Rate") -> str:
    return "–" if not rate.of else f"{100 * rate.hits / rate.of:.2f} %"


def _interval(rate: "Rate") -> str:
    return "" if not rate.of else f"{100 * rate.low:.2f} to {100 * rate.high:.2f}"


def _target(row: "Row") -> str:
    if row.target is None:
        return ""
    sign = "≥" if row.wanted == "high" else "≤"
    stretch = f" ({100 * row.stretch:g})" if row.stretch is not None else ""
    return f"{sign} {100 * row.target:g} %{stretch}"


def _parts(rows: "Iterable[Row]", *, whole: bool) -> Iterator[Cells]:
    for row in rows:
        shown = [part for part in row.parts if part.group != "mutator" and (whole or _is_told(part))]
        for part in shown:
            yield row.key, f"{part.group} {part.name}", *_rate_cells(part)
        silent = [part for part in row.parts if part.group == SILENT and not part.rate.hits]
        if silent and not whole:
            bounds = sorted({f"{100 * part.rate.high:.2f}" for part in silent}, key=float)
            span = f"at most {bounds[0]}" + (f" to {bounds[-1]}" if len(bounds) > 1 else "")
            yield row.key, f"{len(silent)} strata without a hit", "", "", span, ""


def _is_told(part: "Part") -> bool:
    return part.group != SILENT or part.rate.hits > 0


def _rate_cells(part: "Part") -> Cells:
    return _count(part.rate), _share(part.rate), _interval(part.rate), part.note


def _mutators(rows: "Iterable[Row]") -> Iterator[Cells]:
    for row in rows:
        for part in row.parts:
            if part.group == "mutator":
                yield part.name, *_rate_cells(part)


def _causes(rows: "Iterable[Row]") -> Iterator[Cells]:
    for row in rows:
        for cause, counts in row.causes.items():
            halves = ("", "") if "all" in counts else (str(counts.get("even", 0)), str(counts.get("odd", 0)))
            yield row.key, cause, str(sum(counts.values())), *halves


def _worst_cells(worst: "WorstRule") -> Cells:
    return worst.rule, ", ".join(f"{row} {count}" for row, count in worst.counts.items()), ", ".join(worst.examples)


def _miss_cells(miss: "Miss") -> Cells:
    return miss.row, miss.cve, miss.shown, miss.cause, miss.detail


def _changes(changes: "Comparison", table: Callable[[list[Cells]], Iterable[str]]) -> Iterator[str]:
    yield f"rules gained: {_names(changes.rules_gained)}; rules lost: {_names(changes.rules_lost)}"
    if changes.moved:
        yield ""
        yield from table([_moved_cells(moved) for moved in changes.moved])
    else:
        yield "no row moved"


def _names(names: Sequence[str]) -> str:
    more = f" and {len(names) - CVES_SHOWN} more" if len(names) > CVES_SHOWN else ""
    return f"{len(names)}" + (f" ({' '.join(names[:CVES_SHOWN])}{more})" if names else "")


def _moved_cells(moved: "Moved") -> Cells:
    how = {True: "better", False: "worse", None: ""}[moved.better]
    cves = [f"+{name}" for name in moved.gained] + [f"-{name}" for name in moved.lost]
    return moved.title, _was(moved.before), _was(moved.after), how, " ".join(cves)


def _was(rate: "Rate | None") -> str:
    return "not measured" if rate is None else f"{_count(rate)} ({_share(rate)})"


def _table(rows: Iterable[Cells]) -> list[str]:
    return term.columns([tuple(map(term.visible, cells)) for cells in rows])


def _section(title: str, lines: Iterable[str]) -> Iterator[str]:
    told = list(lines)
    if told:
        yield ""
        yield term.paint(title, "bold")
        yield from told


def _md_section(title: str, head: Cells, rows: Iterable[Cells]) -> Iterator[str]:
    told = list(rows)
    if told:
        yield f"\n## {title}\n"
        yield from md_table(head, told)


def md_table(head: Cells, rows: Iterable[Cells]) -> Iterator[str]:
    """Yield the lines of a table in Markdown; nothing in a cell can end it or begin markup."""
    yield "| " + " | ".join(head) + " |"
    yield "|" + " --- |" * len(head)
    for cells in rows:
        yield "| " + " | ".join(map(_md, cells)) + " |"


def _md(text: str) -> str:
    """One cell: nothing that a request says may end the cell or begin markup."""
    return term.visible(text).replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("`", "\\`")
