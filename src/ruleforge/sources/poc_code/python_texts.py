"""What Python's own functions and methods do with texts and collections."""

from collections.abc import Callable
from typing import Any

from ruleforge.sources.nuclei.text import Text
from ruleforge.sources.poc_code.interpret import Interpreter, pairs_of
from ruleforge.sources.poc_code.texts import (
    base64_decoded,
    base64_encoded,
    brace_formatted,
    form_encoded,
    joined,
    json_written,
    pieces_of,
    quoted,
    replaced,
    unquoted,
)
from ruleforge.sources.poc_code.values import MAX_ITEMS, Arguments, Map, Symbol, Thing, Unknown, Value, is_target, text

Method = Callable[[Interpreter, Value, Arguments], Any]
Function = Callable[[Interpreter, Arguments], Any]


def same(_: Interpreter, receiver: Value, arguments: Arguments) -> Value:
    """The receiver as it is: what changes nothing that matters here (`encode`, `lower` of a gap)."""
    return receiver


def first(reader: Interpreter, arguments: Arguments) -> Value:
    """The first argument as it is (`str`, `list`, `iter`)."""
    return arguments.get(0)


def by_text(change: Callable[[Text], Text]) -> Method:
    """A method that changes a text and takes no arguments."""

    def method(reader: Interpreter, receiver: Value, arguments: Arguments) -> Value:
        return change(receiver) if isinstance(receiver, Text) else receiver

    return method


def of_text(change: Callable[[Text], Text]) -> Function:
    """A function that changes its first argument, a text."""
    return lambda reader, arguments: change(reader.text(arguments.get(0)))


def stripped(left: bool = True, right: bool = True) -> Method:
    """`strip`, `lstrip`, `rstrip`."""

    def method(reader: Interpreter, receiver: Value, arguments: Arguments) -> Value:
        given = arguments.get(0)
        marks = given.data if isinstance(given, Text) else b" \t\r\n\v\f\0"
        if not isinstance(receiver, Text):
            return receiver
        start = len(receiver.data) - len(receiver.data.lstrip(marks)) if left else 0
        end = len(receiver.data.rstrip(marks)) if right else len(receiver.data)
        return receiver.cut(start, max(start, end))

    return method


def _format(reader: Interpreter, receiver: Value, arguments: Arguments) -> Value:
    if not isinstance(receiver, Text):
        return receiver
    named = arguments.named
    return brace_formatted(receiver, arguments.values, named, reader.standins, reader.budget)


def replace(reader: Interpreter, receiver: Value, arguments: Arguments) -> Value:
    """`replace(old, new, count)`."""
    old, new, count = arguments.get(0), arguments.get(1), arguments.get(2, "count")
    if not isinstance(receiver, Text) or not isinstance(old, Text):
        return receiver
    return replaced(receiver, old.data, reader.text(new), count if isinstance(count, int) and count > 0 else MAX_ITEMS)


def _split(reader: Interpreter, receiver: Value, arguments: Arguments) -> Value:
    mark, limit = arguments.get(0), arguments.get(1, "maxsplit")
    if not isinstance(receiver, Text):
        return receiver
    if not isinstance(mark, Text) or not mark.data:
        return [part for part in pieces_of(replaced(receiver, b"\n", Text(b" ")), b" ") if part.data]
    return [*pieces_of(receiver, mark.data, limit if isinstance(limit, int) and limit > 0 else MAX_ITEMS)]


def _join(reader: Interpreter, receiver: Value, arguments: Arguments) -> Value:
    given = arguments.get(0)
    if not isinstance(given, list):
        return Unknown("value") if not isinstance(given, Text) else given
    mark = reader.text(receiver)
    if len(given) > 1 and isinstance(given[0], (Unknown, Symbol)) and all(each == given[0] for each in given):
        return reader.text(given[0])  # so many random characters
    parts: list[Text] = []
    for each in given:
        parts += [mark, reader.text(each)]
    return joined(parts[1:])


def _padded(reader: Interpreter, receiver: Value, arguments: Arguments) -> Value:
    width, fill = arguments.get(0), arguments.get(1)
    if not isinstance(receiver, Text) or not isinstance(width, int):
        return receiver
    mark = fill.data[:1] if isinstance(fill, Text) else b" "
    return joined([receiver, Text((mark or b" ") * max(0, min(width, 8192) - len(receiver.data)))])


def _append(reader: Interpreter, receiver: Value, arguments: Arguments) -> Value:
    if isinstance(receiver, list) and len(receiver) < MAX_ITEMS:
        receiver.append(arguments.get(0))
    elif isinstance(receiver, list):
        reader.cut_short(MAX_ITEMS)
    return None


def _extend(reader: Interpreter, receiver: Value, arguments: Arguments) -> Value:
    given = arguments.get(0)
    if isinstance(receiver, list) and isinstance(given, list):
        receiver.extend(reader.first(given, max(0, MAX_ITEMS - len(receiver)), MAX_ITEMS))
    return None


def _update(reader: Interpreter, receiver: Value, arguments: Arguments) -> Value:
    given = arguments.get(0)
    if isinstance(receiver, Map):
        for key, value in given.pairs() if isinstance(given, Map) else ():
            reader.put(receiver, key, value)
        for name, value in arguments.named.items():
            reader.put(receiver, text(name), value)
    return None


def _get(reader: Interpreter, receiver: Value, arguments: Arguments) -> Value:
    key = arguments.get(0)
    if isinstance(receiver, Map) and receiver.has(key):
        return receiver.get(key)
    if arguments.get(1) is not None:
        return arguments.get(1)
    return Unknown(key.data[:60].decode("latin-1")) if isinstance(key, Text) else Unknown()


def _items(reader: Interpreter, receiver: Value, arguments: Arguments) -> Value:
    return [[key, value] for key, value in receiver.pairs()] if isinstance(receiver, Map) else Unknown("item")


def _keys(reader: Interpreter, receiver: Value, arguments: Arguments) -> Value:
    return [key for key, _ in receiver.pairs()] if isinstance(receiver, Map) else Unknown()


def _values(reader: Interpreter, receiver: Value, arguments: Arguments) -> Value:
    return [value for _, value in receiver.pairs()] if isinstance(receiver, Map) else Unknown()


def _copy(reader: Interpreter, receiver: Value, arguments: Arguments) -> Value:
    if isinstance(receiver, Map):
        return receiver.copy()
    return list(receiver) if isinstance(receiver, list) else receiver


METHODS: dict[str, Method] = {
    ".encode": same, ".decode": same, "text.format": _format, ".strip": stripped(), ".lstrip": stripped(right=False),
    ".rstrip": stripped(left=False), ".replace": replace, "text.split": _split, ".join": _join, ".ljust": _padded,
    "text.lower": by_text(lambda value: value.each(bytes.lower)), "gap.lower": same, "gap.format": same,
    "text.upper": by_text(lambda value: value.each(bytes.upper)), "gap.upper": same, "gap.split": same,
    "text.title": by_text(lambda value: value.each(bytes.title)), "text.hex": by_text(
        lambda value: value.whole(lambda data: data.hex().encode())
    ), "text.splitlines": lambda _, receiver, __: [*pieces_of(receiver, b"\n")] if isinstance(receiver, Text) else [],
    "list.append": _append, "list.extend": _extend, "map.update": _update, "map.get": _get, "map.items": _items,
    "map.keys": _keys, "map.values": _values, "map.copy": _copy, "list.copy": _copy, "map.iteritems": _items,
    "list.pop": lambda _, receiver, __: receiver[-1] if isinstance(receiver, list) and receiver else Unknown(),
}  # fmt: skip


def _quote(reader: Interpreter, arguments: Arguments) -> Value:
    safe = arguments.get(1, "safe")
    return quoted(reader.text(arguments.get(0)), safe.data if isinstance(safe, Text) else b"/")


def _urlencode(reader: Interpreter, arguments: Arguments) -> Value:
    return form_encoded(pairs_of(reader, arguments.get(0)))


def _urljoin(reader: Interpreter, arguments: Arguments) -> Value:
    base, path = reader.text(arguments.get(0)), reader.text(arguments.get(1))
    if path.data[:4].lower() == b"http":
        return path
    host_end = base.data.find(b"/", base.data.find(b"://") + 3) if b"://" in base.data else base.data.find(b"/")
    host = base if host_end < 0 else base.cut(0, host_end)
    folder = Text(b"/") if host_end < 0 else base.cut(host_end, base.data.rfind(b"/") + 1)
    if base.spans and host_end < 0 and b"://" not in base.data and base.spans[0][0] != 0:
        host = Text()
    return joined([host, path] if path.data.startswith(b"/") else [host, folder, path])


def _urlparse(reader: Interpreter, arguments: Arguments) -> Value:
    parts = Thing("url")
    parts.fields = {
        "scheme": text("http"), "netloc": Unknown("host"), "hostname": Unknown("host"), "port": Unknown("port"),
        "path": text(""), "query": text(""),
    }  # fmt: skip
    return parts


def _dumps(reader: Interpreter, arguments: Arguments) -> Value:
    return json_written(arguments.get(0), reader.standins, reader.budget)


def _range(reader: Interpreter, arguments: Arguments) -> Value:
    bounds = [each for each in arguments.values if isinstance(each, int)]
    if not bounds or len(bounds) != len(arguments.values) or (len(bounds) > 2 and bounds[2] == 0):
        return Unknown("i")
    return list(range(*bounds[:3])[:MAX_ITEMS])


def _dict(reader: Interpreter, arguments: Arguments) -> Value:
    done = Map()
    given = arguments.get(0)
    pairs = [*given.pairs()] if isinstance(given, Map) else []
    if isinstance(given, list):
        pairs = [(each[0], each[1]) for each in given if isinstance(each, list) and len(each) == 2]
    for key, value in pairs:
        reader.put(done, key, value)
    _update(reader, done, Arguments(named=arguments.named))
    return done


def _chr(reader: Interpreter, arguments: Arguments) -> Value:
    code = arguments.get(0)
    return text(chr(code)) if isinstance(code, int) and 0 <= code < 0x110000 else Unknown("character")


def _str(reader: Interpreter, arguments: Arguments) -> Value:
    given = arguments.get(0)
    return text(str(given)) if isinstance(given, (int, float)) else _string(reader, given)


def _string(reader: Interpreter, given: Value) -> Value:
    return given if isinstance(given, (Text, Unknown, Symbol)) else reader.text(given)


def _input(reader: Interpreter, arguments: Arguments) -> Value:
    """What a person types: the prompt may say that it is the target."""
    prompt = reader.text(arguments.get(0)).data[:200].decode("latin-1").lower() if arguments.values else ""
    words = [word.strip(":.,?!>()[]= ") for word in prompt.split()]
    return Unknown("url" if any(is_target(word) for word in words) else "input()")


def _length(reader: Interpreter, arguments: Arguments) -> Value:
    given = arguments.get(0)
    if isinstance(given, Text) and not given.spans:
        return len(given.data)
    if isinstance(given, Text):
        return text(str(len(given.data)))  # a text: the number follows from a stand-in
    return (
        len(given) if isinstance(given, list) else len(given.entries) if isinstance(given, Map) else Unknown("length")
    )


def _file(reader: Interpreter, arguments: Arguments) -> Value:
    done, name = Thing("file"), arguments.get(0)
    shown = name.data[:80].decode("latin-1") if isinstance(name, Text) else ""
    done.fields |= {"name": name, "text": reader.standins.named(f"file:{shown}")}
    return done


def _enumerate(reader: Interpreter, arguments: Arguments) -> Value:
    given = arguments.get(0)
    return [[position, each] for position, each in enumerate(given)] if isinstance(given, list) else Unknown("item")


FUNCTIONS: dict[str, Function] = {
    "str": _str, "bytes": first, "bytearray": first, "list": first, "tuple": first, "iter": first, "sorted": first,
    "set": first, "unicode": _str, "int": first, "chr": _chr, "unichr": _chr, "dict": _dict, "range": _range,
    "xrange": _range, "input": _input, "raw_input": _input, "len": _length, "open": _file, "enumerate": _enumerate,
    "getpass.getpass": lambda _, __: Unknown("password"), "collections.OrderedDict": _dict, "OrderedDict": _dict,
    "io.BytesIO": first, "io.StringIO": first, "StringIO.StringIO": first,
    "json.dumps": _dumps, "simplejson.dumps": _dumps, "ujson.dumps": _dumps,
    "html.escape": first, "textwrap.dedent": first, "copy.deepcopy": first, "os.path.basename": first,
}  # fmt: skip
for _module in ("urllib", "urllib.parse", "requests.utils", "six.moves.urllib.parse", "requests.compat", "parse"):
    FUNCTIONS |= {
        f"{_module}.quote": _quote,
        f"{_module}.quote_plus": of_text(lambda value: quoted(value, b"", plus=True)),
        f"{_module}.unquote": of_text(unquoted),
        f"{_module}.unquote_plus": of_text(lambda value: unquoted(value, plus=True)),
        f"{_module}.urlencode": _urlencode,
        f"{_module}.urljoin": _urljoin,
        f"{_module}.urlparse": _urlparse,
        f"{_module}.urlsplit": _urlparse,
    }
FUNCTIONS |= {"urlparse.urljoin": _urljoin, "urlparse.urlparse": _urlparse, "urlparse.urlsplit": _urlparse}
for _name in ("base64.b64encode", "base64.standard_b64encode", "base64.encodestring", "base64.encodebytes"):
    FUNCTIONS[_name] = of_text(base64_encoded)
for _name in ("base64.b64decode", "base64.decodestring", "base64.decodebytes"):
    FUNCTIONS[_name] = of_text(base64_decoded)
FUNCTIONS["base64.urlsafe_b64encode"] = of_text(
    lambda value: base64_encoded(value).each(lambda data: data.replace(b"+", b"-").replace(b"/", b"_"))
)
for _name in ("binascii.hexlify", "binascii.b2a_hex"):
    FUNCTIONS[_name] = of_text(lambda value: value.whole(lambda data: data.hex().encode()))
