"""Agents that talk to the server: in memory, and over HTTP on this machine."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import anyio
import pytest
import uvicorn
from mcp.client.client import Client

from ruleforge.app.tasks.desk import Desk
from ruleforge.mcp import serving
from ruleforge.mcp.audit import Audit
from ruleforge.mcp.server import QueueServer
from ruleforge.store.tasks import Agent

GOOD = {
    "mechanism": "The media route decodes the rest of the path after checking it.",
    "when": {
        "all": [
            {"field": "path.decoded", "op": "contains", "value": "/lk-media/"},
            {"field": "path.raw", "op": "is_class", "value": "traversal"},
        ]
    },
}


class Said(NamedTuple):
    """What a call of a tool gave."""

    failed: bool
    texts: tuple[str, ...]


Call = Callable[..., Said]


@pytest.fixture
def good() -> dict[str, Any]:
    """A rule that passes, for the first task of the queue."""
    return GOOD


@pytest.fixture
def desk(queue: Path) -> Iterator[Desk]:
    desk = Desk.of(queue)
    yield desk
    desk.close()


@pytest.fixture
def call(desk: Desk) -> Call:
    """Call a tool as an agent, through the library's own client in memory."""

    def call(agent: Agent, tool: str, **arguments: Any) -> Said:
        server = QueueServer(desk, lambda _ctx: agent, Audit(desk.place / "audit.ndjson", "test"))

        async def ask() -> Said:
            async with Client(server) as client:
                result = await client.call_tool(tool, arguments)
                return Said(bool(result.is_error), tuple(getattr(each, "text", "") for each in result.content))

        return anyio.run(ask)

    return call


@contextmanager
def running(desk: Desk, **options: Any) -> Iterator[int]:
    """The HTTP server in a thread; gives its port."""
    with serving._listen(0) as ear:
        port = ear.getsockname()[1]
        config = uvicorn.Config(serving.http_app(desk, port, **options), log_level="error", access_log=False, ws="none")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [ear]})
        thread.start()
        while not server.started:
            time.sleep(0.01)
        try:
            yield port
        finally:
            server.should_exit = True
            thread.join()


@pytest.fixture
def serve(desk: Desk) -> Callable[..., Any]:
    """Serve the queue over HTTP while a block runs."""
    return lambda **options: running(desk, **options)
