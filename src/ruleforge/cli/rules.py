"""`ruleforge test`, `lint`, `explain` and `show`: looking at rules."""

# ruff: noqa: D301 - a backslash and a b, alone in a line of help, keep the examples below it unwrapped

import sys
from collections import Counter
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ruleforge.cli import terminal as term

if TYPE_CHECKING:
    from ruleforge.app.lint import Remark
    from ruleforge.app.show import Shown
    from ruleforge.app.trials import TestResult

WORD_STYLES = {"true": "green", "false": "red", "unknown": "yellow"}
SHOWN_OF_A_KIND = 200  # lines of one kind in text; the machine formats give all


class Format(StrEnum):
    """What these commands print."""

    text = "text"
    json = "json"
    ndjson = "ndjson"


_FORMAT = typer.Option(help="What to print on standard output.")
_FOLDER = "Folder of rules, or one rule.json."


def test(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help=_FOLDER)],
    format: Annotated[Format, _FORMAT] = Format.text,  # noqa: PT028 - a command, not a test
) -> None:
    """Run the tests that lie beside rules.

    Exit code 1: a test failed, or a rule or its tests could not be read. Tests of verdict 'todo_match' and
    'todo_no_match' never fail; those that now pass are named.

    \b
    ruleforge test rules
    ruleforge test rules/CVE-2021-41773 --format ndjson
    """
    import msgspec

    from ruleforge.app.trials import run_tests

    counts: Counter[str] = Counter()
    kept: list[TestResult] = []
    for result in run_tests(folder):
        counts[result.state] += 1
        if format is Format.ndjson:
            term.out_json(msgspec.to_builtins(result))
        elif format is Format.json or result.state not in ("passed", "todo"):
            kept.append(result)
    if format is Format.json:
        term.out_json({"tests": msgspec.to_builtins(kept), "counts": dict(counts)}, indent=2)
    elif format is Format.text:
        term.out("\n".join(_test_lines(kept, counts)))
    raise typer.Exit(1 if counts["failed"] or counts["broken"] else 0)


def _test_lines(kept: "list[TestResult]", counts: Counter[str]) -> list[str]:
    heads = {
        "failed": ("Failed", "red"),
        "broken": ("Could not be run", "red"),
        "now_passes": ("Now pass: their verdict can lose its 'todo_'", "green"),
        "no_tests": ("Rules without tests", "yellow"),
    }
    lines: list[str] = []
    for state, (head, style) in heads.items():
        found = [result for result in kept if result.state == state]
        if found:
            lines += [term.paint(head, style), *[f"  {_test_line(result)}" for result in found[:SHOWN_OF_A_KIND]]]
            lines += [f"  and {len(found) - SHOWN_OF_A_KIND:,} more"] * (len(found) > SHOWN_OF_A_KIND) + [""]
    parts = [f"{counts['passed']:,} passed", f"{counts['failed']:,} failed", f"{counts['todo']:,} still to do"]
    parts += [f"{counts['now_passes']:,} of those to do now pass"] if counts["now_passes"] else []
    parts += [f"{counts['broken']:,} could not be run"] if counts["broken"] else []
    return [*lines, term.paint(", ".join(parts), "bold")]


def _test_line(result: "TestResult") -> str:
    if not result.name:
        return term.visible(f"{result.rule}: {result.detail}")
    asked = f"expected {result.verdict}, the rule says {result.answer}"
    return term.visible(f"{result.rule}: {term.shorten(result.name, 120)}: {asked}")


def lint(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH", help="Rules, and folders of them.")],
    errors_only: Annotated[bool, typer.Option("--errors-only", help="Leave warnings out.")] = False,
    format: Annotated[Format, _FORMAT] = Format.text,
) -> None:
    """Say what is wrong with rules, without any traffic: what does not load, can never hold, or looks unwise.

    Exit code 1: there was something to say.

    \b
    ruleforge lint rules
    ruleforge lint my-rule.json --format ndjson
    """
    import msgspec

    from ruleforge.app.lint import LintReport, lint_rules

    report = LintReport()
    kept: list[Remark] = []
    for remark in lint_rules(paths, report):
        if errors_only and remark.severity != "error":
            continue
        if format is Format.ndjson:
            term.out_json(msgspec.to_builtins(remark))
        elif format is Format.json:
            kept.append(remark)
        else:
            term.out(_remark_line(remark))
    found = f"{term.plural(report.errors, 'error')}, {term.plural(report.warnings, 'warning')}"
    if format is Format.json:
        term.out_json({"remarks": msgspec.to_builtins(kept), "report": msgspec.to_builtins(report)}, indent=2)
    elif format is Format.text:
        term.out(term.paint(f"{term.plural(report.rules, 'rule')}: {found}", "bold"))
    raise typer.Exit(1 if report.errors or (report.warnings and not errors_only) else 0)


def _remark_line(remark: "Remark") -> str:
    style = "red" if remark.severity == "error" else "yellow"
    place = " ".join(part for part in (term.visible(remark.file), term.visible(remark.path)) if part)
    hint = f" ({term.visible(remark.hint)})" if remark.hint else ""
    return f"{place}: {term.paint(f'{remark.severity} [{remark.code}]', style)} {term.visible(remark.message)}{hint}"


def explain(
    rule: Annotated[Path, typer.Argument(metavar="RULE", help="A rule.json, or the folder around it.")],
    request: Annotated[
        Path, typer.Argument(metavar="REQUEST", help="A request as text, or any file that scan reads; -")
    ],
    request_id: Annotated[str, typer.Option("--id", help="Only the request of this id, as scan reports it.")] = "",
    format: Annotated[Format, _FORMAT] = Format.text,
) -> None:
    """Say for each condition of a rule whether it holds for a request, and which bytes decided.

    \b
    ruleforge explain rules/CVE-2021-41773 request.http
    ruleforge explain rules/CVE-2021-41773 day.jsonl.gz --id row-17
    """
    from ruleforge.app.explain import explain_request

    kept: list[dict[str, Any]] = []
    for found in explain_request(rule, request, request_id, stdin=getattr(sys.stdin, "buffer", None)):
        if format is Format.text:
            term.out(f"{term.paint(term.visible(found.request), 'bold')}\n" + _painted(found.to_text()))
        elif format is Format.ndjson:
            term.out_json(found.to_dict())
        else:
            kept.append(found.to_dict())
    if format is Format.json:
        term.out_json(kept, indent=2)


def _painted(text: str) -> str:
    lines = []
    for each in text.split("\n"):
        bare = each.lstrip()
        word, _, rest = bare.partition(" ")
        if word in WORD_STYLES:
            each = each[: len(each) - len(bare)] + term.paint(word, WORD_STYLES[word]) + (f" {rest}" if rest else "")
        elif word == "+":
            each = each[: len(each) - len(bare)] + term.paint(bare, "mark")
        lines.append(term.visible(each) if not term.colourful() else each)
    return "\n".join(lines)


def show(
    rule: Annotated[Path, typer.Argument(metavar="RULE", help="A rule.json, or the folder around it.")],
    format: Annotated[Format, _FORMAT] = Format.text,
) -> None:
    """Show one rule: as a sentence, as JSON, with its evidence and its tests.

    \b
    ruleforge show rules/CVE-2021-41773
    ruleforge show rules/CVE-2021-41773 --format json
    """
    from ruleforge.app.show import show_rule

    shown = show_rule(rule)
    if format is Format.text:
        term.out("\n".join(_shown_lines(shown)))
        return
    import json

    data = {
        "file": shown.file,
        "sentence": shown.sentence,
        "validated": shown.validated,
        "rule": json.loads(shown.document),
        "evidence": shown.evidence,
        "tests": shown.tests,
        "tests_problem": shown.tests_problem,
    }
    term.out_json(data, indent=2 if format is Format.json else None)


def _shown_lines(shown: "Shown") -> list[str]:
    rule = shown.rule
    status = str(shown.evidence.get("status", "")) if shown.validated else "not validated as it stands"
    head = [term.paint(f"{rule.id}  {term.visible(rule.title)}", "bold")]
    rows = [
        ("CVE", ", ".join(rule.cves)),
        ("severity", rule.severity),
        ("product", ", ".join(f"{p.vendor} {p.product}".strip() for p in rule.products)),
        ("revision", str(rule.revision)),
        ("status", status),
        ("file", shown.file),
    ]
    lines = head + [f"  {line}" for line in map(term.visible, term.columns([row for row in rows if row[1]], indent=""))]
    lines += ["", term.paint("Fires when", "bold"), f"  {term.visible(shown.sentence)}"]
    lines += ["", term.paint("Document", "bold"), *[f"  {term.visible(text)}" for text in shown.document.splitlines()]]
    return lines + _evidence_lines(shown.evidence) + _tests_lines(shown)


def _tests_lines(shown: "Shown") -> list[str]:
    if shown.tests_problem:
        return ["", term.visible(f"The tests cannot be read: {shown.tests_problem}")]
    if not shown.tests:
        return ["", "There are no tests beside the rule."]
    counts = ", ".join(f"{count} {verdict}" for verdict, count in sorted(shown.tests.items()))
    return ["", term.paint("Tests", "bold"), f"  {counts}"]


def _evidence_lines(evidence: dict[str, Any]) -> list[str]:
    """What evidence.json says, as far as it has the shape we write; other shapes are left to its reader."""
    checks = [check for check in _list(evidence.get("checks")) if isinstance(check, dict)]
    if not checks:
        return ["", "There is no evidence beside the rule."]
    words = {True: "passed", False: "FAILED", None: "could not tell"}
    rows = []
    for check in checks:
        passed = check.get("passed")
        state = words.get(passed) if isinstance(passed, bool | None) else str(passed)
        counts = f"{check.get('failed', 0)} of {check.get('tried', 0)} failed" if check.get("tried") else ""
        rows.append((str(check.get("check", "")), str(state), counts, term.shorten(str(check.get("detail", "")), 80)))
    lines = ["", term.paint("Evidence", "bold"), *map(term.visible, term.columns(rows))]
    judge = evidence.get("judge")
    if isinstance(judge, dict):
        lines.append(term.visible(f"  judge: p_miss {judge.get('p_miss')}, p_off_target {judge.get('p_off_target')}"))
        lines += [f"    {term.visible(term.shorten(str(reason), 200))}" for reason in _list(judge.get("reasons"))[:8]]
    return lines


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
