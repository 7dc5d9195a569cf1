"""`ruleforge scan`: recorded requests against rules."""

# ruff: noqa: D301 - a backslash and a b, alone in a line of help, keep the examples below it unwrapped

import sys
from collections.abc import Callable, Iterable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ruleforge.cli import terminal as term
from ruleforge.cli.interrupts import deferred, disarm
from ruleforge.cli.scan_shared import Runner, Shared, scan_shared
from ruleforge.errors import UsageError

if TYPE_CHECKING:
    from ruleforge.app.scan import Alert, Delivery, Finished, Prepared, ScanReport
    from ruleforge.app.scanning.digest import Digest

PROBLEMS_SHOWN = 10
INTERRUPTED = 130


class Format(StrEnum):
    """What `scan` prints."""

    text = "text"
    json = "json"
    ndjson = "ndjson"
    ecs = "ecs"
    ocsf = "ocsf"
    sarif = "sarif"
    parquet = "parquet"
    md = "md"
    html = "html"


LINES = frozenset({Format.ndjson, Format.ecs, Format.ocsf})
OF_HITS = frozenset({Format.json, Format.sarif, Format.parquet})


class Engine(StrEnum):
    """What matches requests with rules; all give the same answers."""

    auto = "auto"
    fast = "fast"
    portable = "portable"


def scan(
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILE", help="Requests, access logs or logs of other events; - is standard input."),
    ],
    rules: Annotated[
        Path, typer.Option(help="Folder of rules, one rule.json, a compiled set, or builtin.", show_default=False)
    ],
    unvalidated: Annotated[
        bool, typer.Option("--unvalidated", help="Run rules without evidence that they passed validation, too.")
    ] = False,
    since: Annotated[str, typer.Option(help="Only requests from then on: a date, RFC 3339, or 7d, 12h, 30m.")] = "",
    until: Annotated[str, typer.Option(help="Only requests before then; a date means that day, too.")] = "",
    drop_undated: Annotated[
        bool, typer.Option("--drop-undated", help="With a window: leave requests without a readable time out.")
    ] = False,
    min_severity: Annotated[str, typer.Option(help="Only rules of this severity or above, such as high.")] = "",
    cve: Annotated[list[str] | None, typer.Option(help="Only rules for this CVE; may be repeated.")] = None,
    rule: Annotated[list[str] | None, typer.Option(help="Only the rule of this id; may be repeated.")] = None,
    exclusions: Annotated[
        Path | None, typer.Option(help="File of hits that this site knows to be harmless; see 'ruleforge exclude'.")
    ] = None,
    log_format: Annotated[
        str, typer.Option(help="Format of the files: its name, or as the server's configuration writes it.")
    ] = "",
    format: Annotated[Format, typer.Option(help="What to print on standard output, or to write.")] = Format.text,
    output: Annotated[Path | None, typer.Option(help="File to write instead of standard output.")] = None,
    checkpoint: Annotated[
        Path | None, typer.Option(help="File that remembers how far it is; the same call goes on from there.")
    ] = None,
    checkpoint_seconds: Annotated[float, typer.Option(min=0.0, help="Time between two checkpoints.")] = 10.0,
    engine: Annotated[
        Engine, typer.Option(help="What matches: compiled kernels (extra 'fast'), the portable set, or what pays.")
    ] = Engine.auto,
    follow: Annotated[bool, typer.Option("--follow", help="Watch growing files until Ctrl-C.")] = False,
    from_start: Annotated[
        bool, typer.Option("--from-start", help="With --follow: ask about what the files hold already, too.")
    ] = False,
    max_skew: Annotated[
        str,
        typer.Option(
            help="With --follow: how far ahead of the others, and of the clock, an event may be (90s, 5m, 12h, 1d). "
            "What is further ahead makes no other event late.",
        ),
    ] = "1d",
    max_keys: Annotated[
        int, typer.Option(min=1, help="Keys (addresses, users) that rules which count or order remember.")
    ] = 100_000,
    slow_lane_ms: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            help="With --follow: processor time that rules without a usable literal may take for a batch; what they "
            "were not asked about is counted.",
        ),
    ] = None,
    counts: Annotated[
        Path | None,
        typer.Option(help="File for all counts of the scan as JSON: at its end; with --follow every ten seconds, too."),
    ] = None,
    runner: Annotated[
        Runner | None,
        typer.Option(help="With --out: who does the pieces, local processes or Spark."),
    ] = None,
    jobs: Annotated[
        int | None,
        typer.Option(min=1, help="With --out: processes at a time; one for each core if not said."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Share the files out to many processes; hits and report go to this folder.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="With --out: go on with the run in that folder.")] = False,
) -> None:
    """Run every validated rule of a folder over recorded requests.

    Exit code 0: no hit. 1: hits. 2: a rule failed to load or a file could not be read; the others were still used.
    3: a part of a run with --out was lost; --resume tries it again. 130: interrupted; what was found is told.

    Each file is read by the format its first bytes show. Logs of logins, processes, DNS, cloud calls and flows are
    asked by rules about these; rules that count or order events give alerts. 'builtin' stands for our own rules.

    \b
    ruleforge scan --rules rules access.log
    ruleforge scan --rules rules --since 7d --min-severity high access.log
    ruleforge scan --rules rules day.jsonl.gz --format ndjson > hits.ndjson
    ruleforge scan --rules rules logs/*.gz --format html --output report.html
    ruleforge scan --rules rules logs/*.gz --format ndjson --output hits.ndjson --checkpoint scan.state
    ruleforge scan --rules rules --follow access.log
    ruleforge scan --rules rules.rfset --follow --slow-lane-ms 20 access.log
    ruleforge scan --rules builtin /var/log/auth.log*
    ruleforge scan --rules rules --jobs 8 --out run logs/
    """
    from ruleforge.app.scan import Replacing, ScanOptions, prepare
    from ruleforge.app.scanning.asking import note
    from ruleforge.app.scanning.choosing import Choice

    if runner is not None or jobs is not None or out is not None or resume:
        alone = {
            "--since": since, "--until": until, "--drop-undated": drop_undated, "--min-severity": min_severity,
            "--cve": cve, "--rule": rule, "--exclusions": exclusions, "--log-format": log_format,
            "--output": output, "--checkpoint": checkpoint, "--follow": follow, "--from-start": from_start,
            "--slow-lane-ms": slow_lane_ms is not None, "--counts": counts,
        }  # fmt: skip
        wanted = Shared(runner or Runner.local, jobs, out, resume, unvalidated, [k for k, v in alone.items() if v])
        scan_shared(rules, files, wanted, format.value)
    if from_start and not follow:
        raise UsageError("--from-start goes with --follow", hint="files are read from their start anyway", code="RF150")
    if slow_lane_ms is not None and not follow:
        hint = "a scan of files asks every rule about every request"
        raise UsageError("--slow-lane-ms goes with --follow", hint=hint, code="RF150")
    _check_call(format, output, checkpoint, follow)
    choice = Choice(min_severity=min_severity.lower(), cves=tuple(cve or ()), rules=tuple(rule or ()))
    options = ScanOptions(
        choice=choice,
        since=since,
        until=until,
        keep_undated=not drop_undated,
        exclusions=exclusions,
        unvalidated=unvalidated,
        log_format=log_format,
        engine=engine.value,
        slow_lane_ms=slow_lane_ms,
        max_skew=max_skew,
        max_keys=max_keys,
    )
    prepared = prepare(rules, options, live=follow)
    if follow:
        from ruleforge.cli.scan_live import follow_live

        follow_live(prepared, files, format.value, Replacing(rules, options, note), counts, from_start=from_start)
    delivery = _delivery(prepared, format, output, checkpoint, checkpoint_seconds)
    done = _run(prepared, files, delivery, format)
    if counts is not None:
        from ruleforge.cli.scan_live import write_counts

        write_counts(counts, done.report)
    _finish(done, format, output, keep=checkpoint is not None)


def _check_call(format: Format, output: Path | None, checkpoint: Path | None, follow: bool) -> None:
    if format is Format.parquet and output is None:
        raise UsageError("a Parquet file is no text", hint="say --output hits.parquet", code="RF150")
    if checkpoint is not None and output is None:
        hint = "say --output FILE, too: only a file can be cut back to where the checkpoint was"
        raise UsageError("a checkpoint needs an output file", hint=hint, code="RF150")
    if follow and (output is not None or checkpoint is not None):
        hint = "send standard output where it shall go"
        raise UsageError("--follow writes to standard output, and keeps no checkpoint", hint=hint, code="RF150")
    if follow and format not in LINES and format is not Format.text:
        raise UsageError(f"--follow cannot write {format}", hint="text, ndjson, ecs or ocsf", code="RF150")


def _delivery(
    prepared: "Prepared", format: Format, output: Path | None, checkpoint: Path | None, seconds: float
) -> "Delivery":
    """Lines go out at once; documents of hits wait in a spool beside the output; reports need no hits at all."""
    from ruleforge.app.reports.rows import lines_for
    from ruleforge.app.scan import Delivery

    lines = lines_for(format.value, prepared.started) if format in LINES else None
    return Delivery(
        emit=printer(lines) if lines and output is None else None,
        lines=lines if output is not None else None,
        output=output if format in LINES | OF_HITS else None,
        checkpoint=checkpoint,
        checkpoint_seconds=seconds,
        name=format.value,
    )


def printer(lines: "Callable[[Alert], Iterable[bytes]]") -> "Callable[[Alert], None]":
    """Return what prints the lines of an alert."""

    def emit(alert: "Alert") -> None:
        for line in lines(alert):
            term.out(line.decode("ascii"))

    return emit


def _run(prepared: "Prepared", files: list[Path], delivery: "Delivery", format: Format) -> "Finished":
    from ruleforge.app.scan import run_scan
    from ruleforge.cli.scan_progress import scan_progress

    stdin = getattr(sys.stdin, "buffer", None)
    with scan_progress(quiet=delivery.emit is not None and sys.stdout.isatty()) as watch:
        done = run_scan(prepared, files, delivery, stdin=stdin, watch=watch, guard=deferred)
    if done.report.interrupted:
        disarm()  # what was found shall be told in peace; a second Ctrl-C still ends it
    return done


def _finish(done: "Finished", format: Format, output: Path | None, *, keep: bool) -> None:
    report = done.report
    if format is Format.parquet and output is not None:
        from ruleforge.app.reports.parquet import write_parquet

        write_parquet(done.hits(), output)
    elif format not in LINES:
        if output is None:
            term.out(_document(done, format))
        else:
            from ruleforge.app.scanning.sinks import write_whole

            with term.plain():
                text = _document(done, format)
            write_whole(output, text.encode("utf-8", "backslashreplace") + b"\n")
    if output is not None:
        if format in OF_HITS and not keep:
            output.with_name(output.name + ".hits").unlink(missing_ok=True)
        term.note(f"{_headline(done.digest, report)} Written to {output}.")
    complain(report)
    if report.interrupted:
        term.note("interrupted" + ("; the same call goes on from there" if keep else "; this is what was found so far"))
        raise typer.Exit(INTERRUPTED)
    raise typer.Exit(exit_code(report))


def exit_code(report: "ScanReport") -> int:
    """2: something could not be used. 1: hits. 0: none."""
    return 2 if report.broken or report.unreadable_files else 1 if report.hits or report.alerts else 0


def _headline(digest: "Digest", report: "ScanReport") -> str:
    from ruleforge.cli.scan_text import headline

    return headline(digest, report)


def _document(done: "Finished", format: Format) -> str:
    import json

    import msgspec

    from ruleforge.cli.scan_text import report_markdown, report_text

    if format is Format.json:
        from ruleforge.app.reports.rows import hit_row

        found = [hit_row(hit) for hit in done.hits()]
        return json.dumps({"hits": found, "report": msgspec.to_builtins(done.report)}, indent=2)
    if format is Format.sarif:
        from ruleforge.app.reports.sarif import to_sarif

        return json.dumps(to_sarif(done.hits(), done.report), indent=2)
    if format is Format.html:
        from ruleforge.app.reports.html import to_html

        return to_html(done.digest, done.report, done.started)
    lines = (
        report_text(done.digest, done.report) if format is Format.text else report_markdown(done.digest, done.report)
    )
    return "\n".join(lines)


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
    for note in report.exclusion_notes[:PROBLEMS_SHOWN]:
        term.note(f"ruleforge: exclusion {note}")
    if report.not_evaluated:
        rules, most = term.plural(len(report.not_evaluated), "rule"), max(report.not_evaluated.values())
        missed = term.plural(most, "request")
        term.note(f"ruleforge: {rules} not evaluated for up to {missed}, beyond what --slow-lane-ms allows")
    for problem in report.problems[:PROBLEMS_SHOWN]:
        term.note(f"ruleforge: {problem}")
    if report.unreadable > PROBLEMS_SHOWN:
        term.note(f"ruleforge: {report.unreadable - PROBLEMS_SHOWN:,} more lines could not be read")
