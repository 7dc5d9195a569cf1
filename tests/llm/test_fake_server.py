"""The fake speaks three protocols, one of them also as a stream of events."""

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from ruleforge.errors import UsageError
from ruleforge.llm.fake_server import FakeServer, running

ASK = 'Rate it.\n\nAnswer with one JSON document that satisfies this schema:\n{"type":"integer","minimum":3}'


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with running(FakeServer()) as it:
        yield it


def sent(url: str, body: Any) -> bytes:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=20) as reply:
        return bytes(reply.read())


def test_the_answer_satisfies_the_schema_that_is_asked_for(server: FakeServer) -> None:
    said = json.loads(sent(f"{server.url}/v1/chat/completions", {"messages": [{"role": "user", "content": ASK}]}))
    assert said["choices"][0]["message"]["content"] == "3"
    said = json.loads(
        sent(f"{server.url}/model/x/converse", {"messages": [{"role": "user", "content": [{"text": ASK}]}]})
    )
    assert said["output"]["message"]["content"][0]["text"] == "3"


def test_messages_come_as_a_stream_of_events_when_asked(server: FakeServer) -> None:
    body = {"messages": [{"role": "user", "content": ASK}], "stream": True, "model": "pear-1"}
    events = sent(f"{server.url}/v1/messages", body).decode().strip().split("\n\n")
    names = [event.splitlines()[0].removeprefix("event: ") for event in events]
    data = [json.loads(event.splitlines()[1].removeprefix("data: ")) for event in events]
    assert names == [each["type"] for each in data]
    assert (names[0], names[-1]) == ("message_start", "message_stop")
    assert "".join(each["delta"]["text"] for each in data if each["type"] == "content_block_delta") == "3"
    whole = json.loads(sent(f"{server.url}/v1/messages", body | {"stream": False}))
    assert whole["content"][0]["text"] == "3"


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/elsewhere", {}, 404),
        ("/v1/messages", [], 400),
        ("/v1/messages", b"{", 400),
        ("/v1/messages", b"[" * 100_000, 400),
    ],
)
def test_what_is_no_call_is_refused(server: FakeServer, path: str, body: Any, status: int) -> None:
    with pytest.raises(urllib.error.HTTPError) as told:
        sent(server.url + path, body)
    assert told.value.code == status
    told.value.close()


def test_an_unknown_fault_is_refused() -> None:
    with pytest.raises(UsageError, match="RF187"):
        FakeServer(faults=["tired"])
