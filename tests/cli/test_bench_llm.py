"""`ruleforge bench llm`: a model beside the embedded default, partial as long as answers are to come."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

Run = Callable[..., Result]
PAGE = {"field": "path", "op": "path_suffix", "value": "/orchard/fruit_press.php"}
NARROW = {"all": [PAGE, {"field": "args", "name": "crate", "op": "is_class", "value": "traversal"}]}


@pytest.fixture
def words(put_templates: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Any, ...]:
    """The bench on one template, with a mailbox and two held-out exploits."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    rows = [
        {"method": "GET", "target": f"/orchard/fruit_press.php?{name}=..%2f..%2fetc%2fhosts", "cve": "CVE-2099-0101"}
        for name in ("crate", "barrel")
    ]
    oracle = tmp_path / "held-out.jsonl"
    oracle.write_text("".join(json.dumps(row | {"headers": [], "body": ""}) + "\n" for row in rows))
    letters = f"mailbox:{tmp_path / 'letters'}?model=kind-model"
    template = put_templates / "CVE-2099-0101.yaml"
    return ("bench", "llm", template, "--provider", letters, "--candidates", 2, "--oracle", oracle)


def answer(run: Run, letters: Path, document: Callable[[dict[str, Any]], Any]) -> None:
    for each in json.loads(run("mailbox", "list", letters, "--format", "json").stdout):
        letter = json.loads(run("mailbox", "show", letters, each["id"], "--format", "json").stdout)
        (letters / f"{each['id']}.answer.json").write_text(json.dumps(document(letter)))


def rule(_letter: dict[str, Any]) -> Any:
    return {"mechanism": "the file leaves its folder", "when": NARROW}


def opinion(letter: dict[str, Any]) -> Any:
    cited = letter["schema"]["properties"]["reasons"]["items"]["properties"]
    reason = {name: cited[name]["enum"][0] for name in ("condition", "request")} | {"claim": "nothing was found"}
    return {"probability": 0.2, "reasons": [reason]}


def test_figures_are_partial_until_the_letters_are_answered(run: Run, words: Any, tmp_path: Path) -> None:
    first = run(*words)
    assert first.exit_code == 0
    assert "Partial: 2 answers are pending" in first.stdout
    answer(run, tmp_path / "letters", rule)
    file, page = tmp_path / "now.json", tmp_path / "now.md"
    second = run(*words, "--json", file, "--md", page)
    assert "Partial" not in second.stdout
    found = json.loads(file.read_text())
    ways = {way["way"]: way for way in found["generation"]}
    assert [ways[name]["rules"] for name in ("embedded", "model", "both")] == [1, 1, 1]
    assert [ways[name]["by_model"] for name in ("embedded", "model", "both")] == [0, 1, 0]
    assert ways["model"]["recalled"] < ways["model"]["held_out"] == 2  # the rule of the model wants one argument
    assert ways["model"]["spent"]["calls"] == ways["embedded"]["spent"]["asked"] == 0
    assert found["models"] == ["kind-model"]
    assert "| model |" in page.read_text()
    assert "Extraction" not in page.read_text()  # nobody asked for it


def test_judging_compares_both_judges_on_the_embedded_rules(run: Run, words: Any, tmp_path: Path) -> None:
    given = (*words, "--judge", f"mailbox:{tmp_path / 'judge'}?model=strict-model")
    assert "4 answers are pending" in run(*given).stdout
    answer(run, tmp_path / "letters", rule)
    answer(run, tmp_path / "judge", opinion)
    judging = json.loads(run(*given, "--format", "json").stdout)["judging"]
    assert (judging["n"], judging["both"], judging["labelled"]) == (1, 1, 1)
    assert judging["apart"] is not None
    assert judging["brier_model"] == pytest.approx(0.04)  # it hits both held-out requests


def test_prose_is_read_by_patterns_alone_and_with_the_model(run: Run, words: Any, tmp_path: Path) -> None:
    page = tmp_path / "CVE-2099-0101.md"
    page.write_text(
        "# Fruit Press\n\nThe page /orchard/fruit_press.php reads any file named by the parameter `crate`.\n"
    )
    found = json.loads(run(*words, "--documents", page, "--format", "json").stdout)
    alone, both = found["extraction"]
    assert (alone["way"], alone["n"], alone["spent"]["asked"]) == ("embedded", 1, 0)
    assert alone["facts"] > 0
    assert (both["way"], both["spent"]["asked"], both["spent"]["pending"]) == ("both", 1, 1)
    assert found["pending"] == 3
    assert "Extraction from prose" in run(*words, "--documents", page, "--format", "md").stdout


def test_a_model_that_fails_is_a_row_of_failures_and_no_error(run: Run, words: Any, tmp_path: Path) -> None:
    script = tmp_path / "script.json"
    script.write_text(json.dumps(["nonsense"] * 40))
    given = [*words]
    given[given.index("--provider") + 1] = f"fake:{script}"
    result = run(*given, "--format", "json")
    assert result.exit_code == 0
    found = json.loads(result.stdout)
    assert found["generation"][1]["spent"]["failed"] == 2
    assert found["generation"][2]["rules"] == 1
    assert any("no valid answer" in problem for problem in found["problems"])


def test_what_is_not_there_is_said_before_any_work(run: Run, words: Any, tmp_path: Path) -> None:
    assert "RF117" in run(*words[:-1], tmp_path / "none.jsonl").stderr
    broken = tmp_path / "broken.jsonl"
    broken.write_text("[1]\n")
    assert "RF290" in run(*words[:-1], broken).stderr
    given = [*words]
    given[given.index("--provider") + 1] = "nobody:there"
    assert run(*given).exit_code == 2
