"""`ruleforge bench`: what a folder of rules, or a judge of rules, is worth on recorded corpora."""

# ruff: noqa: D301 - a backslash and a b, alone in a line of help, keep the examples below it unwrapped

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from ruleforge.cli import terminal as term
from ruleforge.cli.bench_ablate import judge_ablate
from ruleforge.cli.bench_judge import judge
from ruleforge.cli.bench_llm import llm

PROBLEMS_SHOWN = 10


class Format(StrEnum):
    """What `bench` prints."""

    text = "text"
    json = "json"
    md = "md"


class Half(StrEnum):
    """Whose exploits are counted: CVEs are split by a hash of their number."""

    even = "even"
    odd = "odd"
    both = "both"


class Readable(StrEnum):
    """The only half whose misses are shown request by request."""

    even = "even"


bench = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Measure rules, and the judge.")


@bench.callback()
def _bench() -> None:
    """Measure rules on recorded corpora, and the judge on labelled rules."""


bench.command()(judge)
bench.command()(llm)
bench.command(name="judge-ablate")(judge_ablate)


@bench.command()
def quality(
    rules: Annotated[Path, typer.Argument(metavar="RULES", help="Folder of rules.")],
    data: Annotated[
        Path, typer.Option(help="Folder that holds exploits/, traffic/ and nuclei-templates/.", show_default=False)
    ],
    templates: Annotated[
        list[Path] | None,
        typer.Option(help="Sources of the rules; those in the data, if not given.", show_default=False),
    ] = None,
    outcomes: Annotated[
        Path | None,
        typer.Option(
            help="Lines of 'forge --format ndjson'; the state beside the rules, if not given.", show_default=False
        ),
    ] = None,
    labels: Annotated[
        list[Path] | None,
        typer.Option(
            help="File that says which templates ought to be refused, or a folder of refusals*.json.",
            show_default=False,
        ),
    ] = None,
    document_labels: Annotated[
        Path | None,
        typer.Option(help="File that says which documents hold a concrete request.", show_default=False),
    ] = None,
    document_outcomes: Annotated[
        Path | None,
        typer.Option(help="Lines of 'forge --format ndjson' about these documents.", show_default=False),
    ] = None,
    oracle: Annotated[
        Path | None, typer.Option(help="Exploits written differently, as JSON lines.", show_default=False)
    ] = None,
    holdout: Annotated[
        Path | None,
        typer.Option(help="Pairs of CVE and source that were kept from forging.", show_default=False),
    ] = None,
    half: Annotated[Half, typer.Option(help="Half of the CVEs whose exploits are counted.")] = Half.both,
    misses: Annotated[
        Readable | None,
        typer.Option(help="Print each miss of this half; the other half is only ever counted.", show_default=False),
    ] = None,
    differential: Annotated[
        bool, typer.Option("--differential", help="Also ask the reference evaluator about a sample; takes minutes.")
    ] = False,
    compare: Annotated[
        Path | None, typer.Option(help="Say what changed since this earlier --json file.", show_default=False)
    ] = None,
    json: Annotated[Path | None, typer.Option(help="Write the table as JSON.", show_default=False)] = None,
    md: Annotated[Path | None, typer.Option(help="Write the table as Markdown.", show_default=False)] = None,
    format: Annotated[Format, typer.Option(help="What to print on standard output.")] = Format.text,
) -> None:
    """Measure a folder of rules: one table of counts with 95 % intervals, and the first cause of every miss.

    A corpus or file that is missing leaves its row empty and says so.

    \b
    ruleforge bench quality rules --data corpora
    ruleforge bench quality rules --data corpora --misses even --json now.json --compare before.json
    """
    from ruleforge.app.bench import BenchOptions, bench_quality, read_quality
    from ruleforge.app.bench import compare as difference
    from ruleforge.cli.bench_text import quality_dict, quality_lines, quality_markdown

    options = BenchOptions(
        rules=rules,
        data=data,
        templates=tuple(templates or ()),
        outcomes=outcomes,
        labels=tuple(labels or ()),
        document_labels=document_labels,
        document_outcomes=document_outcomes,
        oracle=oracle,
        holdout=holdout,
        half=half.value,
        differential=differential,
    )
    earlier = read_quality(compare) if compare else None  # before a minute of work, so that a wrong file ends it
    with term.progress() as progress:
        found = bench_quality(options, progress)
    changes = difference(earlier, found) if earlier else None
    if json:
        _write(json, quality_dict(found, changes))
    if md:
        md.write_text("\n".join(quality_markdown(found, changes, misses=misses is not None)) + "\n", encoding="utf-8")
    if format is Format.json:
        term.out_json(quality_dict(found, changes), indent=2)
    elif format is Format.md:
        term.out("\n".join(quality_markdown(found, changes, misses=misses is not None)))
    else:
        term.out("\n".join(quality_lines(found, changes, misses=misses is not None)))
    for problem in found.problems[:PROBLEMS_SHOWN]:
        term.note(f"ruleforge: {problem}")
    if len(found.problems) > PROBLEMS_SHOWN:
        term.note(f"ruleforge: {len(found.problems) - PROBLEMS_SHOWN} more problems")


def _write(file: Path, data: dict[str, Any]) -> None:
    import json

    file.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
