"""Answers of models, which are as trustworthy as any text of a stranger: bounded, parsed whole, every problem told."""

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any, Generic, TypeVar

import msgspec

ANSWER_MOST = 65_536  # bytes
DEPTH_MOST = 20
PROBLEMS_MOST = 20
SHOWN_MOST = 60  # characters of a wrong value
_NUMBER_MOST = 40  # digits; longer ones are read as "not a number"
_FENCE = re.compile(r"\A\s{0,20}```[a-z]{0,10}[ \t]{0,9}\n(.*)\n```\s{0,20}\Z", re.DOTALL)
IDS = "x-ids"  # in a schema: the value is one of the ids that the question names under this word

Output = TypeVar("Output", bound=msgspec.Struct)
Schema = dict[str, Any]


class Parsed(msgspec.Struct, Generic[Output], frozen=True):
    """An answer, or why it is none; exactly one of the two."""

    value: Output | None
    problems: tuple[str, ...] = ()


def schema_of(kind: type[msgspec.Struct], ids: Mapping[str, tuple[str, ...]] | None = None) -> Schema:
    """Write the JSON schema of an output type, without references; ids that must exist become its enumerations.

    Args:
        kind: a struct that forbids unknown fields; nested structs are allowed, recursive ones are not.
        ids: under each word that the type names by `x-ids`, the ids that an answer may use.
    """
    plain = _plain_schema(kind)
    resolved: Schema = _resolved(plain, plain.get("$defs", {}), ids or {})
    return resolved


@lru_cache(maxsize=64)
def _plain_schema(kind: type[msgspec.Struct]) -> Schema:
    return msgspec.json.schema(kind)


def _resolved(node: Any, defs: Schema, ids: Mapping[str, tuple[str, ...]]) -> Any:  # noqa: ANN401 - a JSON tree
    if isinstance(node, list):
        return [_resolved(item, defs, ids) for item in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        return _resolved(defs[node["$ref"].rsplit("/", 1)[1]], defs, ids)
    found = {key: _resolved(value, defs, ids) for key, value in node.items() if key != "$defs"}
    if IDS in found:
        found["enum"] = list(ids.get(found.pop(IDS), ()))
    return found


def parse_answer(text: str, kind: type[Output], schema: Schema) -> Parsed[Output]:
    """Read the answer of a model as `kind`. Every problem is told at once, at most twenty, in words for its author."""
    read = read_json(text)
    if read.problem:
        return Parsed(None, (read.problem,))
    problems = problems_of(read.value, schema)
    if problems:
        return Parsed(None, problems)
    try:
        return Parsed(msgspec.convert(read.value, kind))
    except msgspec.ValidationError as error:  # more than the schema says
        return Parsed(None, (str(error)[:300],))


class Read(msgspec.Struct, frozen=True):
    """A JSON document, or why it is none."""

    value: object = None
    problem: str = ""


def read_json(text: str) -> Read:
    """Read one JSON document within bounds; a code fence around it is let pass."""
    if len(text) > ANSWER_MOST or len(text.encode("utf-8", "surrogatepass")) > ANSWER_MOST:
        return Read(problem=f"the answer is longer than {ANSWER_MOST:,} bytes")
    if found := _FENCE.match(text):
        text = found[1]
    if _depth(text) > DEPTH_MOST:
        return Read(problem=f"the answer is nested more than {DEPTH_MOST} deep")
    try:
        value = _DECODER.decode(text)
    except ValueError as error:
        told = f"{error.msg}, line {error.lineno}" if isinstance(error, json.JSONDecodeError) else str(error)
        return Read(problem=f"the answer is not one JSON document: {told}"[:300])
    if "\\ud" in text.lower() and any("\ud800" <= c <= "\udfff" for c in json.dumps(value, ensure_ascii=False)):
        return Read(problem="the answer holds half of a surrogate pair")
    return Read(value)


def _depth(text: str) -> int:
    """The deepest nesting of brackets, those in strings left out."""
    depth = deepest = 0
    quoted = escaped = False
    for letter in text:
        if quoted:
            quoted, escaped = letter != '"' or escaped, letter == "\\" and not escaped
        elif letter == '"':
            quoted = True
        elif letter in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif letter in "]}":
            depth -= 1
    return deepest


def _no_number(word: str) -> float:
    raise ValueError(f"{word} is no number")


def _integer(digits: str) -> int:
    if len(digits) > _NUMBER_MOST:
        raise ValueError("a number has too many digits")
    return int(digits)


def _fraction(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError("a number is too large")
    return number


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return found


_DECODER = json.JSONDecoder(
    parse_constant=_no_number, parse_int=_integer, parse_float=_fraction, object_pairs_hook=_once
)


def problems_of(value: object, schema: Schema) -> tuple[str, ...]:
    """Check plain data against a schema as `schema_of` writes it; every problem names its place."""
    found: list[str] = []
    for problem in _problems(value, schema, ""):
        if len(found) == PROBLEMS_MOST:
            return (*found, "and more")
        found.append(problem)
    return tuple(found)


def _problems(value: object, schema: Schema, at: str) -> Iterator[str]:
    where = at or "the answer"
    if "anyOf" in schema:
        yield from _one_of(value, schema["anyOf"], at)
        return
    if "enum" in schema and (isinstance(value, bool) or value not in schema["enum"]):
        known = ", ".join(map(str, schema["enum"][:40])) or "there are none"
        yield f"{where} is one of: {known}; found {_shown(value)}"
        return
    wanted = schema.get("type", "")
    if wanted and not _TYPES[wanted](value):
        yield f"{where} is {_WORDS[wanted]}; found {_shown(value)}"
        return
    if isinstance(value, dict):
        yield from _object(value, schema, at)
    elif isinstance(value, list):
        yield from _size(len(value), schema, "Items", f"{where} has", "entries")
        for number, item in enumerate(value[: schema.get("maxItems", len(value))]):
            yield from _problems(item, schema.get("items", {}), f"{at}[{number}]")
    elif isinstance(value, str):
        yield from _size(len(value), schema, "Length", f"{where} has", "characters")
    elif isinstance(value, int | float) and not isinstance(value, bool):
        least, most = schema.get("minimum", -math.inf), schema.get("maximum", math.inf)
        if not least <= value <= most:
            yield f"{where} lies from {least} to {most}; found {_shown(value)}"


def _one_of(value: object, choices: list[Schema], at: str) -> Iterator[str]:
    """No problem where one choice has none; else the problems of the choice that comes nearest."""
    tried = [list(_problems(value, choice, at)) for choice in choices]
    if all(tried):
        typed = [p for p, choice in zip(tried, choices, strict=True) if _fits(value, choice)]
        if typed:
            yield from typed[0]
        else:
            wanted = " or ".join(_WORDS.get(choice.get("type", ""), "one of a few values") for choice in choices)
            yield f"{at or 'the answer'} is {wanted}; found {_shown(value)}"


def _fits(value: object, schema: Schema) -> bool:
    return "type" in schema and _TYPES[schema["type"]](value)


def _object(value: dict[str, object], schema: Schema, at: str) -> Iterator[str]:
    fields = schema.get("properties", {})
    dot = f"{at}." if at else ""
    for key in schema.get("required", ()):
        if key not in value:
            yield f"{dot}{key} is missing"
    for key, item in value.items():
        if key in fields:
            yield from _problems(item, fields[key], dot + key)
        elif schema.get("additionalProperties") is False:
            yield f"{at or 'the answer'} has a key that nobody asked for: {_shown(key)}"


def _size(size: int, schema: Schema, word: str, what: str, unit: str) -> Iterator[str]:
    least, most = schema.get(f"min{word}", 0), schema.get(f"max{word}", size)
    if not least <= size <= most:
        asked = f"{least} to {schema[f'max{word}']}" if f"max{word}" in schema else f"at least {least}"
        yield f"{what} {asked} {unit}; found {size}"


def _shown(value: object) -> str:
    text = json.dumps(value, ensure_ascii=True)
    return text if len(text) <= SHOWN_MOST else text[: SHOWN_MOST - 1] + "…"


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


_TYPES: dict[str, Callable[[object], bool]] = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
    "number": _is_number,
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
}
_WORDS = {
    "object": "an object",
    "array": "a list",
    "string": "a text",
    "boolean": "true or false",
    "null": "null",
    "number": "a number",
    "integer": "a whole number",
}
