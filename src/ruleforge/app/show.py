"""Everything there is to say about one rule."""

from collections import Counter
from pathlib import Path
from typing import Any

import msgspec

from ruleforge.app.rules import is_validated, load_one, read_evidence, rule_files
from ruleforge.errors import RuleForgeError
from ruleforge.pipeline.event_tests import needs_events, read_event_tests
from ruleforge.pipeline.rule_tests import read_tests
from ruleforge.rules.dump import render_json
from ruleforge.rules.render import render_sentence
from ruleforge.rules.tree import Rule


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """A rule with its papers."""

    rule: Rule
    file: str
    sentence: str
    document: str  # the text of rule.json
    validated: bool
    evidence: dict[str, Any]  # evidence.json as it is; empty: none
    tests: dict[str, int]  # verdict → how many
    tests_problem: str = ""  # why the tests could not be counted


def show_rule(path: Path) -> Shown:
    """Load one rule and what lies beside it.

    Raises:
        UsageError: no such rule (RF110), or not exactly one (RF115).
        RuleError: it does not load.
    """
    rule = load_one(path)
    file = next(rule_files(path))
    tests, problem = _tests(file.parent / "tests.yaml", rule)
    return Shown(
        rule=rule,
        file=str(file),
        sentence=render_sentence(rule),
        document=render_json(rule),
        validated=is_validated(rule, file.parent),
        evidence=dict(read_evidence(file.parent)),
        tests=tests,
        tests_problem=problem,
    )


def _tests(file: Path, rule: Rule) -> tuple[dict[str, int], str]:
    if not file.is_file():
        return {}, ""
    try:
        if needs_events(rule):
            return dict(Counter(test.verdict for test in read_event_tests(file, rule))), ""
        return dict(Counter(verdict for _, verdict, _ in read_tests(file))), ""
    except (RuleForgeError, OSError) as problem:
        return {}, str(problem)
