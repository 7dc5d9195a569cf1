"""`ruleforge forge --llm`: what a model owes is asked for again by the same command, and what it cost is said."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

Run = Callable[..., Result]
RULE = {
    "all": [
        {"field": "path", "op": "path_suffix", "value": "/orchard/fruit_press.php"},
        {"field": "args", "op": "is_class", "value": "traversal"},
    ]
}


@pytest.fixture
def words(put_templates: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Any, ...]:
    """A forging of one template with a mailbox in which two rules are asked for."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    template, letters = put_templates / "CVE-2099-0101.yaml", f"mailbox:{tmp_path / 'letters'}?model=kind-model"
    return ("forge", template, "--out", tmp_path / "out", "--llm", letters, "--llm-candidates", 2)


def answer(run: Run, letters: Path, when: Any = RULE) -> int:
    open_ones = json.loads(run("mailbox", "list", letters, "--format", "json").stdout)
    for each in open_ones:
        document = {"mechanism": "the file leaves its folder", "when": when, "why_none": "" if when else "no way to"}
        (letters / f"{each['id']}.answer.json").write_text(json.dumps(document))
    return len(open_ones)


def test_the_rule_is_there_at_once_and_the_answers_in_the_next_run(run: Run, words: Any, tmp_path: Path) -> None:
    first = run(*words)
    assert first.exit_code == 0
    assert "It passed every check" in first.stdout
    assert "2 answers are pending, run again to include them" in first.stdout
    assert "2 questions, 0 answered, 2 pending, 0 failed" in first.stdout
    assert answer(run, tmp_path / "letters") == 2
    second = run(*words)
    assert "2 questions, 2 answered, 0 pending, 0 failed; 2 candidates passed every check" in second.stdout
    assert "0 calls in this run" in second.stdout
    assert "pending" not in second.stdout.replace("0 pending", "")
    third = json.loads(run(*words, "--format", "json").stdout)
    assert third["summary"]["unchanged"] == 1
    assert third["outcomes"][0]["model"]["models"] == ["kind-model"]


def test_without_a_model_no_line_speaks_of_one(run: Run, words: Any) -> None:
    plain = words[:4]
    assert "Model:" not in run(*plain).stdout
    found = json.loads(run(*plain, "--again", "--format", "json").stdout)
    assert "model" not in found["outcomes"][0]
    assert "model" not in found["summary"]


def test_leaving_the_model_out_again_forges_again(run: Run, words: Any, tmp_path: Path) -> None:
    run(*words)
    answer(run, tmp_path / "letters")
    run(*words)
    alone = json.loads(run(*words[:4], "--format", "json").stdout)
    assert alone["summary"]["unchanged"] == 0


def test_a_recorded_session_is_played_again_with_nobody_there(run: Run, words: Any, tmp_path: Path) -> None:
    run(*words)
    answer(run, tmp_path / "letters")
    recorded = run(*words, "--llm-record", tmp_path / "tape", "--format", "json")
    again = (*words[:3], tmp_path / "other", "--llm", f"replay:{tmp_path / 'tape'}?model=kind-model", *words[6:])
    played = run(*again, "--format", "json")
    assert played.exit_code == 0
    assert list((tmp_path / "tape").iterdir())
    first, second = (json.loads(each.stdout)["outcomes"][0]["model"] for each in (recorded, played))
    assert first["answered"] == second["answered"] == 2
    name = "CVE-2099-0101/rule.json"
    assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "other" / name).read_bytes()


def test_tests_of_a_model_lie_beside_the_rule_with_its_name(run: Run, words: Any, tmp_path: Path) -> None:
    letters = tmp_path / "letters"
    given = (*words[:4], "--llm-tests", f"mailbox:{letters}?model=kind-model")
    assert run(*given).exit_code == 0
    (letter,) = letters.glob("*.request.json")
    case = {"method": "GET", "headers": [], "body": None, "why": "a try"}
    target = "/orchard/fruit_press.php?crate="
    cases = [
        case | {"kind": "malicious", "target": target + "..%2f..%2f..%2fetc%2fhosts"},
        case | {"kind": "benign", "target": target + "pears"},
    ]
    letter.with_name(letter.name.replace("request", "answer")).write_text(json.dumps({"cases": cases}))
    assert "2 proposed tests count" in run(*given).stdout
    text = (tmp_path / "out" / "CVE-2099-0101" / "tests.yaml").read_text()
    assert text.count("source: model") == 2
    assert "model: kind-model" in text
    assert run("test", tmp_path / "out").exit_code == 0


def test_a_watch_asks_no_model(run: Run, words: Any) -> None:
    result = run(*words, "--watch", "--once")
    assert result.exit_code == 2
    assert "RF175" in result.stderr


def test_what_a_model_writes_acts_on_no_terminal(run: Run, words: Any, tmp_path: Path) -> None:
    run(*words)
    answer(run, tmp_path / "letters", None)
    for file in (tmp_path / "letters").glob("*.answer.json"):
        why = "a reason \x1b[2J with \u202e signs"
        file.write_text(json.dumps({"mechanism": "what makes it \x1b[2J so", "when": None, "why_none": why}))
    for form in ("text", "md", "json", "ndjson"):
        shown = run(*words, "--again", "--format", form)
        assert "\x1b" not in shown.stdout + shown.stderr


def test_a_model_that_reads_is_recorded_and_counted_with_those_that_write(run: Run, words: Any, tmp_path: Path) -> None:
    budget = tmp_path / "data" / "ruleforge" / "llm" / "budget.json"
    budget.parent.mkdir(parents=True)
    budget.write_text(json.dumps({"run": {"calls": 1}}))
    page, script = tmp_path / "CVE-2099-4302.md", tmp_path / "script.json"
    page.write_text("# CVE-2099-4302\n\nSQL injection in Pear Shop before 2.4.\n")
    script.write_text(json.dumps(['{"facts": []}']))
    asked = ("--extract-llm", f"fake:{script}", "--llm-record", tmp_path / "tape")
    found = json.loads(run("forge", page, *words[1:], *asked, "--format", "json").stdout)
    assert len(list((tmp_path / "tape").glob("*.json"))) == 1
    problems = [told for each in found["outcomes"] for told in (each.get("model") or {}).get("problems", ())]
    assert problems
    assert all("RF430" in told for told in problems)
