"""What a value can look like after a place was read and transformed: enough to prove that a literal cannot occur."""

from collections.abc import Mapping

import msgspec

from ruleforge.rules.tree import Condition, Value

_BLANKS = frozenset(b" \t\n\r\x0b\x0c")
_UPPER = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ")
DROPPING = frozenset({"base64_decode", "hex_decode"})  # transforms after which there may be no value


class Shape(msgspec.Struct, frozen=True):
    """What cannot occur in a value. The empty shape says nothing."""

    no_bytes: frozenset[int] = frozenset()
    no_runs: tuple[bytes, ...] = ()  # nowhere in it
    no_first: frozenset[int] = frozenset()
    no_last: frozenset[int] = frozenset()
    no_ends: tuple[bytes, ...] = ()

    def excludes(self, literal: bytes, *, first: bool = False, last: bool = False) -> bool:
        """Say whether `literal` cannot occur: anywhere, at the beginning (`first`), at the end (`last`), as a whole."""
        if not self.no_bytes.isdisjoint(literal) or any(run in literal for run in self.no_runs):
            return True
        if first and literal and literal[0] in self.no_first:
            return True
        return last and bool(literal) and (literal[-1] in self.no_last or literal.endswith(self.no_ends))


NORMAL_PATH = Shape(frozenset(b"\\;"), (b"//", b"/../", b"/./"), no_ends=(b"/..", b"/."))
_ARGUMENT_AS_SENT = Shape(frozenset(b"&"))
_COOKIE = Shape(frozenset(b";"), no_first=_BLANKS, no_last=_BLANKS)
_PLACES: Mapping[str, Shape] = {
    "path": NORMAL_PATH,
    "path.raw": Shape(frozenset(b"?")),
    "query_args.raw": _ARGUMENT_AS_SENT,
    "form_args.raw": _ARGUMENT_AS_SENT,
    "args.raw": _ARGUMENT_AS_SENT,
    "cookies": _COOKIE,
}
_NAMES: Mapping[str, Shape] = {
    "headers": Shape(_UPPER),
    "cookies": Shape(frozenset(b";="), no_first=_BLANKS, no_last=_BLANKS),
    "query_args.raw": Shape(frozenset(b"&=")),
    "form_args.raw": Shape(frozenset(b"&=")),
    "args.raw": Shape(frozenset(b"&=")),
}


def shape_of(condition: Condition, place: str | None = None) -> Shape:
    """Return the shape of the values the condition asks about; `place` is that of the `some` around it."""
    if place is None:
        shape = _PLACES.get(condition.field, Shape())
    else:
        tables = {"name": _NAMES, "value": _PLACES}
        shape = tables.get(condition.field, {}).get(place, Shape())
    for transform in condition.transforms:
        shape = _after(transform, shape)
    return shape


def name_is_impossible(field: str, name: bytes) -> bool:
    """Say whether no element of the place can have this exact name."""
    shape = _NAMES.get(field)
    # The case of header names does not count.
    return shape is not None and shape.excludes(name.lower() if field == "headers" else name, first=True, last=True)


def is_impossible(op: str, value: Value, shape: Shape) -> bool:
    """Say whether no value of this shape can satisfy the operator."""
    if isinstance(value, int):
        return op == "length_lt" and value <= 0
    whole = op in ("equals", "in")
    first, last = whole or op == "starts_with", whole or op == "ends_with"
    if isinstance(value, bytes) and op in _LITERAL:
        return shape.excludes(value, first=first, last=last)
    if isinstance(value, tuple) and op in ("in", "contains_any"):
        return all(shape.excludes(item, first=first, last=last) for item in value)
    return isinstance(value, tuple) and op == "contains_all" and any(map(shape.excludes, value))


_LITERAL = frozenset({"equals", "contains", "starts_with", "ends_with", "path_suffix", "path_segments"})


def _after(transform: str, shape: Shape) -> Shape:
    """Return what stays impossible after one more transform; for transforms not named here nothing does."""
    space = frozenset(b" ")
    match transform:
        case "lower":
            return msgspec.structs.replace(shape, no_bytes=shape.no_bytes | _UPPER)
        case "trim":
            return Shape(shape.no_bytes, shape.no_runs, _BLANKS, _BLANKS)
        case "remove_nulls":
            return Shape(shape.no_bytes | {0})
        case "plus_to_space":
            runs = tuple(run for run in shape.no_runs if b" " not in run)
            no_bytes = (shape.no_bytes - space) | frozenset(b"+")
            return Shape(no_bytes, runs, shape.no_first - space, shape.no_last - space, shape.no_ends)
        case "compress_whitespace":
            no_bytes = (shape.no_bytes | _BLANKS) - space
            first, last = _without_space(shape.no_first), _without_space(shape.no_last)
            return Shape(no_bytes, (*shape.no_runs, b"  "), first, last, shape.no_ends)
        case "normalize_path":
            return msgspec.structs.replace(
                NORMAL_PATH, no_bytes=NORMAL_PATH.no_bytes | (shape.no_bytes - frozenset(b"/"))
            )
    return Shape()


def _without_space(edge: frozenset[int]) -> frozenset[int]:
    """A blank that could not stand at an edge may become a space there, unless no blank could."""
    return edge if edge >= _BLANKS else edge - frozenset(b" ")
