"""Run the tests that lie beside rules, and report those that fail and those that were waited for and now pass."""

import io
import json
from collections.abc import Iterator
from pathlib import Path

import msgspec

from ruleforge.app.rules import rule_files
from ruleforge.engine.reference import Ask, compile_rule
from ruleforge.errors import InputError, RuleForgeError
from ruleforge.events.formats.jsonl import read_jsonl
from ruleforge.events.places import HttpView
from ruleforge.events.request import Request
from ruleforge.rules.parse import load_rule
from ruleforge.sources.bounded_yaml import Node, load_yaml

VERDICTS = ("match", "no_match", "todo_match", "todo_no_match")
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
    answer = ask(HttpView(request))
    good = (answer is True) == (not verdict.endswith("no_match"))
    state = _STATES[verdict.startswith("todo_"), good]
    return TestResult(rule=rule, file=str(file), name=name, verdict=verdict, answer=_WORDS[answer], state=state)


def read_tests(file: Path) -> Iterator[tuple[str, str, Request]]:
    """Yield (name, verdict, request) of a `tests.yaml`.

    Raises:
        InputError: not such a file (RF230), or a request in it that cannot be read (RF223).
    """
    where = str(file)
    root = load_yaml(file.read_bytes(), where).root
    tests = root.get("tests") if isinstance(root, dict) else None
    if not isinstance(tests, list):
        raise InputError(
            "the key 'tests' is no list", where=where, hint="see docs/howto/review-a-rule.md", code="RF230"
        )
    for number, test in enumerate(tests):
        place = f"{where} tests[{number}]"
        if not isinstance(test, dict) or test.get("verdict") not in VERDICTS:
            raise InputError("a test needs a verdict", where=place, hint="one of " + ", ".join(VERDICTS), code="RF230")
        yield str(test.get("name") or f"test {number + 1}"), str(test["verdict"]), _request(test.get("request"), place)


def _request(row: Node, where: str) -> Request:
    if not isinstance(row, dict):
        raise InputError("a test needs a request", where=where, hint="an object as in JSON lines", code="RF230")
    # YAML scalars come as texts; the two flags of a row are true or false.
    typed = {key: value == "true" if key in ("body_b64", "body_sent") else value for key, value in row.items()}
    line = json.dumps(typed).encode()
    for item in read_jsonl(io.BytesIO(line), where):
        if isinstance(item, InputError):
            raise item
        return item
    raise InputError("a test needs a request", where=where, code="RF230")
