"""`ruleforge triage`: what to forge first, with the parts of each score, and what was left out with its reason."""

# ruff: noqa: D301 - a backslash and a b, alone in a line of help, keep the examples below it unwrapped

from collections import Counter
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ruleforge.cli import terminal as term

if TYPE_CHECKING:
    from ruleforge.records.priority import DataDate, Part, Priority
    from ruleforge.triage.rank import Ranking

SHOWN_OF_REASON = 3  # sources named for each reason of leaving out
REASONS_SHOWN = 4  # of the parts of one score, the heaviest


class Format(StrEnum):
    """What `triage` prints."""

    text = "text"
    json = "json"
    ndjson = "ndjson"
    md = "md"


def triage(
    paths: Annotated[
        list[Path] | None, typer.Argument(metavar="SOURCE", help="Sources and folders; none: the fetched templates.")
    ] = None,
    kev: Annotated[Path | None, typer.Option(help="KEV catalogue, JSON or CSV.", show_default=False)] = None,
    epss: Annotated[Path | None, typer.Option(help="EPSS scores, CSV.", show_default=False)] = None,
    products: Annotated[
        Path | None, typer.Option(help="Your own products: TOML, CSV or CPE names.", show_default=False)
    ] = None,
    weights: Annotated[
        Path | None, typer.Option(help="Your own weights of the signals, TOML.", show_default=False)
    ] = None,
    top: Annotated[int, typer.Option(min=0, help="List so many; 0: all.")] = 20,
    min_score: Annotated[float, typer.Option(min=0, max=100, help="List only scores of at least this.")] = 0.0,
    jobs: Annotated[int | None, typer.Option(min=0, help="Processes; 0: one per core.", show_default=False)] = None,
    data_dir: Annotated[
        Path | None, typer.Option(help="Where 'data update' keeps its data; the platform's place.", show_default=False)
    ] = None,
    format: Annotated[Format, typer.Option(help="What to print on standard output.")] = Format.text,
) -> None:
    """Say what to forge first, with the parts of each score, and what was left out and why.

    KEV and EPSS come from 'data update' unless given here; without them the content alone decides.
    Exit code 1: some source could not be read.

    \b
    ruleforge triage templates/ --top 50
    ruleforge triage templates/ --products products.csv --format md
    ruleforge triage templates/ --kev known_exploited_vulnerabilities.json --epss epss.csv.gz
    """
    from ruleforge.app.triage import is_failure
    from ruleforge.app.triage import triage as run
    from ruleforge.settings import load_settings

    given = {"jobs": jobs, "data_dir": data_dir, "products": products, "weights": weights}
    settings = load_settings(given)
    with term.progress() as progress:
        ranking = run(
            paths or [], progress, now=datetime.now(UTC).date(), kev=kev, epss=epss, products=settings.products,
            weights=settings.weights, data_dir=settings.data_dir, jobs=settings.jobs, top=top or None,
            score_least=min_score,
        )  # fmt: skip
    show(ranking, format)
    failed = [each for each in ranking.left_out if each.left_out == "unreadable" and is_failure(each.detail)]
    raise typer.Exit(1 if failed else 0)


def show(ranking: "Ranking", format: Format) -> None:
    """Print the order and what was left out."""
    import msgspec

    if format is Format.json:
        term.out_json(msgspec.to_builtins(ranking), indent=2)
    elif format is Format.ndjson:
        for each in (*ranking.ranked, *ranking.left_out):
            term.out_json(msgspec.to_builtins(each))
    elif format is Format.md:
        term.out("\n".join(markdown(ranking)))
    else:
        term.out("\n".join(text(ranking)))
    if format in (Format.json, Format.ndjson):
        for dated in ranking.data:
            if dated.warning:
                term.note(f"ruleforge: careful: {dated.warning}")


def text(ranking: "Ranking") -> list[str]:
    """The list for people: rank, score, name; below it the parts, and the heaviest reasons."""
    lines = [_dates(ranking.data), ""]
    lines += [f"careful: {each.warning}" for each in ranking.data if each.warning]
    lines += [""] if lines[-1] else []
    for each in ranking.ranked:
        name = term.paint(term.visible(", ".join(each.cves[:3]) or each.advisory), "bold")
        title = term.visible(term.shorten(each.title, 90))
        lines.append(f"{each.rank:>4}  {_number(each.score):>5}  {name}  {title}")
        lines.append(f"{'':13}{term.paint(_parts(each.parts), 'dim')}")
        lines += [f"{'':13}- {term.visible(reason)}" for reason in _reasons(each)]
    lines += _left_out(ranking)
    return lines


def _dates(data: "tuple[DataDate, ...]") -> str:
    shown = [_dated(each) for each in data if each.date]
    return "Data: " + (", ".join(shown) or "none; content alone decides")


def _dated(each: "DataDate") -> str:
    age = "" if each.age_days is None else f" ({term.plural(each.age_days, 'day')} old)"
    return f"{each.data} of {each.date}{age}"


def _number(score: float | None) -> str:
    return "–" if score is None else f"{score:.1f}"


def _parts(parts: "tuple[Part, ...]") -> str:
    """Points of each signal out of what it could give; a question mark where it could not tell.

    One that could not tell although its data is there has the few points of the prior, and counts in the whole.
    """
    whole = sum(part.weight for part in parts if part.value is not None or part.points) or 1.0
    told = [
        f"{part.signal} {part.points:.1f}/{100 * part.weight / whole:.1f}" if part.value is not None
        else f"{part.signal} ?"
        for part in parts if part.weight
    ]  # fmt: skip
    return " · ".join(told)


def _reasons(each: "Priority") -> list[str]:
    """The heaviest reasons, and in one line what could not be told."""
    telling = sorted(
        (part for part in each.parts if part.points > 0 and part.value is not None), key=lambda part: -part.points
    )[:REASONS_SHOWN]
    unknown: dict[str, list[str]] = {}
    for part in each.parts:
        if part.value is None and part.weight:
            unknown.setdefault(part.reason, []).append(part.signal)
    if not unknown:
        return [part.reason for part in telling]
    why = "; ".join(f"{', '.join(signals)} ({reason})" for reason, signals in unknown.items())
    return [*(part.reason for part in telling), f"from {each.told:.0%} of the weights, without {why}"]


def _left_out(ranking: "Ranking") -> list[str]:
    from ruleforge.records.priority import LEFT_OUT

    if not ranking.left_out:
        return []
    counted = Counter(each.left_out for each in ranking.left_out)
    lines = ["", term.paint("Left out", "bold")]
    for reason, sentence in LEFT_OUT.items():
        if not counted[reason]:
            continue
        lines.append(f"{counted[reason]:>6,}  {reason}: {sentence}")
        few = [each for each in ranking.left_out if each.left_out == reason][:SHOWN_OF_REASON]
        lines += [term.visible(f"{'':8}{_name(each)}: {term.shorten(each.detail, 160)}") for each in few]
        more = counted[reason] - len(few)
        lines += [f"{'':8}and {more:,} more; '--format ndjson' lists all"] if more else []
    return lines


def _name(each: "Priority") -> str:
    return next(iter(each.cves), each.advisory) or ", ".join(each.sources)


def markdown(ranking: "Ranking") -> list[str]:
    """A table of the order, and one of what was left out."""
    from ruleforge.cli.forge import cell
    from ruleforge.records.priority import LEFT_OUT

    lines = ["# What to forge first", "", cell(_dates(ranking.data)) + ".", ""]
    lines += [f"- Careful: {cell(each.warning)}." for each in ranking.data if each.warning] + [""]
    lines += ["| rank | score | vulnerability | why | parts |", "|---|---|---|---|---|"]
    for each in ranking.ranked:
        name = cell(f"{_name(each)} {each.title}")
        why = cell("; ".join(_reasons(each)))
        lines.append(f"| {each.rank} | {_number(each.score)} | {name} | {why} | {cell(_parts(each.parts))} |")
    counted = Counter(each.left_out for each in ranking.left_out)
    lines += ["", "## Left out", "", "| reason | sources | meaning |", "|---|---|---|"] if counted else []
    lines += [f"| `{reason}` | {counted[reason]:,} | {LEFT_OUT[reason]} |" for reason in LEFT_OUT if counted[reason]]
    return lines
