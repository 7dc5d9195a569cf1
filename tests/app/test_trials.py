"""The tests beside rules: verdicts, tests that are waited for, and files that are no tests."""

from collections.abc import Callable
from pathlib import Path

import pytest

from ruleforge.app.trials import run_tests

PutRule = Callable[..., Path]
HIT = '{target: "/fruit/press.php?crate=../x", method: GET}'
MISS = '{target: "/fruit/press.php?crate=pears", method: GET}'
UNKNOWN = '{target: "/fruit/press.php", method: GET, body: null}'
CASES = [
    ("match", HIT, "passed"),
    ("match", MISS, "failed"),
    ("match", UNKNOWN, "failed"),
    ("no_match", MISS, "passed"),
    ("no_match", UNKNOWN, "passed"),
    ("no_match", HIT, "failed"),
    ("todo_match", MISS, "todo"),
    ("todo_match", HIT, "now_passes"),
    ("todo_no_match", HIT, "todo"),
    ("todo_no_match", MISS, "now_passes"),
]


@pytest.mark.parametrize(("verdict", "request_text", "state"), CASES)
def test_a_verdict_is_compared_with_the_answer(put_rule: PutRule, verdict: str, request_text: str, state: str) -> None:
    folder = put_rule()
    (folder / "tests.yaml").write_text(f"tests:\n- {{name: pears, verdict: {verdict}, request: {request_text}}}\n")
    (result,) = run_tests(folder)
    assert (result.state, result.name) == (state, "pears")


@pytest.mark.parametrize(
    "text",
    ["", "tests: 1", "tests:\n- 1", "tests:\n- {verdict: maybe}", "tests:\n- {verdict: match}", "tests: [", "\x00",
     "tests:\n- {verdict: match, request: {}}"],
)  # fmt: skip
def test_a_file_that_is_no_test_is_reported_and_the_other_rules_go_on(put_rule: PutRule, text: str) -> None:
    broken, good = put_rule("CVE-2099-0001"), put_rule("CVE-2099-0002")
    (broken / "tests.yaml").write_text(text)
    (good / "tests.yaml").write_text(f"tests:\n- {{verdict: match, request: {HIT}}}\n")
    assert [result.state for result in run_tests(good.parent)] == ["broken", "passed"]


def test_a_rule_without_tests_says_so(put_rule: PutRule) -> None:
    assert [result.state for result in run_tests(put_rule())] == ["no_tests"]
