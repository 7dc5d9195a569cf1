"""What scripts do with texts, for texts that remember their stand-ins: format, replace, cut, encode."""

import base64
import json
import re
import string
from collections.abc import Callable, Iterator
from urllib.parse import quote_from_bytes, unquote_to_bytes

from ruleforge.sources.nuclei.standins import Standins
from ruleforge.sources.nuclei.text import Text, glue
from ruleforge.sources.poc_code.values import Map, Unknown, Value, as_text, checked, text

SPACIOUS = (b", ", b": ")  # JSON as Python's json.dumps writes it
COMPACT = (b",", b":")  # as the other languages do
MAX_PIECES = 2_000
MAX_WIDTH = 1_000  # of a padded field

_PERCENT = re.compile(rb"%(?:\((\w{1,60})\))?([-#0 +]{0,4})(\d{0,4})(?:\.\d{1,4})?([sdifuxXcrobegGa%])")


def joined(parts: list[Text]) -> Text:
    """All `parts` one after the other, within bounds."""
    return checked(glue(parts))


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


def percent_formatted(pattern: Text, argument: Value, standins: Standins) -> Text:
    """`pattern % argument`, as C, Python, Ruby, PHP and Perl have it."""
    values = iter(argument if isinstance(argument, list) else [argument])
    parts: list[Text] = []
    position = 0
    for found in _PERCENT.finditer(pattern.data):
        parts.append(pattern.cut(position, found.start()))
        position = found.end()
        if found[4] == b"%":
            parts.append(Text(b"%"))
            continue
        named = argument.get(found[1].decode()) if found[1] and isinstance(argument, Map) else None
        parts.append(_field(named if found[1] else next(values, Unknown("value")), found, standins))
    return joined([*parts, pattern.cut(position)])


def _field(value: Value, found: re.Match[bytes], standins: Standins) -> Text:
    kind = found[4].decode()
    if kind in "xXo" and isinstance(value, int):
        shown = text(format(value, kind))
    elif kind == "c" and isinstance(value, int):
        shown = text(bytes([value % 256]))
    else:
        shown = as_text(value, standins)
    width = min(int(found[3] or 0), MAX_WIDTH)
    fill = b"0" if b"0" in found[2] and kind in "dxXofi" else b" "
    padding = Text(fill * max(0, width - len(shown.data)))
    return joined([shown, padding] if b"-" in found[2] else [padding, shown])


def brace_formatted(pattern: Text, values: tuple[Value, ...], named: dict[str, Value], standins: Standins) -> Text:
    """`pattern.format(*values, **named)`; a field that cannot be read becomes a stand-in."""
    parts: list[Text] = []
    count = 0
    for literal, field, spec in _brace_parts(pattern.data.decode("utf-8", "surrogateescape")):
        parts.append(Text(literal.encode("utf-8", "surrogateescape")))
        if field is None:
            continue
        head = re.match(r"\w*", field[:80])
        name = head[0] if head else ""
        if not name:
            name, count = str(count), count + 1
        value = named.get(name, Unknown(name))
        if name.isdigit():
            value = values[int(name)] if int(name) < len(values) else Unknown("value")
        parts.append(_spec_field(_inside(value, field[len(head[0] if head else "") :]), spec, standins))
    return joined(parts)


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


def form_encoded(pairs: list[tuple[Text, Text]]) -> Text:
    """`name=value&…`, encoded as a browser does."""
    parts: list[Text] = []
    for name, value in pairs:
        parts += [Text(b"&"), quoted(name, b"", plus=True), Text(b"="), quoted(value, b"", plus=True)]
    return joined(parts[1:])


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


def json_written(value: Value, standins: Standins, signs: tuple[bytes, bytes] = SPACIOUS, depth: int = 0) -> Text:
    """`value` as JSON; `signs` stand between elements and behind keys."""
    if depth > 12:
        return Text(b"null")
    if value is None or isinstance(value, (bool, int, float)):
        return text(json.dumps(value))
    if isinstance(value, list):
        return joined(
            [
                Text(b"["),
                *_commas(signs[0], (json_written(each, standins, signs, depth + 1) for each in value)),
                Text(b"]"),
            ]
        )
    if isinstance(value, Map):
        pairs = (
            joined([_json_text(as_text(k, standins)), Text(signs[1]), json_written(v, standins, signs, depth + 1)])
            for k, v in value.pairs()
        )
        return joined([Text(b"{"), *_commas(signs[0], pairs), Text(b"}")])
    return _json_text(as_text(value, standins))


def _json_text(value: Text) -> Text:
    inner = value.each(lambda data: json.dumps(data.decode("utf-8", "replace"))[1:-1].encode())
    return joined([Text(b'"'), inner, Text(b'"')])


def _commas(sign: bytes, parts: Iterator[Text]) -> list[Text]:
    done: list[Text] = []
    for part in parts:
        done += [Text(sign), part] if done else [part]
    return done
