"""The expression language of afrog and xray, a part of CEL: text to a small tree. Nothing is evaluated here."""

import re
from functools import lru_cache
from typing import TypeAlias

import msgspec

MAX_EXPRESSION = 64 * 1024  # characters
MAX_DEPTH = 40  # of brackets and calls
MAX_NODES = 5_000


class Text(msgspec.Struct, frozen=True, tag=True):
    """A string, its escapes undone; bytes are Latin-1 characters where `b'…'` says so."""

    value: bytes


class Number(msgspec.Struct, frozen=True, tag=True):
    """A number."""

    value: int | float


class Name(msgspec.Struct, frozen=True, tag=True):
    """A variable, or one of the words true, false and null."""

    name: str


class Member(msgspec.Struct, frozen=True, tag=True):
    """`of.name`."""

    of: "Node"
    name: str


class Index(msgspec.Struct, frozen=True, tag=True):
    """`of[at]`."""

    of: "Node"
    at: "Node"


class Call(msgspec.Struct, frozen=True, tag=True):
    """`name(arguments)` or `of.name(arguments)`."""

    name: str
    arguments: tuple["Node", ...]
    of: "Node | None" = None


class Operation(msgspec.Struct, frozen=True, tag=True):
    """An operator: one operand for `!` and `neg`, three for `?`, any number for `list`, else two."""

    sign: str
    operands: tuple["Node", ...]


Node: TypeAlias = Text | Number | Name | Member | Index | Call | Operation


class NotAnExpressionError(ValueError):
    """The text is no expression of this language."""


_TOKEN = re.compile(
    r"[ \t\r\n]*+(?:(?P<number>0[xX][0-9a-fA-F]{1,16}|\d{1,40}(?:\.\d{1,40})?(?![\w.]))u?"
    r"|(?P<prefix>[bBrR]{1,2})?(?P<quote>'''|\"\"\"|'|\"|`)"
    r"|(?P<name>[A-Za-z_]\w{0,200})"
    r"|(?P<sign>==|!=|<=|>=|&&|\|\||[-+*/%<>!(),.?:\[\]{}]))"
)
_LEVELS = (("||",), ("&&",), ("==", "!=", "<", "<=", ">", ">=", "in"), ("+", "-"), ("*", "/", "%"))
_ESCAPE = re.compile(r"\\(x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|[0-7]{3}|.)", re.DOTALL)
_PLAIN = {"n": "\n", "r": "\r", "t": "\t", "a": "\a", "b": "\b", "f": "\f", "v": "\v"}


@lru_cache(maxsize=256)
def parse_expression(text: str) -> Node:
    """Read a whole expression.

    Raises:
        NotAnExpressionError: it is none, or larger or deeper than the bounds.
    """
    if len(text) > MAX_EXPRESSION:
        raise NotAnExpressionError(f"an expression of more than {MAX_EXPRESSION} characters")
    parser = _Parser(text)
    node = parser.choice(0)
    if parser.kind != "end":
        raise NotAnExpressionError(f"unexpected {parser.value[:20]!r}")
    return node


class _Parser:
    """Recursive descent with one token of look-ahead."""

    def __init__(self, text: str) -> None:
        self.text, self.position, self.nodes = text, 0, 0
        self.kind, self.value = "", ""
        self._next()

    def _next(self) -> None:
        found = _TOKEN.match(self.text, self.position)
        if found is None:
            if self.text[self.position :].strip():
                raise NotAnExpressionError(f"unexpected {self.text[self.position : self.position + 20]!r}")
            self.kind, self.value = "end", ""
            return
        self.position = found.end()
        if found["quote"]:
            self.kind, self.value = "text", self._string(found["quote"], (found["prefix"] or "").lower())
        else:
            self.kind = found.lastgroup or ""
            self.value = found[self.kind].strip()

    def _string(self, quote: str, prefix: str) -> str:
        start = self.position
        raw = "r" in prefix or quote == "`"
        end = start
        while (end := self.text.find(quote, end)) >= 0:
            slashes = 0
            while end - slashes > start and self.text[end - slashes - 1] == "\\":
                slashes += 1
            if raw or slashes % 2 == 0:
                break
            end += 1
            self._count()
        if end < 0:
            raise NotAnExpressionError("a string without an end")
        self.position = end + len(quote)
        body = self.text[start:end]
        return body if raw else _ESCAPE.sub(_unescaped, body)

    def _count(self) -> None:
        self.nodes += 1
        if self.nodes > MAX_NODES:
            raise NotAnExpressionError(f"more than {MAX_NODES} parts")

    def _take(self, sign: str) -> bool:
        if self.kind in ("sign", "name") and self.value == sign:
            self._next()
            return True
        return False

    def _expect(self, sign: str) -> None:
        if not self._take(sign):
            raise NotAnExpressionError(f"expected {sign!r}, found {self.value[:20]!r}")

    def choice(self, depth: int) -> Node:
        """`a ? b : c`, or what binds closer."""
        if depth > MAX_DEPTH:
            raise NotAnExpressionError(f"nested deeper than {MAX_DEPTH} levels")
        condition = self._level(0, depth)
        if not self._take("?"):
            return condition
        yes = self.choice(depth + 1)
        self._expect(":")
        return Operation("?", (condition, yes, self.choice(depth + 1)))

    def _level(self, level: int, depth: int) -> Node:
        if level == len(_LEVELS):
            return self._unary(depth)
        left = self._level(level + 1, depth)
        while self.kind in ("sign", "name") and self.value in _LEVELS[level]:
            sign = self.value
            self._next()
            self._count()
            left = Operation(sign, (left, self._level(level + 1, depth)))
        return left

    def _unary(self, depth: int) -> Node:
        for sign, name in (("!", "!"), ("-", "neg")):
            if self._take(sign):
                if depth > MAX_DEPTH:
                    raise NotAnExpressionError(f"nested deeper than {MAX_DEPTH} levels")
                return Operation(name, (self._unary(depth + 1),))
        node = self._primary(depth)
        while True:
            self._count()
            if self._take("."):
                node = self._member(node, depth)
            elif self._take("["):
                node = Index(node, self.choice(depth + 1))
                self._expect("]")
            else:
                return node

    def _member(self, of: Node, depth: int) -> Node:
        name = self.value
        if self.kind != "name":
            raise NotAnExpressionError(f"expected a name, found {name[:20]!r}")
        self._next()
        return Call(name, self._arguments(")", depth), of) if self._take("(") else Member(of, name)

    def _primary(self, depth: int) -> Node:
        kind, value = self.kind, self.value
        self._count()
        self._next()
        if kind == "text":
            return Text(value.encode("utf-8", "surrogatepass"))
        if kind == "number":
            return Number(_number(value))
        if kind == "name":
            return Call(value, self._arguments(")", depth)) if self._take("(") else Name(value)
        if value == "(":
            node = self.choice(depth + 1)
            self._expect(")")
            return node
        if value in ("[", "{"):
            return Operation("list", self._arguments("]" if value == "[" else "}", depth))
        raise NotAnExpressionError(f"unexpected {value[:20]!r}" if value else "the expression ends too early")

    def _arguments(self, end: str, depth: int) -> tuple[Node, ...]:
        found: list[Node] = []
        while not self._take(end):
            found.append(self.choice(depth + 1))
            if not self._take(",") and not self._take(":"):  # the colon of a map
                self._expect(end)
                break
        return tuple(found)


def _number(text: str) -> int | float:
    if text[:2] in ("0x", "0X"):
        return int(text, 16)
    return float(text) if "." in text else int(text)


def _unescaped(found: "re.Match[str]") -> str:
    code = found[1]
    if code[0] in "xuU" and len(code) > 1:
        number = int(code[1:], 16)
        return chr(number) if number <= 0x10FFFF else found[0]
    if len(code) == 3:
        return chr(int(code, 8))
    return _PLAIN.get(code, code if code in "\\'\"`?" else found[0])
