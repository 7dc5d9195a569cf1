"""OPERATORS: the questions a condition can ask about one value, or about how many values there are."""

import ipaddress
import re
from collections.abc import Callable, Mapping
from typing import TypeAlias, TypeVar, cast

import msgspec

from ruleforge._registry import Registry
from ruleforge.rules.classes import load_class
from ruleforge.rules.patterns import Span, compile_pattern
from ruleforge.rules.tree import Value

Ask: TypeAlias = Callable[[bytes], bool]
AskCount: TypeAlias = Callable[[int], bool]
Locate: TypeAlias = Callable[[bytes], Span | None]
Classes: TypeAlias = Mapping[str, int]  # versions of the payload classes a rule uses

_Compiled = TypeVar("_Compiled")

_DECIMAL = re.compile(rb"([+-]?)([0-9]+)\Z")
_MANY_DIGITS = 20  # more digits than any integer of a rule has


class Example(msgspec.Struct, frozen=True):
    """A value of the operator and a text it is asked about."""

    value: Value
    text: bytes


class Operator(msgspec.Struct, frozen=True, kw_only=True):
    """One operator. Compile once, ask often.

    `compile` gives the question about one value and `locate` the place in a value that answers it (for explain).
    `compile_count` instead of both: the operator asks how many values there are, after the transforms.
    """

    name: str
    takes: str  # a key of VALUE_TYPES
    meaning: str  # one line, for the reference page
    compile: Callable[[Value, Classes], Ask] | None = None
    locate: Callable[[Value, Classes], Locate] | None = None
    compile_count: Callable[[Value], AskCount] | None = None
    costly: bool = False  # worth remembering the answer when several rules share the condition
    holds: Example | None = None  # an example that holds, and one that does not
    fails: Example | None = None

    @property
    def over(self) -> str:
        """What it asks about: "value" (each one) or "values" (their number)."""
        return "value" if self.compile_count is None else "values"


OPERATORS = Registry[Operator]("operator")


def _plain(compile_: Callable[[Value], _Compiled]) -> Callable[[Value, Classes], _Compiled]:
    """Adapt an operator that has nothing to do with payload classes."""
    return lambda value, _: compile_(value)


def _whole(compile_: Callable[[Value], Ask]) -> Callable[[Value, Classes], Locate]:
    """Locate by answering for the text as a whole."""

    def locate(value: Value, _: Classes) -> Locate:
        ask = compile_(value)
        return lambda text: Span(0, len(text)) if ask(text) else None

    return locate


def _span(start: int, size: int) -> Span | None:
    return Span(start, start + size) if start >= 0 else None


def _first(spans: list[Span | None]) -> Span | None:
    return min((span for span in spans if span is not None), default=None)


def _equals(value: Value) -> Ask:
    return cast("bytes", value).__eq__


def _in(value: Value) -> Ask:
    return frozenset(cast("tuple[bytes, ...]", value)).__contains__


def _contains(value: Value) -> Ask:
    literal = cast("bytes", value)
    return lambda text: literal in text


def _locate_contains(value: Value) -> Locate:
    literal = cast("bytes", value)
    return lambda text: _span(text.find(literal), len(literal))


def _contains_any(value: Value) -> Ask:
    literals = cast("tuple[bytes, ...]", value)

    def ask(text: bytes) -> bool:
        for literal in literals:  # noqa: SIM110 - a generator costs more than the search
            if literal in text:
                return True
        return False

    return ask


def _locate_contains_any(value: Value) -> Locate:
    literals = cast("tuple[bytes, ...]", value)
    return lambda text: _first([_span(text.find(literal), len(literal)) for literal in literals])


def _contains_all(value: Value) -> Ask:
    literals = cast("tuple[bytes, ...]", value)

    def ask(text: bytes) -> bool:
        for literal in literals:  # noqa: SIM110 - a generator costs more than the search
            if literal not in text:
                return False
        return True

    return ask


def _locate_contains_all(value: Value) -> Locate:
    ask, locate = _contains_all(value), _locate_contains_any(value)
    return lambda text: locate(text) if ask(text) else None


def _starts_with(value: Value) -> Ask:
    literal = cast("bytes", value)
    return lambda text: text.startswith(literal)


def _locate_starts_with(value: Value) -> Locate:
    literal = cast("bytes", value)
    return lambda text: Span(0, len(literal)) if text.startswith(literal) else None


def _ends_with(value: Value) -> Ask:
    literal = cast("bytes", value)
    return lambda text: text.endswith(literal)


def _locate_ends_with(value: Value) -> Locate:
    literal = cast("bytes", value)
    return lambda text: Span(len(text) - len(literal), len(text)) if text.endswith(literal) else None


def _regex(value: Value) -> Ask:
    return compile_pattern(cast("bytes", value)).test


def _locate_regex(value: Value) -> Locate:
    return compile_pattern(cast("bytes", value)).search


def _length_gt(value: Value) -> Ask:
    bound = cast("int", value)
    return lambda text: len(text) > bound


def _length_lt(value: Value) -> Ask:
    bound = cast("int", value)
    return lambda text: len(text) < bound


def read_decimal(text: bytes) -> int | None:
    """Read a decimal integer with optional sign and leading zeros; None for anything else.

    Integers beyond 20 digits come back as 10^20 with their sign: enough to compare with any value of a rule.
    """
    found = _DECIMAL.match(text)
    if found is None:
        return None
    digits = found[2]
    if len(digits) > _MANY_DIGITS:
        digits = digits.lstrip(b"0") or b"0"
        digits = digits if len(digits) <= _MANY_DIGITS else b"1" + b"0" * _MANY_DIGITS
    return -int(digits) if found[1] == b"-" else int(digits)


def _int_gt(value: Value) -> Ask:
    bound = cast("int", value)
    return lambda text: (number := read_decimal(text)) is not None and number > bound


def _int_lt(value: Value) -> Ask:
    bound = cast("int", value)
    return lambda text: (number := read_decimal(text)) is not None and number < bound


def _int_eq(value: Value) -> Ask:
    bound = cast("int", value)
    return lambda text: read_decimal(text) == bound


def _cidr(value: Value) -> Ask:
    networks = [ipaddress.ip_network(item.decode()) for item in cast("tuple[bytes, ...]", value)]

    def ask(text: bytes) -> bool:
        address = _read_address(text)
        return address is not None and any(address in network for network in networks)

    return ask


def _read_address(text: bytes) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Read an address; an IPv4 address mapped into IPv6 counts as the IPv4 address, zones are refused."""
    if len(text) > 45 or b"%" in text:
        return None
    try:
        address = ipaddress.ip_address(text.decode("ascii"))
    except ValueError:
        return None
    mapped = getattr(address, "ipv4_mapped", None)
    return address if mapped is None else cast("ipaddress.IPv4Address", mapped)


def _is_class(value: Value, classes: Classes) -> Ask:
    name = cast("bytes", value).decode()
    return load_class(name, classes[name]).matches


def _locate_class(value: Value, classes: Classes) -> Locate:
    name = cast("bytes", value).decode()
    loaded = load_class(name, classes[name])

    def locate(text: bytes) -> Span | None:
        found = loaded.find(text)
        if found is None:
            return None
        return found.span if found.form == text else Span(0, len(text))

    return locate


def _path_suffix(value: Value) -> Ask:
    suffix = cast("bytes", value)
    ends = (suffix, suffix + b"/")
    return lambda text: text.endswith(ends)


def _locate_path_suffix(value: Value) -> Locate:
    suffix = cast("bytes", value)

    def locate(text: bytes) -> Span | None:
        trimmed = text[:-1] if text.endswith(b"/") else text
        return Span(len(trimmed) - len(suffix), len(trimmed)) if trimmed.endswith(suffix) else None

    return locate


def _path_segments(value: Value) -> Ask:
    suffix = cast("bytes", value)
    inside = suffix + b"/"
    return lambda text: inside in text or text.endswith(suffix)


def _locate_path_segments(value: Value) -> Locate:
    literal = cast("bytes", value)
    return lambda text: _span((text + b"/").find(literal + b"/"), len(literal))


def _count_gt(value: Value) -> AskCount:
    bound = cast("int", value)
    return lambda count: count > bound


for _operator in (
    Operator(
        name="equals",
        takes="bytes",
        meaning="the value is exactly this text",
        compile=_plain(_equals),
        locate=_whole(_equals),
        holds=Example(b"login", b"login"),
        fails=Example(b"login", b"Login"),
    ),
    Operator(
        name="in",
        takes="bytes_list",
        meaning="the value is exactly one of these texts",
        compile=_plain(_in),
        locate=_whole(_in),
        holds=Example((b"PUT", b"MOVE"), b"MOVE"),
        fails=Example((b"PUT", b"MOVE"), b"move"),
    ),
    Operator(
        name="contains",
        takes="bytes",
        meaning="the text occurs anywhere in the value",
        compile=_plain(_contains),
        locate=_plain(_locate_contains),
        holds=Example(b"../", b"a/../b"),
        fails=Example(b"../", b"a/..b"),
    ),
    Operator(
        name="contains_any",
        takes="bytes_list",
        meaning="one of the texts occurs anywhere in the value",
        compile=_plain(_contains_any),
        locate=_plain(_locate_contains_any),
        holds=Example((b"wget", b"curl"), b"|curl x"),
        fails=Example((b"wget", b"curl"), b"|CURL x"),
    ),
    Operator(
        name="contains_all",
        takes="bytes_list",
        meaning="every one of the texts occurs anywhere in the same value, in any order",
        compile=_plain(_contains_all),
        locate=_plain(_locate_contains_all),
        holds=Example((b"b", b"a"), b"a-b"),
        fails=Example((b"b", b"a"), b"a-c"),
    ),
    Operator(
        name="starts_with",
        takes="bytes",
        meaning="the value begins with the text",
        compile=_plain(_starts_with),
        locate=_plain(_locate_starts_with),
        holds=Example(b"/api", b"/api/v1"),
        fails=Example(b"/api", b"/v1/api"),
    ),
    Operator(
        name="ends_with",
        takes="bytes",
        meaning="the value ends with the text",
        compile=_plain(_ends_with),
        locate=_plain(_locate_ends_with),
        holds=Example(b".php", b"shell.php"),
        fails=Example(b".php", b"shell.php.txt"),
    ),
    Operator(
        name="regex",
        takes="pattern",
        meaning="the pattern is found anywhere in the value (RE2 over bytes)",
        compile=_plain(_regex),
        locate=_plain(_locate_regex),
        costly=True,
        holds=Example(rb"(?i)^id=\d+\z", b"ID=12"),
        fails=Example(rb"(?i)^id=\d+\z", b"id=12x"),
    ),
    Operator(
        name="length_gt",
        takes="size",
        meaning="the value has more bytes than this",
        compile=_plain(_length_gt),
        locate=_whole(_length_gt),
        holds=Example(3, b"abcd"),
        fails=Example(3, b"abc"),
    ),
    Operator(
        name="length_lt",
        takes="size",
        meaning="the value has fewer bytes than this",
        compile=_plain(_length_lt),
        locate=_whole(_length_lt),
        holds=Example(3, b"ab"),
        fails=Example(3, b"abc"),
    ),
    Operator(
        name="int_gt",
        takes="int",
        meaning="the value is a decimal integer, and greater than this",
        compile=_plain(_int_gt),
        locate=_whole(_int_gt),
        holds=Example(9, b"10"),
        fails=Example(9, b"10x"),
    ),
    Operator(
        name="int_lt",
        takes="int",
        meaning="the value is a decimal integer, and less than this",
        compile=_plain(_int_lt),
        locate=_whole(_int_lt),
        holds=Example(0, b"-1"),
        fails=Example(0, b"0"),
    ),
    Operator(
        name="int_eq",
        takes="int",
        meaning="the value is a decimal integer equal to this; sign and leading zeros do not matter",
        compile=_plain(_int_eq),
        locate=_whole(_int_eq),
        holds=Example(7, b"+007"),
        fails=Example(7, b"7.0"),
    ),
    Operator(
        name="cidr",
        takes="network_list",
        meaning="the value is an address within one of the networks",
        compile=_plain(_cidr),
        locate=_whole(_cidr),
        holds=Example((b"198.51.100.0/24",), b"198.51.100.7"),
        fails=Example((b"198.51.100.0/24",), b"198.51.101.7"),
    ),
    Operator(
        name="is_class",
        takes="class",
        meaning="one of the value's canonical forms is a payload of this class",
        compile=_is_class,
        locate=_locate_class,
        costly=True,
    ),
    Operator(
        name="path_suffix",
        takes="path",
        meaning="the path, less one / at the end, is this path or ends with it",
        compile=_plain(_path_suffix),
        locate=_plain(_locate_path_suffix),
        holds=Example(b"/cgi-bin/run", b"/shop/cgi-bin/run/"),
        fails=Example(b"/cgi-bin/run", b"/cgi-bin/run/x"),
    ),
    Operator(
        name="path_segments",
        takes="path",
        meaning="the segments of this path occur one after the other anywhere in the path",
        compile=_plain(_path_segments),
        locate=_plain(_locate_path_segments),
        holds=Example(b"/a.php/b", b"/x/a.php/b/c"),
        fails=Example(b"/a.php/b", b"/a.php/bc"),
    ),
    Operator(
        name="count_gt",
        takes="size",
        meaning="there are more values than this",
        compile_count=_count_gt,
    ),
    Operator(
        name="present",
        takes="none",
        meaning="there is at least one value; an empty one counts",
        compile_count=lambda _: lambda count: count > 0,
    ),
    Operator(
        name="absent",
        takes="none",
        meaning="there is no value",
        compile_count=lambda _: lambda count: count == 0,
    ),
):
    OPERATORS.put(_operator.name, _operator)
