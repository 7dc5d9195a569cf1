"""WIRES: how providers want to be asked over HTTP, and where their answers stand in what they send back."""

import json
from collections.abc import Mapping
from typing import Any, Protocol
from urllib.parse import quote

import msgspec

from ruleforge._registry import Registry
from ruleforge.llm.answers import ANSWER_MOST
from ruleforge.llm.framing import Written
from ruleforge.llm.provider import Call, Reply

ANTHROPIC_VERSION = "2023-06-01"
_TOKENS_MOST = 10**9


class Sent(msgspec.Struct, frozen=True):
    """A call as a request: the path below the provider's address, headers without the key, and the body."""

    path: str
    headers: Mapping[str, str]
    body: dict[str, Any]


class Wire(Protocol):
    """One protocol."""

    def build(self, call: Call, written: Written, options: Mapping[str, str], /) -> Sent:
        """Write a call as a request."""

    def key_headers(self, key: str, /) -> dict[str, str]:
        """The headers that carry the key."""

    def read(self, body: Any, /) -> Reply:  # noqa: ANN401 - a JSON tree of a stranger
        """Find the answer; raises LookupError, TypeError or ValueError where it is not where it belongs."""


WIRES = Registry[Wire]("protocol of language models")


def question_text(call: Call, written: Written) -> str:
    """The particular part of the prompt with the schema: not every server passes a schema on to its model."""
    schema = json.dumps(call.schema, ensure_ascii=True, separators=(",", ":"))
    return f"{written.user}\n\nAnswer with one JSON document that satisfies this schema:\n{schema}"


class OpenAiChat:
    """Chat completions, as OpenAI, vLLM, Ollama, LM Studio and many others speak."""

    def build(self, call: Call, written: Written, options: Mapping[str, str], /) -> Sent:
        """Write a call as a request. `format` says how the schema is sent: json_schema, json_object or none."""
        limit = "max_completion_tokens" if options.get("limit") == "completion" else "max_tokens"
        body: dict[str, Any] = {
            "model": call.model,
            "messages": [
                {"role": "system", "content": written.system},
                {"role": "user", "content": question_text(call, written)},
            ],
            limit: call.tuning.output_most,
        }
        if options.get("temperature") != "default":
            body["temperature"] = call.tuning.temperature_percent / 100
        form = options.get("format", "json_schema")
        if form == "json_schema":
            body["response_format"] = {"type": form, "json_schema": {"name": "answer", "schema": call.schema}}
        elif form == "json_object":
            body["response_format"] = {"type": form}
        return Sent("/chat/completions", {}, body)

    def key_headers(self, key: str, /) -> dict[str, str]:
        """A bearer token."""
        return {"Authorization": f"Bearer {key}"}

    def read(self, body: Any, /) -> Reply:  # noqa: ANN401 - see Wire
        """Take the first choice; a refusal counts as the text that it is."""
        message = body["choices"][0]["message"]
        text = message.get("content") or message.get("refusal") or ""
        usage = body.get("usage") or {}
        reply = _reply(text, usage.get("prompt_tokens"), usage.get("completion_tokens"), body.get("model"))
        details = usage.get("prompt_tokens_details") or {}
        return _with_cache(reply, details.get("cached_tokens"), 0)


class AnthropicMessages:
    """Messages, as Anthropic speaks."""

    def build(self, call: Call, written: Written, options: Mapping[str, str], /) -> Sent:
        """Write a call as a request; its fixed part is marked for the provider's cache, unless cache=off."""
        fixed: dict[str, Any] = {"type": "text", "text": written.system}
        if options.get("cache", "on") != "off":
            fixed["cache_control"] = {"type": "ephemeral"}
        body: dict[str, Any] = {
            "model": call.model,
            "max_tokens": call.tuning.output_most,
            "system": [fixed],
            "messages": [{"role": "user", "content": question_text(call, written)}],
        }
        if options.get("temperature") != "default":
            body["temperature"] = min(call.tuning.temperature_percent, 100) / 100
        return Sent("/v1/messages", {"anthropic-version": ANTHROPIC_VERSION}, body)

    def key_headers(self, key: str, /) -> dict[str, str]:
        """A header of its own."""
        return {"x-api-key": key}

    def read(self, body: Any, /) -> Reply:  # noqa: ANN401 - see Wire
        """Join the blocks of text; tokens that came from the provider's cache count as well."""
        text = "".join(block["text"] for block in body["content"] if block["type"] == "text")
        usage = body.get("usage") or {}
        read, kept = usage.get("cache_read_input_tokens"), usage.get("cache_creation_input_tokens")
        whole = _whole(usage.get("input_tokens"), read, kept)
        return _with_cache(_reply(text, whole, usage.get("output_tokens"), body.get("model")), read, kept)


# Words in the names of models of Bedrock that take a mark for the cache; others refuse a request that has one.
CACHED_BY_BEDROCK = ("claude-3-7", "claude-3-5-haiku", "claude-sonnet-4", "claude-opus-4", "claude-haiku-4", "nova-")


class BedrockConverse:
    """Converse, as Amazon Bedrock speaks, with an API key of Bedrock or signed."""

    def build(self, call: Call, written: Written, options: Mapping[str, str], /) -> Sent:
        """Write a call as a request; the fixed part is marked for the cache where the model is known to have one.

        `cache=on` marks it for any model, `cache=off` for none.
        """
        system: list[dict[str, Any]] = [{"text": written.system}]
        known = "on" if any(name in call.model for name in CACHED_BY_BEDROCK) else "off"
        if options.get("cache", known) == "on":
            system.append({"cachePoint": {"type": "default"}})
        settings: dict[str, Any] = {"maxTokens": call.tuning.output_most}
        if options.get("temperature") != "default":
            settings["temperature"] = min(call.tuning.temperature_percent, 100) / 100
        body = {
            "system": system,
            "messages": [{"role": "user", "content": [{"text": question_text(call, written)}]}],
            "inferenceConfig": settings,
        }
        return Sent(f"/model/{quote(call.model, safe='')}/converse", {}, body)

    def key_headers(self, key: str, /) -> dict[str, str]:
        """A bearer token."""
        return {"Authorization": f"Bearer {key}"}

    def read(self, body: Any, /) -> Reply:  # noqa: ANN401 - see Wire
        """Join the pieces of text; tokens that came from the provider's cache count as well."""
        text = "".join(piece["text"] for piece in body["output"]["message"]["content"] if "text" in piece)
        usage = body.get("usage") or {}
        read, kept = usage.get("cacheReadInputTokens"), usage.get("cacheWriteInputTokens")
        whole = _whole(usage.get("inputTokens"), read, kept)
        return _with_cache(_reply(text, whole, usage.get("outputTokens"), None), read, kept)


def _whole(plain: object, read: object, kept: object) -> int | None:
    """All tokens that were sent, where a provider counts those of its cache apart."""
    parts = [_counted(plain), _counted(read or 0), _counted(kept or 0)]
    return None if None in parts else sum(part or 0 for part in parts)


def _with_cache(reply: Reply, read: object, kept: object) -> Reply:
    return msgspec.structs.replace(reply, tokens_cached=_counted(read) or 0, tokens_written=_counted(kept) or 0)


def _reply(text: object, tokens_in: object, tokens_out: object, model: object) -> Reply:
    if not isinstance(text, str):
        raise TypeError("the answer is no text")
    name = model if isinstance(model, str) and model.isprintable() and len(model) <= 100 else ""
    sent, made = _counted(tokens_in), _counted(tokens_out)
    return Reply(text=text[: ANSWER_MOST + 1], tokens_in=sent, tokens_out=made, model=name)


def _counted(number: object) -> int | None:
    return number if isinstance(number, int) and not isinstance(number, bool) and 0 <= number <= _TOKENS_MOST else None


WIRES.put("openai", OpenAiChat())
WIRES.put("anthropic", AnthropicMessages())
WIRES.put("bedrock", BedrockConverse())
