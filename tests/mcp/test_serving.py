"""The server in the open: what the guard refuses over HTTP, and both transports as agents use them."""

import contextlib
import http.client
import json
import logging
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest
from mcp.client.client import Client
from mcp.client.stdio import StdioServerParameters
from mcp.client.streamable_http import streamable_http_client

from ruleforge.app.tasks.desk import Desk
from ruleforge.mcp import serving
from ruleforge.mcp.serving import BODY_MOST
from ruleforge.store.tasks import Agent

ROOT = Path(__file__).resolve().parents[2]
LIST = b'{"jsonrpc":"2.0","id":1,"method":"tools/list"}'


@pytest.fixture
def token(desk: Desk) -> str:
    return desk.store.add_token(Agent("alice", "generate"), 0)


@pytest.fixture
def port(serve: Callable[..., Any]) -> Iterator[int]:
    with serve() as port:
        yield port


def post(port: int, headers: dict[str, str], body: bytes = LIST, path: str = "/mcp", **more: Any) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    sent = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"} | headers
    try:
        connection.request("POST", path, body, {key: value for key, value in sent.items() if value}, **more)
        return connection.getresponse().status
    finally:
        connection.close()


def test_a_request_with_a_token_is_served(port: int, token: str) -> None:
    assert post(port, {"Authorization": f"Bearer {token}"}) == 200
    assert post(port, {"Authorization": f"Bearer {token}", "Host": f"localhost:{port}"}) == 200
    assert post(port, {"Authorization": f"Bearer {token}", "Origin": f"http://127.0.0.1:{port}"}) == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Authorization": ""}, 401),
        ({"Authorization": "Bearer rft_wrong_wrong_wrong_wrong"}, 401),
        ({"Authorization": "Bearer \xff\xfe" + "a" * 30}, 401),
        ({"Authorization": "Basic TOKEN"}, 401),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://127.0.0.1:1"}, 403),
        ({"Host": "evil.example"}, 421),
        ({"Host": "127.0.0.1"}, 421),
        ({"Content-Length": str(BODY_MOST + 1)}, 413),
        ({"Content-Length": "9" * 40}, 413),
        ({"Content-Type": "text/plain"}, 400),
    ],
)
def test_what_the_guard_refuses(desk: Desk, port: int, token: str, headers: dict[str, str], status: int) -> None:
    given = {"Authorization": f"Bearer {token}"} | {
        key: value.replace("TOKEN", token) for key, value in headers.items()
    }
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.putrequest("POST", "/mcp", skip_host="Host" in given)
    sent = {"Content-Type": "application/json", "Accept": "application/json", "Content-Length": str(len(LIST))} | given
    for key, value in sent.items():
        if value:
            connection.putheader(key, value.encode("latin-1"))
    connection.endheaders(LIST)
    response = connection.getresponse()
    told = response.read()
    connection.close()
    assert response.status in ({status, 400} if len(headers.get("Content-Length", "")) == 40 else {status}), told
    if status in (401, 403, 413, 421) and response.status == status:
        rows = [json.loads(line) for line in (desk.place / "audit.ndjson").read_text().splitlines()]
        assert rows[-1]["outcome"].startswith(str(status))
        assert token not in json.dumps(rows)


def test_a_body_that_grows_beyond_the_bound_is_refused_while_it_comes(port: int, token: str) -> None:
    pieces = iter([b" " * 65_536] * (BODY_MOST // 65_536 + 2))
    headers = {"Authorization": f"Bearer {token}", "Transfer-Encoding": "chunked"}
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # it answered and hung up before all was sent
        assert post(port, headers, pieces, encode_chunked=True) == 413  # type: ignore[arg-type]
    assert post(port, {"Authorization": f"Bearer {token}"}) == 200


def test_other_paths_do_not_exist(port: int, token: str) -> None:
    assert post(port, {"Authorization": f"Bearer {token}"}, path="/") == 404
    assert post(port, {"Authorization": f"Bearer {token}"}, path="/mcp/../mcp") == 404


def test_streams_that_wait_for_news_take_no_place(serve: Callable[..., Any], token: str) -> None:
    """Clients of older versions open one each; there is nothing to wait for."""
    with serve(at_once=1) as port:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        connection.request("GET", "/mcp", headers={"Authorization": f"Bearer {token}", "Accept": "text/event-stream"})
        assert connection.getresponse().status == 405
        connection.close()

        async def of_an_older_version() -> bool:
            async with (
                httpx2.AsyncClient(headers={"Authorization": f"Bearer {token}"}) as web,
                Client(
                    streamable_http_client(f"http://127.0.0.1:{port}/mcp", http_client=web), mode="legacy"
                ) as client,
            ):
                return bool((await client.call_tool("next_task", {})).is_error)

        assert anyio.run(of_an_older_version) is False


def test_messages_of_libraries_cannot_act_on_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    record = logging.LogRecord("mcp", logging.ERROR, "", 0, "failed: %s", ("a\x1b[2J\u202eb\nc" + "x" * 5_000,), None)
    serving.Log().emit(record)
    told = capsys.readouterr().err
    assert told.startswith("failed: a\\x1b[2J\\u202eb\nc")
    assert len(told) < 1_200


def test_a_token_that_was_taken_away_opens_nothing(desk: Desk, port: int, token: str) -> None:
    assert desk.store.revoke("alice") == 1
    assert post(port, {"Authorization": f"Bearer {token}"}) == 401


def test_more_requests_at_once_than_allowed_are_refused(serve: Callable[..., Any], desk: Desk, token: str) -> None:
    with serve(at_once=1) as port:
        slow = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        slow.putrequest("POST", "/mcp")
        for key, value in (("Authorization", f"Bearer {token}"), ("Content-Type", "application/json")):
            slow.putheader(key, value)
        slow.putheader("Content-Length", str(len(LIST)))
        slow.endheaders(LIST[:10])  # and the rest does not come
        while (status := post(port, {"Authorization": f"Bearer {token}"})) == 200:
            pass
        slow.close()
    assert status == 503


def test_each_token_has_its_own_role_and_a_burst_is_stopped(serve: Callable[..., Any], desk: Desk) -> None:
    tokens = {name: desk.store.add_token(Agent(name, role), 0) for name, role in (("al", "generate"), ("bo", "judge"))}  # type: ignore[arg-type]
    with serve(calls_a_minute=3) as port:

        async def ask(name: str, tool: str, **arguments: Any) -> tuple[bool, str]:
            headers = {"Authorization": f"Bearer {tokens[name]}"}
            async with (
                httpx2.AsyncClient(headers=headers) as web,
                Client(streamable_http_client(f"http://127.0.0.1:{port}/mcp", http_client=web)) as client,
            ):
                result = await client.call_tool(tool, arguments)
                return bool(result.is_error), getattr(result.content[0], "text", "")

        async def all_of_it() -> list[tuple[bool, str]]:
            said = [
                await ask("al", "next_task"),
                await ask("bo", "next_task"),
                await ask("al", "next_task", role="judge"),
            ]
            lease = json.loads(said[0][1])["lease_id"]
            said.append(await ask("bo", "return_task", lease_id=lease, reason="mine"))
            said.append(await ask("al", "lint", rule={}))
            said.append(await ask("al", "lint", rule={}))
            return said

        task, none, other, stolen, _, burst = anyio.run(all_of_it)
    assert json.loads(task[1])["role"] == "generate"
    assert json.loads(none[1])["why"] == "no task of the role judge is open"
    assert "RF460" in other[1]
    assert "RF462" in stolen[1]
    assert "RF464" in burst[1]
    assert [each[0] for each in (task, none, other, stolen, burst)] == [False, False, True, True, True]


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT / "src")}


def test_two_agents_work_over_standard_input_and_output(queue: Path, good: dict[str, Any]) -> None:
    """The whole program as a client starts it: alice writes a rule that fails and one that passes, bob judges it."""

    def started(role: str, name: str) -> StdioServerParameters:
        words = ["-m", "ruleforge.cli", "mcp", "stdio", str(queue), "--role", role, "--name", name]
        return StdioServerParameters(command=sys.executable, args=words, env=environment())

    async def work() -> list[dict[str, Any]]:
        heads: list[dict[str, Any]] = []

        async def ask(client: Client, tool: str, **arguments: Any) -> dict[str, Any]:
            result = await client.call_tool(tool, arguments)
            assert not result.is_error
            heads.append(json.loads(getattr(result.content[0], "text", "")))
            return heads[-1]

        async with Client(started("generate", "alice")) as alice:
            lease = (await ask(alice, "next_task"))["lease_id"]
            wide = good | {"when": {"field": "path", "op": "contains", "value": "e"}}
            await ask(alice, "submit_candidate", lease_id=lease, **wide)
            await ask(alice, "submit_candidate", lease_id=lease, **good)
        async with Client(started("judge", "bob")) as bob:
            lease = (await ask(bob, "next_task"))["lease_id"]
            reason = {"claim": "Another route may decode as late.", "condition": "c1", "request": "r1"}
            await ask(bob, "submit_verdict", lease_id=lease, reasons=[reason], probability=0.2)
        return heads

    _, failed, passed, task, verdict = anyio.run(work)
    assert (failed["accepted"], passed["accepted"], verdict["accepted"]) == (False, True, True)
    assert task["role"] == "judge"
    assert (queue / passed["made"]).is_file()


def test_the_program_serves_http_on_this_machine_until_it_is_stopped(queue: Path, token: str) -> None:
    words = [sys.executable, "-m", "ruleforge.cli", "mcp", "http", str(queue), "--port", "0"]
    server = subprocess.Popen(words, stderr=subprocess.PIPE, text=True, env=environment())
    assert server.stderr is not None
    watch = threading.Timer(60, server.kill)
    watch.start()
    try:
        line = server.stderr.readline()
        found = re.search(r"http://127\.0\.0\.1:(\d+)/mcp", line)
        assert found, line
        assert post(int(found[1]), {"Authorization": f"Bearer {token}"}) == 200
        assert post(int(found[1]), {}) == 401
    finally:
        server.terminate()
        server.wait()
        watch.cancel()
        rest = server.stderr.read()
        server.stderr.close()
    assert server.returncode == 143
    assert "Traceback" not in rest
