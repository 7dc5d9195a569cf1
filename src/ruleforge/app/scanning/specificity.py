"""Which of several rules that hold for a request says most about it."""

import math
from collections.abc import Sequence
from functools import lru_cache

from ruleforge.engine.compiled import clause_share
from ruleforge.engine.literals import requirements
from ruleforge.engine.rarity import background_rarity
from ruleforge.engine.zones import OWN_ZONE
from ruleforge.rules.implication import implies
from ruleforge.rules.tree import AllOf, AnyOf, Condition, Count, Not, Rule, Some, Tree, conditions_of
from ruleforge.rules.tree import Sequence as SequenceOf

MAX_PROVED = 24  # rules of one request that are proved against each other; more are ordered by bits alone
MAX_PARTS = 64  # of an `all` or `any` that a proof looks at
_LEAST_SHARE = 2.0**-60


class Specificity:
    """The order of a set of rules, worked out for those that are asked about and kept."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._rules = rules
        self._bits = lru_cache(maxsize=None)(self._measure)  # one number per rule of the set
        self._proof = lru_cache(maxsize=1 << 16)(self._prove)

    def order(self, numbers: Sequence[int]) -> list[int]:
        """Return positions of rules, the most specific first.

        A rule comes before every rule that it provably implies; else the rule whose literals ordinary traffic has
        less often, then the one with more conditions, then the smaller id.
        """
        if len(numbers) < 2:
            return list(numbers)
        provable = len(numbers) <= MAX_PROVED
        above = {
            one: sum(self._proof(one, other) and not self._proof(other, one) for other in numbers if other != one)
            if provable
            else 0
            for one in numbers
        }
        return sorted(numbers, key=lambda one: (-above[one], *self._bits(one), self._rules[one].id))

    def _measure(self, number: int) -> tuple[float, int]:
        rule = self._rules[number]
        return -bits_of(rule), -sum(1 for _ in conditions_of(rule.when))

    def _prove(self, one: int, other: int) -> bool:
        return rule_implies(self._rules[one], self._rules[other])


def bits_of(rule: Rule) -> float:
    """Return the bits of surprise of the rarest clause of a rule: how seldom ordinary traffic has its literals."""
    if isinstance(rule.when, Count | SequenceOf):
        return 0.0
    rarity = background_rarity()
    shares = [clause_share(clause, rarity) for clause in requirements(rule.when, dict(rule.classes), OWN_ZONE)]
    return -math.log2(max(min(shares, default=1.0), _LEAST_SHARE))


def rule_implies(one: Rule, other: Rule) -> bool:
    """Say whether `other` holds for every request that `one` holds for; False where that cannot be proved."""
    if isinstance(one.when, Count | SequenceOf) or isinstance(other.when, Count | SequenceOf):
        return False
    if one.event != other.event:
        return False
    classes = dict(one.classes)
    if any(classes.setdefault(name, version) != version for name, version in other.classes):
        return False  # two versions of one class mean different things
    return _implies(one.when, other.when, classes)


def _implies(one: Tree, other: Tree, classes: dict[str, int]) -> bool:
    if one == other:
        return True
    if isinstance(one, AnyOf):
        return len(one.parts) <= MAX_PARTS and all(_implies(part, other, classes) for part in one.parts)
    if isinstance(other, AllOf):
        return len(other.parts) <= MAX_PARTS and all(_implies(one, part, classes) for part in other.parts)
    if isinstance(other, AnyOf) and any(_implies(one, part, classes) for part in other.parts[:MAX_PARTS]):
        return True
    if isinstance(one, AllOf):
        return any(_implies(part, other, classes) for part in one.parts[:MAX_PARTS])
    return _one_implies(one, other, classes)


def _one_implies(one: Tree, other: Tree, classes: dict[str, int]) -> bool:
    match one, other:
        case Condition(), Condition():
            return implies(one, other, classes)
        case Some(), Some():
            return one.place == other.place and _implies(one.where, other.where, classes)
        case Not(), Not():
            return _implies(other.part, one.part, classes)
    return False
