"""The door as a user opens it keeps its key and its ledger, and remembers answers."""

import json
from pathlib import Path
from typing import Annotated, Any

import msgspec
import pytest

from ruleforge.app.models import open_door, open_meter, price_of, warnings_of
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
    for wrong in (
        "",
        "[]",
        '{"day": {"dollars": -1}}',
        '{"day": {"dollars": "1e99"}}',
        '{"day": {"money": 5}}',
        '{"week": {}}',
        '{"day": {"calls": -1}}',
        '{"day": {"cost": 1}}',
    ):
        file.write_text(wrong)
        with pytest.raises(InputError, match="RF268"):
            door("fake:")


def test_prices_stand_in_a_file_of_the_user(door: Any, tmp_path: Path) -> None:
    file = tmp_path / "data" / "llm" / "prices.json"
    file.parent.mkdir(parents=True)
    file.write_text('{"pear-1": {"input": 3, "output": 15}}')
    listed = door("openai+http://127.0.0.1:1/v1?model=pear-1")
    assert listed.price.output == 15_000_000
    assert listed.money_note == ""
    other = door("openai+http://127.0.0.1:1/v1?model=plum-2")
    assert other.price is None
    assert other.money_note.startswith("plum-2 has no price")
    for unpaid in ("fake:", f"mailbox:{tmp_path / 'letters'}", "replay:nowhere"):
        assert door(unpaid).money_note == ""
    file.write_text("{")
    with pytest.raises(InputError, match="RF269"):
        door("fake:")


def test_a_limit_in_dollars_holds_before_anything_is_sent(door: Any, tmp_path: Path) -> None:
    own = tmp_path / "data" / "llm"
    own.mkdir(parents=True)
    (own / "budget.json").write_text('{"day": {"dollars": 0.0000015}}')
    assert open_meter(data_folder=tmp_path / "data").budget.day == Limits(money=1)
    (own / "prices.json").write_text('{"pear-1": {"input": 3, "output": 15}}')
    url = "openai+http://127.0.0.1:1/v1?model="
    (result,) = door(url + "pear-1").ask_all([QUESTION])
    assert "RF430" in str(result)
    (result,) = door(url + "plum-2").ask_all([QUESTION])
    assert "RF431" in str(result)
    assert isinstance(door("fake:").ask(QUESTION), Answer)  # costs nothing


def test_two_doors_of_one_run_share_its_limits(door: Any, tmp_path: Path) -> None:
    meter = open_meter(budget=Budget(run=Limits(calls=1)), data_folder=tmp_path / "data")
    door("fake:", meter=meter).ask(QUESTION)
    (result,) = door("fake:?model=other", meter=meter).ask_all([QUESTION])
    assert "this run" in str(result)


@pytest.mark.parametrize(
    ("generator", "judge", "says"),
    [
        ("anthropic:claude-pear-4", "openai:gpt-plum", ""),
        ("anthropic:claude-pear-4", "bedrock:eu.anthropic.claude-plum-3-v1:0?region=eu-west-1", "same family"),
        ("openai:gpt-plum", "openai+https://gate.example/v1?model=gpt-plum", "wrote itself"),
        ("openai:orchard-9", "anthropic:claude-pear-4", "family of orchard-9 is not known"),
        ("mailbox:one", "mailbox:other", "family of mailbox is not known"),
        ("mailbox:one?model=claude-pear", "anthropic:claude-plum", "same family"),
        ("", "anthropic:claude-pear-4", ""),
        ("anthropic:claude-pear-4", "", ""),
    ],
)
def test_models_of_one_family_are_warned_of(generator: str, judge: str, says: str) -> None:
    told = " ".join(warnings_of(generator, judge))
    assert (says in told) if says else not told


def test_the_model_of_a_recording_is_looked_up(door: Any, tmp_path: Path) -> None:
    door("fake:?model=claude-pear-4", record=tmp_path / "tape").ask(QUESTION)
    assert "same family" in warnings_of(f"replay:{tmp_path / 'tape'}", "anthropic:claude-plum-3")[0]


@pytest.mark.parametrize(("url", "code"), [("claude", "RF180"), ("openai+https://x.example/v1", "RF265")])
def test_a_warning_needs_names_of_providers(url: str, code: str) -> None:
    with pytest.raises((UsageError, InputError), match=code):
        warnings_of("anthropic:claude-pear-4", url)


def test_what_costs_nothing_needs_no_price(tmp_path: Path) -> None:
    assert price_of("mailbox:letters?model=claude", "claude", tmp_path / "none.json") is not None
    assert price_of("openai:claude", "claude", tmp_path / "none.json") is None
