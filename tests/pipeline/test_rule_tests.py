"""Tests that a person added beside a rule outlive every forging, and a rule that fails one says so."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml
from hypothesis import given
from hypothesis import strategies as st

from ruleforge.app.trials import run_tests
from ruleforge.cases.evidence import Evidence, case
from ruleforge.events.request import Request
from ruleforge.pipeline import rule_tests as module
from ruleforge.pipeline.rule_tests import UNREADABLE, read_kept
from ruleforge.records.forging import Outcome
from ruleforge.rules.parse import load_rule

Forge = Callable[..., list[Outcome]]
Papers = Callable[[Path], dict[str, bytes]]
RULE = "CVE-2099-10002"
OWN = """- name: the gardener's own page
  verdict: {verdict}
  request: {{method: GET, target: "/orchard/gate?row=7", body: null}}
"""


def start(forge: Forge, templates: Path, out: Path) -> Path:
    forge(out, templates / "tidewater-fetch-traversal.yaml")
    return out / RULE


def again(forge: Forge, templates: Path, out: Path) -> Outcome:
    (outcome,) = forge(out, templates / "tidewater-fetch-traversal.yaml", again=True)
    return outcome


def add(folder: Path, text: str) -> None:
    file = folder / "tests.yaml"
    file.write_text(file.read_text() + text)


def names(folder: Path) -> list[str]:
    return [test["name"] for test in yaml.safe_load((folder / "tests.yaml").read_text())["tests"]]


def kept_check(folder: Path) -> dict[str, Any] | None:
    checks = json.loads((folder / "evidence.json").read_text())["checks"]
    return next((check for check in checks if check["check"] == "kept_tests"), None)


def test_forging_again_without_a_persons_tests_gives_the_same_bytes(
    forge: Forge, papers: Papers, templates: Path, tmp_path: Path
) -> None:
    folder = start(forge, templates, tmp_path / "out")
    first = papers(folder)
    assert again(forge, templates, tmp_path / "out").detail == ""
    assert papers(folder) == first
    assert kept_check(folder) is None


def test_a_persons_test_is_kept_and_runs(forge: Forge, papers: Papers, templates: Path, tmp_path: Path) -> None:
    folder = start(forge, templates, tmp_path / "out")
    count = len(names(folder))
    add(folder, OWN.format(verdict="no_match"))
    assert again(forge, templates, tmp_path / "out").detail == ""
    assert names(folder)[-1] == "the gardener's own page"
    assert len(names(folder)) == count + 1
    assert {result.state for result in run_tests(folder)} <= {"passed", "todo"}
    said = kept_check(folder)
    assert said is not None
    assert (said["passed"], said["tried"], said["failed"]) == (True, 1, 0)
    before = papers(folder)
    again(forge, templates, tmp_path / "out")
    assert papers(folder) == before, "a kept test is spelled the same each time"


def test_a_kept_test_that_fails_is_told_in_outcome_and_evidence(forge: Forge, templates: Path, tmp_path: Path) -> None:
    folder = start(forge, templates, tmp_path / "out")
    add(folder, OWN.format(verdict="match") + OWN.format(verdict="todo_match") + "- {name: no verdict}\n")
    outcome = again(forge, templates, tmp_path / "out")
    assert outcome.outcome == "rule"
    assert outcome.detail.startswith("2 of 3 tests that a person added fail")
    assert "gardener" in outcome.detail
    said = kept_check(folder)
    assert said is not None
    assert (said["passed"], said["tried"], said["failed"]) == (False, 3, 2)


def test_an_edited_test_of_forge_is_a_persons_and_stands_for_its_request(
    forge: Forge, templates: Path, tmp_path: Path
) -> None:
    folder = start(forge, templates, tmp_path / "out")
    file = folder / "tests.yaml"
    count = len(names(folder))
    file.write_text(file.read_text().replace("verdict: match", "verdict: todo_match", 1))
    again(forge, templates, tmp_path / "out")
    tests = yaml.safe_load(file.read_text())["tests"]
    assert len(tests) == count
    assert tests[-1]["verdict"] == "todo_match"
    assert tests[-1]["name"].startswith("exploit")


def test_a_persons_tests_wait_in_the_history_while_there_is_no_rule(
    forge: Forge, templates: Path, tmp_path: Path
) -> None:
    folder, source = start(forge, templates, tmp_path / "out"), templates / "tidewater-fetch-traversal.yaml"
    add(folder, OWN.format(verdict="no_match"))
    text = source.read_text()
    source.write_text(text.split("\nhttp:")[0] + "\ndns:\n  - name: '{{FQDN}}'\n    type: CNAME\n")
    assert again(forge, templates, tmp_path / "out").reason == "no_http"
    assert not (folder / "tests.yaml").exists()
    assert (folder / "history" / "tests.yaml").exists()
    again(forge, templates, tmp_path / "out")
    source.write_text(text)
    again(forge, templates, tmp_path / "out")
    assert names(folder)[-1] == "the gardener's own page"
    assert not (folder / "history" / "tests.yaml").exists()


def test_a_file_of_tests_that_cannot_be_read_is_set_aside_and_told(
    forge: Forge, templates: Path, tmp_path: Path
) -> None:
    folder = start(forge, templates, tmp_path / "out")
    (folder / "tests.yaml").write_text("tests: [pears\n")
    assert UNREADABLE in again(forge, templates, tmp_path / "out").detail
    assert (folder / UNREADABLE).read_text() == "tests: [pears\n"
    assert UNREADABLE in again(forge, templates, tmp_path / "out").detail, "as long as it lies there"
    assert {result.state for result in run_tests(folder)} <= {"passed", "todo"}


@given(
    st.binary(max_size=40), st.binary(max_size=40), st.text(max_size=20), st.sampled_from([None, b"", b"\x85a", b"~"])
)
def test_forge_knows_every_test_of_its_own_again(
    tmp_path_factory: Any, target: bytes, value: bytes, name: str, body: bytes | None
) -> None:
    request = Request(method=b"POST", target=b"/" + target, headers=((b"X-Pear", value),), body=body, id=name)
    evidence = Evidence(advisory="x", product="", exploits=(case(request, "exploit"),), classes={})
    when = {"field": "path", "op": "ends_with", "value": "/press.php"}
    document = {"schema": 1, "id": "RF-CVE-2099-0001-1", "title": "Press", "severity": "high", "when": when}
    rule = load_rule(json.dumps(document).encode()).require()
    folder = tmp_path_factory.mktemp("rule")
    (folder / "tests.yaml").write_text(module.tests_yaml(rule, evidence, ()))
    assert read_kept(folder).tests == ()
