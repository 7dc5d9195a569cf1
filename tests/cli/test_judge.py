"""`ruleforge judge`: the exit code is the gate's, the text names the defect, JSON gives all of it."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

Run = Callable[..., Result]
PLACE = {"field": "path", "op": "path_suffix", "value": "/orchard/fruit_press.php"}
CLASS = {"field": "args", "name": "crate", "op": "is_class", "value": "traversal"}
EXACT = {"field": "args", "name": "crate", "op": "equals", "value": "never/what/is/sent"}


@pytest.fixture
def advisory(put_templates: Path) -> Path:
    return put_templates / "CVE-2099-0101.yaml"


def put(folder: Path, *when: dict[str, Any]) -> Path:
    classes = {"traversal": 1} if CLASS in when else {}
    file = folder / "my-rule.json"
    file.write_text(json.dumps({"schema": 1, "id": "RF-MINE-1", "when": {"all": list(when)}, "classes": classes}))
    return file


def test_a_sound_rule_passes_and_what_was_tried_is_said(run: Run, advisory: Path, tmp_path: Path) -> None:
    result = run("judge", put(tmp_path, PLACE, CLASS), "--advisory", advisory)
    assert result.exit_code == 0
    assert "It passes the gate of mode count" in result.stdout
    assert "For it" in result.stdout
    assert "silent on all" in result.stdout


def test_judging_one_rule_brings_neither_numpy_nor_readers_of_other_formats(advisory: Path, tmp_path: Path) -> None:
    heavy = ("numpy", "ruleforge.sources.poc_code", "ruleforge.sources.prose.reading", "ruleforge.events.formats",
             "ruleforge.generate.propose")  # fmt: skip
    code = (
        "import sys; from pathlib import Path; from ruleforge.app.judge import judge_one;"
        "found = judge_one(*map(Path, sys.argv[1:]));"
        f"print(found.passed, sorted(set({heavy!r}) & set(sys.modules)))"
    )
    command = [sys.executable, "-c", code, str(put(tmp_path, PLACE, CLASS)), str(advisory)]
    assert subprocess.run(command, capture_output=True, text=True).stdout == "True []\n"


def test_a_rule_that_nothing_fails_and_that_reads_no_payload_is_not_said_to_pass(
    run: Run, advisory: Path, tmp_path: Path
) -> None:
    text = advisory.read_text().replace("CWE-22", "CWE-306").replace("../../../../etc/passwd", "pears.txt")
    (tmp_path / "call.yaml").write_text(text)
    session = {"field": "headers", "name": "cookie", "op": "absent"}
    rule = put(tmp_path, PLACE, session)
    result = run("judge", rule, "--advisory", tmp_path / "call.yaml")
    assert "It passes" not in result.stdout
    assert "the judge cannot say that it passes" in result.stdout or "It fails the gate" in result.stdout


@pytest.mark.parametrize(
    ("when", "said"),
    [
        ((PLACE,), "no condition reads what makes the request an attack"),
        ((PLACE, EXACT), "“argument \"crate\" is \"never/what/is/sent\"” does not hold for 1 of 1 exploit requests"),
    ],
)  # fmt: skip
def test_a_bad_rule_fails_with_the_reason_and_its_place(
    run: Run, advisory: Path, tmp_path: Path, when: tuple[dict[str, Any], ...], said: str
) -> None:
    result = run("judge", put(tmp_path, *when), "--advisory", advisory)
    assert result.exit_code == 1
    assert "It fails the gate of mode count: p_" in result.stdout
    assert said in result.stdout
    assert "shown by GET /" in result.stdout


def test_json_gives_the_verdict_the_opinion_and_its_chain(run: Run, advisory: Path, tmp_path: Path) -> None:
    result = run("judge", put(tmp_path, PLACE), "--advisory", advisory, "--format", "json")
    found = json.loads(result.stdout)
    assert (found["rule"], found["mode"], found["passed"], found["from_evidence"]) == (
        "RF-MINE-1",
        "count",
        False,
        False,
    )
    assert 0.5 < found["opinion"]["p_off_target"] <= 1
    first = found["opinion"]["chain"][0]
    assert set(first) == {"code", "question", "text", "condition", "request", "feature", "weight", "also"}
    assert found["opinion"]["features"]["neutral_hit"] == 1


def test_normal_traffic_that_it_fires_on_is_held_against_it(
    run: Run, advisory: Path, tmp_path: Path, put_requests: Callable[..., Path]
) -> None:
    day = put_requests("/", "/orchard/fruit_press.php?crate=pears")
    words = ("judge", put(tmp_path, PLACE), "--advisory", advisory, "--benign", day)
    assert "It fires on 1 requests of normal traffic." in run(*words).stdout


def test_without_a_disclosure_the_opinion_beside_the_rule_is_told(
    run: Run, put_templates: Path, tmp_path: Path
) -> None:
    run("forge", put_templates, "--out", tmp_path / "out", "--jobs", 1)
    result = run("judge", tmp_path / "out" / "CVE-2099-0101")
    assert result.exit_code == 0
    assert "from evidence.json" in result.stdout


def test_a_rule_without_disclosure_and_opinion_is_refused_with_a_code(run: Run, tmp_path: Path) -> None:
    result = run("judge", put(tmp_path, PLACE))
    assert result.exit_code == 2
    assert "RF128" in result.stderr
    missing = run("judge", put(tmp_path, PLACE), "--advisory", tmp_path / "none.yaml")
    assert (missing.exit_code, "RF117" in missing.stderr) == (2, True)
