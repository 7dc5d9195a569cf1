"""Rules as alternatives of questions that must all hold: the shape other engines' rules have."""

from itertools import chain, product

import msgspec

from ruleforge.rules.patterns import quote
from ruleforge.rules.tree import AllOf, AnyOf, Condition, Name, Not, Root, Some, Tree

MAX_ALTERNATIVES = 24  # of one rule; more would be a rule set of its own
SINGLE = frozenset({"method", "version", "target.raw", "path", "path.raw", "path.decoded", "query.raw", "body"})


class CannotError(Exception):
    """The other language has no words for this; the text names the reason, for counting."""


class Atom(msgspec.Struct, frozen=True):
    """One question about the values of a place that `name` selects."""

    field: str
    condition: Condition
    name: Name | None = None  # `how` may also be "in": texts joined by NUL
    part: str = "value"  # "value" | "name" | "filename": what of an element is asked about
    negated: bool = False  # some value does not satisfy the condition


Conjunction = tuple[Atom, ...]


def alternatives(tree: Root) -> tuple[Conjunction, ...]:
    """Return conjunctions of which one holds exactly where the tree is true.

    Raises:
        CannotError: no bounded set of conjunctions says the same.
    """
    found = _expand(tree)
    if len(found) > MAX_ALTERNATIVES:
        raise CannotError("too many alternatives")
    return found


def _expand(tree: Root) -> tuple[Conjunction, ...]:
    match tree:
        case Condition():
            return ((Atom(tree.field, tree, tree.name),),)
        case AnyOf(parts):
            return tuple(chain.from_iterable(map(_expand, parts)))
        case AllOf(parts):
            return _joined([_expand(part) for part in parts])
        case Some(place, where):
            return tuple((_element(place, conjunction),) for conjunction in _expand_inside(where))
        case Not(Condition() as inner):
            return ((_negation(inner),),)
        case Not():
            raise CannotError("not around several conditions")
        case _:
            raise CannotError("counts or orders events")


def _joined(parts: list[tuple[tuple[Atom, ...], ...]]) -> tuple[Conjunction, ...]:
    size = 1
    for part in parts:
        size *= len(part)
        if size > MAX_ALTERNATIVES:
            raise CannotError("too many alternatives")
    return tuple(tuple(chain.from_iterable(choice)) for choice in product(*parts))


def _negation(inner: Condition) -> Atom:
    opposite = {"present": "absent", "absent": "present"}.get(inner.op)
    if opposite:
        return Atom(inner.field, msgspec.structs.replace(inner, op=opposite), inner.name)
    if inner.field in SINGLE:
        return Atom(inner.field, inner, inner.name, negated=True)
    raise CannotError("not, of a place with many values")


def _expand_inside(where: Tree) -> tuple[tuple[Atom, ...], ...]:
    """Do the same inside a `some`, where even a negation is about one value."""
    match where:
        case Condition():
            return ((Atom("", where, part=where.field),),)
        case AnyOf(parts):
            return tuple(chain.from_iterable(map(_expand_inside, parts)))
        case AllOf(parts):
            return _joined([_expand_inside(part) for part in parts])
        case Not(Condition() as inner):
            return ((Atom("", inner, part=inner.field, negated=True),),)
        case _:
            raise CannotError("not around several conditions")


def _element(place: str, conjunction: Conjunction) -> Atom:
    """Make one question of those about one element: a choice of names, and one thing asked."""
    names = [atom for atom in conjunction if atom.part == "name" and not atom.negated]
    selecting = [name for name in names if _as_name(name.condition) is not None]
    asked = [atom for atom in conjunction if atom not in selecting]
    if len(selecting) > 1 or len(asked) > 1:
        raise CannotError("several questions about one element")
    name = _as_name(selecting[0].condition) if selecting else None
    if not asked:
        return Atom(place, Condition(place, "present"), name)
    return Atom(place, asked[0].condition, name, asked[0].part, asked[0].negated)


def _as_name(condition: Condition) -> Name | None:
    value = condition.value
    if condition.transforms == ("lower",) and condition.op == "equals" and isinstance(value, bytes):
        return Name(value, "lower")
    if condition.transforms:
        return None
    match condition.op, value:
        case "equals", bytes():
            return Name(value)
        case "in", tuple():
            return Name(b"\0".join(value), "in")
        case "regex", bytes():
            return Name(value, "regex")
        case "contains", bytes():
            return Name(quote(value), "regex")
        case "starts_with", bytes():
            return Name(rb"\A" + quote(value), "regex")
        case "ends_with", bytes():
            return Name(quote(value) + rb"\z", "regex")
    return None
