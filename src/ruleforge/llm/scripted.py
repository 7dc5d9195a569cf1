"""`fake:`: answers without a model, for tests and trials: a script, or the least that a schema allows."""

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeAlias

from ruleforge.errors import InputError, OutsideError
from ruleforge.llm.answers import ANSWER_MOST, Schema
from ruleforge.llm.provider import LLMS, Address, Call, Ground, Provider, Reply, check_options, model_of

SCRIPT_MOST = 1 << 20  # bytes


Replies: TypeAlias = Iterable[str | Reply | Exception] | Callable[[Call], str]


class Scripted:
    """A provider that answers what a script says, one reply after the other; it keeps what it was asked."""

    def __init__(
        self, replies: Iterable[str | Reply | Exception] | Callable[[Call], str], *, model: str = "fake"
    ) -> None:
        self.url, self.model = "fake:", model
        self.asked: list[Call] = []
        self._answer = replies if callable(replies) else None
        self._replies = iter(()) if callable(replies) else iter(replies)

    def holds(self, _call: Call) -> bool:
        """Nothing is kept."""
        return False

    def send(self, call: Call) -> Reply:
        """Give the next reply of the script."""
        self.asked.append(call)
        reply = self._answer(call) if self._answer else next(self._replies, None)
        if reply is None:
            raise OutsideError("the script has no more answers", where=self.url, code="RF544")
        if isinstance(reply, Exception):
            raise reply
        return reply if isinstance(reply, Reply) else Reply(text=reply)

    def refuse(self, _call: Call, _problems: tuple[str, ...]) -> bool:
        """The next reply of the script answers the next call."""
        return False


def least_answer(schema: Schema) -> Any:  # noqa: ANN401 - a JSON tree
    """The least that a schema allows: first choices, lowest numbers, shortest texts and lists."""
    if "anyOf" in schema:
        return least_answer(schema["anyOf"][0])
    if "enum" in schema:
        return schema["enum"][0] if schema["enum"] else None
    kind = schema.get("type")
    if kind == "object":
        return {name: least_answer(schema["properties"][name]) for name in schema.get("required", ())}
    if kind == "array":
        return [least_answer(schema["items"]) for _ in range(schema.get("minItems", 0))]
    if kind == "string":
        return "x" * schema.get("minLength", 0)
    if kind in ("number", "integer"):
        return schema.get("minimum", 0)
    return False if kind == "boolean" else None


@LLMS.add("fake")
def make_fake(address: Address, _ground: Ground) -> Provider:
    """`fake:` gives the least valid answer; `fake:FILE` the texts of a JSON list, in order."""
    check_options(address, ("model",))
    model = model_of(address, "fake")
    if not address.place:
        return Scripted(lambda call: json.dumps(least_answer(call.schema)), model=model)
    return Scripted(_read_script(Path(address.place)), model=model)


def _read_script(file: Path) -> list[str]:
    try:
        with file.open("rb") as stream:
            data = stream.read(SCRIPT_MOST + 1)
    except OSError as error:
        raise OutsideError(f"cannot read the file: {error.strerror}", where=str(file), code="RF501") from error
    try:
        found = json.loads(data)
    except ValueError:
        found = None
    if not isinstance(found, list) or not all(isinstance(text, str) and len(text) <= ANSWER_MOST for text in found):
        hint = "write a JSON list of texts"
        raise InputError("not a script of answers", where=str(file), hint=hint, code="RF266")
    return found
