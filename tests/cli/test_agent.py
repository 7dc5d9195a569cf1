"""`agent` prints outcomes as text, JSON or lines; nothing of a stranger acts on the terminal."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

Run = Callable[..., Result]
FOLDER = Path(__file__).resolve().parents[2] / "examples" / "events"
CASE = FOLDER / "cloud-trail-stopped.yaml"


def test_text_says_what_became_of_each_case(run: Run, tmp_path: Path) -> None:
    result = run("agent", CASE, FOLDER / "dns-one-domain.yaml", FOLDER / "cloud-key-used.yaml", "--out", tmp_path)
    assert result.exit_code == 0
    assert "3 cases: rule 1, escalated 1, gave up 1" in result.stdout
    assert "--answer FILE with {EV-DNS-ONE-DOMAIN: {indicator_only: yes}}" in result.stdout
    assert "by the thief is by the application" in result.stdout


def test_lines_and_json_hold_the_same_outcomes(run: Run, tmp_path: Path) -> None:
    lines = run("agent", CASE, "--out", tmp_path, "--format", "ndjson").stdout.splitlines()
    whole = json.loads(run("agent", CASE, "--out", tmp_path, "--format", "json").stdout)
    assert [json.loads(line) for line in lines] == whole["outcomes"]
    assert whole["outcomes"][0]["rule"] == "RF-EV-CLOUD-TRAIL-STOPPED"
    assert whole["summary"]["rules"] == 1


def test_a_case_that_cannot_be_read_is_exit_code_one(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "x.yaml"
    file.write_text('case: 1\nid: "\\e[2J"\nevent: dns\n')
    result = run("agent", file, "--out", tmp_path / "out")
    assert result.exit_code == 1
    assert "RF253" in result.stdout
    assert "\x1b" not in result.stdout


def test_what_is_not_there_is_a_wrong_call(run: Run, tmp_path: Path) -> None:
    assert run("agent", tmp_path / "none.yaml", "--out", tmp_path).exit_code == 2
    assert run("agent", CASE, "--out", tmp_path, "--steps", 0).exit_code == 2
    assert run("agent", CASE, "--out", tmp_path, "--llm", "nobody:x").exit_code == 2


def test_a_model_is_asked_only_where_one_is_named(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("XDG_DATA_HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name))
    letters = tmp_path / "letters"
    result = run("agent", CASE, "--out", tmp_path / "out", "--llm", f"mailbox:{letters}", "--format", "json")
    assert result.exit_code == 0
    (outcome,) = json.loads(result.stdout)["outcomes"]
    assert outcome["outcome"] == "waiting"
    assert len(json.loads(run("mailbox", "list", letters, "--format", "json").stdout)) == 1
    assert not (tmp_path / "out").exists()
    assert run("agent", CASE, "--out", tmp_path / "out").exit_code == 0


@pytest.mark.parametrize(("answer", "outcome"), [("yes", "escalated"), ("no", "gave_up")])
def test_a_case_may_answer_its_own_question_with_no_and_never_with_yes(
    run: Run, tmp_path: Path, answer: str, outcome: str
) -> None:
    case = tmp_path / "case.yaml"
    case.write_text((FOLDER / "dns-one-domain.yaml").read_text() + f"answers: {{indicator_only: {answer}}}\n")
    result = run("agent", case, "--out", tmp_path / "out", "--format", "ndjson")
    assert json.loads(result.stdout)["outcome"] == outcome
