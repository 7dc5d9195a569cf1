"""What Ruby's methods do with texts, collections and blocks."""

from collections.abc import Callable
from urllib.parse import quote_from_bytes

from ruleforge.sources.nuclei.text import Text
from ruleforge.sources.poc_code import python_texts
from ruleforge.sources.poc_code.interpret import MAX_ROUNDS, Interpreter
from ruleforge.sources.poc_code.python_texts import Function, Method, by_text, first, of_text, same, stripped
from ruleforge.sources.poc_code.texts import (
    COMPACT,
    base64_decoded,
    base64_encoded,
    joined,
    json_written,
    percent_formatted,
    pieces_of,
    quoted,
    replaced,
    unquoted,
)
from ruleforge.sources.poc_code.values import Arguments, Blueprint, Map, Symbol, Unknown, Value
from ruleforge.sources.poc_code.values import Function as OwnFunction


def _gsub(reader: Interpreter, receiver: Value, arguments: Arguments) -> Value:
    old, new = arguments.get(0), arguments.get(1)
    if not isinstance(receiver, Text) or not isinstance(old, Text) or new is None:
        return receiver
    if old.data.startswith(b"/"):  # a pattern: only one without special characters can be followed
        inner = old.data.strip(b"/")
        if any(mark in inner for mark in b"\\[](){}.*+?^$|"):
            return receiver
        old = Text(inner)
    return replaced(receiver, old.data, reader.text(new))


def _split(reader: Interpreter, receiver: Value, arguments: Arguments) -> Value:
    mark = arguments.get(0)
    if not isinstance(receiver, Text):
        return receiver
    return [*pieces_of(receiver, mark.data if isinstance(mark, Text) and mark.data else b" ")]


def _to_s(reader: Interpreter, receiver: Value, arguments: Arguments) -> Value:
    return receiver if isinstance(receiver, (Text, Unknown, Symbol)) else reader.text(receiver)


def each_element(reader: Interpreter, receiver: Value, arguments: Arguments) -> Value:
    """`list.each { |x| … }`, `map`: the block is read for the first elements."""
    block = arguments.values[-1] if arguments.values else None
    if not isinstance(block, OwnFunction):
        return receiver
    if isinstance(receiver, list):
        rounds: list[tuple[Value, ...]] = [(each,) for each in receiver[:MAX_ROUNDS]]
    elif isinstance(receiver, Map):
        rounds = [*list(receiver.pairs())[:MAX_ROUNDS]]
    else:
        rounds = [(Unknown(""),)]
    done: list[Value] = []
    for values in rounds:
        spread = values[0] if len(values) == 1 and isinstance(values[0], list) and len(block.parameters) > 1 else values
        done.append(reader.invoke(block, Arguments(tuple(spread), {}, arguments.line)))
    return done


def _percent(data: bytes) -> bytes:
    return quote_from_bytes(data, b"-_.~").encode()


def _hex(value: Text) -> Text:
    return value.whole(lambda data: data.hex().encode())


def _format(reader: Interpreter, arguments: Arguments) -> Value:
    return percent_formatted(reader.text(arguments.get(0)), list(arguments.values[1:]), reader.standins, reader.budget)


def read_block(reader: Interpreter, arguments: Arguments) -> Value:
    """`loop { … }`, `Thread.new { … }`: the block is read once."""
    block = arguments.values[-1] if arguments.values else None
    return reader.invoke(block, Arguments()) if isinstance(block, OwnFunction) else Unknown()


def _new(reader: Interpreter, receiver: Value, arguments: Arguments) -> Value:
    return reader.make(receiver, arguments) if isinstance(receiver, Blueprint) else Unknown("new()")


def _merged(reader: Interpreter, receiver: Value, arguments: Arguments) -> Value:
    given = arguments.get(0)
    if not isinstance(receiver, Map):
        return receiver
    done = receiver.copy()
    for key, value in given.pairs() if isinstance(given, Map) else ():
        reader.put(done, key, value)
    return done


def _to_json(reader: Interpreter, receiver: Value, arguments: Arguments) -> Value:
    return json_written(receiver, reader.standins, reader.budget, COMPACT)


def json_text(reader: Interpreter, arguments: Arguments) -> Value:
    """`JSON.generate(value)`: without blanks, as Ruby, JavaScript, PHP and Go write it."""
    return json_written(arguments.get(0), reader.standins, reader.budget, COMPACT)


def _size(reader: Interpreter, receiver: Value, arguments: Arguments) -> Value:
    return python_texts.FUNCTIONS["len"](reader, Arguments((receiver,)))  # type: ignore[no-any-return]


def _first(reader: Interpreter, receiver: Value, arguments: Arguments) -> Value:
    return receiver[0] if isinstance(receiver, list) and receiver else Unknown()


def _concatenated(reader: Interpreter, receiver: Value, arguments: Arguments) -> Value:
    return joined([reader.text(receiver), *(reader.text(each) for each in arguments.values)])


_ENCODERS: dict[str, Callable[[Text], Text]] = {
    "CGI.escape": lambda value: quoted(value, b"", plus=True),
    "URI.encode_www_form_component": lambda value: quoted(value, b"", plus=True),
    "ERB.Util.url_encode": lambda value: quoted(value, b""),
    "URI.escape": lambda value: quoted(value, b"/:?&=+,;@$!'()*#[]%"),
    "URI.encode": lambda value: quoted(value, b"/:?&=+,;@$!'()*#[]%"),
    "CGI.unescape": lambda value: unquoted(value, plus=True),
    "Rex.Text.uri_encode": lambda value: value.each(_percent),
    "Rex.Text.encode_base64": base64_encoded,
    "Rex.Text.decode_base64": base64_decoded,
    "Base64.encode64": base64_encoded,
    "Base64.strict_encode64": base64_encoded,
    "Base64.decode64": base64_decoded,
    "Base64.urlsafe_encode64": base64_encoded,
    "Rex.Text.to_hex_ascii": _hex,
    "Rex.Text.to_hex": _hex,
    "Rex.Text.html_encode": lambda value: value,
    "Rex.Text.to_unescape": lambda value: value,
}
_EACH = (
    ".each", ".map", ".collect", ".each_with_index", ".flat_map", ".each_pair", ".select", ".times", ".each_value",
    ".tap", ".find", ".each_line", ".any?", ".forEach",
)  # fmt: skip
_UNCHANGED = (
    ".chop", ".to_i", ".to_sym", ".freeze", ".dup", ".force_encoding", ".b", ".to_h", ".shuffle", ".uniq", ".to_a",
    ".compact", ".flatten", ".unpack", ".pack", ".tr",
)  # fmt: skip
RUBY_FUNCTIONS: dict[str, Function] = {
    **{name: of_text(change) for name, change in _ENCODERS.items()},
    **dict.fromkeys(("JSON.generate", "JSON.dump", "JSON.pretty_generate"), json_text),
    **dict.fromkeys(("format", "sprintf"), _format),
    **dict.fromkeys(("gets", "STDIN.gets", "$stdin.gets"), lambda _, __: Unknown("input()")),
    **dict.fromkeys(("String", "Array", "lambda", "proc", "String.new", "Integer"), first),
    **dict.fromkeys(("loop", "Thread.new", "begin"), read_block),
    "File.read": lambda _, __: Unknown("file()"),
}  # fmt: skip
RUBY_METHODS: dict[str, Method] = {
    **python_texts.METHODS,
    **dict.fromkeys(_EACH, each_element),
    **dict.fromkeys(_UNCHANGED, same),
    **dict.fromkeys((".gsub", ".sub", ".gsub!"), _gsub),
    **dict.fromkeys((".length", ".size", ".bytesize"), _size),
    **dict.fromkeys((".first", ".sample"), _first),
    **dict.fromkeys((".chomp", ".chomp!"), stripped(left=False)),
    **dict.fromkeys((".to_s", ".to_str"), _to_s),
    **dict.fromkeys((".nil?", ".empty?"), lambda _, __, ___: False),
    **dict.fromkeys((".merge!", ".update"), python_texts.METHODS["map.update"]),
    ".split": _split, ".strip!": stripped(), ".merge": _merged, ".concat": _concatenated, ".to_json": _to_json,
    ".downcase": by_text(lambda value: value.each(bytes.lower)),
    ".upcase": by_text(lambda value: value.each(bytes.upper)),
    ".reverse": by_text(lambda value: value.whole(lambda data: data[::-1])),
    "list.push": python_texts.METHODS["list.append"], "thing.new": _new,
}  # fmt: skip
