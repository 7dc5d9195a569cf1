"""How far another engine's answers are those of our reference, on the same rules and requests."""

from collections.abc import Collection, Sequence

import msgspec

from ruleforge.engine.compiled import CompiledSet
from ruleforge.events.request import Request
from ruleforge.rules.tree import Rule

Pairs = frozenset[tuple[int, int]]  # (request, rule), by position


class Agreement(msgspec.Struct, frozen=True):
    """Pairs of request and rule that hold for both, or for one of the two."""

    both: int
    only_ours: int
    only_theirs: int


def reference_hits(rules: Sequence[Rule], requests: Sequence[Request], among: Collection[int]) -> Pairs:
    """Return what holds by our reference, of the rules at the positions `among`."""
    hits = CompiledSet(rules).scan(requests)
    return frozenset((hit.request_index, hit.rule_index) for hit in hits if hit.rule_index in among)


def compare(ours: Pairs, theirs: Pairs) -> Agreement:
    """Count where the two agree."""
    return Agreement(len(ours & theirs), len(ours - theirs), len(theirs - ours))


def told_agreement(prefix: str, agreement: Agreement) -> dict[str, object]:
    """Return the counts under flat keys."""
    return {f"{prefix}_hits_{name}": getattr(agreement, name) for name in agreement.__struct_fields__}
