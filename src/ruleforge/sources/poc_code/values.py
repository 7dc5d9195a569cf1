"""What the reader of scripts knows at a point of the script: texts, numbers, collections, objects, and gaps."""

import re
from collections.abc import Hashable, Iterator
from typing import TypeAlias

import msgspec

from ruleforge.errors import InputError
from ruleforge.sources.nuclei.standins import TARGET_HOST, Standins
from ruleforge.sources.nuclei.text import Text, whole
from ruleforge.sources.poc_code.tree import Block, Parameter

MAX_WORK = 300_000  # steps of one script; a step is an expression, a statement, or 1 KiB of text
MAX_DEPTH = 100  # expressions and statements within one another, calls included
MAX_VALUE = 256 << 10  # bytes of one text
MAX_ITEMS = 2_000  # of one collection
MAX_LINEAGE = 64  # classes that one class is made from, itself included

_TARGET = re.compile(
    r"(?:^|_|(?<=[a-z])(?=[A-Z]))(?:url|uri_base|target|host|hostname|rhosts?|server|domain|site|ip|addr|address|baseurl"
    r"|vhost|peer|remote|victim|endpoint|netloc|origin|website|web)\d?$",
    re.IGNORECASE,
)
_FOREIGN = re.compile(r"lhost|srv_?host|callback|attacker|listen|reverse|local_?(?:ip|host)|my_?ip", re.IGNORECASE)
_FOLDER = re.compile(r"(?:path|dir|directory|folder|uri|targeturi|basedir|prefix|webroot|root|subdir)$", re.IGNORECASE)
_SCHEME = re.compile(r"scheme|proto(?:col)?$|^https?$", re.IGNORECASE)
_PORT = re.compile(r"port$", re.IGNORECASE)
_FIXED: tuple[tuple[re.Pattern[str], Text], ...] = (
    (_TARGET, Text(TARGET_HOST, whole(TARGET_HOST))),
    (_SCHEME, Text(b"http")),
    (_PORT, Text(b"48080", whole(b"48080"))),
    (_FOLDER, Text(b"/")),
)


class Unknown(msgspec.Struct, frozen=True):
    """What only a real run knows; `name` is the best name the script gives it."""

    name: str = ""


class Symbol(msgspec.Struct, frozen=True):
    """Something of a library, "requests.get"."""

    name: str


class Map:
    """A dict in order of insertion, whose keys remember their stand-ins."""

    def __init__(self) -> None:
        self.entries: dict[Hashable, tuple[Value, Value]] = {}

    def put(self, key: "Value", value: "Value") -> bool:
        """Set `key`, unless it is new and the dict holds MAX_ITEMS already; whether it is set."""
        name = _hashable(key)
        if len(self.entries) >= MAX_ITEMS and name not in self.entries:
            return False
        self.entries[name] = (key, value)
        return True

    def get(self, key: "Value | str") -> "Value":
        """The value of `key`, else None."""
        found = self.entries.get(key.encode() if isinstance(key, str) else _hashable(key))
        return found[1] if found else None

    def has(self, key: "Value | str") -> bool:
        """Whether `key` is set."""
        return (key.encode() if isinstance(key, str) else _hashable(key)) in self.entries

    def pairs(self) -> "Iterator[tuple[Value, Value]]":
        """Keys and values in order."""
        return iter(tuple(self.entries.values()))

    def copy(self) -> "Map":
        """Another one with the same entries."""
        new = Map()
        new.entries = dict(self.entries)
        return new


class Thing:
    """An object: a session, a response, a connection, or an instance of a class of the script."""

    def __init__(self, kind: str, blueprint: "Blueprint | None" = None) -> None:
        self.kind = kind
        self.blueprint = blueprint
        self.fields: dict[str, Value] = {}


class Frame:
    """The variables of one call; what is not in it is looked up in `outer`."""

    def __init__(self, outer: "Frame | None" = None) -> None:
        self.outer = outer
        self.values: dict[str, Value] = {}
        self.shared: set[str] = set()  # names declared global
        self.results: list[Value] = []
        self.conditional = 0  # branches and loops we are in
        self.done = False

    def find(self, name: str) -> "Frame | None":
        """The frame that holds `name`."""
        frame: Frame | None = self
        while frame is not None and name not in frame.values:
            frame = frame.outer
        return frame


class Function(msgspec.Struct, frozen=True, eq=False):
    """A function of the script."""

    name: str
    parameters: tuple[Parameter, ...]
    body: Block
    home: Frame
    binds_receiver: bool = True
    is_closure: bool = False


class Blueprint:
    """A class of the script, with the at most MAX_LINEAGE classes it is made from."""

    def __init__(self, name: str, members: dict[str, "Value"], bases: "tuple[Value, ...]") -> None:
        self.name, self.members = name, members
        self.lineage = self._lineage(bases)

    def _lineage(self, bases: "tuple[Value, ...]") -> "tuple[Blueprint | Symbol, ...]":
        """The class itself and what it is made from, depth first, each once; bases never change, so once is enough."""
        done: dict[Blueprint | Symbol, None] = {self: None}
        for base in bases:
            if isinstance(base, (Blueprint, Symbol)):
                done.update(dict.fromkeys(base.lineage if isinstance(base, Blueprint) else (base,)))
            if len(done) >= MAX_LINEAGE:
                break
        return tuple(done)[:MAX_LINEAGE]

    def find(self, name: str) -> "Value":
        """The member `name` of the class or of one it is made from, else None."""
        for each in self.lineage:
            if isinstance(each, Blueprint) and name in each.members:
                return each.members[name]
        return None

    def symbols(self) -> "Iterator[str]":
        """The classes of libraries that it is made from."""
        return (each.name for each in self.lineage if isinstance(each, Symbol))


class Bound(msgspec.Struct, frozen=True, eq=False):
    """`receiver.name`, waiting to be called."""

    receiver: "Value"
    name: str


Value: TypeAlias = (
    Text | int | float | bool | Unknown | Symbol | list["Value"] | Map | Thing | Function | Blueprint | Bound | None
)


class Arguments(msgspec.Struct, frozen=True, eq=False):
    """What a call is given."""

    values: tuple[Value, ...] = ()
    named: dict[str, Value] = {}
    line: int = 0

    def get(self, position: int, name: str = "") -> Value:
        """The argument at `position` or called `name`, else None."""
        if name and name in self.named:
            return self.named[name]
        return self.values[position] if 0 <= position < len(self.values) else None

    def rest(self) -> "Arguments":
        """All but the first."""
        return Arguments(self.values[1:], self.named, self.line)


class Limit(Exception):  # noqa: N818  # ends the reading of a script, is not an error of it
    """A bound of the reader was reached; what was found until then counts."""


class Budget:
    """The work one script may cost."""

    def __init__(self, work: int = MAX_WORK) -> None:
        self.left = work

    def charge(self, steps: int = 1) -> None:
        """Take `steps` off.

        Raises:
            Limit: nothing is left.
        """
        self.left -= steps
        if self.left < 0:
            raise Limit(f"the script takes more than {MAX_WORK} steps to read")


def text(value: bytes | str) -> Text:
    """A text without stand-ins."""
    return Text(value.encode("utf-8", "surrogatepass") if isinstance(value, str) else value)


def as_text(value: Value, standins: Standins) -> Text:
    """How `value` reads inside a text; a gap becomes a stand-in."""
    if isinstance(value, Text):
        return value
    if isinstance(value, (bool, int, float)) or value is None:
        return text(str(value))
    if isinstance(value, Symbol):
        return gap(value.name.rpartition(".")[2], standins)
    if isinstance(value, Unknown):
        return gap(value.name, standins)
    if isinstance(value, Thing):
        # A value read from a response or a parsed URL, or an object that says how it reads.
        given = value.fields.get("text")
        return given if isinstance(given, Text) else gap(value.kind, standins)
    return gap("value", standins)


def gap(name: str, standins: Standins) -> Text:
    """What stands for an unknown called `name`: the target, a port, an install folder, or letters."""
    if not _FOREIGN.search(name):
        for pattern, fixed in _FIXED:
            if pattern.search(name):
                return fixed
    elif _TARGET.search(name):
        return standins.named("callback:" + name[:80])
    return standins.named(name[:80])


def is_target(name: str) -> bool:
    """Whether a variable called `name` holds the address of the target."""
    return bool(_TARGET.search(name)) and not _FOREIGN.search(name)


def checked(value: Text) -> Text:
    """Give `value` back.

    Raises:
        InputError: it is too large (RF216).
    """
    if len(value.data) > MAX_VALUE:
        raise too_large()
    return value


def too_large() -> InputError:
    """What is raised for a text beyond MAX_VALUE."""
    return InputError(f"a text grows beyond {MAX_VALUE} bytes", hint="shorten the script", code="RF216")


def _hashable(key: Value) -> Hashable:
    if isinstance(key, Text):
        return key.data
    if isinstance(key, (bool, int, float)) or key is None:
        return key
    return ("name", key.name) if isinstance(key, (Unknown, Symbol)) else id(key)
