"""The server in the open: over standard input and output for one agent, or over HTTP on this machine for several.

Over HTTP every request passes a guard first: it comes from this machine, is meant for this address, comes from no web
page, carries a token, is small, and is one of few at a time. The library's own checks stand behind that.
"""

import hmac
import logging
import socket
import sys
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import closing
from ipaddress import ip_address
from pathlib import Path
from typing import Any, TypeAlias

import anyio
import uvicorn
from mcp.server.mcpserver import Context
from mcp.server.transport_security import TransportSecuritySettings

from ruleforge.app.tasks.desk import Desk
from ruleforge.app.tasks.work import LEASE_SECONDS
from ruleforge.app.visible import visible
from ruleforge.errors import OutsideError, PolicyError
from ruleforge.mcp.audit import Audit
from ruleforge.mcp.server import CALLS_A_MINUTE, QueueServer
from ruleforge.store.tasks import Agent

HOST = "127.0.0.1"  # there is no way to serve other machines
PATH = "/mcp"
BODY_MOST = 256 << 10  # bytes of one request
BODY_SECONDS = 20.0  # until it is there
ANSWER_SECONDS = 300.0  # until it is answered
AT_ONCE = 8  # requests
CONNECTIONS_MOST = 64
LOG_LINE_MOST = 1_000  # characters
_AGENT = "ruleforge.agent"  # key of the caller in the scope of a request

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
App: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]


class Log(logging.Handler):
    """Messages of the libraries on standard error, with nothing in them that acts on a terminal."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one message, with its traceback where there is one."""
        try:
            for line in self.format(record).splitlines():
                sys.stderr.write(f"{visible(line)[:LOG_LINE_MOST]}\n")
            sys.stderr.flush()
        except (OSError, ValueError):
            self.handleError(record)


def _log_plainly() -> None:
    """Before the library sets its own up, which formats what it is given."""
    logging.basicConfig(level=logging.WARNING, handlers=[Log()], format="%(name)s: %(message)s")


def serve_stdio(rules: Path, agent: Agent, *, lease_seconds: float = LEASE_SECONDS) -> None:
    """Serve one agent over standard input and output until it hangs up.

    Args:
        rules: the folder of rules.
        agent: who is served.
        lease_seconds: how long a task is its own.

    Raises:
        UsageError: the folder has no queue (RF156).
    """
    _log_plainly()
    with closing(Desk.of(rules)) as desk:
        audit = Audit(desk.place / "audit.ndjson", "stdio")
        QueueServer(desk, lambda _ctx: agent, audit, lease_seconds=lease_seconds).run("stdio")


def serve_http(
    rules: Path, port: int, listening: Callable[[str], None], *, lease_seconds: float = LEASE_SECONDS
) -> None:
    """Serve the agents that have tokens over HTTP on this machine until the process is stopped.

    Args:
        rules: the folder of rules.
        port: 0: any free one.
        listening: told the address once the server can be reached.
        lease_seconds: how long a task is an agent's own.

    Raises:
        UsageError: the folder has no queue (RF156).
        OutsideError: the port cannot be had (RF567).
    """
    _log_plainly()
    with closing(Desk.of(rules)) as desk, closing(_listen(port)) as ear:
        port = ear.getsockname()[1]
        config = uvicorn.Config(
            http_app(desk, port, lease_seconds=lease_seconds),
            log_config=None,
            log_level="warning",
            access_log=False,
            server_header=False,
            ws="none",
            timeout_keep_alive=5,
            limit_concurrency=CONNECTIONS_MOST,
            timeout_graceful_shutdown=3,
        )
        listening(f"http://{HOST}:{port}{PATH}")
        uvicorn.Server(config).run(sockets=[ear])


def _listen(port: int) -> socket.socket:
    try:
        return socket.create_server((HOST, port))
    except OSError as problem:
        what = f"port {port} of this machine cannot be had: {problem.strerror}"
        raise OutsideError(what, hint="choose another with --port, or 0 for any", code="RF567") from problem


def http_app(
    desk: Desk,
    port: int,
    *,
    lease_seconds: float = LEASE_SECONDS,
    calls_a_minute: int = CALLS_A_MINUTE,
    at_once: int = AT_ONCE,
) -> App:
    """The server as an application of ASGI, behind its guard.

    Args:
        desk: the queue.
        port: that it is reached at; requests that name another host or port are refused.
        lease_seconds: how long a task is an agent's own.
        calls_a_minute: of one agent.
        at_once: requests that are worked on at the same time.
    """
    audit = Audit(desk.place / "audit.ndjson", "http")
    server = QueueServer(desk, _agent_of, audit, lease_seconds=lease_seconds, calls_a_minute=calls_a_minute)
    names = [f"{name}:{port}" for name in ("127.0.0.1", "localhost", "[::1]")]
    security = TransportSecuritySettings(
        enable_dns_rebinding_protection=True, allowed_hosts=names, allowed_origins=[f"http://{name}" for name in names]
    )
    inner = server.streamable_http_app(
        streamable_http_path=PATH,
        json_response=True,
        stateless_http=True,
        max_request_body_size=BODY_MOST,
        transport_security=security,
    )
    return Guard(inner, desk, audit, frozenset(name.encode() for name in names), at_once)


def _agent_of(ctx: Context[Any, Any]) -> Agent:
    request = ctx.request_context.request
    agent = request.scope.get(_AGENT) if request is not None else None
    if not isinstance(agent, Agent):  # no request gets here without one
        raise PolicyError("nobody is known to ask", code="RF465")
    return agent


class Guard:
    """Refuses requests before anything reads them. What it refuses is written down."""

    def __init__(self, app: App, desk: Desk, audit: Audit, hosts: frozenset[bytes], at_once: int) -> None:
        self._app, self._desk, self._audit, self._hosts = app, desk, audit, hosts
        self._most, self._now = at_once, 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or say why not."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        agent: Agent | None = None
        refusal = self._refusal(scope)
        if refusal is None:
            agent = await anyio.to_thread.run_sync(self._agent, _header(scope, b"authorization"))
            if agent is None:
                refusal = 401, "a token is needed: Authorization: Bearer …"
            elif self._now >= self._most:
                refusal = 503, "too many requests at once"
        if refusal is not None or agent is None:
            await self._refuse(send, agent, *(refusal or (401, "")))
            return
        self._now += 1
        try:
            await self._within_bounds(scope, receive, send, agent)
        finally:
            self._now -= 1

    def _refusal(self, scope: Scope) -> tuple[int, str] | None:
        if scope["type"] != "http" or not _is_here(scope.get("client")):
            return 403, "only this machine is served"
        if (hosts := _all(scope, b"host")) != [_header(scope, b"host")] or hosts[0] not in self._hosts:
            return 421, "this host is not served here"
        origins = _all(scope, b"origin")
        if any(origin.removeprefix(b"http://") not in self._hosts for origin in origins):
            return 403, "requests of web pages are not served"
        if scope["path"] != PATH:
            return 404, "there is nothing here"
        if scope["method"] != "POST":  # a stream that waits for news would take a place; there are none
            return 405, "only POST is served"
        length = _header(scope, b"content-length")
        if length and (not length.isdigit() or len(length) > 12 or int(length) > BODY_MOST):
            return 413, f"a request has at most {BODY_MOST:,} bytes"
        return None

    def _agent(self, header: bytes) -> Agent | None:
        kind, _, token = header.partition(b" ")
        if not hmac.compare_digest(kind.lower(), b"bearer") or not 20 <= len(token) <= 200:
            return None
        return self._desk.store.agent_of(token.decode("ascii", "replace").strip())

    async def _within_bounds(self, scope: Scope, receive: Receive, send: Send, agent: Agent) -> None:
        body = bytearray()
        with anyio.move_on_after(BODY_SECONDS) as late:
            while True:
                message = await receive()
                if message["type"] != "http.request":
                    return  # the client hung up
                body += message.get("body", b"")
                if len(body) > BODY_MOST:
                    await self._refuse(send, agent, 413, f"a request has at most {BODY_MOST:,} bytes")
                    return
                if not message.get("more_body", False):
                    break
        if late.cancelled_caught:
            await self._refuse(send, agent, 408, "the request did not come")
            return
        whole: list[Message] = [{"type": "http.request", "body": bytes(body), "more_body": False}]

        async def replay() -> Message:
            return whole.pop() if whole else await receive()

        scope[_AGENT] = agent
        with anyio.move_on_after(ANSWER_SECONDS):
            await self._app(scope, replay, send)

    async def _refuse(self, send: Send, agent: Agent | None, status: int, why: str) -> None:
        if status != 405:  # clients of older versions ask for a stream each time, in good faith
            await anyio.to_thread.run_sync(self._audit.refused, agent, f"{status} {why}")
        text = why.encode()
        headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(text)).encode())]
        headers += {401: [(b"www-authenticate", b"Bearer")], 405: [(b"allow", b"POST")]}.get(status, [])
        await send({"type": "http.response.start", "status": status, "headers": [*headers, (b"connection", b"close")]})
        await send({"type": "http.response.body", "body": text})


def _all(scope: Scope, name: bytes) -> list[bytes]:
    return [value for key, value in scope["headers"] if key == name]


def _header(scope: Scope, name: bytes) -> bytes:
    found = _all(scope, name)
    return bytes(found[0]) if found else b""


def _is_here(client: Any) -> bool:  # noqa: ANN401 - whatever a server says of its client
    try:
        return ip_address(client[0]).is_loopback
    except (TypeError, ValueError, IndexError):
        return False
