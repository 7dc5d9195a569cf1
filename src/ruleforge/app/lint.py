"""Read rules critically: what does not load, what can be proved against them, what looks wrong."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from ruleforge.app.rules import rule_files
from ruleforge.engine.cost import cost_finding
from ruleforge.rules.lint import lint
from ruleforge.rules.parse import Problem, load_rule
from ruleforge.rules.tree import Rule


class Remark(msgspec.Struct, frozen=True, kw_only=True):
    """One finding about one rule."""

    file: str
    rule: str  # its id; empty where it does not load
    code: str
    path: str  # inside the document, "when.all[1].value"
    message: str
    hint: str = ""
    severity: str = "error"  # or "warning"


class LintReport(msgspec.Struct, kw_only=True):
    """Counts of a run; complete once its remarks were read to the end."""

    rules: int = 0
    errors: int = 0
    warnings: int = 0
    by_code: dict[str, int] = msgspec.field(default_factory=dict)


def lint_rules(paths: Sequence[Path], report: LintReport) -> Iterator[Remark]:
    """Yield everything there is to say against the rules below `paths`, file by file; fill `report` as it goes.

    Raises:
        UsageError: there is no such path (RF110).
    """
    for path in paths:
        for file in rule_files(path):
            parsed = load_rule(file, source=str(file))
            problems = (*parsed.problems, *(_said_of(parsed.rule) if parsed.rule is not None else ()))
            report.rules += 1
            for problem in dict.fromkeys(problems):
                report.errors += problem.severity == "error"
                report.warnings += problem.severity != "error"
                report.by_code[problem.code] = report.by_code.get(problem.code, 0) + 1
                yield _remark(problem, file, parsed.rule.id if parsed.rule else "")


def _said_of(rule: Rule) -> Iterator[Problem]:
    """Yield what can be said against a rule that loads: its meaning first, then what it costs."""
    yield from lint(rule)
    costly = cost_finding(rule)
    if costly is not None:
        yield costly


def _remark(problem: Problem, file: Path, rule: str) -> Remark:
    return Remark(
        file=str(file),
        rule=rule,
        code=problem.code,
        path=problem.path,
        message=problem.message,
        hint=problem.hint,
        severity=problem.severity,
    )
