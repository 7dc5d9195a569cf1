"""Operators of scripts, on texts, numbers, collections and gaps."""

import operator
from collections.abc import Callable
from typing import Any

from ruleforge.sources.nuclei.text import Text
from ruleforge.sources.poc_code.ledger import Ledger
from ruleforge.sources.poc_code.texts import joined, percent_formatted
from ruleforge.sources.poc_code.values import MAX_ITEMS, Map, Symbol, Unknown, Value

MAX_REPEATED = 64 << 10  # bytes of a repeated text
MAX_NUMBER = 1 << 64

_ARITHMETIC: dict[str, Callable[[Any, Any], int | float | bool]] = {
    "-": operator.sub, "/": operator.truediv, "//": operator.floordiv, "&": operator.and_, "|": operator.or_,
    "^": operator.xor, ">>": operator.rshift,
}  # fmt: skip


def operate(ledger: Ledger, sign: str, values: list[Value], joins_with: tuple[str, ...]) -> Value:
    """`values[0] sign values[1] sign …`, from left to right."""
    if sign in joins_with and any(isinstance(v, (Text, Unknown, Symbol)) for v in values):
        return joined([ledger.text(v) for v in values])
    done = values[0]
    for value in values[1:]:
        done = _pair(ledger, sign, done, value)
    return done


def _pair(ledger: Ledger, sign: str, left: Value, right: Value) -> Value:
    if sign in ("or", "||", "??"):
        return left if left not in (None, False) and not isinstance(left, (Unknown, Symbol)) else right
    if sign == "%" and isinstance(left, Text):
        return percent_formatted(left, right, ledger.standins, ledger.budget)
    if sign == "*" and (isinstance(left, (Text, list)) or isinstance(right, (Text, list))):
        return _times(ledger, left, right)
    if sign in ("+", "<<", ".") and isinstance(left, (Text, Unknown, Symbol)):
        return joined([ledger.text(left), ledger.text(right)])
    if isinstance(left, list) and isinstance(right, list) and sign == "+":
        return [*ledger.first([*left, *right], MAX_ITEMS)]
    if isinstance(left, list) and sign == "<<":
        left.append(right)
        return left
    if isinstance(left, Map) and isinstance(right, Map) and sign in ("|", "+"):
        done = left.copy()
        for each in right.pairs():
            ledger.put(done, *each)
        return done
    return _calculated(sign, left, right)


def _times(ledger: Ledger, left: Value, right: Value) -> Value:
    if not isinstance(left, (Text, list)):
        left, right = right, left
    if not isinstance(right, int):
        return left
    size = len(left.data) if isinstance(left, Text) else 0
    ledger.budget.charge(min(max(0, right) * max(size, 1), 1 << 20) >> 10)
    if isinstance(left, Text):
        most = MAX_REPEATED // max(size, 1)
        if right > most:
            ledger.problem(f"a text repeated {right} times was cut")
        return joined([left] * max(0, min(right, most)))
    return (left * max(0, min(right, MAX_ITEMS)))[:MAX_ITEMS] if isinstance(left, list) else Unknown()


def _calculated(sign: str, left: Value, right: Value) -> Value:
    """Arithmetic within 64 bits; anything else is a gap."""
    if not isinstance(left, (int, float)) or not isinstance(right, (int, float)):
        return Unknown()
    try:
        if sign == "+":
            done: int | float | bool = left + right
        elif sign == "*":
            done = left * right
        elif sign == "%":
            done = left % right
        elif sign == "**" and 0 <= right <= 64 and abs(left) <= 1_000:
            done = left**right
        elif sign == "<<" and isinstance(left, int) and isinstance(right, int) and 0 <= right <= 64:
            done = left << right
        elif sign in _ARITHMETIC:
            done = _ARITHMETIC[sign](left, right)
        else:
            return Unknown()
    except (ArithmeticError, TypeError, ValueError):
        return Unknown()
    return done if abs(done) < MAX_NUMBER else Unknown()
