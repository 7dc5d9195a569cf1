"""`ruleforge forge`: sources in, validated rules out."""

# ruff: noqa: D301 - a backslash and a b, alone in a line of help, keep the examples below it unwrapped

import sys
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ruleforge.cli import terminal as term
from ruleforge.cli.logs import KnownBad, Mixed
from ruleforge.errors import UsageError

if TYPE_CHECKING:
    from ruleforge.app.forge import ForgeSummary
    from ruleforge.records.forging import Outcome

LINE_KEYS = (
    "advisory",
    "sources",
    "cves",
    "outcome",
    "reason",
    "detail",
    "rules",
    "candidates",
    "rounds",
    "seconds",
    "revision",
    "changes",
)


_MARKDOWN = {ord(mark): f"\\{mark}" for mark in "\\|`*_[]"} | {ord(mark): f"&#{ord(mark)};" for mark in "<>&"}


class Format(StrEnum):
    """What `forge` prints."""

    text = "text"
    json = "json"
    ndjson = "ndjson"
    md = "md"


def forge(
    paths: Annotated[
        list[Path], typer.Argument(metavar="PATH", help="Templates, write-ups, exploits, recordings; folders of them.")
    ],
    out: Annotated[Path | None, typer.Option(help="Folder for the rules, one folder each.", show_default=False)] = None,
    benign: Annotated[
        list[Path] | None, typer.Option(help="Ordinary traffic a rule must be silent on; may be repeated.")
    ] = None,
    sensor: Annotated[
        list[Path] | None, typer.Option(help="Log that only receives attacks (honeypot); may be repeated.")
    ] = None,
    mixed: Mixed = None,
    known_bad: KnownBad = None,
    jobs: Annotated[int | None, typer.Option(min=0, help="Processes; 0: one per core.", show_default=False)] = None,
    again: Annotated[bool, typer.Option("--again", help="Forge unchanged sources, too.")] = False,
    merge: Annotated[
        bool, typer.Option("--merge/--no-merge", help="One rule for all documents about a vulnerability.")
    ] = True,
    background: Annotated[
        Path | None, typer.Option(help="Table made by 'background build' instead of the one that ships.")
    ] = None,
    history: Annotated[
        list[Path] | None, typer.Option(help="Stored traffic: since when does each new rule fire? May be repeated.")
    ] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Go on: forge what changes, until interrupted.")] = False,
    interval: Annotated[float, typer.Option(help="Seconds between two looks of --watch.")] = 60.0,
    once: Annotated[bool, typer.Option("--once", help="With --watch: look once and end, for a timer.")] = False,
    llm: Annotated[
        str, typer.Option(help="A model as further author of rules, such as mailbox:FOLDER.", show_default=False)
    ] = "",
    llm_tests: Annotated[
        str, typer.Option(help="A model as further author of tests; it may be the same.", show_default=False)
    ] = "",
    llm_candidates: Annotated[int, typer.Option(min=1, max=20, help="Rules that the model is asked for.")] = 5,
    llm_record: Annotated[
        Path | None, typer.Option(help="Keep what is asked and answered there, for replay:FOLDER.", show_default=False)
    ] = None,
    wait: Annotated[float, typer.Option(min=0, max=3600, help="Seconds to wait for answers that are to come.")] = 0,
    extract_llm: Annotated[
        str, typer.Option(help="A model that reads prose as well, such as mailbox:FOLDER.", show_default=False)
    ] = "",
    format: Annotated[Format, typer.Option(help="What to print on standard output.")] = Format.text,
) -> None:
    """Make a validated rule from each disclosure (template, write-up, exploit, recording), or say why there is none.

    Unchanged sources are not forged again, so the same command resumes a run that was interrupted.
    No model is asked and nothing is sent, but for what --llm names: its rules compete with ours under the same checks.
    Exit code 1: some source could not be read or some advisory failed.

    \b
    ruleforge forge templates/ --out rules
    ruleforge forge templates/ write-ups/ exploit.py --out rules --benign day.jsonl.gz
    ruleforge forge CVE-2021-41773.yaml --out rules --format ndjson
    ruleforge forge templates/ --out rules --watch
    ruleforge forge CVE-2021-41773.yaml --out rules --llm mailbox:letters
    """
    from ruleforge.app.forge import ForgeSummary
    from ruleforge.app.forge import forge as run
    from ruleforge.settings import load_settings

    settings = load_settings({"out": out, "benign": tuple(benign or ()), "jobs": jobs, "background": background})
    if settings.out is None:
        raise UsageError("no folder for the rules", hint="give one with --out, or set 'out'", code="RF112")
    options: dict[str, Any] = {
        "benign": settings.benign, "sensors": sensor or (), "mixed": mixed or (), "known_bad": known_bad or (),
        "background": settings.background, "jobs": settings.jobs, "again": again, "history": history or (),
        "merge": merge,
    }  # fmt: skip
    if watch:
        from ruleforge.cli.watching import run_watch

        if llm or llm_tests or extract_llm:
            hint = "watch without it, and forge what changed with the model"
            raise UsageError("a watch asks no model", hint=hint, code="RF175")
        if format not in (Format.text, Format.ndjson):
            raise UsageError("a watch prints lines", hint="give --format text or ndjson", code="RF124")
        run_watch(paths, settings.out, interval=interval, once=once, as_lines=format is Format.ndjson, options=options)
    meter = None
    if extract_llm:
        from ruleforge.app.models import open_door

        door = open_door(extract_llm, record=llm_record, wait_seconds=wait)
        options["extract_door"], meter = door, door.meter  # one budget for all that a run asks
    if llm or llm_tests:
        from ruleforge.app.authors import open_authors

        options["writer"], options["tester"] = open_authors(
            llm, llm_tests, candidates=llm_candidates, record=llm_record, wait_seconds=wait,
            background=settings.background, meter=meter,
        )  # fmt: skip
    summary = ForgeSummary()
    quiet = format is Format.ndjson and sys.stdout.isatty()  # the lines themselves show how far it is
    with term.progress(quiet=quiet) as progress:
        outcomes = run(paths, settings.out, summary, progress, **options)
        kept = _show_lines(outcomes) if format is Format.ndjson else list(outcomes)
    if format is Format.json:
        term.out_json({"outcomes": [line(outcome) for outcome in kept], "summary": summary_dict(summary)}, indent=2)
    elif format is Format.md:
        term.out("\n".join(markdown(kept, summary)))
    elif format is Format.text:
        whole = one_text(kept[0], summary) if len(kept) == 1 else summary_text(summary)
        term.out("\n".join(whole))
    else:
        term.note("\n".join(summary_line(summary)))
    if not summary.advisories:
        term.note("ruleforge: there is no source in what was given: no template, write-up, exploit or recording")
    raise typer.Exit(1 if summary.failed else 0)


def _show_lines(outcomes: "Iterator[Outcome]") -> "list[Outcome]":
    for outcome in outcomes:
        term.out_json(line(outcome))
    return []


def line(outcome: "Outcome") -> dict[str, Any]:
    """One line of the machine contract: fields may be added, never removed."""
    import msgspec

    data: dict[str, Any] = msgspec.to_builtins(outcome)
    asked = {key: data[key] for key in ("model", "tester") if data[key] is not None}
    return {key: data[key] for key in LINE_KEYS} | asked


def summary_dict(summary: "ForgeSummary") -> dict[str, Any]:
    """The summary as plain data."""
    import msgspec

    data: dict[str, Any] = msgspec.to_builtins(summary)
    if data["model"] is None:
        del data["model"]
    return data | {"seconds": round(summary.seconds, 3), "cpu_seconds": round(summary.cpu_seconds, 3)}


def summary_line(summary: "ForgeSummary") -> list[str]:
    """The counts in one line."""
    refused, failed = sum(summary.refused.values()), sum(summary.failed.values())
    advisories = term.plural(summary.advisories, "advisory")
    counts = (
        f"{term.plural(summary.with_rule, 'rule')}, {refused:,} refused, {failed:,} failed, {summary.skipped:,} skipped"
    )
    return [f"{advisories}: {counts}, in {summary.seconds:.1f} s"]


def headline(summary: "ForgeSummary") -> str:
    """How many advisories in what time; how fast only where every one was forged."""
    head = term.paint(f"{term.plural(summary.advisories, 'advisory')} in {summary.seconds:.1f} s", "bold")
    if summary.unchanged:
        return f"{head}  (unchanged, not forged again: {summary.unchanged:,})"
    return f"{head}  ({summary.advisories / summary.seconds:,.1f} advisories a second)" if summary.seconds else head


def one_text(outcome: "Outcome", summary: "ForgeSummary") -> list[str]:
    """The end of a run over one source: the rule it became, or why there is none."""
    from ruleforge.app.forge import refusal_sentence
    from ruleforge.app.show import show_rule

    name = term.visible(outcome.advisory or ", ".join(outcome.sources))
    if outcome.outcome != "rule":
        what = f"{term.paint(outcome.outcome, 'red' if outcome.outcome == 'failed' else 'yellow')}, {outcome.reason}"
        said = [text for text in (refusal_sentence(outcome.reason), outcome.detail) if text]
        told = [*said, *model_lines(summary)]
        return [f"{name}: {what}", *[f"  {term.visible(term.shorten(text.strip(), 500))}" for text in told]]
    folder = Path(summary.out) / outcome.advisory
    shown = show_rule(folder)
    title = term.visible(shown.rule.title)
    again = "  (unchanged, not forged again)" if summary.unchanged else ""
    return [
        f"{term.paint(shown.rule.id, 'green')}  {title}{again}",
        f"  {term.visible(shown.sentence)}",
        *([f"  {term.visible(term.shorten(outcome.detail, 300))}"] if outcome.detail else []),
        f"  It passed every check and is in {term.visible(str(folder))}: rule.json, tests.yaml, evidence.json.",
        *[f"  {text.strip()}" for text in model_lines(summary)],
    ]


def summary_text(summary: "ForgeSummary") -> list[str]:
    """The table at the end of a run."""
    from ruleforge.app.forge import refusal_sentence

    refused, failed = sum(summary.refused.values()), sum(summary.failed.values())
    lines = [headline(summary), ""]
    rows = [
        ("rule", f"{summary.with_rule:,}", term.percent(summary.with_rule, summary.advisories), "passed every check")
    ]
    rows.append(("refused", f"{refused:,}", term.percent(refused, summary.advisories), "no safe rule can be made"))
    rows += [(f"  {reason}", f"{n:,}", "", refusal_sentence(reason)) for reason, n in summary.refused.items()]
    rows.append(
        ("failed", f"{failed:,}", term.percent(failed, summary.advisories), "could not be read" if failed else "")
    )
    rows += [(f"  {code}", f"{n:,}", "", "") for code, n in summary.failed.items()]
    if summary.skipped:
        rows.append(("skipped", f"{summary.skipped:,}", "", "no disclosure, no known format, or the output of a run"))
    lines += [_coloured(text) for text in term.columns(rows, right=(1, 2))]
    if summary.failures:
        lines += ["", "What failed:"]
        lines += [f"  {term.visible(term.shorten(text, 300))}" for text in summary.failures]
        more = failed - len(summary.failures)
        lines += [f"  and {more:,} more; '--format ndjson' lists all"] if more > 0 else []
    return [
        *lines,
        *([""] if summary.model else []),
        *model_lines(summary),
        "",
        f"Rules are in {term.visible(summary.out)}: rule.json, tests.yaml and evidence.json, one folder each.",
    ]


def model_lines(summary: "ForgeSummary") -> list[str]:
    """What a model was asked, where one was."""
    model = summary.model
    if model is None:
        return []
    counted = model.tokens_in is not None and model.tokens_out is not None
    tokens = f"{model.tokens_in:,} tokens in, {model.tokens_out:,} out" if counted else "tokens not counted"
    cost = "" if model.cost is None else f", {model.cost / 1_000_000:,.4f} dollars"
    told = (
        f"Model: {term.plural(model.asked, 'question')}, {model.answered:,} answered, {model.pending:,} pending, "
        f"{model.failed:,} failed; {term.plural(model.passed, 'candidate')} passed every check; "
        f"{model.tests:,} proposed tests count; "
        f"{term.plural(model.calls, 'call')} in this run, {tokens}{cost}"
    )
    lines = [told]
    if model.pending:
        lines.append("  Answers are pending: run the same command again to include them.")
    if model.failed:
        lines.append("  Where the model failed, the embedded generator worked alone; the outcomes say why.")
    return lines


def _coloured(text: str) -> str:
    for word, style in (("  rule", "green"), ("  refused", "yellow"), ("  failed", "red")):
        if text.startswith(word + " "):
            return term.paint(text, style)
    return text


def markdown(outcomes: "list[Outcome]", summary: "ForgeSummary") -> list[str]:
    """The report for a page: counts, then every advisory."""
    from ruleforge.app.forge import refusal_sentence

    lines = ["# Forged rules", "", *summary_line(summary), "", "| outcome | advisories | meaning |", "|---|--:|---|"]
    lines.append(f"| rule | {summary.with_rule:,} | passed every check |")
    lines += [f"| refused: {reason} | {n:,} | {refusal_sentence(reason)} |" for reason, n in summary.refused.items()]
    lines += [f"| failed: {code} | {n:,} | |" for code, n in summary.failed.items()]
    lines += ["", "| advisory | outcome | rules or reason | detail |", "|---|---|---|---|"]
    for outcome in outcomes:
        name = outcome.advisory or ", ".join(outcome.sources)
        what = ", ".join(outcome.rules) or outcome.reason
        lines.append(f"| {' | '.join(map(cell, (name, outcome.outcome, what, outcome.detail)))} |")
    return lines


def cell(text: str) -> str:
    """Text inside a Markdown table: nothing in it can end the cell, begin markup or act on a terminal."""
    return term.visible(term.shorten(text, 300)).translate(_MARKDOWN)
