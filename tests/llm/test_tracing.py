"""Each call has a span where somebody wants it, with what it cost and without what was said."""

import json
import subprocess
import sys
from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from ruleforge.llm.door import InvalidAnswerError
from ruleforge.llm.prices import Price
from ruleforge.llm.provider import LostError, Reply
from ruleforge.llm.recording import Player, Recorder
from ruleforge.llm.scripted import Scripted
from ruleforge.llm.tracing import Tracing, asked_attributes, tracing_wanted

PRICE = Price(input=3_000_000, cached_input=300_000, written_input=3_750_000, output=15_000_000)
CONTENT = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def tracer(exporter: InMemorySpanExporter) -> Any:
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return provider.get_tracer("tests")


def test_a_call_has_a_span_by_the_conventions(
    question: Any, door_to: Any, good: str, tracer: Any, exporter: InMemorySpanExporter
) -> None:
    reply = Reply(text=good, tokens_in=90, tokens_out=5, tokens_cached=64, model="pear-1-2099")
    provider = Scripted([reply], model="pear-1")
    provider.url = "bedrock:pear-1?region=eu-west-1"
    door_to(provider, tracing=Tracing(tracer), price=PRICE).ask(question())
    (span,) = exporter.get_finished_spans()
    assert (span.name, span.kind, span.status.status_code) == ("chat pear-1", SpanKind.CLIENT, StatusCode.UNSET)
    assert dict(span.attributes) == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "aws.bedrock",
        "gen_ai.request.model": "pear-1",
        "gen_ai.request.max_tokens": 1_500,
        "gen_ai.request.temperature": 0.0,
        "gen_ai.output.type": "json",
        "gen_ai.response.model": "pear-1-2099",
        "gen_ai.usage.input_tokens": 90,
        "gen_ai.usage.output_tokens": 5,
        "gen_ai.usage.cache_read.input_tokens": 64,
        "ruleforge.call.id": provider.asked[0].id,
        "ruleforge.role": "judge",
        "ruleforge.subject": "CVE-2099-0001",
        "ruleforge.cost.micro_dollars": 173,  # 26 tokens at 3, 64 at 0.3 and 5 at 15 micro-dollars, rounded up
    }


def test_what_was_said_stands_in_no_span_unless_it_is_asked_for(
    question: Any, door_to: Any, good: str, tracer: Any, exporter: InMemorySpanExporter
) -> None:
    for content in (False, True):
        door_to(Scripted([good]), tracing=Tracing(tracer, content=content)).ask(question())
    without, whole = (str(dict(span.attributes)) + str(span.events) for span in exporter.get_finished_spans())
    for said in ("How ripe is it?", "a pear", "it is green"):
        assert said not in without
        assert said in whole
    messages = json.loads(exporter.get_finished_spans()[1].attributes["gen_ai.output.messages"])
    assert messages == [{"role": "assistant", "parts": [{"type": "text", "content": good}]}]


def test_every_attempt_has_a_span_and_a_failure_its_code(
    question: Any, door_to: Any, good: str, tracer: Any, exporter: InMemorySpanExporter
) -> None:
    script = [LostError("the key sk-secret is wrong", code="RF551"), "no", good]
    door_to(Scripted(script), tracing=Tracing(tracer)).ask(question())
    spans = exporter.get_finished_spans()
    assert [span.attributes.get("error.type") for span in spans] == ["RF551", None, None]
    assert [span.status.status_code for span in spans] == [StatusCode.ERROR, StatusCode.UNSET, StatusCode.UNSET]
    assert spans[0].status.description == "RF551"
    assert "sk-secret" not in str(spans[0].to_json())
    with pytest.raises(InvalidAnswerError):
        door_to(Scripted(["no"] * 3), tracing=Tracing(tracer)).ask(question())
    assert len(exporter.get_finished_spans()) == 6


def test_what_was_asked_before_has_no_span(
    question: Any, door_to: Any, good: str, tracer: Any, exporter: InMemorySpanExporter, tmp_path: Any
) -> None:
    door_to(Recorder(Scripted([good]), tmp_path)).ask(question())
    door_to(Player(tmp_path, "fake"), tracing=Tracing(tracer)).ask(question())
    assert exporter.get_finished_spans() == ()


@pytest.mark.parametrize(
    ("environ", "wanted"),
    [
        ({}, False),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4317"}, True),
        ({"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4317"}, False),
        ({"OTEL_TRACES_EXPORTER": "otlp", "OTEL_SDK_DISABLED": "true"}, False),
        ({CONTENT: "true"}, False),
    ],
)
def test_spans_are_made_where_the_environment_wants_them(environ: dict[str, str], wanted: bool) -> None:
    assert (tracing_wanted(environ) is not None) is wanted


def test_content_is_kept_only_where_the_environment_says_so() -> None:
    on = {"OTEL_TRACES_EXPORTER": "otlp"}
    assert [tracing_wanted(on | more)._content for more in ({}, {CONTENT: "false"}, {CONTENT: "true"})] == [
        False, False, True,
    ]  # type: ignore[union-attr]  # fmt: skip


def test_without_the_library_there_are_no_spans_and_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.trace", None)
    assert tracing_wanted({"OTEL_TRACES_EXPORTER": "otlp"}) is None


def test_the_address_of_a_server_is_told_and_nothing_else_of_its_name(question: Any, door_to: Any, good: str) -> None:
    provider = Scripted([good])
    door_to(provider).ask(question())
    found = asked_attributes(provider.asked[0], "openai+http://127.0.0.1:8000/v1?model=x&key_env=PEAR_KEY")
    assert (found["gen_ai.provider.name"], found["server.address"], found["server.port"]) == (
        "openai",
        "127.0.0.1",
        8000,
    )
    assert "PEAR_KEY" not in str(found)


def test_the_library_is_not_loaded_unless_spans_are_wanted() -> None:
    code = (
        "import sys, ruleforge.app.models, ruleforge.llm.door; ruleforge.llm.tracing.tracing_wanted({});"
        "print([m for m in sys.modules if m.startswith('opentelemetry')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
