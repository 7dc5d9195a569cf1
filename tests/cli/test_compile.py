"""`compile` on the command line, and `scan` with what it made."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

pytest.importorskip("numba")

Put = Callable[..., Path]
Run = Callable[..., Result]


@pytest.fixture(autouse=True)
def caches(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))


def test_a_folder_is_compiled_and_scanned_with(run: Run, put_rule: Put, put_requests: Put, attack: str) -> None:
    rules, day = put_rule().parent, put_requests(attack, "/")
    put_rule("CVE-2099-0002", validated=False)
    made = run("compile", rules, "--out", "a.rfset")
    assert made.exit_code == 0
    assert "Compiled 1 rule to a.rfset." in made.stdout
    assert "1 rule left out: no evidence" in made.stderr
    found = run("scan", "--rules", "a.rfset", day, "--format", "json")
    assert found.exit_code == 1
    report = json.loads(found.stdout)["report"]
    assert (report["hits"], report["rules"]) == (1, 1)
    assert report["rule_set"] in made.stdout


def test_what_was_compiled_is_told_as_data(run: Run, put_rule: Put) -> None:
    when: dict[str, Any] = {"field": "target.raw", "op": "length_gt", "value": 9}
    rules = put_rule(when=when).parent
    report = json.loads(run("compile", rules, "--out", "a.rfset", "--format", "json").stdout)
    assert report["without_literal"] == ["RF-CVE-2099-0001-1"]
    assert "for want of a literal" in run("compile", rules, "--out", "a.rfset").stdout
    (rules / "CVE-2099-0001" / "rule.json").write_text("{")
    put_rule("CVE-2099-0002")
    broken = run("compile", rules, "--out", "a.rfset")
    assert broken.exit_code == 2
    assert "rule not loaded" in broken.stderr


def test_a_damaged_set_is_an_error_for_people(run: Run, put_rule: Put, put_requests: Put) -> None:
    day = put_requests("/")
    run("compile", put_rule().parent, "--out", "a.rfset")
    Path("a.rfset").write_bytes(Path("a.rfset").read_bytes()[:-99])
    found = run("scan", "--rules", "a.rfset", day)
    assert found.exit_code == 2
    assert "RF290" in found.stderr
    assert run("compile", "nowhere", "--out", "a.rfset").exit_code == 2
    assert "RF167" in run("compile", "rules", "--out", "a.json").stderr


def test_events_and_shared_runs_take_a_compiled_set_too(
    run: Run, put_rule: Put, put_requests: Put, attack: str
) -> None:
    day = put_requests(attack, "/")
    put_rule("CVE-2099-0003", when={"count": {"when": {"field": "path", "op": "present"}, "by": ["source.address"],
                                              "within": "1m", "at_least": 9}})  # fmt: skip
    run("compile", put_rule().parent, "--out", "a.rfset")
    assert run("events", "--rules", "a.rfset", day).exit_code == 0
    shared = run("scan", "--rules", "a.rfset", "--out", "run", "--jobs", "1", day, "--format", "json")
    assert json.loads(shared.stdout)["report"]["hits"] == 1


def test_the_slow_lane_is_for_live_files_alone(run: Run, put_rule: Put, put_requests: Put) -> None:
    day = put_requests("/")
    found = run("scan", "--rules", put_rule().parent, "--slow-lane-ms", "5", day)
    assert found.exit_code == 2
    assert "RF150" in found.stderr
