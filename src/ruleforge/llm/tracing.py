"""A span of OpenTelemetry for each call to a model, where its library is installed and somebody wants spans.

The names are those of the semantic conventions for generative AI. What was asked and answered stands in no span, unless
the environment variable of the conventions asks for it.
"""

import importlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol
from urllib.parse import urlsplit

from ruleforge.errors import RuleForgeError
from ruleforge.llm.budget import Spent
from ruleforge.llm.framing import Written
from ruleforge.llm.provider import Call, Reply, Waiting

WANTED_BY = ("OTEL_TRACES_EXPORTER", "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
CONTENT_BY = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
PROVIDERS = {"bedrock": "aws.bedrock"}  # where the conventions have another name than ours
CONTENT_MOST = 100_000  # characters of one attribute


class Span(Protocol):
    """As much of a span of OpenTelemetry as is used here."""

    def set_attribute(self, key: str, value: Any) -> None:  # noqa: ANN401 - as inherited
        """Set one attribute."""

    def set_status(self, status: Any, description: str | None = None) -> None:  # noqa: ANN401 - as inherited
        """Say whether it failed."""


class Noted:
    """What becomes known of a call while it lasts."""

    def __init__(self) -> None:
        self.reply: Reply | Waiting | None = None
        self.spent: Spent | None = None


class Tracing:
    """Makes spans with a tracer, which is anything that has `start_as_current_span` as OpenTelemetry has it."""

    def __init__(self, tracer: Any, *, content: bool = False) -> None:  # noqa: ANN401 - an optional library's
        self._tracer, self._content = tracer, content

    @contextmanager
    def call(self, call: Call, url: str, written: Written, priced: bool) -> Iterator[Noted]:
        """Put a span around a call.

        Args:
            call: what is asked.
            url: the name of the provider, "openai:MODEL".
            written: the prompt as it is sent; kept only where content is wanted.
            priced: whether what it costs in money is known.
        """
        noted, attributes = Noted(), asked_attributes(call, url)
        if self._content:
            attributes |= {
                "gen_ai.system_instructions": _content([{"type": "text", "content": written.system}]),
                "gen_ai.input.messages": _message("user", written.user),
            }
        with self._tracer.start_as_current_span(
            f"chat {call.model}",
            kind=_otel("trace").SpanKind.CLIENT,
            attributes=attributes,
            record_exception=False,  # its words may quote what a server said
            set_status_on_exception=False,
        ) as span:
            try:
                yield noted
            except BaseException as problem:
                code = problem.code if isinstance(problem, RuleForgeError) else type(problem).__name__
                span.set_attribute("error.type", code)
                span.set_status(_otel("trace").StatusCode.ERROR, code)
                raise
            finally:
                if priced and noted.spent is not None:
                    span.set_attribute("ruleforge.cost.micro_dollars", noted.spent.money)
                self._answered(span, noted)

    def _answered(self, span: Span, noted: Noted) -> None:
        reply = noted.reply
        if not isinstance(reply, Reply):
            return
        for name, value in (
            ("gen_ai.response.model", reply.model or None),
            ("gen_ai.usage.input_tokens", reply.tokens_in),
            ("gen_ai.usage.output_tokens", reply.tokens_out),
            ("gen_ai.usage.cache_read.input_tokens", reply.tokens_cached or None),
            ("gen_ai.usage.cache_creation.input_tokens", reply.tokens_written or None),
            ("gen_ai.output.messages", _message("assistant", reply.text) if self._content else None),
        ):
            if value is not None:
                span.set_attribute(name, value)


def asked_attributes(call: Call, url: str) -> dict[str, Any]:
    """What is known of a call before it is sent, without any of its text."""
    scheme = url.partition(":")[0]
    wire, _, transport = scheme.partition("+")
    found: dict[str, Any] = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": PROVIDERS.get(wire, wire),
        "gen_ai.request.model": call.model,
        "gen_ai.request.max_tokens": call.tuning.output_most,
        "gen_ai.request.temperature": call.tuning.temperature_percent / 100,
        "gen_ai.output.type": "json",
        "ruleforge.call.id": call.id,
        "ruleforge.role": call.role,
        "ruleforge.subject": call.subject,
    }
    if transport:
        parts = urlsplit(url.partition("+")[2])
        found["server.address"] = parts.hostname or ""
        found["server.port"] = parts.port or (443 if transport == "https" else 80)
    return found


def tracing_wanted(environ: Mapping[str, str] | None = None) -> Tracing | None:
    """Spans as the environment asks for them; None where it does not, or where `ruleforge[otel]` is not installed.

    They go where whoever started the program sends them, such as `opentelemetry-instrument ruleforge …`.
    """
    environ = os.environ if environ is None else environ
    off = environ.get("OTEL_SDK_DISABLED", "").lower() == "true" or environ.get("OTEL_TRACES_EXPORTER") == "none"
    if off or not any(environ.get(name) for name in WANTED_BY):
        return None
    try:
        trace = _otel("trace")
    except ImportError:
        return None
    return Tracing(trace.get_tracer("ruleforge"), content=environ.get(CONTENT_BY, "").lower() in ("true", "span_only"))


def _otel(name: str) -> Any:  # noqa: ANN401 - a module that may not be there
    return importlib.import_module(f"opentelemetry.{name}")


def _message(role: str, text: str) -> str:
    return _content([{"role": role, "parts": [{"type": "text", "content": text[:CONTENT_MOST]}]}])


def _content(messages: list[dict[str, Any]]) -> str:
    return json.dumps(messages, ensure_ascii=True)
