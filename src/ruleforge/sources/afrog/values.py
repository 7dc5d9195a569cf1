"""What the variables of a PoC are worth: its expressions evaluated, with stand-ins for what only a real run knows."""

import re
from collections.abc import Callable, Mapping
from typing import TypeAlias

import msgspec

from ruleforge.errors import InputError
from ruleforge.sources.afrog.syntax import (
    Call,
    Index,
    Member,
    Name,
    Node,
    NotAnExpressionError,
    Number,
    Operation,
    Text,
    parse_expression,
)
from ruleforge.sources.nuclei import artefacts  # noqa: F401  # adds its functions to the table
from ruleforge.sources.nuclei.functions import FUNCTIONS
from ruleforge.sources.nuclei.standins import TARGET_HOST, Standins
from ruleforge.sources.nuclei.text import Text as Marked
from ruleforge.sources.nuclei.text import glue, whole
from ruleforge.sources.nuclei.values import Amount, Value, as_count, as_number, as_text, join_texts

MAX_STEPS = 10_000  # of all expressions of one set of variables
MAX_WORK = 16 * 1024 * 1024  # bytes they may make

_MARKER = re.compile(r"\{\{\s{0,8}([A-Za-z_][\w.]{0,100})\s{0,8}\}\}")
_HOST = Marked(TARGET_HOST, whole(TARGET_HOST))
_URL = glue([Marked(b"http://"), _HOST])
# what a request says of the target
_TARGET = {
    "request.url": _URL,
    "request.url.host": _HOST,
    "request.url.domain": _HOST,
    "request.url.hostname": _HOST,
    "request.url.port": Marked(b"48080", whole(b"48080")),
    "request.url.scheme": Marked(b"http"),
    "request.url.path": Marked(b"/"),
    "request.url.query": Marked(),
    "BaseURL": _URL,
    "Hostname": _HOST,
}
_CALLBACKS = frozenset({"newreverse", "newoob", "newjndi", "newdnslog", "newwebhook"})
_SCHEMES = {"url": b"http://", "http": b"http://", "rmi": b"rmi://", "ldap": b"ldap://", "tcp": b"tcp://"}
# our name of each function that does the same as one of Nuclei
_SAME = {
    "base64": "base64",
    "base64encode": "base64",
    "base64decode": "base64_decode",
    "urlencode": "url_encode",
    "urldecode": "url_decode",
    "hexencode": "hex_encode",
    "hexdecode": "hex_decode",
    "hex": "hex_encode",
    "md5": "md5",
    "sha1": "sha1",
    "sha256": "sha256",
    "toupper": "to_upper",
    "upper": "to_upper",
    "tolower": "to_lower",
    "lower": "to_lower",
    "replaceall": "replace",
    "replace": "replace",
    "reverse": "reverse",
    "gzip": "gzip",
    "repeat": "repeat",
    "htmlescape": "html_escape",
}


class Callback(msgspec.Struct, frozen=True):
    """A server of the tester's that the target is made to call."""

    host: Marked


Worth: TypeAlias = "Value | Callback"


class Variables:
    """The variables of one PoC, evaluated in the order they are set; later ones may use earlier ones."""

    def __init__(self) -> None:
        self.standins = Standins()
        self.notes: list[str] = []
        self._values: dict[str, Worth] = {"oob": Callback(self.standins.host())}
        self._dynamic: set[str] = set()
        self._steps_left = MAX_STEPS
        self._work_left = MAX_WORK

    def set(self, name: str, text: str) -> None:
        """Evaluate one variable; a text that is no expression is worth itself."""
        try:
            self._values[name] = self._worth(text)
        except (InputError, RecursionError) as error:
            why = error.what if isinstance(error, InputError) else "its expression is nested too deep"
            self.note(f"variable {name[:80]!r}: {why}")
            self._values[name] = self.standins.named(name)

    def _worth(self, text: str) -> Worth:
        try:
            node = parse_expression(text)
        except (NotAnExpressionError, RecursionError):
            return self.fill(text)
        return self._literal(text) if self._is_plain(node) else self.value(node)

    def put(self, row: Mapping[str, str]) -> None:
        """Set variables to texts as they stand."""
        self._values.update({name: self._literal(text) for name, text in row.items()})

    def expect(self, names: list[str]) -> None:
        """Say which variables earlier responses give."""
        self._dynamic.update(names)
        for name in names:
            self._values.pop(name, None)

    def fill(self, text: str) -> Marked:
        """Replace every `{{name}}` that is known; others, such as `{{7*7}}`, are sent as they are written.

        Raises:
            InputError: the filled text is too large (RF216).
        """
        parts: list[Marked] = []
        position = 0
        for found in _MARKER.finditer(text):
            value = self._named(found[1])
            if value is None:
                self.note(f"unknown variable {found[1]!r}, sent as written")
                continue
            parts += [self._literal(text[position : found.start()]), value]
            position = found.end()
        return glue([*parts, self._literal(text[position:])])

    def note(self, what: str) -> None:
        """Remember, once, something that could only be approximated."""
        if what not in self.notes and len(self.notes) < 20:
            self.notes.append(what)

    def value(self, node: Node) -> Worth:
        """Evaluate.

        Raises:
            InputError: too much work, or a value too large (RF216).
        """
        self._steps_left -= 1
        if self._steps_left < 0 or self._work_left < 0:
            raise InputError("the expressions take too much work", hint="simplify them", code="RF216")
        match node:
            case Text(value):
                return Marked(value)
            case Number(value):
                return Amount(value)
            case Name() | Member() | Index():
                return self._looked_up(node)
            case Call():
                return self._counted(self._call(node))
            case Operation():
                return self._counted(self._operation(node))

    def _counted(self, value: Worth) -> Worth:
        if isinstance(value, Marked):
            self._work_left -= len(value.data)
        return value

    def text(self, node: Node) -> Marked:
        """Evaluate to text."""
        return _as_text(self.value(node))

    def _is_plain(self, node: Node) -> bool:
        """Whether a text such as `admin` or `cve-2099-1` only looks like an expression: it has unknown names alone."""
        match node:
            case Name(name):
                return name not in self._values and name not in self._dynamic
            case Operation(_, operands):
                return any(self._is_plain(operand) for operand in operands)
            case Number():
                return True
            case Member():
                return _dotted(node) not in _TARGET and self._is_plain(_root(node))
        return False

    @staticmethod
    def _literal(text: str) -> Marked:
        return Marked(text.encode("utf-8", "surrogatepass"))

    def _named(self, name: str) -> Marked | None:
        root, _, rest = name.partition(".")
        if name in self._values:
            return _as_text(self._values[name])
        if name in _TARGET:
            return _TARGET[name]
        if isinstance(callback := self._values.get(root), Callback) and rest:
            return _of_callback(callback, rest)
        if root in self._dynamic or root.startswith("interactsh"):
            return self.standins.named(name)
        return None

    def _looked_up(self, node: Name | Member | Index) -> Worth:
        name = _dotted(node)
        if name in ("true", "false"):
            return Amount(value=name == "true")
        if name in self._values:
            return self._values[name]
        found = self._named(name)
        return self.standins.named(name or "response") if found is None else found

    def _call(self, node: Call) -> Worth:
        name = node.name.lower().replace("_", "")
        nodes = node.arguments if node.of is None else (node.of, *node.arguments)
        if name in _CALLBACKS:
            return Callback(self.standins.host())
        values = tuple(self.value(each) for each in nodes)
        if name in ("string", "bytes", "int", "printable"):
            return values[0] if values else Marked()
        plain = tuple(each.host if isinstance(each, Callback) else each for each in values)
        if (function := _FUNCTIONS.get(name)) is not None:
            return function(plain, self.standins)
        same = FUNCTIONS.get(_SAME.get(name, ""))
        if same is not None:
            return same(plain, self.standins)
        self.note(f"unknown function {node.name[:80]!r}")
        return self.standins.letters(8)

    def _operation(self, node: Operation) -> Value:
        if node.sign == "?":
            return _plain(self.value(node.operands[1]))
        values = tuple(_plain(self.value(each)) for each in node.operands)
        if node.sign == "list":
            return values
        first = as_number(values[0])
        if node.sign == "neg":
            return Amount(-first.value if first else 0, bool(first and first.standin))
        second = as_number(values[-1])
        numbers = isinstance(values[0], Amount) and isinstance(values[-1], Amount)
        if node.sign == "+" and not numbers:
            return join_texts(values, Marked())
        if node.sign in _ARITHMETIC and first is not None and second is not None:
            return _calculated(node.sign, first, second)
        return Amount(value=False, standin=True)


def _plain(value: Worth) -> Value:
    return value.host if isinstance(value, Callback) else value


def _as_text(value: Worth) -> Marked:
    return as_text(_plain(value))


def _of_callback(callback: Callback, place: str) -> Marked:
    """`url`, `url.host`, `HTTP`, `DNS`, … of a callback server."""
    low = place.lower()
    scheme = _SCHEMES.get(low)
    if low == "url.path":
        return Marked(b"/")
    return callback.host if scheme is None else glue([Marked(scheme), callback.host])


def _root(node: Node) -> Node:
    while isinstance(node, (Member, Index)):
        node = node.of
    return node


def _dotted(node: Node) -> str:
    """`a.b` for names and members, empty for anything else."""
    parts: list[str] = []
    while isinstance(node, Member):
        parts.append(node.name)
        node = node.of
    return ".".join([node.name, *reversed(parts)]) if isinstance(node, Name) else ""


_ARITHMETIC: dict[str, Callable[[float, float], float]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a // b if isinstance(a, int) and isinstance(b, int) else a / b,
    "%": lambda a, b: a % b,
}


def _calculated(sign: str, left: Amount, right: Amount) -> Amount:
    standin = left.standin or right.standin
    try:
        result = _ARITHMETIC[sign](left.value, right.value)
    except ArithmeticError:
        return Amount(0, standin)
    return Amount(result if abs(result) < 10**60 else 0, standin)


def _random_number(arguments: tuple[Value, ...], standins: Standins) -> Value:
    size = len(as_text(arguments[-1]).data) if arguments else 6
    return Amount(int(standins.digits(min(size, 18)).data), standin=True)


def _random_letters(arguments: tuple[Value, ...], standins: Standins) -> Value:
    return standins.letters(as_count(arguments[0], 1_000) if arguments else 8)


def _substring(arguments: tuple[Value, ...], _: Standins) -> Value:
    """substr(text, start, length)."""
    text = as_text(arguments[0]) if arguments else Marked()
    start, length = (as_count(each) for each in (*arguments[1:3], Amount(0), Amount(0))[:2])
    return text.cut(min(start, len(text.data)), min(start + length, len(text.data)))


def _gadget(_: tuple[Value, ...], standins: Standins) -> Value:
    return FUNCTIONS["generate_java_gadget"]((Marked(b"x"), Marked(b"x"), Marked(b"base64")), standins)


def _time(_: tuple[Value, ...], standins: Standins) -> Value:
    return Amount(int(standins.digits(10).data), standin=True)


_FUNCTIONS: dict[str, Callable[[tuple[Value, ...], Standins], Value]] = {
    "randomint": _random_number,
    "randomlowercase": _random_letters,
    "randomuppercase": lambda arguments, standins: as_text(_random_letters(arguments, standins)).each(bytes.upper),
    "randomstring": _random_letters,
    "randomalpha": _random_letters,
    "substr": _substring,
    "ysoserial": _gadget,
    "timestampsecond": _time,
    "timestampmilli": _time,
    "rev": lambda arguments, standins: FUNCTIONS["reverse"](arguments, standins),
}
