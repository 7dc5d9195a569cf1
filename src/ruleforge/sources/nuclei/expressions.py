"""Fills the `{{…}}` of a template text with values; what cannot be known becomes a stand-in."""

import math
import operator
from collections.abc import Callable, Mapping

from ruleforge.errors import InputError
from ruleforge.sources.nuclei import artefacts  # noqa: F401  # adds its functions to the table
from ruleforge.sources.nuclei.functions import FUNCTIONS
from ruleforge.sources.nuclei.standins import TARGET_HOST, Standins
from ruleforge.sources.nuclei.syntax import (
    Call,
    Expression,
    Literal,
    Marker,
    Mixed,
    Number,
    Operation,
    Variable,
    has_names,
    parse_text,
)
from ruleforge.sources.nuclei.text import Text, glue, whole
from ruleforge.sources.nuclei.values import Amount, Value, as_number, as_text, carries_standin, is_true, join_texts

_URL = b"http://" + TARGET_HOST
_HOST_SPAN = ((7, len(_URL)),)
_TARGET = {
    **dict.fromkeys(("BaseURL", "RootURL", "Input", "URL"), Text(_URL, _HOST_SPAN)),
    **dict.fromkeys(("Hostname", "Host", "FQDN", "RDN"), Text(TARGET_HOST, whole(TARGET_HOST))),
    "DN": Text(b"target", whole(b"target")),
    "TLD": Text(b"example"),
    "SD": Text(),
    "Port": Text(b"48080", whole(b"48080")),
    "Scheme": Text(b"http"),
    "Path": Text(),
    "File": Text(),
}
_EXPECTED = ("interactsh", "randstr", "username", "password", "http_", "response_", "code_", "javascript_", "template.")
_ARITHMETIC: dict[str, Callable[[float, float], float]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "%": operator.mod,
    "**": math.pow,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_MAX_NOTES = 20
_MAX_WORK = 128 * 1024 * 1024  # bytes that functions of one template may read and write
_MAX_CHAIN = 20  # variables that refer to variables


class Scope:
    """The names one template knows, and the stand-ins it has used.

    Args:
        variables: name → template text; evaluated when first used, once, as the scanner does.
        dynamic: names that earlier responses, scripts or other protocols provide.
    """

    def __init__(self, variables: Mapping[str, str], dynamic: frozenset[str] = frozenset()) -> None:
        self.standins = Standins()
        self._texts = dict(variables)
        self._values: dict[str, tuple[Text, bool]] = {}  # and whether the row of payloads is in it
        self._open: set[str] = set()
        self._dynamic = dynamic
        self._row: dict[str, str] = {}
        self._work_left = _MAX_WORK
        self.used_row = False
        self.keep_unknown = False  # the block says skip-variables-check: unknown names are sent as written
        self.notes: list[str] = []

    def use_row(self, row: Mapping[str, str]) -> None:
        """Take the payload values of one row; they go before variables of the same name."""
        changed = dict(row)
        if changed != self._row:
            self._row = changed
            self._values = {name: value for name, value in self._values.items() if not value[1]}

    def start(self, *, keep_unknown: bool) -> None:
        """Begin a new request: forget notes and what was used."""
        self.notes, self.used_row, self.keep_unknown = [], False, keep_unknown

    def note(self, what: str) -> None:
        """Remember, once, something that could only be approximated."""
        if what not in self.notes and len(self.notes) < _MAX_NOTES:
            self.notes.append(what)

    def fill(self, text: str) -> Text:
        """Replace every expression in `text`; one that goes wrong becomes a stand-in and a note.

        Raises:
            InputError: the filled text is too large (RF216).
        """
        return glue(self._part(part) for part in parse_text(text))

    def _part(self, part: Expression) -> Text:
        if isinstance(part, Literal):
            return Text(part.text.encode("utf-8", "surrogatepass"))
        try:
            return as_text(self._value(part))
        except InputError as error:
            self.note(error.what)
            return self.standins.letters(8)

    def _value(self, node: Expression) -> Value:
        if isinstance(node, Literal):
            return Text(node.text.encode("utf-8", "surrogatepass"))
        if isinstance(node, Number):
            return Amount(node.value)
        if isinstance(node, Mixed):
            return glue(self._part(part) for part in node.parts)
        if isinstance(node, Marker):
            return self._marker(node)
        if isinstance(node, Variable):
            return self._variable(node.name)
        if isinstance(node, Call):
            return self._call(node)
        return self._operation(node)

    def _marker(self, node: Marker) -> Value:
        inner = node.expression
        sent_as_written = not has_names(inner) or (self.keep_unknown and self._has_unknown(inner))
        if sent_as_written or (isinstance(inner, Call) and "." in inner.name):
            return Text(node.source.encode("utf-8", "surrogatepass"))
        return self._value(inner)

    def _has_unknown(self, node: Expression) -> bool:
        if isinstance(node, Variable):
            return not self.knows(node.name)
        if isinstance(node, Call):
            return node.name not in FUNCTIONS or any(self._has_unknown(argument) for argument in node.arguments)
        if isinstance(node, (Operation, Mixed)):
            parts = node.operands if isinstance(node, Operation) else node.parts
            return any(self._has_unknown(part) for part in parts)
        return isinstance(node, Marker) and self._has_unknown(node.expression)

    def knows(self, name: str) -> bool:
        """Whether a scanner would have a value for `name`."""
        known = name in self._row or name in self._texts or name in _TARGET or name in self._dynamic
        return known or name.startswith(_EXPECTED)

    def _variable(self, name: str) -> Value:
        if name in {"true", "false"}:
            return Amount(value=name == "true")
        if name in self._row or name in self._texts:
            return self._defined(name)
        if name in _TARGET:
            return _TARGET[name]
        if not self.knows(name):
            self.note(f"unknown variable {name[:80]!r}")
        return self.standins.named(name)

    def _defined(self, name: str) -> Value:
        if name not in self._values:
            if name in self._open:
                # A variable named as its own default, `user: "{{user}}"`, means the value given from outside.
                return self.standins.named(name)
            self._values[name] = self._evaluated(name)
        value, used_row = self._values[name]
        self.used_row = self.used_row or used_row
        return value

    def _evaluated(self, name: str) -> tuple[Text, bool]:
        if len(self._open) >= _MAX_CHAIN:
            raise InputError("variables refer to one another too deeply", hint="simplify them", code="RF216")
        before, self.used_row = self.used_row, name in self._row
        self._open.add(name)
        try:
            return self.fill(self._row[name] if name in self._row else self._texts[name]), self.used_row
        finally:
            self._open.discard(name)
            self.used_row = before

    def _call(self, node: Call) -> Value:
        if self._work_left < 0:
            raise InputError("the expressions of this template take too much work", hint="simplify them", code="RF216")
        function = FUNCTIONS.get(node.name)
        arguments = tuple(self._value(argument) for argument in node.arguments)
        if function is None:
            self.note(f"unknown function {node.name[:80]!r}")
            return self.standins.letters(8)
        result = function(arguments, self.standins)
        self._work_left -= 100 + sum(len(value.data) for value in (*arguments, result) if isinstance(value, Text))
        return result

    def _operation(self, node: Operation) -> Value:
        values = tuple(self._value(operand) for operand in node.operands)
        if node.operator == "list":
            return values
        standin = any(carries_standin(value) for value in values)
        if node.operator == "!":
            return Amount(not is_true(values[0]), standin)
        if node.operator == "neg":
            return _calculate("-", Amount(0), as_number(values[0]) or Amount(0))
        left, right = values
        if node.operator in {"&&", "||"}:
            both = (is_true(left), is_true(right))
            return Amount(all(both) if node.operator == "&&" else any(both), standin)
        if node.operator in {"==", "!="}:
            return Amount((as_text(left).data == as_text(right).data) == (node.operator == "=="), standin)
        return self._arithmetic(node.operator, left, right)

    def _arithmetic(self, sign: str, left: Value, right: Value) -> Value:
        if sign == "+" and not (isinstance(left, Amount) and isinstance(right, Amount)):
            return join_texts((left, right), Text())
        first, second = as_number(left), as_number(right)
        if first is None or second is None:
            raise InputError(f"operator {sign!r} needs numbers", hint="check the expression", code="RF216")
        return _calculate(sign, first, second)


def _calculate(sign: str, left: Amount, right: Amount) -> Amount:
    """Two numbers and an operator; what has no answer, or too large a one, is 0."""
    a, b = left.value, right.value
    standin = left.standin or right.standin
    try:
        result: float | int = _ARITHMETIC[sign](a, b)
        too_large = not math.isfinite(result) or abs(result) > 1e60
    except (ArithmeticError, ValueError):
        return Amount(0, standin)
    return Amount(0 if too_large else result, standin)
