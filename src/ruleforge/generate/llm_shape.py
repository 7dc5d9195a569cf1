"""How surprising a rule is that was not made of facets, and which of its alternatives nothing speaks for.

Facets carry their bits; a rule that a model wrote has none. Here every condition is rated by the same tables, and where
they say nothing it counts nothing: a pattern is worth the text that must occur in whatever it matches, and no more.
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from ruleforge.background.table import Background
from ruleforge.engine.reference import compile_tree
from ruleforge.engine.regex_literals import regex_clauses
from ruleforge.events.places import HttpView
from ruleforge.generate.endpoints import bits_of_segments
from ruleforge.generate.facet import name_bits
from ruleforge.generate.strategies import GENERATORS
from ruleforge.generate.words import CLASS_BITS, HEADER_CLASS_BITS
from ruleforge.rules.classes import CLASSES, latest_version
from ruleforge.rules.implication import implies
from ruleforge.rules.tree import AllOf, AnyOf, Condition, Name, Not, Some, Tree

ARMS_MOST = 128  # alternatives of a rule, written out
SHARED_BITS_LEAST = 12.0  # what an untried alternative must have in common with one that was tried
ALIKE_CLASS_BITS = 14.0  # or a payload class that nobody sends by chance
VALUE_BITS_MOST = 14.0  # of one text in a value: texts of a domain go together
OFFSITE_BITS = 5.0
LONG_VALUE, LONG_BITS = 256, 8.0
_WEAK_IN_HEADERS = frozenset(("url_value", "upload_name"))
_METHOD_BITS = {b"GET": 0.3, b"POST": 1.5, b"HEAD": 4.0}
_RARE_METHOD_BITS = 5.0
_ABSENT_BITS = 1.0

Leaf = Condition | Not | Some
Written = tuple[Leaf, ...]  # all of it has to hold


class TooManyArmsError(ValueError):
    """A rule has more alternatives than are written out."""


def written_out(tree: Tree) -> tuple[Written, ...]:
    """Write a tree as alternatives of conjunctions; what is negated stays one piece.

    Raises:
        TooManyArmsError: there are more than ARMS_MOST.
    """
    match tree:
        case AnyOf(parts):
            found = tuple(arm for part in parts for arm in written_out(part))
        case AllOf(parts):
            found = _products([written_out(part) for part in parts])
        case Some(place, where):
            found = tuple((Some(place, _together(arm)),) for arm in written_out(where))
        case _:
            found = ((tree,),)
    _check(len(found))
    return found


def _products(groups: Sequence[tuple[Written, ...]]) -> tuple[Written, ...]:
    found: tuple[Written, ...] = ((),)
    for group in groups:
        _check(len(found) * len(group))
        found = tuple((*one, *other) for one, other in itertools.product(found, group))
    return found


def _check(arms: int) -> None:
    if arms > ARMS_MOST:
        raise TooManyArmsError(f"more than {ARMS_MOST} alternatives")


def _together(arm: Written) -> Tree:
    return arm[0] if len(arm) == 1 else AllOf(tuple(arm))


def surprise_of(tree: Tree, background: Background) -> float:
    """Return how surprising the least surprising alternative is in normal traffic, in bits; a cautious estimate.

    Raises:
        TooManyArmsError: see `written_out`.
    """
    return min(written_bits(arm, background) for arm in written_out(tree))


def written_bits(arm: Written, background: Background) -> float:
    """Return how surprising a conjunction is: each kind once in full, once by half; what another says, not at all."""
    rated = sorted(((*_rated(leaf, background), leaf) for leaf in _independent(arm)), key=lambda row: -row[0])
    total, seen = 0.0, dict[str, int]()
    for bits, kind, _ in rated:
        times = seen[kind] = seen.get(kind, 0) + 1
        total += bits * {1: 1.0, 2: 0.5}.get(times, 0.0)
    return total


def _independent(arm: Written) -> tuple[Leaf, ...]:
    latest = _latest()
    kept: list[Leaf] = []
    for at, leaf in enumerate(arm):
        others = [*kept, *arm[at + 1 :]]
        if leaf not in others and not any(_follows(other, leaf, latest) for other in others):
            kept.append(leaf)
    return tuple(kept)


def _follows(one: Leaf, other: Leaf, latest: Mapping[str, int]) -> bool:
    return isinstance(one, Condition) and isinstance(other, Condition) and implies(one, other, latest)


def _latest() -> dict[str, int]:
    return {name: latest_version(name) for name in CLASSES}


def _rated(leaf: Leaf, background: Background) -> tuple[float, str]:
    """Return bits and kind of one leaf."""
    match leaf:
        case Not():
            return 0.0, "negated"
        case Some(place, where):
            inner = [_condition_bits(c, place, background) for c in _leaves(where)]
            kinds = [kind for _, kind in inner]
            best = max((bits for bits, kind in inner if kind != "name"), default=0.0)
            named = max((bits for bits, kind in inner if kind == "name"), default=0.0)
            if best == 0.0:
                return named, "name"
            return best + named / 4, "payload" if "payload" in kinds else "value"
        case Condition():
            return _condition_bits(leaf, leaf.field, background)


def _leaves(where: Tree) -> Iterator[Condition]:
    match where:
        case AllOf(parts) | AnyOf(parts):
            for part in parts:
                yield from _leaves(part)
        case Condition():
            yield where


def _condition_bits(asked: Condition, place: str, background: Background) -> tuple[float, str]:
    if asked.field == "name" and place != "name":
        texts = [text for text in _texts(asked) if text]
        return min((name_bits(place, text, background) for text in texts), default=0.0), "name"
    named = _named_bits(asked.name, place, background)
    if place == "args.offsite":
        return OFFSITE_BITS + named / 2, "payload"
    if asked.op == "absent":
        return _ABSENT_BITS, "absent"
    if asked.op == "is_class" and isinstance(asked.value, bytes):
        return _class_bits(asked.value.decode(), place) + named / 4, "payload"
    if asked.op in ("length_gt", "count_gt") and isinstance(asked.value, int) and asked.value >= LONG_VALUE:
        return LONG_BITS + named / 2, "value"
    wanted = _texts(asked)
    if place == "method":
        return min((_METHOD_BITS.get(text.upper(), _RARE_METHOD_BITS) for text in wanted), default=0.0), "method"
    if place.startswith(("path", "target")):
        return min((_path_bits(text, background) for text in wanted), default=0.0), "endpoint"
    bits = min((_text_bits(text, background) for text in wanted), default=0.0)
    return (bits + named / 2, "value") if bits else (named, "name")


def _class_bits(name: str, place: str) -> float:
    bits = CLASS_BITS.get(name, 0.0)
    return max(bits, HEADER_CLASS_BITS) if place == "headers" and name not in _WEAK_IN_HEADERS else bits


def _named_bits(name: Name | None, place: str, background: Background) -> float:
    if name is None:
        return 0.0
    texts = _pattern_texts(name.text) if name.how == "regex" else [name.text]
    return min((name_bits(place, text, background) for text in texts), default=0.0)


def _texts(asked: Condition) -> Sequence[bytes]:
    """Texts of which one must occur in whatever satisfies a condition; none where nothing must."""
    value = asked.value
    if asked.op == "regex" and isinstance(value, bytes):
        return _pattern_texts(value)
    if asked.op in ("cidr", "is_class") or not isinstance(value, bytes | tuple):
        return ()
    if isinstance(value, bytes):
        return (value,)
    return (max(value, key=len),) if asked.op == "contains_all" and value else value


def _pattern_texts(pattern: bytes) -> list[bytes]:
    """Texts of which one occurs, in lower case, wherever the pattern is found; none where nothing must."""
    clauses = regex_clauses(pattern)
    if not clauses:
        return []
    best: frozenset[bytes] = max(clauses, key=_worth)
    return sorted(best)


def _worth(clause: frozenset[bytes]) -> tuple[int, int, list[bytes]]:
    return min(map(len, clause)), -len(clause), sorted(clause)


def _path_bits(text: bytes, background: Background) -> float:
    segments = [segment for segment in text.split(b"?", 1)[0].split(b"/") if segment]
    # A piece of a segment says no more than its letters.
    return min(bits_of_segments(segments, background), 3.0 * len(text)) if segments else 0.0


def _text_bits(text: bytes, background: Background) -> float:
    return min(background.bits("value", text), 1.6 * len(text), VALUE_BITS_MOST)


def strategy_of(tree: Tree) -> str:
    """Name the strategy of the embedded generator that writes rules of this shape, a key of GENERATORS.

    Of several alternatives the least general one decides.

    Raises:
        TooManyArmsError: see `written_out`.
    """
    names = GENERATORS.names()
    return names[max(names.index(_strategy(arm)) for arm in written_out(tree))]


def _strategy(arm: Written) -> str:
    asked = [pair for leaf in arm for pair in _asked(leaf)]
    payloads = [named for c, named in asked if c.op == "is_class" or c.field == "args.offsite"]
    placed = any(c.field.startswith(("path", "target")) and c.op != "is_class" for c, _ in asked)
    if payloads and not placed:
        return "parameter_anywhere"  # that a payload works anywhere is not seen from a rule
    if payloads:
        return "endpoint_payload" if any(payloads) else "endpoint_any_parameter"
    values = [c for c, named in asked if not c.field.startswith(("path", "target")) and c.field != "method"]
    if any(c.op in _PIECES for c in values):
        return "endpoint_literal"
    return "magic_parameter" if any(c.field != "headers" for c in values) else "endpoint_structure"


_PIECES = frozenset(("contains", "contains_any", "contains_all", "starts_with", "ends_with", "regex"))


def _asked(leaf: Leaf) -> Iterator[tuple[Condition, bool]]:
    """The conditions of a leaf, each with whether it is about one named value; what is negated is left out."""
    match leaf:
        case Some(_, where):
            leaves = list(_leaves(where))
            named = any(c.field == "name" and c.op in ("equals", "in") for c in leaves)
            yield from ((c, named) for c in leaves if c.field != "name" or c.op == "is_class")
        case Condition():
            yield leaf, leaf.name is not None


class Idle(msgspec.Struct, frozen=True):
    """An alternative of a rule that no known request needs, and that has nothing to do with those that are needed."""

    number: int  # from 1, of the alternatives written out
    tree: Tree


def idle_arms(tree: Tree, attacks: Sequence[HttpView], background: Background) -> tuple[Idle, ...]:
    """Find alternatives that no attack satisfies and that share neither place nor payload with one that some does.

    Such a part cannot have been tried, and it may fire on what has nothing to do with the vulnerability. Of a rule that
    fires on no attack at all nothing is said here: it misses them, which every trial shows.

    Raises:
        TooManyArmsError: see `written_out`.
    """
    latest = _latest()
    arms = written_out(tree)
    asks = [compile_tree(_together(arm), latest) for arm in arms]
    busy = [arm for arm, ask in zip(arms, asks, strict=True) if any(ask(view) is True for view in attacks)]
    found = []
    for number, arm in enumerate(arms, 1):
        if busy and arm not in busy and not any(_akin(arm, other, background) for other in busy):
            found.append(Idle(number, _together(arm)))
    return tuple(found)


def _akin(arm: Written, other: Written, background: Background) -> bool:
    shared = tuple(leaf for leaf in arm if leaf in other)
    if shared and written_bits(shared, background) >= SHARED_BITS_LEAST:
        return True
    return bool(_classes(arm) & _classes(other))


def _classes(arm: Written) -> set[bytes]:
    """The payload classes that an arm asks of something, as far as nobody sends one by chance."""
    found = set()
    for leaf in arm:
        where = leaf.where if isinstance(leaf, Some) else leaf
        for asked in _leaves(where):
            if asked.op == "is_class" and isinstance(asked.value, bytes):
                name = asked.value.decode()
                if CLASS_BITS.get(name, 0.0) >= ALIKE_CLASS_BITS:
                    found.add(asked.value)
    return found
