"""`mailbox` lists, shows and takes answers; nothing of a stranger acts on the terminal."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import msgspec
import pytest
from click.testing import Result

from ruleforge.llm.door import Door, Question
from ruleforge.llm.mailbox import Mailbox
from ruleforge.llm.prompt import Prompt, fixed, untrusted
from ruleforge.llm.provider import Ground, Tuning

Run = Callable[..., Result]


class Taste(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    sweet: Annotated[float, msgspec.Meta(ge=0, le=1)]


@pytest.fixture
def letters(tmp_path: Path) -> Path:
    """A mailbox with two questions."""
    ground, folder = Ground(bytes(32)), tmp_path / "letters"
    prompt = Prompt((fixed("How sweet is it?"), untrusted("note", "a pear\x1b[2J")))
    subject = "CVE-2099-0001\x1b[31m"
    asked = [
        Question(role="judge", subject=subject, prompt=prompt, output=Taste, tuning=Tuning(sample=sample))
        for sample in range(2)
    ]
    Door(Mailbox(folder, ground), ground=ground).ask_all(asked)
    return folder


@pytest.fixture
def ids(letters: Path, run: Run) -> list[str]:
    return [each["id"] for each in json.loads(run("mailbox", "list", letters, "--format", "json").stdout)]


def test_questions_are_listed_until_all_are_answered(run: Run, letters: Path, ids: list[str], tmp_path: Path) -> None:
    listed = run("mailbox", "list", letters)
    assert listed.exit_code == 1
    assert "2 questions, 0 answered" in listed.stdout
    assert "\x1b" not in listed.stdout
    answer = tmp_path / "answer.json"
    answer.write_text('{"sweet": 0.5}')
    for id_ in ids:
        assert run("mailbox", "answer", letters, id_[:6], answer).stdout == f"answered: {id_}\n"
    listed = run("mailbox", "list", letters)
    assert listed.exit_code == 0
    assert "2 questions, 2 answered" in listed.stdout


def test_a_question_is_shown_with_its_schema(run: Run, letters: Path, ids: list[str]) -> None:
    shown = run("mailbox", "show", letters, ids[0])
    assert shown.exit_code == 0
    for part in ("How sweet is it?", "| a pear\\u001b[2J", '"maximum": 1', "CVE-2099-0001\\x1b[31m"):
        assert part in shown.stdout
    assert "\x1b" not in shown.stdout
    letter = json.loads(run("mailbox", "show", letters, ids[0], "--format", "json").stdout)
    assert (letter["state"], letter["schema"]["required"]) == ("open", ["sweet"])


def test_a_wrong_answer_is_told_and_not_taken(run: Run, letters: Path, ids: list[str], tmp_path: Path) -> None:
    answer = tmp_path / "answer.json"
    answer.write_text('{"sweet": 7}')
    result = run("mailbox", "answer", letters, ids[0], answer)
    assert (result.exit_code, result.stdout) == (1, "sweet lies from 0 to 1; found 7\n")
    assert "open" in run("mailbox", "show", letters, ids[0]).stdout


def test_an_answer_that_was_written_by_hand_and_is_wrong_is_shown_so(run: Run, letters: Path, ids: list[str]) -> None:
    (letters / f"{ids[0]}.answer.json").write_text('{"sweet": 7}')
    assert "wrong: sweet lies from 0 to 1; found 7" in run("mailbox", "show", letters, ids[0]).stdout
    assert f"wrong     {ids[0]}" in run("mailbox", "list", letters).stdout


def test_an_answer_is_replaced_only_when_asked(run: Run, letters: Path, ids: list[str], tmp_path: Path) -> None:
    answer = tmp_path / "answer.json"
    answer.write_text('{"sweet": 1}')
    assert run("mailbox", "answer", letters, ids[0], answer).exit_code == 0
    again = run("mailbox", "answer", letters, ids[0], answer)
    assert again.exit_code == 2
    assert "RF184" in again.stderr
    assert run("mailbox", "answer", letters, ids[0], answer, "--replace").exit_code == 0


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("list", "nowhere"), "RF182"),
        (("show", "letters", "zz"), "RF183"),
        (("answer", "letters", "zz"), "RF183"),
        (("answer", "letters", "", "nofile.json"), "RF117"),
    ],
)
def test_a_wrong_call_ends_with_2(
    run: Run, letters: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], code: str
) -> None:
    monkeypatch.chdir(letters.parent)
    result = run("mailbox", *words)
    assert result.exit_code == 2
    assert code in result.stderr
