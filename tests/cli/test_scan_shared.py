"""`ruleforge scan --out`: files shared out to processes, told in the style of any scan."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from ruleforge.app.scan_runs import RunReport
from ruleforge.cli.scan_shared import exit_code, summary

Run = Callable[..., Result]


def test_a_run_of_processes_finds_prints_and_resumes(
    run: Run, put_rule: Callable[..., Path], put_requests: Callable[..., Path], attack: str
) -> None:
    put_rule()
    file = put_requests(attack, "/x", attack)
    words = ("scan", "--rules", "rules", file, "--jobs", "1", "--out", "run")
    result = run(*words)
    assert result.exit_code == 1
    assert "2 hits of 1 rule on 2 requests: 1 rule over 3 requests." in result.stdout
    assert "r3 in" in result.stdout
    again = run(*words, "--resume", "--format", "ndjson")
    assert [json.loads(line)["request"] for line in again.stdout.splitlines()] == ["r1", "r3"]


@pytest.mark.parametrize(
    "words",
    [
        ["--jobs", "2"],
        ["--resume"],
        ["--runner", "local"],
        ["--out", "run", "--since", "7d"],
        ["--out", "run", "--follow"],
        ["--out", "run", "--checkpoint", "state", "--output", "x"],
        ["--out", "run", "--format", "html"],
        ["--from-start"],
    ],
)
def test_options_that_do_not_go_together_are_refused(
    run: Run, put_rule: Callable[..., Path], put_requests: Callable[..., Path], words: list[str]
) -> None:
    put_rule()
    result = run("scan", "--rules", "rules", put_requests("/"), *words)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "[RF150]" in result.stderr
    assert not Path("run").exists()


@pytest.mark.parametrize(
    ("counts", "code"),
    [
        ({}, 0),
        ({"hits": 1}, 1),
        ({"hits": 1, "unreadable_files": 1}, 2),
        ({"hits": 1, "broken": ("x",)}, 2),
        ({"hits": 1, "broken": ("x",), "lost": 1}, 3),
    ],
)
def test_the_exit_code_says_the_worst(counts: dict[str, object], code: int) -> None:
    assert exit_code(RunReport(**counts)) == code


def test_what_strangers_wrote_is_escaped_in_the_summary() -> None:
    report = RunReport(hits=1, requests_hit=1, by_rule={"r": 1}, by_source={"\x1b[2J": 1})
    assert "\x1b" not in "\n".join(summary(report))
