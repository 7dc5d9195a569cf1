"""`ruleforge agent`: rules for events from cases, by an agent with checked tools and a trace of every step."""

# ruff: noqa: D301 - a backslash and a b, alone in a line of help, keep the examples below it unwrapped

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ruleforge.cli import terminal as term

if TYPE_CHECKING:
    from ruleforge.app.event_agent import AgentSummary
    from ruleforge.records.event_case import CaseOutcome

COLOURS = {"rule": "green", "escalated": "yellow", "gave_up": "yellow", "waiting": "yellow", "failed": "red"}


class Format(StrEnum):
    """What `agent` prints."""

    text = "text"
    json = "json"
    ndjson = "ndjson"


def agent(
    cases: Annotated[list[Path], typer.Argument(metavar="CASE", help="Cases of events; folders of them.")],
    out: Annotated[Path, typer.Option(help="Folder for rules and traces, one folder each.", show_default=False)],
    answer: Annotated[
        Path | None, typer.Option(help="What a person said to questions: YAML, case to question to yes or no.")
    ] = None,
    rules: Annotated[
        list[Path] | None, typer.Option(help="Rules that are there already ('builtin': our own); may be repeated.")
    ] = None,
    benign: Annotated[
        list[Path] | None, typer.Option(help="Logs of ordinary use a rule must be silent on; may be repeated.")
    ] = None,
    llm: Annotated[
        str, typer.Option(help="A model that picks the tools, such as mailbox:FOLDER.", show_default=False)
    ] = "",
    llm_record: Annotated[
        Path | None, typer.Option(help="Keep what is asked and answered there, for replay:FOLDER.", show_default=False)
    ] = None,
    wait: Annotated[float, typer.Option(min=0, max=3600, help="Seconds to wait for answers that are to come.")] = 0,
    steps: Annotated[int, typer.Option(min=1, max=200, help="Tool calls for one case, all in all.")] = 60,
    seconds: Annotated[float, typer.Option(min=1, max=3600, help="Time for one case.")] = 120,
    format: Annotated[Format, typer.Option(help="What to print on standard output.")] = Format.text,
) -> None:
    """Make rules about logins, processes, DNS, cloud calls and other events from examples of attack and ordinary use.

    An agent proposes, tests and refines with typed tools, within a bound, and writes every step down. It ends with a
    rule that passed every check, a question for a person, or the reason why there is no rule. No tool approves or
    deploys. Without --llm no model is asked. Exit code 1: some case could not be read or failed.

    \b
    ruleforge agent examples/events --out rules
    ruleforge agent case.yaml --out rules --rules builtin --benign /var/log/auth.log
    ruleforge agent case.yaml --out rules --answer answers.yaml
    """
    from ruleforge.app.event_agent import AgentSummary, run_cases
    from ruleforge.pipeline.event_agent import Limits

    door = None
    if llm:
        from ruleforge.app.models import open_door

        door = open_door(llm, record=llm_record, wait_seconds=wait)
    summary = AgentSummary()
    with term.progress(quiet=format is Format.ndjson) as progress:
        outcomes = run_cases(
            cases, out, summary, progress, answers=answer, rules=rules or (), benign=benign or (), door=door,
            limits=Limits(steps, seconds),
        )  # fmt: skip
        kept = []
        for outcome in outcomes:
            kept.append(outcome)
            if format is Format.ndjson:
                term.out_json(_data(outcome))
    if format is Format.json:
        term.out_json({"outcomes": [_data(outcome) for outcome in kept], "summary": _summary(summary)}, indent=2)
    elif format is Format.text:
        term.out("\n".join(_lines(kept, summary)))
    else:
        term.note(_counts(summary))
    if not kept:
        term.note("ruleforge: there is no case in what was given; see docs/howto/agent-for-events.md")
    raise typer.Exit(1 if summary.by_outcome.get("failed") else 0)


def _data(outcome: "CaseOutcome") -> dict[str, Any]:
    """One line of the machine contract: fields may be added, never removed."""
    import msgspec

    data: dict[str, Any] = msgspec.to_builtins(outcome)
    return data


def _summary(summary: "AgentSummary") -> dict[str, Any]:
    import msgspec

    data: dict[str, Any] = msgspec.to_builtins(summary)
    return data | {"seconds": round(summary.seconds, 3)}


def _counts(summary: "AgentSummary") -> str:
    told = ", ".join(f"{name.replace('_', ' ')} {count:,}" for name, count in summary.by_outcome.items())
    logs = f"; silent on {term.plural(summary.log_events, 'event')} of logs" if summary.log_events else ""
    unread = f" ({summary.log_problems:,} lines could not be read)" if summary.log_problems else ""
    return f"{term.plural(summary.cases, 'case')}: {told or 'nothing'}{logs}{unread}, in {summary.seconds:.1f} s"


def _lines(outcomes: "list[CaseOutcome]", summary: "AgentSummary") -> list[str]:
    lines = [term.paint(_counts(summary), "bold")]
    for outcome in outcomes:
        head = f"{outcome.outcome.replace('_', ' ')}{', ' + outcome.reason if outcome.reason else ''}"
        name = term.visible(outcome.case)
        lines += ["", f"{name}: {term.paint(term.visible(head), COLOURS.get(outcome.outcome, ''))}"]
        if outcome.sentence:
            lines.append(f"  {term.visible(term.shorten(outcome.sentence, 400))}")
        if outcome.detail:
            lines.append(f"  {term.visible(term.shorten(outcome.detail, 400))}")
        if outcome.outcome == "escalated":
            lines.append(f"  To answer: --answer FILE with {{{name}: {{{outcome.reason}: yes}}}}, or no.")
        if outcome.similar:
            lines.append(f"  Alike: {term.visible(', '.join(outcome.similar))}")
        told = f"{outcome.steps} steps, {term.plural(outcome.candidates, 'candidate')}, {outcome.policy}"
        lines += [f"  {term.visible(told)}"] if outcome.steps else []
    if summary.unused_answers:
        lines += ["", f"Answers to cases that were not read: {term.visible(', '.join(summary.unused_answers)[:300])}"]
    if summary.skipped:
        lines += ["", f"Not looked at: {term.plural(summary.skipped, 'file')} that say of themselves to be no case."]
    return [*lines, "", f"Rules and traces are in {term.visible(summary.out)}, one folder each."]
