"""What scripts do with texts, for texts that remember their stand-ins: format, replace, cut, encode."""

import base64
import json
import re
import string
from collections.abc import Callable, Iterable, Iterator
from urllib.parse import quote_from_bytes, unquote_to_bytes

from ruleforge.sources.nuclei.standins import Standins
from ruleforge.sources.nuclei.text import Text, glue
from ruleforge.sources.poc_code.values import (
    MAX_VALUE,
    Budget,
    Map,
    Unknown,
    Value,
    as_text,
    checked,
    text,
    too_large,
)

SPACIOUS = (b", ", b": ")  # JSON as Python's json.dumps writes it
COMPACT = (b",", b":")  # as the other languages do
MAX_PIECES = 2_000
MAX_WIDTH = 1_000  # of a padded field
MAX_JSON_DEPTH = 12

_PERCENT = re.compile(rb"%(?:\((\w{1,60})\))?([-#0 +]{0,4})(\d{0,4})(?:\.\d{1,4})?([sdifuxXcrobegGa%])")


def joined(parts: Iterable[Text]) -> Text:
    """All `parts` one after the other, taken only until they are too large.

    Raises:
        InputError: they are (RF216).
    """
    return checked(glue(_within(parts)))


def _within(parts: Iterable[Text]) -> Iterator[Text]:
    length = 0
    for part in parts:
        length += len(part.data)
        if length > MAX_VALUE:
            raise too_large()
        yield part


def pieces_of(value: Text, separator: bytes, limit: int = MAX_PIECES) -> list[Text]:
    """Cut `value` at `separator` (not empty), at most `limit` times."""
    parts: list[Text] = []
    position = 0
    while len(parts) < min(limit, MAX_PIECES):
        found = value.data.find(separator, position)
        if found < 0:
            break
        parts.append(value.cut(position, found))
        position = found + len(separator)
    return [*parts, value.cut(position)]


def replaced(value: Text, old: bytes, new: Text, limit: int = MAX_PIECES) -> Text:
    """`value` with `old` replaced by `new`."""
    if not old:
        return value
    parts: list[Text] = []
    for piece in pieces_of(value, old, limit):
        parts += [new, piece] if parts else [piece]
    return joined(parts)


def percent_formatted(pattern: Text, argument: Value, standins: Standins, budget: Budget) -> Text:
    """`pattern % argument`, as C, Python, Ruby, PHP and Perl have it; every field costs a step of `budget`."""
    return joined(_percent_parts(pattern, argument, standins, budget))


def _percent_parts(pattern: Text, argument: Value, standins: Standins, budget: Budget) -> Iterator[Text]:
    values = iter(argument if isinstance(argument, list) else [argument])
    position = 0
    for found in _PERCENT.finditer(pattern.data):
        budget.charge()
        yield pattern.cut(position, found.start())
        position = found.end()
        if found[4] == b"%":
            yield Text(b"%")
            continue
        named = argument.get(found[1].decode()) if found[1] and isinstance(argument, Map) else None
        yield _field(named if found[1] else next(values, Unknown("value")), found, standins)
    yield pattern.cut(position)


def _field(value: Value, found: re.Match[bytes], standins: Standins) -> Text:
    kind = found[4].decode()
    if kind in "xXo" and isinstance(value, int):
        shown = text(format(value, kind))
    elif kind == "c" and isinstance(value, int):
        shown = text(bytes([value % 256]))
    else:
        shown = as_text(value, standins)
    width = min(int(found[3] or 0), MAX_WIDTH)
    if width <= len(shown.data):
        return shown  # not a copy: a pattern may name a large value thousands of times
    fill = b"0" if b"0" in found[2] and kind in "dxXofi" else b" "
    padding = Text(fill * (width - len(shown.data)))
    return joined([shown, padding] if b"-" in found[2] else [padding, shown])


def brace_formatted(
    pattern: Text, values: tuple[Value, ...], named: dict[str, Value], standins: Standins, budget: Budget
) -> Text:
    """`pattern.format(*values, **named)`; a field that cannot be read becomes a stand-in, each costs a step."""
    return joined(_brace_texts(pattern, values, named, standins, budget))


def _brace_texts(
    pattern: Text, values: tuple[Value, ...], named: dict[str, Value], standins: Standins, budget: Budget
) -> Iterator[Text]:
    count = 0
    for literal, field, spec in _brace_parts(pattern.data.decode("utf-8", "surrogateescape")):
        budget.charge()
        yield Text(literal.encode("utf-8", "surrogateescape"))
        if field is None:
            continue
        head = re.match(r"\w*", field[:80])
        name = head[0] if head else ""
        if not name:
            name, count = str(count), count + 1
        value = named.get(name, Unknown(name))
        if name.isdigit():
            value = values[int(name)] if int(name) < len(values) else Unknown("value")
        yield _spec_field(_inside(value, field[len(head[0] if head else "") :]), spec, standins)


def _brace_parts(pattern: str) -> Iterator[tuple[str, str | None, str]]:
    try:
        for literal, field, spec, _ in string.Formatter().parse(pattern):
            yield literal, field, spec or ""
    except ValueError:  # an unbalanced brace: a real run would fail here as well
        yield pattern, None, ""


def _inside(value: Value, rest: str) -> Value:
    """What `rest` ("[key]", ".name") picks from `value`."""
    found = re.fullmatch(r"\[(\w{1,60})\]|\.(\w{1,60})", rest)
    if found is None:
        return value
    if isinstance(value, Map) and found[1]:
        return value.get(found[1])
    return Unknown(found[1] or found[2])


def _spec_field(value: Value, spec: str, standins: Standins) -> Text:
    if isinstance(value, int) and re.fullmatch(r"[0#]?\d{0,3}[xXbodc]", spec):
        return text(format(value, spec) if 0 <= value < 0x110000 else str(value))
    return as_text(value, standins)


def quoted(value: Text, safe: bytes = b"/", *, plus: bool = False) -> Text:
    """Percent-encoded; with `plus`, a blank becomes "+"."""
    kept = safe + (b" " if plus else b"")

    def encode(data: bytes) -> bytes:
        done = quote_from_bytes(data, kept).encode()
        return done.replace(b" ", b"+") if plus else done

    return checked(value.each(encode))


def unquoted(value: Text, *, plus: bool = False) -> Text:
    """Percent-decoded once."""
    return value.each(lambda data: unquote_to_bytes(data.replace(b"+", b" ") if plus else data))


def form_encoded(pairs: Iterable[tuple[Text, Text]]) -> Text:
    """`name=value&…`, encoded as a browser does."""
    return joined(form_parts(pairs))


def form_parts(pairs: Iterable[tuple[Text, Text]], mark: bytes = b"") -> Iterator[Text]:
    """The pieces of `name=value&…`, with `mark` in front of the first; each is encoded when it is asked for."""
    for name, value in pairs:
        yield from (Text(mark), quoted(name, b"", plus=True), Text(b"="), quoted(value, b"", plus=True))
        mark = b"&"


def base64_encoded(value: Text) -> Text:
    """Base64; what holds a stand-in becomes one."""
    return checked(value.whole(base64.b64encode))


def base64_decoded(value: Text) -> Text:
    """The bytes; what is not base64 stays."""

    def decode(data: bytes) -> bytes:
        try:
            return base64.b64decode(data + b"=" * (-len(data) % 4))
        except ValueError:
            return data

    return value.whole(decode)


def backslash_decoded(data: str, also: Callable[[str], str | None] = lambda _: None) -> str:
    r"""`\n`, `\x41`, `A` and the like read as C does; a code above 255 is the character."""

    def one(found: re.Match[str]) -> str:
        code = found[1]
        given = also(code)
        if given is not None:
            return given
        if code[0] in "xu" and len(code) > 1:
            return chr(int(code[1:].strip("{}"), 16) % 0x110000)
        if code.isdigit():
            return chr(int(code, 8)) if all(c in "01234567" for c in code) else code
        return {"n": "\n", "r": "\r", "t": "\t", "0": "\0", "a": "\a", "b": "\b", "f": "\f", "v": "\v", "e": "\x1b",
                "\n": ""}.get(code, code)  # fmt: skip

    return re.sub(r"\\(x[0-9A-Fa-f]{1,2}|u[0-9A-Fa-f]{4}|u\{[0-9A-Fa-f]{1,6}\}|[0-7]{1,3}|[\s\S])", one, data)


def json_written(value: Value, standins: Standins, budget: Budget, signs: tuple[bytes, bytes] = SPACIOUS) -> Text:
    """`value` as JSON; `signs` stand between elements and behind keys.

    A list that holds itself ten times is small in the script and endless when written: every element costs a step of
    `budget`, and writing ends where the text is too large.

    Raises:
        InputError: it is (RF216).
        Limit: the budget is used up.
    """
    return joined(_json_parts(value, standins, budget, signs, 0))


def _json_parts(
    value: Value, standins: Standins, budget: Budget, signs: tuple[bytes, bytes], depth: int
) -> Iterator[Text]:
    budget.charge()
    if depth > MAX_JSON_DEPTH:
        yield Text(b"null")
    elif value is None or isinstance(value, (bool, int, float)):
        yield text(json.dumps(value))
    elif isinstance(value, list):
        yield Text(b"[")
        for position, each in enumerate(value):
            yield Text(signs[0] if position else b"")
            yield from _json_parts(each, standins, budget, signs, depth + 1)
        yield Text(b"]")
    elif isinstance(value, Map):
        yield Text(b"{")
        for position, (key, each) in enumerate(value.pairs()):
            yield Text(signs[0] if position else b"")
            yield from (_json_text(as_text(key, standins)), Text(signs[1]))
            yield from _json_parts(each, standins, budget, signs, depth + 1)
        yield Text(b"}")
    else:
        yield _json_text(as_text(value, standins))


def _json_text(value: Text) -> Text:
    inner = value.each(lambda data: json.dumps(data.decode("utf-8", "replace"))[1:-1].encode())
    return joined([Text(b'"'), inner, Text(b'"')])
