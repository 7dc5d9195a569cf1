"""`ruleforge bench judge-ablate`: forge with parts of the loop left out, for what each of them is worth."""

# ruff: noqa: D301 - a backslash and a b, alone in a line of help, keep the examples below it unwrapped

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ruleforge.cli import terminal as term

if TYPE_CHECKING:
    from ruleforge.app.judging.ablation import Ablated

RECORD = "ablation.json"  # in the folder of the run
MODES = {"block": "block", "count": "count", "review": "review", "": "not judged"}


class Format(StrEnum):
    """What `bench judge-ablate` prints."""

    text = "text"
    json = "json"


def judge_ablate(
    paths: Annotated[list[Path], typer.Argument(metavar="SOURCES...", help="Sources and folders of them.")],
    out: Annotated[Path, typer.Option(help="Folder of the run: one folder of rules for each configuration.")],
    only: Annotated[
        list[str] | None,
        typer.Option(help="Configuration, such as 5x1: first drafts by refinements. May be repeated."),
    ] = None,
    benign: Annotated[
        list[Path] | None, typer.Option(help="Ordinary traffic that rules must leave alone.", show_default=False)
    ] = None,
    jobs: Annotated[int, typer.Option(min=0, max=1_024, help="Processes; 0: one per core.")] = 0,
    format: Annotated[Format, typer.Option(help="What to print on standard output.")] = Format.text,
) -> None:
    """Forge the same sources with parts of the loop left out: fewer drafts, fewer refinements, no advice, no judge.

    Rules of each configuration go into a folder of their own below OUT, and the counts into OUT/ablation.json.
    Which of the rules are good is for labels to say: 'python bench/judge/ablate.py OUT' makes that table.

    \b
    ruleforge bench judge-ablate templates --out ablation
    ruleforge bench judge-ablate templates --out ablation --only 5x5 --only 5x5-no-judge
    """
    import msgspec

    from ruleforge.app.judging.ablation import ablate
    from ruleforge.app.judging.frozen import write_whole

    out.mkdir(parents=True, exist_ok=True)
    with term.progress() as progress:
        done = []
        for each in ablate(paths, out, only or (), benign=tuple(benign or ()), jobs=jobs, progress=progress):
            done.append(each)
            # After each: what was forged for minutes is not lost with what comes after it.
            write_whole(out / RECORD, {"schema": 1, "configurations": msgspec.to_builtins(done)})
    if format is Format.json:
        term.out_json({"schema": 1, "configurations": msgspec.to_builtins(done)}, indent=2)
    else:
        term.out("\n".join(term.columns([_HEAD, *map(_cells, done)], right=range(1, len(_HEAD) - 1))))


_HEAD = ("", "advisories", "with a rule", "first drafts", "CPU s", "load", "gate that the rules pass")


def _cells(each: "Ablated") -> tuple[str, ...]:
    passes = ", ".join(f"{MODES.get(mode, mode)} {count:,}" for mode, count in each.passes.items())
    counts = (f"{each.advisories:,}", f"{each.with_rule:,}", f"{each.candidates:,}", f"{each.cpu_seconds:,.1f}")
    return (each.name, *counts, "–" if each.load is None else f"{each.load:.1f}", term.visible(passes))
