"""Run the tests that lie beside rules, and report those that fail and those that were waited for and now pass."""

from collections.abc import Iterator
from pathlib import Path

import msgspec

from ruleforge.app.rules import rule_files
from ruleforge.engine.reference import Ask, compile_rule
from ruleforge.errors import RuleForgeError
from ruleforge.events.places import HttpView
from ruleforge.events.request import Request
from ruleforge.pipeline.event_tests import ask_events, needs_events, read_event_tests
from ruleforge.pipeline.rule_tests import read_tests
from ruleforge.rules.parse import load_rule

_STATES = {(False, True): "passed", (False, False): "failed", (True, True): "now_passes", (True, False): "todo"}
_WORDS = {True: "true", False: "false", None: "unknown"}


class TestResult(msgspec.Struct, frozen=True, kw_only=True):
    """One test of one rule, or why a rule's tests could not run."""

    __test__ = False  # not a class of pytest

    rule: str
    file: str
    name: str  # of the test; empty: the whole file
    verdict: str  # what was expected, one of VERDICTS
    answer: str  # "true" | "false" | "unknown"; empty where nothing could be asked
    state: str  # "passed" | "failed" | "todo" | "now_passes" | "no_tests" | "broken"
    detail: str = ""


def run_tests(path: Path) -> Iterator[TestResult]:
    """Run `tests.yaml` of every rule below `path`, whatever its evidence says.

    A test of verdict `todo_…` never fails: it is `todo` while the rule falls short and `now_passes` when it no longer
    does, so that its verdict can be promoted. `no_match` holds for unknown, too: only *true* is a hit.

    Raises:
        UsageError: there is no such path (RF110).
    """
    for file in rule_files(path):
        tests = file.parent / "tests.yaml"
        try:
            rule = load_rule(file, source=str(file)).require()
            if not tests.is_file():
                yield _whole(rule.id, file, "no_tests", "there is no tests.yaml beside the rule")
                continue
            if needs_events(rule):
                for test in read_event_tests(tests, rule):
                    yield _answered(rule.id, tests, test.name, test.verdict, ask_events(rule, test.items))
                continue
            ask = compile_rule(rule).ask
            for name, verdict, request in read_tests(tests):
                yield _result(rule.id, tests, name, verdict, ask, request)
        except RuleForgeError as problem:
            yield _whole(file.parent.name, file, "broken", str(problem))
        except OSError as problem:
            yield _whole(file.parent.name, file, "broken", f"[RF217] {tests}: cannot be read: {problem.strerror}")


def _whole(rule: str, file: Path, state: str, detail: str) -> TestResult:
    return TestResult(rule=rule, file=str(file), name="", verdict="", answer="", state=state, detail=detail)


def _result(rule: str, file: Path, name: str, verdict: str, ask: Ask, request: Request) -> TestResult:
    return _answered(rule, file, name, verdict, ask(HttpView(request)))


def _answered(rule: str, file: Path, name: str, verdict: str, answer: bool | None) -> TestResult:
    good = (answer is True) == (not verdict.endswith("no_match"))
    state = _STATES[verdict.startswith("todo_"), good]
    return TestResult(rule=rule, file=str(file), name=name, verdict=verdict, answer=_WORDS[answer], state=state)
