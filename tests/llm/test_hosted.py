"""Every protocol against a server on this machine, with everything that goes wrong; nothing is lost, all is counted."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ruleforge.errors import OutsideError, RuleForgeError, UsageError
from ruleforge.llm.budget import Budget, BudgetError, Limits, Meter
from ruleforge.llm.fake_server import FAULTS, FakeServer, running
from ruleforge.llm.hosted import Hosted, retry_after
from ruleforge.llm.provider import Ground, LostError, UnreachedError, open_provider
from ruleforge.llm.recording import Player, Recorder
from ruleforge.llm.wires import WIRES

KEY = "sk-very-secret"
PATHS = {"openai": "/v1", "anthropic": "", "bedrock": ""}


class Site:
    """A fake server, and doors to it."""

    def __init__(self, server: FakeServer, ground: Ground, door_to: Any) -> None:
        self.server, self.slept, self._ground, self._door_to = server, [], ground, door_to

    def door(self, wire: str, meter: Meter | None = None, **more: Any) -> Any:
        given = {"model": "pear-1", "key": KEY, "sleep": self.slept.append, "seconds_most": 5.0} | more
        provider = Hosted(self.server.url + PATHS[wire], WIRES[wire], self._ground, **given)
        return self._door_to(provider, meter=meter or Meter())


@pytest.fixture
def site(ground: Ground, door_to: Any) -> Iterator[Site]:
    with running(FakeServer(slow_seconds=0.4)) as server:
        yield Site(server, ground, door_to)


@pytest.mark.parametrize("wire", WIRES)
def test_every_protocol_asks_and_answers(site: Site, question: Any, wire: str) -> None:
    meter = Meter()
    answer = site.door(wire, meter).ask(question())
    assert answer.value.reasons[0].fruit == "f1"
    assert answer.usage.tokens_in > 10
    assert meter.run.tokens == answer.usage.tokens_in + answer.usage.tokens_out
    (asked,) = site.server.asked
    assert KEY in json.dumps(asked.headers)
    assert KEY not in json.dumps(asked.body)
    text = json.dumps(asked.body)
    assert "How ripe is it?" in text
    assert "| a pear" in text
    assert json.dumps(asked.body).count("How ripe is it?") == 1


def test_each_protocol_is_asked_as_it_wants(site: Site, question: Any) -> None:
    for wire in WIRES:
        site.door(wire).ask(question())
    openai, anthropic, bedrock = site.server.asked
    assert openai.path == "/v1/chat/completions"
    assert openai.headers["authorization"] == f"Bearer {KEY}"
    assert [message["role"] for message in openai.body["messages"]] == ["system", "user"]
    assert openai.body["response_format"]["json_schema"]["schema"]["required"] == ["probability", "reasons"]
    assert anthropic.path == "/v1/messages"
    assert anthropic.headers["x-api-key"] == KEY
    assert anthropic.body["system"][0]["cache_control"] == {"type": "ephemeral"}
    assert bedrock.path == "/model/pear-1/converse"
    assert bedrock.body["inferenceConfig"] == {"maxTokens": 1500, "temperature": 0.0}


def test_a_slow_answer_is_waited_for_as_long_as_it_may_take(site: Site, question: Any) -> None:
    site.server.faults[:] = ["slow"]
    assert site.door("openai").ask(question()).asked == 1
    site.server.faults[:] = ["slow", "slow"]
    with pytest.raises(LostError, match=r"not done within 0\.1 seconds|timed out"):
        site.door("openai", seconds_most=0.1).ask(question())


def test_a_server_that_stays_busy_fails_with_a_name(site: Site, question: Any) -> None:
    site.server.faults[:] = ["500"] * 9
    with pytest.raises(OutsideError, match=r"RF552.*answers 500: a failure of the server"):
        site.door("openai").ask(question())
    assert len(site.server.asked) == 5


def test_a_key_that_is_not_accepted_is_told_at_once(site: Site, question: Any) -> None:
    site.server.faults[:] = ["401"]
    with pytest.raises(OutsideError, match=r"RF552.*answers 401.*is the key right"):
        site.door("anthropic").ask(question())
    assert len(site.server.asked) == 1


def test_nobody_there_costs_nothing(site: Site, question: Any, ground: Ground, door_to: Any) -> None:
    meter = Meter()
    provider = Hosted("http://127.0.0.1:1", WIRES["openai"], ground, model="pear-1", sleep=site.slept.append)
    with pytest.raises(UnreachedError, match="RF550"):
        door_to(provider, meter=meter).ask(question())
    assert (meter.run.calls, meter.run.tokens) == (0, 0)


def test_a_lost_answer_is_not_asked_for_beyond_the_budget(site: Site, question: Any) -> None:
    site.server.faults[:] = ["cut"]
    with pytest.raises(BudgetError):
        site.door("openai", Meter(Budget(run=Limits(calls=1)))).ask(question())
    assert len(site.server.asked) == 1


@pytest.mark.parametrize("wire", WIRES)
def test_a_recorded_session_plays_again_with_the_server_gone(
    ground: Ground, door_to: Any, question: Any, tmp_path: Path, wire: str
) -> None:
    asked = [question(number) for number in range(2)]
    with running(FakeServer(faults=["429", "prose"])) as server:
        hosted = Hosted(server.url, WIRES[wire], ground, model="pear-1", key=KEY, sleep=lambda _seconds: None)
        first = door_to(Recorder(hosted, tmp_path / "tape")).ask_all(asked)
    again = door_to(Recorder(Player(tmp_path / "tape", "pear-1"), tmp_path / "copy")).ask_all(asked)
    assert [answer.value for answer in again] == [answer.value for answer in first]
    tapes = {file.name: file.read_bytes() for file in (tmp_path / "tape").iterdir()}
    assert {file.name: file.read_bytes() for file in (tmp_path / "copy").iterdir()} == tapes
    assert len(tapes) == 3
    assert not any(KEY.encode() in data for data in tapes.values())


def test_how_a_schema_is_sent_can_be_set(site: Site, question: Any) -> None:
    for form in ("json_object", "none"):
        site.door("openai", options={"format": form, "temperature": "default", "limit": "completion"}).ask(question())
    one, other = (asked.body for asked in site.server.asked)
    assert one["response_format"] == {"type": "json_object"}
    assert "response_format" not in other
    assert "temperature" not in other
    assert other["max_completion_tokens"] == 1500


@pytest.mark.parametrize(
    ("wire", "model", "options", "marked"),
    [
        ("anthropic", "claude-pear", {}, True),
        ("anthropic", "claude-pear", {"cache": "off"}, False),
        ("bedrock", "eu.anthropic.claude-sonnet-4-pear-v1:0", {}, True),
        ("bedrock", "amazon.nova-pear-v1:0", {}, True),
        ("bedrock", "orchard.pear-v1:0", {}, False),
        ("bedrock", "orchard.pear-v1:0", {"cache": "on"}, True),
        ("bedrock", "amazon.nova-pear-v1:0", {"cache": "off"}, False),
        ("openai", "gpt-pear", {}, False),  # keeps what it likes, unasked
    ],
)
def test_what_is_the_same_for_every_question_is_marked_for_the_cache(
    site: Site, question: Any, wire: str, model: str, options: dict[str, str], marked: bool
) -> None:
    site.door(wire, model=model, options=options).ask(question())
    (asked,) = site.server.asked
    assert ("cache_control" in str(asked.body) or "cachePoint" in str(asked.body)) is marked
    if marked:
        assert "a pear" not in str(asked.body["system"])  # only the fixed part comes before the mark


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7.0),
        (" 0 ", 0.0),
        ("Thu, 31 Dec 2099 00:00:30 GMT", 30.0),
        ("Wed, 30 Dec 2099 00:00:30 GMT", 0.0),
        ("99999999", 61.0),
        ("soon", 3.0),
        ("", 3.0),
        ("-5", 3.0),
    ],
)
def test_a_server_says_how_long_to_wait(value: str, seconds: float) -> None:
    assert retry_after(value, 3.0, lambda: datetime(2099, 12, 31, tzinfo=UTC)) == seconds


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize(
    "body",
    [
        [],
        {},
        None,
        {"choices": []},
        {"choices": [{"message": {"content": 3}}]},
        {"content": [{"type": "text"}]},
        {"content": [{"type": "text", "text": ["x"]}]},
        {"output": {"message": {"content": [3]}}},
        {"output": []},
        {"choices": [{"message": "x"}], "content": 5, "output": {"message": {"content": {"text": 4}}}},
    ],
)
def test_an_answer_that_is_not_where_it_belongs_is_none(wire: str, body: Any) -> None:
    with pytest.raises((LookupError, TypeError, ValueError, AttributeError)):
        WIRES[wire].read(body)


@pytest.mark.parametrize("count", [-1, True, "7", None, 10**12, 1.5])
def test_counts_of_tokens_that_make_no_sense_are_not_known(count: Any) -> None:
    body = {"choices": [{"message": {"content": "x"}}], "usage": {"prompt_tokens": count, "completion_tokens": count}}
    reply = WIRES["openai"].read(body)
    assert (reply.tokens_in, reply.tokens_out) == (None, None)
    body = {"content": [{"type": "text", "text": "x"}], "usage": {"input_tokens": 5, "cache_read_input_tokens": 7}}
    assert WIRES["anthropic"].read(body).tokens_in == 12


@pytest.mark.parametrize(
    ("wire", "usage", "counts"),
    [
        (
            "openai",
            {"prompt_tokens": 90, "completion_tokens": 5, "prompt_tokens_details": {"cached_tokens": 64}},
            (90, 64, 0),
        ),
        ("openai", {"prompt_tokens": 90, "completion_tokens": 5, "prompt_tokens_details": None}, (90, 0, 0)),
        (
            "anthropic",
            {
                "input_tokens": 10,
                "output_tokens": 5,
                "cache_read_input_tokens": 60,
                "cache_creation_input_tokens": 20,
            },
            (90, 60, 20),
        ),
        ("anthropic", {"input_tokens": 10, "output_tokens": 5, "cache_read_input_tokens": -60}, (None, 0, 0)),
        (
            "bedrock",
            {"inputTokens": 10, "outputTokens": 5, "cacheReadInputTokens": 60, "cacheWriteInputTokens": 20},
            (90, 60, 20),
        ),
        ("bedrock", {"outputTokens": 5, "cacheReadInputTokens": 60}, (None, 60, 0)),
    ],
)
def test_tokens_of_the_cache_of_a_provider_are_told_apart(
    wire: str, usage: dict[str, Any], counts: tuple[int | None, int, int]
) -> None:
    bodies = {
        "openai": {"choices": [{"message": {"content": "x"}}]},
        "anthropic": {"content": [{"type": "text", "text": "x"}]},
        "bedrock": {"output": {"message": {"content": [{"text": "x"}]}}},
    }
    reply = WIRES[wire].read(bodies[wire] | {"usage": usage})
    assert (reply.tokens_in, reply.tokens_cached, reply.tokens_written) == counts


def test_names_lead_to_servers(monkeypatch: pytest.MonkeyPatch, ground: Ground) -> None:
    names = ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "AWS_BEARER_TOKEN_BEDROCK", "AWS_REGION", "AWS_DEFAULT_REGION")
    for name in (*names, "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    for url in ("openai:large", "anthropic:large", "bedrock:large?region=eu-west-1"):
        with pytest.raises(UsageError, match=r"RF186.*needs a key"):
            open_provider(url, ground)
    local = open_provider("openai+http://127.0.0.1:8000/v1?model=pear-1", ground)
    assert local.model == "pear-1"
    monkeypatch.setenv("PEAR_KEY", KEY)
    assert open_provider("anthropic:large?key_env=PEAR_KEY", ground).model == "large"
    assert open_provider("bedrock:eu.pear-v1:0?key_env=PEAR_KEY&region=eu-west-1", ground).model == "eu.pear-v1:0"
    assert open_provider("openai+http://localhost:1/v1?model=x&key_env=PEAR_KEY", ground)


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("openai+http://pears.example/v1?model=x&key_env=PEAR_KEY", "RF186"),  # a key over an open line
        ("bedrock:large?key_env=PEAR_KEY", "RF186"),
        ("bedrock:large?key_env=PEAR_KEY&region=evil.example/", "RF186"),
        ("openai+http:///v1?model=x", "RF185"),
        ("openai+http://user:pw@pears.example/v1?model=x", "RF185"),
        ("openai+ftp://pears.example/v1?model=x", "RF102"),
        ("openai+https://pears.example/v1", "RF265"),
        ("openai+https://pears.example/v1?model=x&tool=bash", "RF180"),
    ],
)
def test_a_name_that_leads_nowhere_is_refused(
    monkeypatch: pytest.MonkeyPatch, ground: Ground, url: str, code: str
) -> None:
    monkeypatch.setenv("PEAR_KEY", KEY)
    for name in ("OPENAI_API_KEY", "AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(RuleForgeError, match=code):
        open_provider(url, ground)


def test_a_failure_never_shows_the_key(site: Site, question: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FAULTS, "401", f"the key {KEY}\x1b[2J is wrong")
    site.server.faults[:] = ["401"]
    with pytest.raises(OutsideError) as told:
        site.door("openai").ask(question())
    assert "the key [key] [2J is wrong" in str(told.value)
