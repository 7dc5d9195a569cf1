"""Change a draft as the judge asks: without seeing what the judge saw, only which condition it minds."""

from collections.abc import Sequence

from ruleforge.generate.draft import Arm, Draft, enough_bits
from ruleforge.generate.facet import Facet
from ruleforge.generate.propose import Material
from ruleforge.generate.refine import difference
from ruleforge.records.forging import REASONS, Advice
from ruleforge.rules.tree import Condition, conditions_of

PAYLOADS = ("payload", "anywhere")


def advised(draft: Draft, advice: Advice, material: Material) -> Draft | None:
    """Return `draft` changed in every arm that the advice is about; None where nothing can be changed.

    An arm stays as surprising as one has to be.
    """
    arms, changes = list(draft.arms), list(draft.changes)
    for index, arm in enumerate(arms):
        better = _without(arm, advice.conditions, material) if advice.action == "drop" else _with(arm, advice, material)
        if better is None or better.bits < enough_bits(better, endpoint_free=material.free[better.poc]):
            continue
        changes.append(f"round {draft.round + 1}: {difference(arm, better)}, because the judge said: {_why(advice)}")
        arms[index] = better
    if tuple(arms) == draft.arms:
        return None
    return Draft(draft.strategy, tuple(arms), draft.round + 1, tuple(changes))


def _why(advice: Advice) -> str:
    said = REASONS[advice.code].removesuffix(".")
    return said[:1].lower() + said[1:]


def _key(condition: Condition) -> tuple[object, ...]:
    """What is asked, wherever the same question is asked of another place as well."""
    return condition.op, condition.value, condition.name.text if condition.name and condition.value is None else b""


def _without(arm: Arm, conditions: Sequence[Condition], material: Material) -> Arm | None:
    """Leave out the facet that asks so, or put a more general one of its kind in its place."""
    asked = {_key(condition) for condition in conditions}
    gone = [f for f in arm.facets if {_key(c) for c in conditions_of(f.tree)} & asked]
    if not gone or len(gone) == len(arm.facets):
        return None
    for facet in gone:
        if facet.kind == "endpoint":
            return None  # a rule must name what it protects
        last = facet.kind in PAYLOADS and sum(f.kind in PAYLOADS for f in arm.facets) < 2
        other = _more_general(facet, arm, material) if facet.kind in PAYLOADS or facet.kind == "literal" else None
        if last and other is None:
            return None
        arm = arm.without(facet) if other is None else arm.without(facet).with_facet(other)
    return arm


def _more_general(facet: Facet, arm: Arm, material: Material) -> Facet | None:
    """A payload condition that is no literal, for one that is too narrow."""
    others = [
        other
        for other in material.of_all(arm.made_for)
        if other.kind in PAYLOADS and other not in arm.facets and other.tree != facet.tree
    ]
    return max(others, key=lambda other: other.bits, default=None)


def _with(arm: Arm, advice: Advice, material: Material) -> Arm | None:
    """Add the most surprising condition of the kind that is lacking."""
    kinds = PAYLOADS if advice.action == "add_payload" else ("endpoint",)
    own = [facet for facet in arm.facets if facet.kind in kinds]
    others = [other for other in material.of_all(arm.made_for) if other.kind in kinds and other not in arm.facets]
    if advice.action == "add_endpoint":
        others = [other for other in others if not own or other.bits > own[0].bits]
    best = max(others, key=lambda other: other.bits, default=None)
    return None if best is None else arm.with_facet(best)
