"""VALUE_TYPES: how the value of an operator is written in a document, read, checked and described as a schema."""

import base64
import binascii
import ipaddress
import re
from collections.abc import Callable
from typing import Any

import msgspec

from ruleforge._registry import Registry
from ruleforge.errors import RuleError
from ruleforge.rules.patterns import compile_pattern
from ruleforge.rules.tree import Value

MAX_LIST = 200  # values in one condition
MAX_INT = 2**53 - 1  # the largest integer every JSON reader keeps exactly
BASE64_TEXT = r"^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$(?!\n)"
PATH_TEXT = r"^(?:/(?!\.{1,2}(?:/|$))[^/]+)+$"
_PATH = re.compile(rb"(?s)(?:/(?!\.{1,2}(?:/|\Z))[^/]+)+\Z")
_BASE64 = re.compile(BASE64_TEXT)

Schema = dict[str, Any]
LITERAL_SCHEMA: Schema = {
    "anyOf": [
        {"type": "string"},
        {
            "type": "object",
            "properties": {"base64": {"type": "string", "pattern": BASE64_TEXT}},
            "required": ["base64"],
            "additionalProperties": False,
        },
    ]
}


class ValueType(msgspec.Struct, frozen=True):
    """A kind of value an operator takes."""

    name: str
    meaning: str  # "a text", for messages and the reference page
    read: Callable[[object], Value]  # from plain JSON data; RuleError when it does not fit
    write: Callable[[Value], object]  # to plain JSON data; the inverse
    schema: Schema | None  # None: the condition has no value


VALUE_TYPES = Registry[ValueType]("value type")


def read_literal(data: object) -> bytes:
    """Read a byte string: text (UTF-8) or `{"base64": "…"}`.

    Raises:
        RuleError: RF305 neither of the two, RF325 not strict base64 or not a Unicode text.
    """
    if isinstance(data, str):
        try:
            return data.encode()
        except UnicodeEncodeError:
            hint = 'use {"base64": "…"} for bytes'
            raise RuleError("the text is not valid Unicode", hint=hint, code="RF325") from None
    if isinstance(data, dict) and set(data) == {"base64"} and isinstance(data["base64"], str):
        return _read_base64(data["base64"])
    raise RuleError(f"expected a text, found {kind_of(data)}", hint='write "…" or {"base64": "…"}', code="RF305")


def _read_base64(text: str) -> bytes:
    try:
        if _BASE64.match(text):
            return base64.b64decode(text, validate=True)
    except binascii.Error:
        pass
    raise RuleError("not strict base64", hint="standard alphabet, padded, without blanks", code="RF325")


def write_literal(value: bytes) -> object:
    """Write a byte string: as text where it is clean UTF-8, else as `{"base64": "…"}`."""
    try:
        text = value.decode()
    except UnicodeDecodeError:
        text = None
    if text is None or any(ord(char) < 0x20 or 0x7F <= ord(char) < 0xA0 for char in text):
        return {"base64": base64.b64encode(value).decode()}
    return text


def kind_of(data: object) -> str:
    """Name the JSON type of plain data, for messages."""
    if isinstance(data, bool):
        return "a boolean"
    names = {dict: "an object", list: "a list", str: "a text", int: "an integer", float: "a number"}
    return "null" if data is None else names.get(type(data), type(data).__name__)


def read_int(data: object, least: int, most: int = MAX_INT) -> int:
    """Read an integer within bounds; as in JSON Schema, 2.0 is one and true is not.

    Raises:
        RuleError: RF305 not an integer, RF306 out of bounds.
    """
    if isinstance(data, float) and data.is_integer():
        data = int(data)
    if not isinstance(data, int) or isinstance(data, bool):
        raise RuleError(f"expected an integer, found {kind_of(data)}", code="RF305")
    if not least <= data <= most:
        raise RuleError(f"{data} is out of bounds", hint=f"between {least} and {most}", code="RF306")
    return data


def read_list(data: object) -> list[object]:
    """Read a list of 1 to 200 items.

    Raises:
        RuleError: RF305 not a list, RF306 empty or too long.
    """
    if not isinstance(data, list):
        raise RuleError(f"expected a list, found {kind_of(data)}", code="RF305")
    if not 1 <= len(data) <= MAX_LIST:
        raise RuleError(f"the list has {len(data)} values", hint=f"between 1 and {MAX_LIST}", code="RF306")
    return data


def is_path_literal(value: bytes) -> bool:
    """Say whether `value` can be the value of path_suffix: starts with `/`, no empty or dot segment."""
    return _PATH.match(value) is not None


def _read_pattern(data: object) -> bytes:
    regex = read_literal(data)
    compile_pattern(regex)
    return regex


def _read_path(data: object) -> bytes:
    path = read_literal(data)
    if not is_path_literal(path):
        raise RuleError(
            "not a path literal",
            hint="it starts with /, is not / alone, and has no empty, . or .. segment (no / at the end)",
            code="RF323",
        )
    return path


def _read_networks(data: object) -> tuple[bytes, ...]:
    items = [data] if isinstance(data, str) else read_list(data)
    return tuple(_read_network(item) for item in items)


def _read_network(data: object) -> bytes:
    if not isinstance(data, str):
        raise RuleError(f"expected a network, found {kind_of(data)}", code="RF305")
    try:
        ipaddress.ip_network(data)
    except ValueError as error:
        hint = 'write "198.51.100.0/24" or "2001:db8::/32"'
        raise RuleError(f"not a network: {error}", hint=hint, code="RF324") from None
    return data.encode()


def _read_class(data: object) -> bytes:
    if not isinstance(data, str):
        raise RuleError(f"expected the name of a payload class, found {kind_of(data)}", code="RF305")
    return data.encode("utf-8", "replace")


def _read_nothing(data: object) -> None:
    raise RuleError(f"the operator takes no value, found {kind_of(data)}", code="RF304")


def _write_one(value: Value) -> object:
    assert isinstance(value, bytes)
    return write_literal(value)


def _write_list(value: Value) -> object:
    assert isinstance(value, tuple)
    return [write_literal(item) for item in value]


def _write_plain(value: Value) -> object:
    if isinstance(value, tuple):
        return [item.decode() for item in value]
    return value.decode() if isinstance(value, bytes) else value


_LIST: Schema = {"type": "array", "minItems": 1, "maxItems": MAX_LIST}
_PATH_SCHEMA: Schema = {"anyOf": [{"type": "string", "pattern": PATH_TEXT}, LITERAL_SCHEMA["anyOf"][1]]}

for _type in (
    ValueType("bytes", "a text", read_literal, _write_one, LITERAL_SCHEMA),
    ValueType("pattern", "a pattern", _read_pattern, _write_one, LITERAL_SCHEMA),
    ValueType("path", "a path literal", _read_path, _write_one, _PATH_SCHEMA),
    ValueType(
        "bytes_list",
        "a list of texts",
        lambda data: tuple(read_literal(item) for item in read_list(data)),
        _write_list,
        {**_LIST, "items": LITERAL_SCHEMA},
    ),
    ValueType(
        "network_list",
        "a network or a list of networks",
        _read_networks,
        _write_plain,
        {"anyOf": [{"type": "string"}, {**_LIST, "items": {"type": "string"}}]},
    ),
    ValueType(
        "int",
        "an integer",
        lambda data: read_int(data, -MAX_INT),
        _write_plain,
        {"type": "integer", "minimum": -MAX_INT, "maximum": MAX_INT},
    ),
    ValueType(
        "size",
        "an integer from 0",
        lambda data: read_int(data, 0),
        _write_plain,
        {"type": "integer", "minimum": 0, "maximum": MAX_INT},
    ),
    ValueType("class", "the name of a payload class", _read_class, _write_plain, {"type": "string"}),
    ValueType("none", "no value", _read_nothing, _write_plain, None),
):
    VALUE_TYPES.put(_type.name, _type)
