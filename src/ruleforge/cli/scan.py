"""`ruleforge scan`: recorded requests against rules."""

# ruff: noqa: D301 - a backslash and a b, alone in a line of help, keep the examples below it unwrapped

import sys
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ruleforge.cli import terminal as term

if TYPE_CHECKING:
    from ruleforge.app.scan import ScanHit, ScanReport

PROBLEMS_SHOWN = 10


class Format(StrEnum):
    """What `scan` prints."""

    text = "text"
    json = "json"
    ndjson = "ndjson"
    sarif = "sarif"
    md = "md"


def scan(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE", help="Requests or access logs, plain or gzip; - is standard input.")
    ],
    rules: Annotated[Path, typer.Option(help="Folder of rules, or one rule.json.", show_default=False)],
    unvalidated: Annotated[
        bool, typer.Option("--unvalidated", help="Run rules without evidence that they passed validation, too.")
    ] = False,
    format: Annotated[Format, typer.Option(help="What to print on standard output.")] = Format.text,
) -> None:
    """Run every validated rule of a folder over recorded requests.

    Exit code 0: no hit. 1: hits. 2: a rule failed to load or a file could not be read; the others were still used.

    \b
    ruleforge scan --rules rules access.log
    ruleforge scan --rules rules day.jsonl.gz --format ndjson > hits.ndjson
    zcat logs/*.gz | ruleforge scan --rules rules -
    """
    from ruleforge.app.scan import ScanReport
    from ruleforge.app.scan import scan as run

    report = ScanReport()
    stdin = getattr(sys.stdin, "buffer", None)
    with term.progress(quiet=format is Format.ndjson and sys.stdout.isatty()) as progress:
        hits = run(rules, files, report, progress, stdin=stdin, unvalidated=unvalidated)
        finished = _READ[format](hits, report)
    if finished:
        term.out(finished)
    complain(report)
    raise typer.Exit(2 if report.broken or report.unreadable_files else 1 if report.hits else 0)


def _ndjson(hits: "Iterator[ScanHit]", report: "ScanReport") -> str:
    for hit in hits:
        term.out_json(line(hit))
    return ""


def _json(hits: "Iterator[ScanHit]", report: "ScanReport") -> str:
    import json

    import msgspec

    found = [line(hit) for hit in hits]
    return json.dumps({"hits": found, "report": msgspec.to_builtins(report)}, indent=2)


def _sarif(hits: "Iterator[ScanHit]", report: "ScanReport") -> str:
    import json

    from ruleforge.app.reports.sarif import to_sarif

    return json.dumps(to_sarif(hits, report), indent=2)


def _text(hits: "Iterator[ScanHit]", report: "ScanReport") -> str:
    from ruleforge.app.groups import group_hits
    from ruleforge.cli.scan_text import report_text

    return "\n".join(report_text(group_hits(hits), report))


def _markdown(hits: "Iterator[ScanHit]", report: "ScanReport") -> str:
    from ruleforge.app.groups import group_hits
    from ruleforge.cli.scan_text import report_markdown

    return "\n".join(report_markdown(group_hits(hits), report))


_READ = {Format.text: _text, Format.json: _json, Format.ndjson: _ndjson, Format.sarif: _sarif, Format.md: _markdown}


def line(hit: "ScanHit") -> dict[str, Any]:
    """One line of the machine contract: fields may be added, never removed."""
    import msgspec

    data: dict[str, Any] = msgspec.to_builtins(hit)
    first = ("request", "file", "rule", "cves", "spans")
    return {key: data[key] for key in (*first, *(key for key in data if key not in first))}


def complain(report: "ScanReport") -> None:
    """Say on standard error what could not be used."""
    for problem in report.broken[:PROBLEMS_SHOWN]:
        term.note(f"ruleforge: rule not loaded: {problem}")
    if len(report.broken) > PROBLEMS_SHOWN:
        term.note(f"ruleforge: {len(report.broken) - PROBLEMS_SHOWN} more rules not loaded")
    if report.unvalidated:
        term.note(
            f"ruleforge: {term.plural(report.unvalidated, 'rule')} left out: no evidence that they passed validation"
        )
    for problem in report.problems[:PROBLEMS_SHOWN]:
        term.note(f"ruleforge: {problem}")
    if report.unreadable > PROBLEMS_SHOWN:
        term.note(f"ruleforge: {report.unreadable - PROBLEMS_SHOWN:,} more lines could not be read")
