"""`ruleforge events`: the older way to what `ruleforge scan` does for logs of any kind; it goes in a later version."""

# ruff: noqa: D301 - a backslash and a b, alone in a line of help, keep the examples below it unwrapped

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ruleforge.cli import terminal as term

if TYPE_CHECKING:
    from ruleforge.app.event_scan import EventReport

PROBLEMS_SHOWN = 10
RULES_SHOWN = 10


class Format(StrEnum):
    """What `events` prints."""

    text = "text"
    ndjson = "ndjson"


def events(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE", help="Logs of logins, processes, DNS, cloud calls, flows, requests.")
    ],
    rules: Annotated[Path, typer.Option(help="Folder of rules, one rule.json, or builtin for our own.")] = Path(
        "builtin"
    ),
    unvalidated: Annotated[
        bool, typer.Option("--unvalidated", help="Run rules without evidence that they passed validation, too.")
    ] = False,
    max_keys: Annotated[int, typer.Option(min=1, help="Keys (addresses, users) that counting remembers.")] = 100_000,
    format: Annotated[Format, typer.Option(help="What to print on standard output.")] = Format.text,
) -> None:
    """Deprecated: `ruleforge scan` does this and more. Run rules about other events, and rules that count, over logs.

    It stays for scripts that read its output. `ruleforge scan --rules builtin FILE` asks the same rules, with every
    output, exclusions, checkpoints and --follow.

    Exit code 0: nothing. 1: hits or alerts. 2: a rule failed to load or a file could not be read; the others were used.

    \b
    ruleforge events /var/log/auth.log*
    ruleforge events --rules my-rules trail.json.gz --format ndjson > alerts.ndjson
    """
    from ruleforge.app.compiling import is_compiled, load_any
    from ruleforge.app.event_scan import EventReport, row_of, scan_events

    term.note("ruleforge: 'events' is deprecated; use 'ruleforge scan --rules builtin FILE', which does more")
    report = EventReport()
    given = load_any(rules) if is_compiled(rules) else rules
    with term.progress(quiet=format is Format.ndjson) as progress:
        for found in scan_events(given, files, report, progress, max_keys=max_keys, unvalidated=unvalidated):
            row = row_of(found)
            if format is Format.ndjson:
                term.out_json(row)
            else:
                term.out("\n".join(map(term.visible, sentence(row))))
    if format is Format.text:
        term.out("\n".join(summary(report)))
    complain(report)
    raise typer.Exit(2 if report.broken or report.unreadable_files else 1 if report.hits + report.alerts else 0)


def sentence(row: dict[str, object]) -> tuple[str, str]:
    """Two lines about a hit or an alert."""
    about = f"{str(row['severity']).upper():8}  {row['rule']}  {row['title']}"
    if row["type"] == "alert":
        key = row["key"]
        assert isinstance(key, dict)
        words = ", ".join(f"{field} {value}" for field, value in key.items())
        return about, f"          {words}: {row['count']} from {row['start']} to {row['end']}, last {row['last']}"
    fields = row["fields"]
    assert isinstance(fields, dict)
    words = ", ".join(f"{field} {value}" for field, value in fields.items() if field != "message")
    return about, f"          {row['time'] or 'no time'} {row['event']}: {words[:300]}"


def summary(report: "EventReport") -> list[str]:
    """The counts of a scan, with all that was not used."""
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in report.by_kind.items())
    lines = [
        f"{term.plural(report.alerts, 'alert')} and {term.plural(report.hits, 'hit')}: "
        f"{term.plural(report.rules, 'rule')} over {term.plural(report.events, 'event')}"
        + (f" ({kinds})." if kinds else ".")
    ]
    tally = report.tally
    unused = {
        "without a time": tally.untimed,
        "without a value for the key": tally.unkeyed,
        "too late": tally.late,
        "told by an earlier alert": tally.absorbed,
        "forgotten for want of memory": tally.evicted_events,
    }
    said = [f"{count:,} {words}" for words, count in unused.items() if count]
    if said:
        lines.append("Events that were not counted: " + ", ".join(said) + ".")
    if tally.evicted_keys or (tally.released_early and tally.late):
        lines.append(
            f"Memory was not enough: {tally.evicted_keys:,} keys forgotten, {tally.released_early:,} events not held "
            "back; raise --max-keys."
        )
    for rule, count in list(report.undecidable.items())[:RULES_SHOWN]:
        lines.append(f"Not decidable here: {rule} for {term.plural(count, 'event')}")
    return lines


def complain(report: "EventReport") -> None:
    """Say on standard error what could not be used."""
    for problem in (*report.broken[:PROBLEMS_SHOWN], *report.problems[:PROBLEMS_SHOWN]):
        term.note(f"ruleforge: {problem}")
    term.note_unused(unreadable=report.unreadable, unvalidated=report.unvalidated, shown=PROBLEMS_SHOWN)
    if report.left_to_scan:
        term.note(f"ruleforge: {term.plural(report.left_to_scan, 'rule')} about single requests: use 'ruleforge scan'")
    if report.rules_not_asked and report.events:
        words = term.plural(len(report.rules_not_asked), "rule")
        term.note(f"ruleforge: {words} about kinds of events that these files do not hold")
