"""`ruleforge bench judge`: what a judge's opinions are worth on labelled pairs of rule and advisory."""

# ruff: noqa: D301 - a backslash and a b, alone in a line of help, keep the examples below it unwrapped

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ruleforge.cli import terminal as term

if TYPE_CHECKING:
    from ruleforge.app.judging.report import JudgeReport

PROBLEMS_SHOWN = 10


class Format(StrEnum):
    """What `bench judge` prints."""

    text = "text"
    json = "json"
    md = "md"


class Part(StrEnum):
    """Which part of the pairs is measured."""

    train = "train"
    test = "test"


def judge(
    pairs: Annotated[Path, typer.Argument(metavar="PAIRS", help="Labelled pairs, as JSON lines.")],
    templates: Annotated[
        Path | None,
        typer.Option(help="Folder that the sources of the pairs lie in; not needed with --scores.", show_default=False),
    ] = None,
    part: Annotated[
        Part, typer.Option(help="Part to measure; each opening of the test part is noted in --json.")
    ] = Part.train,
    frozen: Annotated[
        Path | None, typer.Option(help="Record of the frozen test part to compare with.", show_default=False)
    ] = None,
    scores: Annotated[
        Path | None, typer.Option(help="Answers of an earlier run, or of another judge.", show_default=False)
    ] = None,
    save_scores: Annotated[
        Path | None, typer.Option(help="Write the judge's answers, for --scores.", show_default=False)
    ] = None,
    benign: Annotated[
        list[Path] | None,
        typer.Option(help="Ordinary traffic that the judge may look at.", show_default=False),
    ] = None,
    cross: Annotated[
        bool, typer.Option("--cross", help="Let the judge look at requests of other products, too.")
    ] = False,
    cache: Annotated[
        Path | None, typer.Option(help="Folder for indexes; a temporary one, if not given.", show_default=False)
    ] = None,
    bootstrap: Annotated[int, typer.Option(min=0, max=100_000, help="Resamples of each interval; 0: none.")] = 2_000,
    jobs: Annotated[int, typer.Option(min=0, max=1_024, help="Processes; 0: one per core.")] = 0,
    json: Annotated[Path | None, typer.Option(help="Write the report as JSON.", show_default=False)] = None,
    md: Annotated[Path | None, typer.Option(help="Write the report as Markdown.", show_default=False)] = None,
    plots: Annotated[
        Path | None, typer.Option(help="Folder for the plots, as PNG and SVG.", show_default=False)
    ] = None,
    format: Annotated[Format, typer.Option(help="What to print on standard output.")] = Format.text,
) -> None:
    """Measure a judge on labelled pairs of rule and advisory: does it know which rules are bad, and how bad?

    Natural and constructed rules are kept apart, and so are misses and rules off target. Trivial baselines stand on the
    same rows. Exit 1: the test part is not the frozen one.

    \b
    ruleforge bench judge pairs.jsonl.gz --templates templates --json train.json --plots plots
    ruleforge bench judge pairs.jsonl.gz --templates templates --part test --frozen frozen.json --json test.json
    """
    from ruleforge.app.judging.frozen import write_whole
    from ruleforge.app.judging.plots import require_plots, write_plots
    from ruleforge.app.judging.run import JudgeBenchOptions, bench_judge
    from ruleforge.cli.bench_judge_text import judge_dict, judge_lines, judge_markdown

    if plots:
        require_plots()  # before minutes of work
    options = JudgeBenchOptions(
        pairs=pairs,
        templates=templates,
        part=part.value,
        frozen=frozen,
        scores=scores,
        save_scores=save_scores,
        report=json,
        benign=tuple(benign or ()),
        cross=cross,
        cache=cache,
        draws=bootstrap,
        jobs=jobs,
        command=" ".join(["ruleforge", *sys.argv[1:]]),
    )
    with term.progress() as progress:
        report = bench_judge(options, progress)
    if json:
        write_whole(json, judge_dict(report))
    if md:
        md.write_text("\n".join(judge_markdown(report)) + "\n", encoding="utf-8")
    if plots:
        for file in write_plots(report, plots):
            term.note(f"ruleforge: wrote {file}")
    if format is Format.json:
        term.out_json(judge_dict(report), indent=2)
    else:
        term.out("\n".join(judge_markdown(report) if format is Format.md else judge_lines(report)))
    _notes(report)
    if report.frozen.same is False:
        raise typer.Exit(1)


def _notes(report: "JudgeReport") -> None:
    for problem in report.problems[:PROBLEMS_SHOWN]:
        term.note(f"ruleforge: {problem}")
    if report.unreadable > PROBLEMS_SHOWN:
        term.note(f"ruleforge: {report.unreadable - PROBLEMS_SHOWN:,} more lines could not be read")
