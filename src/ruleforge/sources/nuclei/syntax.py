"""The grammar of `{{…}}`: text to a small tree. Nothing is evaluated here, and what is no expression stays text."""

import re
from functools import lru_cache
from typing import TypeAlias

import msgspec

MAX_DEPTH = 24  # of parentheses, calls and texts within texts
MAX_EXPRESSION = 64 * 1024  # characters
MAX_FAILURES = 500  # `{{` of one text that begin no expression


class Literal(msgspec.Struct, frozen=True, tag=True):
    """Text as it stands."""

    text: str


class Number(msgspec.Struct, frozen=True, tag=True):
    """A number as it was written."""

    value: float | int


class Variable(msgspec.Struct, frozen=True, tag=True):
    """A name to look up."""

    name: str


class Call(msgspec.Struct, frozen=True, tag=True):
    """A helper function and its arguments."""

    name: str
    arguments: tuple["Expression", ...]


class Operation(msgspec.Struct, frozen=True, tag=True):
    """An operator and its one or two operands; "list" takes any number."""

    operator: str
    operands: tuple["Expression", ...]


class Mixed(msgspec.Struct, frozen=True, tag=True):
    """Text with expressions in it."""

    parts: tuple["Expression", ...]


class Marker(msgspec.Struct, frozen=True, tag=True):
    """One `{{…}}`: its meaning, and the text it has when it turns out to mean nothing."""

    expression: "Expression"
    source: str


Expression: TypeAlias = Literal | Number | Variable | Call | Operation | Mixed | Marker

_TOKEN = re.compile(
    r"\s*(?:(?P<number>0x[0-9a-fA-F]+|\d+(?:\.\d+)?(?![\w.]))"
    r"|(?P<name>[A-Za-z_][\w.]*(?:-[A-Za-z]\w*)*)"
    r"|(?P<open>\{\{)|(?P<close>\}\})"
    r"|(?P<operator>==|!=|<=|>=|&&|\|\||\*\*|[-+*/%<>!(),?:])"
    r"|(?P<quote>[\"'`]))"
)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_STRING_END = {quote: re.compile(rf"[^{quote}\\]*(?:\\.[^{quote}\\]*)*{quote}", re.DOTALL) for quote in "\"'`"}
_LEVELS = (("||",), ("&&",), ("==", "!=", "<", "<=", ">", ">="), ("+", "-"), ("*", "/", "%"), ("**",))
_SECTION = re.compile(r"§([\w-]{1,64})§")


class _NoExpressionError(Exception):
    """What follows `{{` is not an expression of ours."""


@lru_cache(maxsize=128)
def parse_text(text: str, depth: int = 0) -> tuple[Expression, ...]:
    """Cut `text` into literal parts and expressions; never fails."""
    parts: list[Expression] = []
    position = done = failures = 0
    while (start := text.find("{{", position)) >= 0 and failures < MAX_FAILURES:
        try:
            expression, end = _Parser(text, start + 2, depth).marker()
        except _NoExpressionError:
            failures += 1
            position = start + 1
            continue
        parts += [*_sections(text[done:start]), Marker(expression, text[start:end])]
        position = done = end
    parts += _sections(text[done:])
    return tuple(parts)


def _sections(text: str) -> list[Expression]:
    """Literal text, in which `§name§` is the other way to write `{{name}}`."""
    if "§" not in text:
        return [Literal(text)] if text else []
    parts: list[Expression] = []
    position = 0
    for match in _SECTION.finditer(text):
        parts += [Literal(text[position : match.start()]), Marker(Variable(match[1]), match[0])]
        position = match.end()
    return [*parts, Literal(text[position:])]


def has_names(expression: Expression) -> bool:
    """Whether a variable or a function occurs; `{{7*7}}` has none and is sent as it stands."""
    if isinstance(expression, (Variable, Call)):
        return True
    if isinstance(expression, Operation):
        return any(has_names(operand) for operand in expression.operands)
    if isinstance(expression, Mixed):
        return any(has_names(part) for part in expression.parts)
    return isinstance(expression, Marker) and has_names(expression.expression)


class _Parser:
    """Recursive descent over one `{{…}}`, bounded in depth and length."""

    def __init__(self, text: str, position: int, depth: int) -> None:
        self.text, self.position, self.depth = text, position, depth
        self.limit = min(len(text), position + MAX_EXPRESSION)
        self.kind, self.word = "", ""
        self._advance()

    def marker(self) -> tuple[Expression, int]:
        """The expression up to its `}}`, and the position after it."""
        expression = self._binary(0)
        if self.kind != "close":
            raise _NoExpressionError
        return expression, self.position

    def _advance(self) -> None:
        match = _TOKEN.match(self.text, self.position, self.limit)
        if match is None or match.lastgroup is None:
            raise _NoExpressionError
        self.kind, self.word, self.position = match.lastgroup, match[match.lastgroup], match.end()

    def _enter(self) -> None:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise _NoExpressionError

    def _binary(self, level: int) -> Expression:
        if level == len(_LEVELS):
            return self._unary()
        left = self._binary(level + 1)
        while self.kind == "operator" and self.word in _LEVELS[level]:
            operator = self.word
            self._advance()
            left = Operation(operator, (left, self._binary(level + 1)))
        return left

    def _unary(self) -> Expression:
        if self.kind == "operator" and self.word in {"-", "!"}:
            operator = self.word
            self._enter()
            self._advance()
            operand = self._unary()
            self.depth -= 1
            return Operation("neg" if operator == "-" else "!", (operand,))
        return self._primary()

    def _primary(self) -> Expression:
        kind, word = self.kind, self.word
        if kind == "quote":
            return self._string(word)
        if kind == "open":
            return self._nested()
        if kind == "operator" and word == "(":
            items = self._items()
            return items[0] if len(items) == 1 else Operation("list", items)
        if kind == "number":
            self._advance()
            return Number(float(word) if "." in word else int(word, 0) if "x" in word else int(word[:40]))
        if kind == "name":
            self._advance()
            if self.kind == "operator" and self.word == "(":
                return Call(word, self._items())
            return Variable(word)
        raise _NoExpressionError

    def _nested(self) -> Expression:
        """`{{…}}` within an expression means the same without its braces."""
        self._enter()
        start = self.position - 2
        self._advance()
        inner = self._binary(0)
        if self.kind != "close":
            raise _NoExpressionError
        source = self.text[start : self.position]
        self._advance()
        self.depth -= 1
        return Marker(inner, source)

    def _items(self) -> tuple[Expression, ...]:
        """What stands between a parenthesis and its end, separated by commas."""
        self._enter()
        self._advance()
        items: list[Expression] = []
        while not (self.kind == "operator" and self.word == ")"):
            if items:
                self._comma()
            items.append(self._binary(0))
        self._advance()
        self.depth -= 1
        return tuple(items)

    def _comma(self) -> None:
        if not (self.kind == "operator" and self.word == ","):
            raise _NoExpressionError
        self._advance()

    def _string(self, quote: str) -> Expression:
        self._enter()
        match = _STRING_END[quote].match(self.text, self.position, self.limit)
        if match is None:
            raise _NoExpressionError
        raw = match[0][:-1]
        self.position = match.end()
        self._advance()
        text = _ESCAPE.sub(r"\1", raw) if "\\" in raw else raw
        parts = parse_text(text, self.depth) if "{{" in text or "§" in text else (Literal(text),)
        self.depth -= 1
        return Mixed(parts)
