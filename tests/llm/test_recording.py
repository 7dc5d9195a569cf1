"""A recorded session plays again byte for byte, with nobody there."""

import json
from pathlib import Path
from typing import Any

import pytest

from ruleforge.errors import InputError, OutsideError
from ruleforge.llm.budget import Budget, Limits, Meter
from ruleforge.llm.door import Door
from ruleforge.llm.provider import Ground, Reply, open_provider
from ruleforge.llm.recording import Player, Recorder
from ruleforge.llm.scripted import Scripted

NOTHING = Meter(Budget(run=Limits(0, 0)))


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


@pytest.fixture
def session(question: Any, door_to: Any, good: str, tmp_path: Path) -> Path:
    """A session of two questions, of which one was asked again."""
    script = [good, "no", Reply(text=good, tokens_in=7, tokens_out=1, model="fake-large")]
    door_to(Recorder(Scripted(script), tmp_path / "tape")).ask_all([question(0), question(1)])
    return tmp_path / "tape"


def test_a_session_plays_again_byte_for_byte(session: Path, question: Any, door_to: Any, tmp_path: Path) -> None:
    assert len(contents(session)) == 3
    player = open_provider(f"replay:{session}", Ground(bytes(32)))
    results = door_to(Recorder(player, tmp_path / "copy"), meter=NOTHING).ask_all([question(0), question(1)])
    assert [(result.asked, result.model) for result in results] == [(1, "fake"), (2, "fake-large")]
    assert contents(tmp_path / "copy") == contents(session)


def test_another_installation_plays_it_too(session: Path, question: Any) -> None:
    """The tags of frames differ by installation; what is recorded does not hold them."""
    door = Door(Player(session, "fake"), ground=Ground(b"\7" * 32), meter=NOTHING)
    assert door.ask(question(0)).value.probability == 0.25


def test_a_recording_says_what_was_asked(session: Path) -> None:
    tapes = [json.loads(data) for data in contents(session).values()]
    assert {tape["asked"]["subject"] for tape in tapes} == {"CVE-2099-0001"}
    assert all(["untrusted", "note", "a pear"] in tape["asked"]["parts"] for tape in tapes)


def test_what_was_not_recorded_is_not_made_up(session: Path, question: Any, door_to: Any) -> None:
    with pytest.raises(OutsideError, match=r"RF543.*no recording of call"):
        door_to(Player(session, "fake")).ask(question(9))
    with pytest.raises(OutsideError, match="RF543"):
        door_to(open_provider("replay:nowhere", Ground(bytes(32)))).ask(question())


@pytest.mark.parametrize("change", [{"format": 2}, {"key": "0" * 64}, {"reply": {"text": 3}}, {"reply": []}])
def test_a_damaged_recording_is_refused(session: Path, question: Any, door_to: Any, change: dict[str, Any]) -> None:
    for file in session.iterdir():
        file.write_text(json.dumps(json.loads(file.read_text()) | change))
    with pytest.raises(InputError, match="RF266"):
        door_to(Player(session, "fake")).ask(question(0))
