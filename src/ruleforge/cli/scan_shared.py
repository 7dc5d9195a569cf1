"""`ruleforge scan --out DIR`: files shared out to processes or a cluster, into a folder that a run is resumed in."""

import os
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

import typer

from ruleforge.cli import terminal as term
from ruleforge.errors import UsageError

if TYPE_CHECKING:
    from ruleforge.app.scan_runs import RunReport

SHOWN = 10  # of CVEs, sources, rules, problems
HITS_SHOWN = 20
TARGET_SHOWN = 120  # characters


class Runner(StrEnum):
    """Who does the pieces of a run."""

    local = "local"
    spark = "spark"


class Shared(NamedTuple):
    """How a run was asked for."""

    runner: Runner
    jobs: int | None
    out: Path | None
    resume: bool
    unvalidated: bool
    others: list[str]  # options given that a run does not know


def scan_shared(rules: Path, files: list[Path], asked: Shared, format: str) -> NoReturn:
    """Run pieces of the files, then tell what was found; ends the program.

    Raises:
        UsageError: options that do not go together (RF150), and what `run_scan` says.
    """
    from ruleforge.app.scan_runs import run_scan

    out = _checked(files, asked, format)
    jobs = asked.jobs or os.cpu_count() or 1
    with term.progress() as bars:
        report = run_scan(
            asked.runner.value,
            rules,
            files,
            out,
            jobs=jobs,
            resume=asked.resume,
            unvalidated=asked.unvalidated,
            progress=lambda _, done, of: bars("pieces", done, of),
        )
    _tell(report, out, format)
    _complain(report)
    raise typer.Exit(exit_code(report))


def _checked(files: list[Path], asked: Shared, format: str) -> Path:
    if asked.others:
        what = f"{', '.join(asked.others)} and a run of many processes do not go together"
        raise UsageError(what, hint="leave --runner, --jobs, --out and --resume out, or these", code="RF150")
    if asked.out is None:
        hint = "say --out DIR: hits of many processes go to a folder"
        raise UsageError("a run of many processes needs a folder", hint=hint, code="RF150")
    if Path("-") in files:
        raise UsageError("standard input cannot be shared out", hint="write it to a file first", code="RF150")
    if format not in ("text", "ndjson", "json"):
        hint = f"text, ndjson or json; {asked.out / 'hits'} holds Parquet files in any case"
        raise UsageError(f"a run of many processes cannot print {format}", hint=hint, code="RF150")
    return asked.out


def exit_code(report: "RunReport") -> int:
    """3: pieces were lost. 2: something could not be used. 1: hits. 0: none."""
    return (
        3
        if report.lost
        else 2
        if report.broken or report.unreadable_files
        else 1
        if report.hits or report.alerts
        else 0
    )


def _tell(report: "RunReport", out: Path, format: str) -> None:
    from ruleforge.app.scan_runs import read_alerts, read_hits

    if format == "text":
        term.out("\n".join([*summary(report), *_hit_lines(out, report.hits)]))
        return
    if format == "ndjson":
        for hit in read_hits(out):
            term.out_json(_plain(hit))
        for alert in read_alerts(out):
            term.out_json(alert)
        return
    import msgspec

    found = [_plain(hit) for hit in read_hits(out)]
    term.out_json({"hits": found, "alerts": list(read_alerts(out)), "report": msgspec.to_builtins(report)}, indent=2)


def _plain(hit: dict[str, Any]) -> dict[str, Any]:
    return hit | {"at": "" if hit["at"] is None else hit["at"].isoformat().replace("+00:00", "Z")}


def summary(report: "RunReport") -> list[str]:
    """The sum first, then tables in the style of an ordinary scan. Text of strangers is escaped."""
    asked = f"{term.plural(report.rules, 'rule')} over {term.plural(report.requests, 'request')}"
    words = term.plural(len(report.by_rule), "rule")
    found = f"{term.plural(report.hits, 'hit')} of {words} on {term.plural(report.requests_hit, 'request')}"
    reached = f"{term.plural(report.alerts, 'alert')} of rules that count or order" if report.alerts else ""
    told = " and ".join(text for text in (found if report.hits else "", reached) if text)
    lines = [term.paint(f"{told or 'No hit'}: {asked}.", "bold")]
    again = f", {report.resumed:,} of them done before" if report.resumed else ""
    lines.append(f"{term.plural(report.files, 'file')} in {term.plural(report.pieces, 'piece')}{again}.")
    for title, counts in (
        ("By CVE", report.by_cve),
        ("By source address", report.by_source),
        ("By rule", report.by_rule),
        ("Not decidable here, by rule (requests)", report.undecidable),
    ):
        lines += _table(title, counts)
    if report.not_counted:
        said = ", ".join(f"{count:,} {reason}" for reason, count in report.not_counted.items())
        lines += ["", f"Events that were not counted: {said}."]
    lines += _alert_lines(report)
    return [*lines, "", f"All hits are in {term.visible(report.folder)}/hits, the counts in report.json beside it."]


def _table(title: str, counts: dict[str, int]) -> list[str]:
    if not counts:
        return []
    rows = [(term.visible(term.shorten(name, 60)), f"{count:,}") for name, count in list(counts.items())[:SHOWN]]
    more = [f"  and {len(counts) - SHOWN:,} more"] if len(counts) > SHOWN else []
    return ["", term.paint(title, "bold"), *term.columns(rows, right=(1,)), *more]


def _alert_lines(report: "RunReport") -> list[str]:
    from itertools import islice

    from ruleforge.app.scan_runs import read_alerts

    if not report.alerts:
        return []
    lines = ["", term.paint("Alerts", "bold")]
    for alert in islice(read_alerts(Path(report.folder)), HITS_SHOWN):
        words = term.visible(term.shorten(alert["summary"], TARGET_SHOWN))
        lines.append(f"  {alert['severity'].upper():8}  {alert['rule']}  {words}")
    return lines + ([f"  and {report.alerts - HITS_SHOWN:,} more"] if report.alerts > HITS_SHOWN else [])


def _hit_lines(out: Path, hits: int) -> list[str]:
    from itertools import islice

    from ruleforge.app.scan_runs import read_hits

    if not hits:
        return []
    lines = ["", term.paint("First hits", "bold")]
    for hit in islice(read_hits(out), HITS_SHOWN):
        source = term.visible(hit["source_address"] or "not recorded")
        target = term.visible(term.shorten(f"{hit['method']} {hit['target']}", TARGET_SHOWN))
        lines.append(f"  {hit['severity'].upper():8}  {hit['rule']}  {source}  {target}")
        lines.append(f"            {term.visible(hit['request'])} in {term.visible(hit['file'])}")
    return lines + ([f"  and {hits - HITS_SHOWN:,} more"] if hits > HITS_SHOWN else [])


def _complain(report: "RunReport") -> None:
    for problem in (*report.broken[:SHOWN], *report.deaths[:SHOWN], *report.problems[:SHOWN]):
        term.note(f"ruleforge: {problem}")
    term.note_unused(unreadable=report.unreadable, unvalidated=report.unvalidated, shown=SHOWN)
    if report.lost:
        term.note(f"ruleforge: {term.plural(report.lost, 'piece')} lost; the same call with --resume tries again")
