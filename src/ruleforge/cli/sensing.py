"""`ruleforge sensor-check` and `ruleforge backtest`: rules over stored traffic, by who and by when."""

# ruff: noqa: D301 - a backslash and a b, alone in a line of help, keep the examples below it unwrapped

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ruleforge.cli import terminal as term
from ruleforge.cli.logs import KnownBad, Mixed

if TYPE_CHECKING:
    from ruleforge.app.backtests import BacktestReport
    from ruleforge.app.sensing import SensorReport

SHOWN = 200  # rules in text; the machine formats give all
STYLES = {"failed": "red", "passed": "green", "insufficient evidence": ""}


class Format(StrEnum):
    """What these commands print."""

    text = "text"
    json = "json"
    ndjson = "ndjson"


_FORMAT = typer.Option(help="What to print on standard output.")
_UNVALIDATED = typer.Option("--unvalidated", help="Use rules without evidence that they passed validation, too.")


def sensor_check(
    rules: Annotated[Path, typer.Argument(metavar="RULES", help="Folder of rules, or one rule.json.")],
    logs: Annotated[
        list[Path] | None, typer.Argument(metavar="LOG", help="Logs that only receive attacks (honeypots).")
    ] = None,
    mixed: Mixed = None,
    known_bad: KnownBad = None,
    unvalidated: Annotated[bool, _UNVALIDATED] = False,
    format: Annotated[Format, _FORMAT] = Format.text,
) -> None:
    """Say of each rule how many sources trigger it, and how many of those are known to be bad.

    Three answers: passed, failed (too generic, or mostly good sources), insufficient evidence.
    Exit code 1: a rule failed. 2: a rule could not be loaded.

    \b
    ruleforge sensor-check rules honeypot.jsonl.gz
    ruleforge sensor-check rules honeypot.jsonl.gz --mixed access.log --known-bad blocklist.txt
    """
    import msgspec

    from ruleforge.app.sensing import sensor_check as run

    with term.progress() as progress:
        report = run(rules, logs or (), mixed or (), known_bad or (), unvalidated=unvalidated, progress=progress)
    if format is Format.json:
        term.out_json(msgspec.to_builtins(report), indent=2)
    elif format is Format.ndjson:
        for line in report.lines:
            term.out_json(msgspec.to_builtins(line))
    else:
        term.out("\n".join(_sensor_text(report)))
    _complain(report.broken, report.unvalidated, report.unreadable)
    failed = any(line.answer == "failed" for line in report.lines)
    raise typer.Exit(2 if report.broken else 1 if failed else 0)


def _sensor_text(report: "SensorReport") -> list[str]:
    counts = {answer: sum(line.answer == answer for line in report.lines) for answer in STYLES}
    asked = f"{term.plural(report.requests, 'request')} of {term.plural(report.sources, 'source')}"
    lines = [term.paint(f"{term.plural(len(report.lines), 'rule')} over {asked}", "bold"), ""]
    lines += term.columns([(answer, f"{count:,}") for answer, count in counts.items()], right=(1,))
    for answer, style in STYLES.items():
        told = [line for line in report.lines if line.answer == answer and line.requests]
        if told:
            lines += ["", term.paint(answer[:1].upper() + answer[1:], style)]
            lines += [f"  {line.rule}: {line.why}" for line in told[:SHOWN]]
            lines += [f"  and {len(told) - SHOWN:,} more"] * (len(told) > SHOWN)
    silent = sum(not line.requests for line in report.lines)
    return [*lines, "", f"{term.plural(silent, 'rule')} without any hit: nothing speaks for or against them."]


def backtest(
    rules: Annotated[Path, typer.Argument(metavar="RULES", help="Folder of rules, or one rule.json.")],
    logs: Annotated[list[Path], typer.Argument(metavar="LOG", help="Stored requests or access logs, plain or gzip.")],
    since: Annotated[str, typer.Option(help="Leave out what is earlier, such as 2099-01-31.")] = "",
    until: Annotated[str, typer.Option(help="Leave out what is at this time or later.")] = "",
    unvalidated: Annotated[bool, _UNVALIDATED] = False,
    format: Annotated[Format, _FORMAT] = Format.text,
) -> None:
    """Say of each rule since when, how often and from how many sources it would have fired.

    Exit code 0: it was run, whatever was found. 2: a rule could not be loaded.

    \b
    ruleforge backtest rules access.log
    ruleforge backtest rules/CVE-2021-41773 logs/*.gz --since 2099-01-01 --format json
    """
    import msgspec

    from ruleforge.app.backtests import backtest as run

    with term.progress() as progress:
        report = run(rules, logs, since=since, until=until, unvalidated=unvalidated, progress=progress)
    if format is Format.json:
        term.out_json(msgspec.to_builtins(report), indent=2)
    elif format is Format.ndjson:
        for result in report.results:
            term.out_json(msgspec.to_builtins(result))
    else:
        term.out("\n".join(_backtest_text(report)))
    _complain(report.broken, report.unvalidated, report.unreadable)
    raise typer.Exit(2 if report.broken else 0)


def _backtest_text(report: "BacktestReport") -> list[str]:
    from ruleforge.pipeline.backtest import sparkline

    asked = f"{term.plural(len(report.results), 'rule')} over {term.plural(report.requests, 'request')}"
    apart = [f"{report.left_out:,} outside the chosen time"] * bool(report.left_out)
    apart += [f"{report.untimed:,} at an unknown time"] * bool(report.untimed)
    lines = [term.paint(asked, "bold") + (f" ({', '.join(apart)})" if apart else ""), ""]
    seen = [result for result in report.results if result.hits]
    for result in seen[:SHOWN]:
        lines.append(f"{term.paint(result.rule, 'red')}: {term.visible(result.sentence)}")
        lines += [f"  {sparkline(result.days)}  hits a day"] * (len(result.days) > 1)
    lines += [f"and {len(seen) - SHOWN:,} more"] * (len(seen) > SHOWN)
    silent = [result for result in report.results if not result.hits]
    if len(report.results) <= 5:
        lines += [f"{result.rule}: {term.visible(result.sentence)}" for result in silent]
    elif silent:
        undecided = sum(bool(result.undecidable) for result in silent)
        note = f"; {undecided:,} of them could not be decided on some requests" if undecided else ""
        lines.append(f"{term.plural(len(silent), 'rule')} never seen{note}.")
    return lines


def _complain(broken: tuple[str, ...], unvalidated: int, unreadable: int) -> None:
    for problem in broken[:10]:
        term.note(f"ruleforge: rule not loaded: {problem}")
    if unvalidated:
        left_out = term.plural(unvalidated, "rule")
        term.note(f"ruleforge: {left_out} left out: no evidence that they passed validation")
    if unreadable:
        term.note(f"ruleforge: {term.plural(unreadable, 'line')} could not be read")
