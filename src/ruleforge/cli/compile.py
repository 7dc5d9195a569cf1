"""`ruleforge compile`: a folder of rules as one file that scans open in milliseconds."""

# ruff: noqa: D301 - a backslash and a b, alone in a line of help, keep the examples below it unwrapped

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ruleforge.cli import terminal as term

if TYPE_CHECKING:
    from ruleforge.app.compiling import CompileReport

SHOWN = 10  # of rules without a literal, and of rules that did not load


class Format(StrEnum):
    """What `compile` prints."""

    text = "text"
    json = "json"


def compile_(
    rules: Annotated[Path, typer.Argument(metavar="RULES", help="Folder of rules, one rule.json, or builtin.")],
    out: Annotated[Path, typer.Option(help="File to write; its name ends in .rfset.", show_default=False)],
    unvalidated: Annotated[
        bool, typer.Option("--unvalidated", help="Compile rules without evidence that they passed validation, too.")
    ] = False,
    format: Annotated[Format, typer.Option(help="What to print on standard output.")] = Format.text,
) -> None:
    """Compile every validated rule of a folder to one file for `ruleforge scan --rules FILE`.

    The file is named by its content: the same rules and the same program make the same bytes. Processes share it in
    memory. Another version of the program refuses it. A scan with --follow changes over when the file is replaced.

    Exit code 0: all rules. 2: a rule failed to load; the others were compiled.

    \b
    ruleforge compile rules --out rules.rfset
    ruleforge scan --rules rules.rfset --follow access.log
    """
    import msgspec

    from ruleforge.app.compiling import compile_rules

    with term.progress() as progress:
        report = compile_rules(rules, out, unvalidated=unvalidated, progress=progress)
    if format is Format.json:
        term.out_json(msgspec.to_builtins(report), indent=2)
    else:
        term.out("\n".join(summary(report)))
    for problem in report.broken[:SHOWN]:
        term.note(f"ruleforge: rule not loaded: {problem}")
    if len(report.broken) > SHOWN:
        term.note(f"ruleforge: {len(report.broken) - SHOWN} more rules not loaded")
    if report.unvalidated:
        left = term.plural(report.unvalidated, "rule")
        term.note(f"ruleforge: {left} left out: no evidence that they passed validation")
    raise typer.Exit(2 if report.broken else 0)


def summary(report: "CompileReport") -> list[str]:
    """What is in the file, in lines for people."""
    about = [(report.requests, "about single requests"), (report.others, "about other events")]
    about.append((report.counting, "that count or order events"))
    kinds = ", ".join(f"{count:,} {what}" for count, what in about if count)
    size = f"{report.bytes / 1e6:,.1f} MB"
    lines = [
        term.paint(f"Compiled {term.plural(report.rules, 'rule')} to {term.visible(report.file)}.", "bold"),
        f"{kinds}; {size}; set {report.digest}",
    ]
    slow = report.without_literal
    if slow:
        named = ", ".join(map(term.visible, slow[:SHOWN])) + (f" and {len(slow) - SHOWN:,} more" * (len(slow) > SHOWN))
        lines.append(f"Asked about every request, for want of a literal to find them by: {named}.")
    return lines
