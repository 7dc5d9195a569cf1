"""A rule being made: arms of facets, one arm per shape of exploit, and the tree they spell."""

from collections.abc import Sequence
from functools import lru_cache
from typing import TypeAlias

import msgspec

from ruleforge.generate.facet import Facet
from ruleforge.generate.forms import both_ways, one_way
from ruleforge.rules.classes import CLASSES, latest_version
from ruleforge.rules.implication import implies
from ruleforge.rules.tree import AllOf, AnyOf, Condition, Some, Tree

ENOUGH_BITS = 22.0  # an arm this surprising fires by chance on fewer than one request in four million
STRONG_PAYLOAD_BITS = 14.0  # a payload class by itself: seen in fewer than one in 16,000 recorded requests
ENOUGH_FREE_BITS = 18.0  # the same where there is no endpoint to add: the payload has to carry the rule
KIND_ORDER = ("method", "endpoint", "selector", "header", "present", "literal", "payload", "anywhere", "session")


class Arm(msgspec.Struct, frozen=True):
    """A conjunction that covers at least the exploit request it was made for."""

    poc: int  # ordinal of that request among the advisory's exploit requests
    facets: tuple[Facet, ...]
    others: tuple[int, ...] = ()  # requests of other documents that it was made for as well

    @property
    def bits(self) -> float:
        """How surprising the arm is; each kind counts once in full, repeated kinds by half, what follows not at all."""
        total, seen = 0.0, set()
        for facet in sorted(_independent(self.facets), key=lambda facet: -facet.bits):
            total += facet.bits * (0.5 if facet.kind in seen else 1.0)
            seen.add(facet.kind)
        return total

    @property
    def made_for(self) -> tuple[int, ...]:
        """Ordinals of the exploit requests it was made for."""
        return (self.poc, *self.others)

    def with_facet(self, facet: Facet) -> "Arm":
        """Add `facet`, replacing another endpoint where it is one, and what it implies."""
        kept = tuple(f for f in self.facets if not (facet.kind == "endpoint" == f.kind) and f.tree != facet.tree)
        if facet.kind == "payload":
            kept = tuple(f for f in kept if f.kind != "anywhere")  # says less about the same payload
        return Arm(self.poc, without_implied((*kept, facet)), self.others)

    def without(self, facet: Facet) -> "Arm":
        """Drop `facet`."""
        return Arm(self.poc, tuple(f for f in self.facets if f.tree != facet.tree), self.others)


@lru_cache(maxsize=4_096)
def _independent(facets: tuple[Facet, ...]) -> tuple[Facet, ...]:
    """Leave out each facet that another one implies."""
    latest = {name: latest_version(name) for name in CLASSES}
    asked = [one_way(facet.tree) for facet in facets]

    def follows(tree: Tree) -> bool:
        return isinstance(tree, Condition) and any(
            isinstance(other, Condition) and other != tree and implies(other, tree, latest) for other in asked
        )

    return tuple(facet for facet, tree in zip(facets, asked, strict=True) if not follows(tree))


def enough_bits(arm: Arm, *, endpoint_free: bool) -> float:
    """How surprising the arm has to be: less where one telling condition carries a rule that has no endpoint."""
    if any(_strong(facet) for facet in arm.facets):
        return ENOUGH_FREE_BITS  # more conditions beside a payload that nobody sends by chance only narrow
    carried = any(facet.bits >= ENOUGH_FREE_BITS for facet in arm.facets)
    return ENOUGH_FREE_BITS if endpoint_free and carried else ENOUGH_BITS


def _strong(facet: Facet) -> bool:
    if facet.kind not in ("payload", "anywhere"):
        return False
    leads_away = isinstance(facet.tree, Condition) and facet.tree.field == "args.offsite"
    return leads_away or facet.bits >= STRONG_PAYLOAD_BITS


class Draft(msgspec.Struct, frozen=True):
    """Arms with their history."""

    strategy: str
    arms: tuple[Arm, ...]
    round: int = 0
    changes: tuple[str, ...] = ()


def without_implied(facets: tuple[Facet, ...]) -> tuple[Facet, ...]:
    """Drop `present` of a parameter that another facet reads, and pieces of a value that one wants whole."""
    asked = {place_of(facet.tree) for facet in facets if _op(facet.tree) != "present"}
    whole = {place_of(facet.tree) for facet in facets if _op(facet.tree) == "equals"}
    kept = []
    for facet in _independent(facets):
        place, op = place_of(facet.tree), _op(facet.tree)
        implied = (op == "present" and place in asked) or (op == "contains" and place in whole)
        if place is None or not implied:
            kept.append(facet)
    return tuple(kept)


def _op(tree: Tree) -> str:
    tree = one_way(tree)
    return tree.op if isinstance(tree, Condition) else ""


def place_of(tree: Tree) -> tuple[str, bytes] | None:
    """Return the one named value a facet reads; None for whole places."""
    match one_way(tree):
        case Condition(field=field, name=name) if name is not None:
            return field, name.text
        case Some(place, AllOf((Condition(field="name", op="equals", value=bytes(name)), _))):
            return place, name
    return None


def ordered(facets: tuple[Facet, ...]) -> tuple[Facet, ...]:
    """Sort facets as a reader expects them: method, endpoint, …, payload."""
    return tuple(sorted(facets, key=lambda facet: (KIND_ORDER.index(facet.kind), facet.label)))


def arm_tree(arm: Arm) -> Tree:
    """Spell one arm."""
    trees = tuple(facet.tree for facet in ordered(arm.facets))
    return trees[0] if len(trees) == 1 else AllOf(trees)


def draft_tree(draft: Draft) -> Tree:
    """Spell the draft; arms that differ in one facet only share the rest."""
    return shapes_tree(shapes_of(draft))


Slot: TypeAlias = tuple[Facet, ...]  # alternatives at one place of a merged arm
Shape: TypeAlias = tuple[Slot, ...]  # a merged arm: every slot has to hold


def shapes_of(draft: Draft) -> list[Shape]:
    """Return the merged arms of the draft: what the rule says, each an alternative of the others."""
    return _merge([ordered(arm.facets) for arm in draft.arms])


def shapes_tree(shapes: Sequence[Shape]) -> Tree:
    """Spell merged arms."""
    trees = tuple(_spell(shape) for shape in shapes)
    return trees[0] if len(trees) == 1 else AnyOf(trees)


def slot_tree(slot: Slot) -> Tree:
    """Spell one slot."""
    return slot[0].tree if len(slot) == 1 else _alternatives(slot)


def _merge(arms: list[tuple[Facet, ...]]) -> list[Shape]:
    """Join arms that are equal but for one facet of the same kind (repeatedly, in order)."""
    slots: list[Shape] = []
    for arm in arms:
        new = tuple((facet,) for facet in arm)
        for index, old in enumerate(slots):
            joined = _join(old, new)
            if joined is not None:
                slots[index] = joined
                break
        else:
            slots.append(new)
    return slots


def _join(left: Shape, right: Shape) -> Shape | None:
    if len(left) != len(right):
        return None
    differ = [i for i, (a, b) in enumerate(zip(left, right, strict=True)) if a != b]
    if not differ:
        return left
    if len(differ) > 1:
        return None
    at = differ[0]
    if left[at][0].kind != right[at][0].kind:
        return None
    slot = tuple(dict.fromkeys((*left[at], *right[at])))
    return (*left[:at], slot, *left[at + 1 :])


def _spell(slots: Shape) -> Tree:
    trees = [slot_tree(slot) for slot in slots]
    return trees[0] if len(trees) == 1 else AllOf(tuple(trees))


def _alternatives(slot: Slot) -> Tree:
    """Alternatives of one kind; equal questions about one place become one `in`."""
    trees = tuple(facet.tree for facet in slot)
    ways = tuple(one_way(tree) for tree in trees)
    if any(way == tree for way, tree in zip(ways, trees, strict=True)):
        return _joined(trees)
    joined = _joined(ways)
    if not isinstance(joined, AnyOf):
        return both_ways(joined)
    return AnyOf(tuple(part for way in joined.parts for part in _parts(both_ways(way))))


def _parts(tree: Tree) -> tuple[Tree, ...]:
    return tree.parts if isinstance(tree, AnyOf) else (tree,)


def _joined(trees: tuple[Tree, ...]) -> Tree:
    if all(isinstance(tree, Condition) and tree.op == "equals" for tree in trees):
        first = trees[0]
        assert isinstance(first, Condition)
        same = all(
            isinstance(t, Condition) and (t.field, t.name, t.transforms) == (first.field, first.name, first.transforms)
            for t in trees
        )
        if same:
            values = tuple(t.value for t in trees if isinstance(t, Condition) and isinstance(t.value, bytes))
            return Condition(first.field, "in", values, first.name, first.transforms)
    return AnyOf(trees)
