"""What an expression can be worth, and how one kind of value is read as another."""

from typing import TypeAlias

import msgspec

from ruleforge.sources.nuclei.text import Text, glue, whole


class Amount(msgspec.Struct, frozen=True):
    """A number or a truth value, and whether it follows from a stand-in."""

    value: float | int | bool
    standin: bool = False


Value: TypeAlias = "Text | Amount | tuple[Value, ...]"


def as_text(value: Value) -> Text:
    """How `value` is written into a request."""
    if isinstance(value, Text):
        return value
    if isinstance(value, tuple):
        return join_texts(value, Text(b" "))
    number = value.value
    if isinstance(number, bool):
        written = b"true" if number else b"false"
    elif isinstance(number, float) and number.is_integer() and abs(number) < 1e18:
        written = b"%d" % int(number)
    else:
        written = str(number).encode()
    return Text(written, whole(written) if value.standin else ())


def join_texts(values: "tuple[Value, ...]", separator: Text) -> Text:
    """The values as text, with `separator` between them."""
    parts: list[Text] = []
    for value in values:
        if parts:
            parts.append(separator)
        parts.append(as_text(value))
    return glue(parts)


def as_number(value: Value) -> Amount | None:
    """`value` as a number, or None when it is none."""
    if isinstance(value, Amount):
        return Amount(int(value.value), value.standin) if isinstance(value.value, bool) else value
    if isinstance(value, tuple):
        return None
    written = value.data.strip()
    if not written or len(written) > 40:
        return None
    try:
        number: float | int = int(written)
    except ValueError:
        try:
            number = float(written)
        except ValueError:
            return None
        if number != number or abs(number) == float("inf"):
            return None
    return Amount(number, bool(value.spans))


def as_count(value: Value, most: int = 1_000_000) -> int:
    """`value` as a whole number in 0 … `most`; 0 when it is no number."""
    number = as_number(value)
    return 0 if number is None else max(0, min(int(number.value), most))


def is_true(value: Value) -> bool:
    """Whether `value` counts as true."""
    if isinstance(value, Amount):
        return bool(value.value)
    return bool(value) if isinstance(value, tuple) else value.data not in {b"", b"false"}


def carries_standin(value: Value) -> bool:
    """Whether anything in `value` is a stand-in."""
    if isinstance(value, tuple):
        return any(carries_standin(item) for item in value)
    return value.standin if isinstance(value, Amount) else bool(value.spans)
