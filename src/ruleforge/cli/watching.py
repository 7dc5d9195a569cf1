"""`ruleforge forge --watch` and `ruleforge diff`: rules that follow their sources."""

# ruff: noqa: D301 - a backslash and a b, alone in a line of help, keep the examples below it unwrapped

import sys
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ruleforge.cli import terminal as term

if TYPE_CHECKING:
    from ruleforge.app.watching import RuleDiff
    from ruleforge.pipeline.watch import Change

STYLES = {"rule": "green", "refused": "yellow", "failed": "red"}


class Format(StrEnum):
    """What `diff` prints."""

    text = "text"
    json = "json"
    md = "md"


def run_watch(
    paths: Sequence[Path], out: Path, *, interval: float, once: bool, as_lines: bool, options: dict[str, Any]
) -> None:
    """Watch until interrupted, or once; print one line for each change."""
    import msgspec

    from ruleforge.app.forge import forge_options
    from ruleforge.app.watching import WatchSummary, watch

    summary = WatchSummary()
    history = options["history"]
    run_options = forge_options(paths, out, **options)
    with term.progress(quiet=sys.stdout.isatty()) as progress:
        changes = watch(paths, run_options, summary, progress, history=history, interval=interval, once=once)
        for change in changes:
            if as_lines:
                term.out_json(msgspec.to_builtins(change))
            else:
                term.out("\n".join(change_text(change)))
    orphans = summary.without_source
    if orphans:
        shown = ", ".join(orphans[:10]) + (", …" if len(orphans) > 10 else "")
        term.note(f"ruleforge: {term.plural(len(orphans), 'rule')} kept although the source is gone: {shown}")
    raise typer.Exit(1 if summary.failed else 0)


def change_text(change: "Change") -> list[str]:
    """Say in a line what became of a source, and below it how the rule changed."""
    name = change.advisory or ", ".join(change.sources)
    ends = {"rule": f"rule, revision {change.revision}", "refused": f"refused, {change.reason}"}
    end = ends.get(change.outcome, f"failed, {change.reason}" if change.outcome else "source gone")
    if change.what in ("gone", "unreadable") and change.revision:
        end += f"; revision {change.revision} of its rule is kept"
    head = f"{change.what:<10}  {term.visible(name)}: {term.paint(end, STYLES.get(change.outcome, 'yellow'))}"
    return [head, *[f"              {term.visible(term.shorten(text, 300))}" for text in change.changes]]


def diff(
    rule: Annotated[Path, typer.Argument(metavar="RULE", help="The folder of a rule.")],
    revision: Annotated[
        int | None, typer.Option(min=1, help="Earlier revision to compare with; by default the one before.")
    ] = None,
    format: Annotated[Format, typer.Option(help="What to print on standard output.")] = Format.text,
) -> None:
    """Say how a rule differs from an earlier revision of it.

    Exit code 0: the same content. 1: it differs, or there is no rule any more.

    \b
    ruleforge diff rules/CVE-2021-41773
    ruleforge diff rules/CVE-2021-41773 --revision 1 --format md
    """
    import msgspec

    from ruleforge.app.watching import diff_revisions

    found = diff_revisions(rule, revision)
    if format is Format.json:
        term.out_json(msgspec.to_builtins(found), indent=2)
    else:
        term.out("\n".join(_markdown(found) if format is Format.md else _text(found)))
    raise typer.Exit(1 if found.changes else 0)


def _head(found: "RuleDiff") -> str:
    now = f"revision {found.after}" if found.after else "nothing"
    return f"{found.rule}: revision {found.before} to {now}"


def _text(found: "RuleDiff") -> list[str]:
    lines = [term.paint(term.visible(_head(found)), "bold")]
    lines += [f"  {term.visible(text)}" for text in found.changes or ("the same content",)]
    return [
        *lines,
        "",
        f"before: {term.visible(found.sentence_before)}",
        f"now:    {term.visible(found.sentence_after)}",
    ]


def _markdown(found: "RuleDiff") -> list[str]:
    from ruleforge.cli.forge import cell as escaped

    lines = [f"# {escaped(_head(found))}", ""]
    lines += [f"- {escaped(text)}" for text in found.changes or ("the same content",)]
    return [*lines, "", f"Before: {escaped(found.sentence_before)}", "", f"Now: {escaped(found.sentence_after)}"]
