"""What many rules answer alike while the rare thing that each asks for is missing, decided once for all of them.

An access log does not tell bodies, so an argument that is not in a query may have been in a form. A rule that asks for
a path and such an argument is then unknown for every row with the path, and hundreds of rules ask for the same path.
While a rule's own clause is missing, its tree is a smaller one: a *stand-in*, without what no row can tell. The kernels
decide each different stand-in once per row, and a rule only where its own clause is there.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from functools import reduce
from typing import NamedTuple

from ruleforge.engine.fast.gaps import PLACE_ZONE, UNKNOWN
from ruleforge.engine.fast.layout import FALSE, MAYBE, TRUE
from ruleforge.engine.fast.leaves import Leaves
from ruleforge.engine.literals import Clause, requirements
from ruleforge.rules.tree import AllOf, AnyOf, Condition, Not, Rule, Some, Tree

_SINGLE = frozenset({FALSE, MAYBE, TRUE})


_COMMON = 1e-3  # share of rows: a rule that is found more rarely costs little
_LEAST_MEMBERS = 2  # a stand-in of one rule costs as much as the rule


class Chosen(NamedTuple):
    """How a rule is found when something stands in for it."""

    clause: Clause  # its own
    tree: Tree  # what answers while that is missing; UNKNOWN: it is unknown


def choose(
    rules: Sequence[Rule], shares: Sequence[float | None], leaves: Leaves, share: Callable[[Clause], float]
) -> dict[int, Chosen]:
    """Return the rules, by position, that something can stand in for.

    Args:
        rules: over `http.request`, each asking about one request.
        shares: of rows that each is found in otherwise; None for one that is not to be looked at.
        leaves: of these rules, for rows with gaps.
        share: of rows that have a clause.
    """
    found: dict[int, Chosen] = {}
    for number, rule in enumerate(rules):
        limit = shares[number]
        chosen = _choose(rule, limit, leaves, share) if limit is not None and limit > _COMMON else None
        if chosen is not None:
            found[number] = chosen
    members = Counter(chosen.tree for chosen in found.values())
    return {
        number: chosen
        for number, chosen in found.items()
        if chosen.tree == UNKNOWN or members[chosen.tree] >= _LEAST_MEMBERS
    }


def _choose(rule: Rule, limit: float, leaves: Leaves, share: Callable[[Clause], float]) -> Chosen | None:
    tree: Tree = rule.when  # type: ignore[assignment]  # the others were refused
    clauses = requirements(tree, dict(rule.classes), PLACE_ZONE)
    for clause in sorted(clauses, key=lambda clause: (share(clause), sorted(clause))):
        if share(clause) >= limit:
            return None
        stand_in = _Missing(leaves, rule.classes, clause).stand_in(tree)
        if stand_in is not None:
            return Chosen(clause, stand_in)
    return None


class _Part(NamedTuple):
    """A part of a tree while something is missing."""

    answers: int  # that are possible
    tree: Tree | None = None  # None: nothing a row tells can change the answers


class _Missing:
    """Trees of rules while no literal of a clause occurs."""

    def __init__(self, leaves: Leaves, classes: tuple[tuple[str, int], ...], clause: Clause) -> None:
        self._leaves, self._classes, self._clause = leaves, classes, clause

    def stand_in(self, tree: Tree) -> Tree | None:
        """Return a tree that answers as this one does; None where there is none that is only false or unknown."""
        part = self._part(tree)
        if part.tree is None:
            return UNKNOWN if part.answers == MAYBE else None
        return part.tree if part.answers == FALSE | MAYBE else None

    def _part(self, tree: Tree) -> _Part:
        match tree:
            case AllOf(parts):
                return _combined(AllOf, min, TRUE, [self._part(part) for part in parts])
            case AnyOf(parts):
                return _combined(AnyOf, max, FALSE, [self._part(part) for part in parts])
            case Not(inner):
                part = self._part(inner)
                opposite = part.answers & MAYBE | (part.answers & FALSE) * TRUE | (part.answers & TRUE) // TRUE
                return _Part(opposite, None if part.tree is None else Not(part.tree))
            case Condition() | Some():
                return self._leaf(tree)

    def _leaf(self, tree: Condition | Some) -> _Part:
        leaf = self._leaves.leaf(tree, self._classes)
        if self._is_missing(tree):
            return _Part(leaf.missing)
        possible = leaf.missing | leaf.found
        sure = {leaf.missing, leaf.found} <= _SINGLE and leaf.missing != leaf.found
        return _Part(possible, tree if sure else None)

    def _is_missing(self, tree: Condition | Some) -> bool:
        return any(self._clause >= clause for clause in self._leaves.clauses_of(tree, self._classes))


def _combined(
    kind: type[AllOf] | type[AnyOf], pick: Callable[[int, int], int], neutral: int, parts: Sequence[_Part]
) -> _Part:
    """Combine parts; one that the constant ones outweigh is left out."""
    fixed = reduce(_both(pick), (part.answers for part in parts if part.tree is None), neutral)
    kept = [part for part in parts if part.tree is not None and _changes(pick, fixed, part.answers)]
    answers = reduce(_both(pick), (part.answers for part in kept), fixed)
    if not kept or fixed not in (neutral, MAYBE):
        return _Part(answers)
    trees = list(dict.fromkeys(part.tree for part in kept if part.tree is not None))
    trees += [UNKNOWN] if fixed == MAYBE else []
    return _Part(answers, trees[0] if len(trees) == 1 else kind(tuple(trees)))


def _both(pick: Callable[[int, int], int]) -> Callable[[int, int], int]:
    """Combine sets of answers: FALSE, MAYBE, TRUE ascend, and pick is min or max."""
    return lambda one, other: reduce(int.__or__, (pick(a, b) for a in _members(one) for b in _members(other)), 0)


def _changes(pick: Callable[[int, int], int], fixed: int, answers: int) -> bool:
    """Say whether some of these answers, combined with some of the fixed ones, gives anything else than that."""
    return any(pick(one, other) != one for one in _members(fixed) for other in _members(answers))


def _members(answers: int) -> list[int]:
    return [one for one in (FALSE, MAYBE, TRUE) if one & answers]
