"""A server on this machine that speaks as providers do, answers the least that is valid, and fails as it is told.

For tests and for trying settings without a key: chat completions of OpenAI, messages of Anthropic (whole or as a stream
of events), Converse of Bedrock.
"""

import json
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple
from urllib.parse import unquote

from ruleforge.errors import UsageError
from ruleforge.llm.scripted import least_answer

BODY_MOST = 4 << 20  # bytes of a request
ASKED_MOST = 10_000  # requests that are kept
SLOW_SECONDS = 2.0
_SCHEMA_MARK = "satisfies this schema:\n"

# What can go wrong, once each time it is told.
FAULTS = {
    "429": "too many requests; asks to wait a second",
    "429-long": "too many requests; asks to wait an hour",
    "500": "a failure of the server",
    "504": "a gateway that did not wait for the answer, which was made",
    "529": "a server that is overloaded and does not say for how long",
    "slow": "an answer after two seconds",
    "none": "a connection that ends without an answer",
    "cut": "a connection that ends in the middle of the answer",
    "garbled": "a body that is no JSON",
    "empty": "a body in which the answer is missing",
    "prose": "an answer that is no JSON",
    "wrong": "an answer that does not satisfy the schema",
    "401": "a key that is not accepted",
}


class Asked(NamedTuple):
    """A request as it came."""

    path: str
    headers: dict[str, str]
    body: Any


class FakeServer(ThreadingHTTPServer):
    """Answers calls of three protocols; `asked` are the requests, `faults` what is still to go wrong."""

    daemon_threads = True

    def __init__(self, port: int = 0, faults: Iterable[str] = (), *, slow_seconds: float = SLOW_SECONDS) -> None:
        self.faults = list(faults)
        for fault in self.faults:
            if fault not in FAULTS:
                hint = "known: " + ", ".join(FAULTS)
                raise UsageError(f"unknown fault {fault[:40]!r}", hint=hint, code="RF187")
        self.asked: list[Asked] = []
        self.billed: list[tuple[int, int]] = []  # tokens in and out of every answer that was made, also of lost ones
        self.slow_seconds = slow_seconds
        self.lock = threading.Lock()
        super().__init__(("127.0.0.1", port), _Handler)

    @property
    def url(self) -> str:
        """The address, without a path."""
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - as inherited
        """The other side left, which is its right."""

    def next_fault(self, asked: Asked) -> str:
        """Keep a request, and say what goes wrong with it."""
        with self.lock:
            if len(self.asked) < ASKED_MOST:
                self.asked.append(asked)
            return self.faults.pop(0) if self.faults else ""


@contextmanager
def running(server: FakeServer) -> Iterator[FakeServer]:
    """Serve within a block, in a thread."""
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    server: FakeServer
    protocol_version = "HTTP/1.1"
    timeout = 30.0

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as inherited
        """Say nothing."""

    def do_POST(self) -> None:
        asked = self._asked()
        if asked is None:
            return
        wire = _wire_of(asked.path)
        fault = self.server.next_fault(asked)
        if wire is None or not isinstance(asked.body, dict):
            self._send(404 if wire is None else 400, b'{"error": {"message": "not a call"}}')
        elif fault[:3].isdigit():
            if fault == "504":
                self._text(asked, "")
            said = json.dumps({"error": {"message": FAULTS[fault]}}).encode()
            wait = {"429": "1", "429-long": "3600"}.get(fault)
            self._send(int(fault[:3]), said, {"Retry-After": wait} if wait else {})
        else:
            self._answer(wire, asked, fault)

    def _asked(self) -> Asked | None:
        length = self.headers.get("Content-Length", "")
        if not length.isdigit() or int(length) > BODY_MOST:
            self._send(413, b"{}")
            return None
        try:
            body = json.loads(self.rfile.read(int(length)))
        except (ValueError, RecursionError):
            body = None
        return Asked(self.path, {name.lower(): value for name, value in self.headers.items()}, body)

    def _answer(self, wire: "_Wire", asked: Asked, fault: str) -> None:
        text = self._text(asked, fault)
        if fault == "slow":
            time.sleep(self.server.slow_seconds)
        streamed = wire is _anthropic and asked.body.get("stream") is True
        data = _events(asked.body, text) if streamed else json.dumps(wire(asked, text)).encode()
        if fault == "garbled":
            data = b"<html>not today</html>"
        if fault == "empty":
            data = b"{}"
        kind = "text/event-stream" if streamed else "application/json"
        if fault == "none":
            self.close_connection = True
        else:
            self._send(200, data, {"Content-Type": kind}, cut=fault == "cut")

    def _text(self, asked: Asked, fault: str) -> str:
        """Make an answer, which is paid whether it arrives or not."""
        text = _text(asked.body, fault)
        with self.server.lock:
            self.server.billed.append(_counts(asked, text))
        return text

    def _send(self, status: int, data: bytes, headers: dict[str, str] | None = None, *, cut: bool = False) -> None:
        self.send_response(status)
        for name, value in ({"Content-Type": "application/json"} | (headers or {})).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data[: len(data) // 2] if cut else data)
        self.close_connection = cut or self.close_connection


_Wire = Callable[[Asked, str], dict[str, Any]]


def _text(body: dict[str, Any], fault: str) -> str:
    if fault == "prose":
        return "It looks fine to me."
    if fault == "wrong":
        return '{"nobody": "asked for this"}'
    return json.dumps(least_answer(_schema_in(body)))


def _schema_in(body: dict[str, Any]) -> Any:  # noqa: ANN401 - a JSON tree
    """The schema that stands at the end of the last message."""
    text = _last_text(body)
    try:
        return json.loads(text[text.rindex(_SCHEMA_MARK) + len(_SCHEMA_MARK) :])
    except ValueError:
        return {}


def _last_text(body: dict[str, Any]) -> str:
    try:
        content = body["messages"][-1]["content"]
        return str(content if isinstance(content, str) else content[0]["text"])
    except (LookupError, TypeError):
        return ""


def _counts(asked: Asked, text: str) -> tuple[int, int]:
    """About as many tokens as a model would count."""
    return len(_last_text(asked.body)) // 4 + 1, len(text) // 4 + 1


def _openai(asked: Asked, text: str) -> dict[str, Any]:
    sent, made = _counts(asked, text)
    return {
        "id": "fake",
        "object": "chat.completion",
        "model": asked.body.get("model", "fake"),
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}],
        "usage": {"prompt_tokens": sent, "completion_tokens": made, "total_tokens": sent + made},
    }


def _anthropic(asked: Asked, text: str) -> dict[str, Any]:
    sent, made = _counts(asked, text)
    return {
        "id": "fake",
        "type": "message",
        "role": "assistant",
        "model": asked.body.get("model", "fake"),
        "content": [{"type": "text", "text": text}],
        "stop_reason": "end_turn",
        "usage": {"input_tokens": sent, "output_tokens": made},
    }


def _bedrock(asked: Asked, text: str) -> dict[str, Any]:
    sent, made = _counts(asked, text)
    return {
        "output": {"message": {"role": "assistant", "content": [{"text": text}]}},
        "stopReason": "end_turn",
        "usage": {"inputTokens": sent, "outputTokens": made, "totalTokens": sent + made},
        "metrics": {"latencyMs": 1},
    }


def _events(body: dict[str, Any], text: str) -> bytes:
    """A message of Anthropic as a stream of events, in two pieces of text."""
    whole = _anthropic(Asked("", {}, body), text)
    begun = whole | {"content": [], "stop_reason": None}
    half = len(text) // 2
    events: list[dict[str, Any]] = [
        {"type": "message_start", "message": begun},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        *(
            {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": part}}
            for part in (text[:half], text[half:])
        ),
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": whole["usage"]},
        {"type": "message_stop"},
    ]
    return "".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in events).encode()


def _wire_of(path: str) -> _Wire | None:
    path = unquote(path)
    if path.endswith("/chat/completions"):
        return _openai
    if path.endswith("/messages"):
        return _anthropic
    return _bedrock if path.startswith("/model/") and path.endswith("/converse") else None
