"""Questions are files, answers are files; nobody's silence is an answer."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ruleforge.errors import InputError, UsageError
from ruleforge.llm import mailbox as post
from ruleforge.llm.answers import ANSWER_MOST
from ruleforge.llm.budget import Meter
from ruleforge.llm.door import Answer, Pending
from ruleforge.llm.mailbox import Mailbox
from ruleforge.llm.provider import Ground

LATER = 4_000_000_000.0  # long after any file of a test was written


@pytest.fixture
def box(ground: Ground, tmp_path: Path) -> Mailbox:
    return Mailbox(tmp_path / "letters", ground, now=lambda: LATER)


@pytest.fixture
def letters(tmp_path: Path) -> Path:
    return tmp_path / "letters"


def test_a_question_becomes_a_page_and_a_request(box: Mailbox, question: Any, door_to: Any, letters: Path) -> None:
    pending = door_to(box).ask(question())
    assert isinstance(pending, Pending)
    assert sorted(file.name for file in letters.iterdir()) == [f"{pending.id}.md", f"{pending.id}.request.json"]
    page = (letters / f"{pending.id}.md").read_text()
    assert "How ripe is it?" in page
    assert "| a pear" in page
    assert f"{pending.id}.answer.json" in page
    letter = post.read_letter(letters, pending.id)
    assert (letter.role, letter.subject, letter.sample) == ("judge", "CVE-2099-0001", 0)
    assert letter.schema["properties"]["reasons"]["items"]["properties"]["fruit"]["enum"] == ["f1", "f2"]


def test_an_unanswered_question_stays_pending_and_is_paid_once(
    box: Mailbox, question: Any, door_to: Any, letters: Path, ground: Ground
) -> None:
    meter = Meter()
    first = door_to(box, meter=meter).ask(question())
    before, cost = {file: file.read_bytes() for file in letters.iterdir()}, meter.run
    assert cost.calls == 1
    again = door_to(Mailbox(letters, ground), meter=meter).ask(question())  # as after a restart
    assert again == first
    assert {file: file.read_bytes() for file in letters.iterdir()} == before
    assert meter.run == cost


def test_an_answer_is_picked_up(box: Mailbox, question: Any, door_to: Any, letters: Path, good: str) -> None:
    pending = door_to(box).ask(question())
    (letters / f"{pending.id}.answer.json").write_text(good)
    meter = Meter()
    answer = door_to(box, meter=meter).ask(question())
    assert answer.value.probability == 0.25
    assert meter.run.calls == answer.usage.calls == 0
    assert isinstance(door_to(box).ask(question()), Answer)  # it stays there


def test_a_wrong_answer_is_told_what_is_wrong_and_stays_open(
    box: Mailbox, question: Any, door_to: Any, letters: Path, good: str
) -> None:
    id_ = door_to(box).ask(question()).id
    for number, wrong in enumerate([good.replace("f1", "f9"), "I am sure it is fine."], 1):
        (letters / f"{id_}.answer.json").write_text(wrong)
        told = door_to(box).ask(question())
        assert isinstance(told, Pending)
        assert len(told.problems) == 1
        assert (letters / f"{id_}.refused-{number}.json").read_text() == wrong
        assert told.problems[0] in (letters / f"{id_}.problems.md").read_text()
        assert not (letters / f"{id_}.answer.json").exists()
        assert door_to(box).ask(question()) == Pending(id_, str(letters), told.problems)  # said as long as it is open
    (letters / f"{id_}.answer.json").write_text(good)
    assert isinstance(door_to(box).ask(question()), Answer)


def test_more_than_the_schema_is_told_too(box: Mailbox, question: Any, door_to: Any, letters: Path, good: str) -> None:
    asked = question(check=lambda value: ("it is not green",) if value.probability == 0.25 else ())
    id_ = door_to(box).ask(asked).id
    (letters / f"{id_}.answer.json").write_text(good)
    assert door_to(box).ask(asked).problems == ("it is not green",)


def test_an_answer_that_is_being_written_is_waited_for(
    ground: Ground, question: Any, door_to: Any, letters: Path, good: str
) -> None:
    box = Mailbox(letters, ground)
    id_ = door_to(box).ask(question()).id
    file = letters / f"{id_}.answer.json"
    file.write_text(good[:20])
    assert isinstance(door_to(box).ask(question()), Pending)
    assert file.exists()
    os.utime(file, (0, 0))
    assert "not one JSON document" in door_to(box).ask(question()).problems[0]


@pytest.mark.parametrize("kind", ["link", "pipe", "folder"])
def test_what_is_no_plain_file_is_no_answer(
    box: Mailbox, question: Any, door_to: Any, letters: Path, good: str, tmp_path: Path, kind: str
) -> None:
    id_ = door_to(box).ask(question()).id
    file = letters / f"{id_}.answer.json"
    if kind == "link":
        (tmp_path / "elsewhere").write_text(good)
        file.symlink_to(tmp_path / "elsewhere")
    elif kind == "pipe":
        os.mkfifo(file)
    else:
        file.mkdir()
    assert isinstance(door_to(box).ask(question()), Pending)


def test_an_answer_without_end_is_refused(box: Mailbox, question: Any, door_to: Any, letters: Path) -> None:
    id_ = door_to(box).ask(question()).id
    (letters / f"{id_}.answer.json").write_bytes(b" " * (ANSWER_MOST + 9))
    assert "longer than" in door_to(box).ask(question()).problems[0]


def test_two_processes_share_a_mailbox(box: Mailbox, question: Any, door_to: Any, letters: Path, good: str) -> None:
    id_ = door_to(box).ask(question()).id
    code = "import sys, pathlib; from ruleforge.llm.mailbox import put_answer\n"
    code += "print(put_answer(pathlib.Path(sys.argv[1]), sys.argv[2], sys.stdin.buffer.read()))"
    call = [sys.executable, "-c", code, str(letters), id_]
    done = subprocess.run(call, input=good.encode(), capture_output=True, check=True)
    assert done.stdout.strip() == b"()"
    assert door_to(box).ask(question()).value.probability == 0.25


def test_an_answer_that_is_handed_in_is_checked_at_once(
    box: Mailbox, question: Any, door_to: Any, letters: Path, good: str
) -> None:
    id_ = door_to(box).ask(question()).id
    assert post.put_answer(letters, id_, b'{"probability": 0.5}') == ("reasons is missing",)
    assert "not one JSON" in post.put_answer(letters, id_, b"\xff")[0]
    assert not post.has_answer(letters, id_)
    assert post.put_answer(letters, id_, good.encode()) == ()
    assert post.has_answer(letters, id_)


def test_a_question_is_found_by_the_start_of_its_id(
    box: Mailbox, question: Any, door_to: Any, letters: Path, tmp_path: Path
) -> None:
    ids = sorted(result.id for result in door_to(box).ask_all([question(0), question(1)]))
    assert post.letter_ids(letters) == ids
    assert post.find_id(letters, ids[0][:8]) == ids[0]
    for start in ("", "zz", "../"):
        with pytest.raises(UsageError, match="RF183"):
            post.find_id(letters, start)
    with pytest.raises(UsageError, match="RF182"):
        post.letter_ids(tmp_path / "nowhere")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 2}', "[" * 9_000])
def test_a_damaged_question_is_refused(letters: Path, text: str) -> None:
    letters.mkdir()
    (letters / f"{'0' * 16}.request.json").write_text(text)
    with pytest.raises(InputError, match="RF266"):
        post.read_letter(letters, "0" * 16)


def test_a_question_of_another_id_is_refused(box: Mailbox, question: Any, door_to: Any, letters: Path) -> None:
    id_ = door_to(box).ask(question()).id
    letter = json.loads((letters / f"{id_}.request.json").read_text())
    for change in ({"id": "0" * 16}, {"format": 2}):
        (letters / f"{id_}.request.json").write_text(json.dumps(letter | change))
        with pytest.raises(InputError, match="RF266"):
            post.read_letter(letters, id_)
