"""`judge --llm`: a model as second judge, pending until it is answered, shown beside the evidence."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from ruleforge.llm.fake_server import FakeServer, running

Run = Callable[..., Result]


@pytest.fixture
def case(run: Run, put_templates: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """A forged rule and its template; the user's own folders lie in the folder of the test."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    template = put_templates / "CVE-2099-0101.yaml"
    run("forge", template, "--out", tmp_path / "out", "--jobs", 1)
    return tmp_path / "out" / "CVE-2099-0101", template


def answer(run: Run, letters: Path, probability: Any, claim: str = "nothing was found") -> None:
    for each in json.loads(run("mailbox", "list", letters, "--format", "json").stdout):
        letter = json.loads(run("mailbox", "show", letters, each["id"], "--format", "json").stdout)
        cited = letter["schema"]["properties"]["reasons"]["items"]["properties"]
        reason = {name: cited[name]["enum"][0] for name in ("condition", "request")} | {"claim": claim}
        file = letters / f"{each['id']}.answer.json"
        file.write_text(json.dumps({"probability": probability, "reasons": [reason]}))


def test_without_an_answer_the_evidence_stands_and_says_what_is_open(
    run: Run, case: tuple[Path, Path], tmp_path: Path
) -> None:
    rule, template = case
    alone = run("judge", rule, "--advisory", template)
    asked = run("judge", rule, "--advisory", template, "--llm", f"mailbox:{tmp_path / 'letters'}", "--samples", 2)
    assert asked.exit_code == alone.exit_code == 0
    assert "no model was asked" in alone.stdout
    assert "no model was asked" not in asked.stdout
    assert "The model has not answered yet" in asked.stdout
    assert f"4 questions open in {tmp_path / 'letters'}" in asked.stdout


def test_an_answer_is_shown_beside_the_evidence(run: Run, case: tuple[Path, Path], tmp_path: Path) -> None:
    rule, template = case
    words = ("judge", rule, "--advisory", template, "--llm", f"mailbox:{tmp_path / 'letters'}", "--samples", 1)
    run(*words)
    answer(run, tmp_path / "letters", 0.05, "nothing \x1b[2J was found")
    result = run(*words)
    assert result.exit_code == 0
    assert "What the model says" in result.stdout
    assert "model 0.05" in result.stdout
    assert "nothing \\x1b[2J was found" in result.stdout
    assert "\x1b" not in result.stdout
    found = json.loads(run(*words, "--format", "json").stdout)
    assert found["model"]["miss"]["probability"] == 0.05
    assert found["combined"]["miss"]["how"] == "pooled"
    assert "llm judge 2 (mailbox)" in found["opinion"]["judge"]


def test_a_model_that_disagrees_leaves_the_rule_to_a_person(run: Run, case: tuple[Path, Path], tmp_path: Path) -> None:
    rule, template = case
    words = ("judge", rule, "--advisory", template, "--llm", f"mailbox:{tmp_path / 'letters'}", "--samples", 1)
    run(*words)
    answer(run, tmp_path / "letters", 0.99)
    result = run(*words)
    assert result.exit_code == 1
    assert "the judges disagree" in result.stdout


def test_a_server_is_asked_and_its_answers_are_kept(run: Run, case: tuple[Path, Path]) -> None:
    rule, template = case
    with running(FakeServer(faults=["wrong"])) as server:
        name = f"openai+http://127.0.0.1:{server.server_port}/v1?model=pear-1"
        words = ("judge", rule, "--advisory", template, "--llm", name, "--samples", 1, "--format", "json")
        first = json.loads(run(*words).stdout)
        asked = len(server.asked)
        again = json.loads(run(*words).stdout)
        assert len(server.asked) == asked == 3
    assert first["model"]["miss"]["probability"] == again["model"]["miss"]["probability"] == 0
    assert (first["model"]["calls"], again["model"]["calls"]) == (3, 0)
    assert first["model"]["models"] == ["pear-1"]


def test_a_recorded_judgement_is_given_again(run: Run, case: tuple[Path, Path], tmp_path: Path) -> None:
    rule, template = case
    words = ("judge", rule, "--advisory", template, "--samples", 2, "--format", "json")
    first = json.loads(run(*words, "--llm", "fake:", "--llm-record", tmp_path / "tape").stdout)
    again = json.loads(run(*words, "--llm", f"replay:{tmp_path / 'tape'}").stdout)
    assert len(list((tmp_path / "tape").iterdir())) == 4
    assert again["combined"] == first["combined"]
    assert again["model"]["miss"] == first["model"]["miss"]


def test_a_model_needs_what_was_disclosed_and_a_name(run: Run, case: tuple[Path, Path]) -> None:
    rule, template = case
    for words, code in [((), "RF188"), (("--advisory", template), "RF102")]:
        result = run("judge", rule, *words, "--llm", "fake:" if code == "RF188" else "postbox:x")
        assert result.exit_code == 2
        assert code in result.stderr


def test_what_it_cost_is_shown_and_a_limit_in_dollars_holds(run: Run, case: tuple[Path, Path], tmp_path: Path) -> None:
    rule, template = case
    own = tmp_path / "data" / "ruleforge" / "llm"
    own.mkdir(parents=True, exist_ok=True)
    with running(FakeServer()) as server:
        words = ("judge", rule, "--advisory", template, "--samples", 1, "--llm")
        name = f"openai+http://127.0.0.1:{server.server_port}/v1?model="
        assert (
            "cost: plum-2 has no price: calls and tokens are limited, money is not counted"
            in run(*words, name + "plum-2").stdout
        )
        (own / "prices.json").write_text('{"pear-1": {"input": 3, "output": 15}}')
        shown = run(*words, name + "pear-1").stdout
        billed = sum(-(-(sent * 3_000_000 + made * 15_000_000) // 1_000_000) for sent, made in server.billed[2:])
        assert f"cost: $0.{billed:06}".rstrip("0") in shown
        (own / "budget.json").write_text('{"day": {"dollars": 0.01}}')
        asked = len(server.asked)
        found = json.loads(run(*words, name + "quince-3", "--format", "json").stdout)
        assert "RF431" in found["model"]["miss"]["problems"][0]
        (own / "prices.json").write_text('{"quince-3": {"input": 3, "output": 15}}')
        found = json.loads(run(*words, name + "quince-3", "--format", "json").stdout)
        assert "RF430" in found["model"]["miss"]["problems"][0]
        assert len(server.asked) == asked
