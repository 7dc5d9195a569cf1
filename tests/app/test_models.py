"""The door as a user opens it keeps its key and its ledger, and remembers answers."""

import json
from pathlib import Path
from typing import Annotated, Any

import msgspec
import pytest

from ruleforge.app.models import open_door
from ruleforge.errors import InputError, UsageError
from ruleforge.llm.budget import Budget, Limits
from ruleforge.llm.door import Answer, Pending, Question
from ruleforge.llm.prompt import Prompt, fixed


class Taste(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    sweet: Annotated[float, msgspec.Meta(ge=0, le=1)]


QUESTION = Question(role="judge", subject="CVE-2099-0001", prompt=Prompt((fixed("How sweet?"),)), output=Taste)


@pytest.fixture
def door(tmp_path: Path) -> Any:
    def make(url: str, **more: Any) -> Any:
        return open_door(url, data_folder=tmp_path / "data", cache_folder=tmp_path / "cache", **more)

    return make


def test_an_answer_is_remembered_and_the_day_counted(door: Any, tmp_path: Path) -> None:
    assert not door("fake:").ask(QUESTION).usage.cached
    assert door("fake:").ask(QUESTION).usage.cached
    (spent,) = (tmp_path / "data" / "llm").glob("spent-*.json")
    assert json.loads(spent.read_text())["calls"] == 1


def test_the_limit_of_the_day_holds_over_runs(door: Any) -> None:
    budget = Budget(day=Limits(calls=1))
    door("fake:", budget=budget).ask(QUESTION)
    other = msgspec.structs.replace(QUESTION, subject="CVE-2099-0002", prompt=Prompt((fixed("How sour?"),)))
    (result,) = door("fake:", budget=budget).ask_all([other])
    assert "RF430" in str(result)


def test_a_session_is_recorded_and_played_again(door: Any, tmp_path: Path) -> None:
    door("fake:").ask(QUESTION)  # what is remembered is recorded, too
    door("fake:", record=tmp_path / "tape").ask(QUESTION)
    answer = door(f"replay:{tmp_path / 'tape'}", budget=Budget(run=Limits(0, 0))).ask(QUESTION)
    assert isinstance(answer, Answer)
    assert answer.usage.calls == 0


def test_a_mailbox_opens_by_its_name(door: Any, tmp_path: Path) -> None:
    assert isinstance(door(f"mailbox:{tmp_path / 'letters'}").ask(QUESTION), Pending)
    with pytest.raises(UsageError, match="RF102"):
        door("postbox:letters")


def test_limits_stand_in_a_file_of_the_user(door: Any, tmp_path: Path) -> None:
    file = tmp_path / "data" / "llm" / "budget.json"
    file.parent.mkdir(parents=True)
    file.write_text('{"day": {"calls": 0}}')
    (result,) = door("fake:").ask_all([QUESTION])
    assert "0 of 0 calls are used" in str(result)
    for wrong in ("", "[]", '{"week": {}}', '{"day": {"calls": -1}}', '{"day": {"cost": 1}}'):
        file.write_text(wrong)
        with pytest.raises(InputError, match="RF268"):
            door("fake:")
