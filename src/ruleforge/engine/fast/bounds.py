"""What the target alone says against rules: it refutes most candidates, for a fraction of the whole question."""

from collections.abc import Sequence
from itertools import groupby
from operator import itemgetter

import numpy as np
import numpy.typing as npt

from ruleforge.engine.fast.layout import Ints
from ruleforge.engine.fast.rows import Rows
from ruleforge.engine.reference import Ask, SharedView, compile_tree
from ruleforge.rules.tree import AllOf, AnyOf, Condition, Rule, Tree

# Places that are read from the target and nothing else.
_OF_TARGET = frozenset({"target.raw", "path.raw", "path.decoded", "path", "query.raw"})
_NOT_LOOKED_AT, _NONE = -2, -1


class Bounds:
    """For each rule a question about the target; where its answer is False, the rule is false. Many rules share one."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._rules = rules
        self._of_rule = np.full(len(rules), _NOT_LOOKED_AT, np.int64)
        self._numbers: dict[tuple[Tree, tuple[tuple[str, int], ...]], int] = {}
        self._asks: list[Ask] = []

    def refuted(self, pairs: Ints, rows: Rows) -> npt.NDArray[np.bool_]:
        """Say which candidates, (n, 2 or more) of row and rule, are false for their target."""
        for rule in np.unique(pairs[self._of_rule[pairs[:, 1]] == _NOT_LOOKED_AT, 1]).tolist():
            self._of_rule[rule] = self._number(self._rules[rule])
        bounds = self._of_rule[pairs[:, 1]]
        refuted: npt.NDArray[np.bool_] = bounds != _NONE
        keys, which = np.unique(pairs[refuted, 0].astype(np.int64) << 32 | bounds[refuted], return_inverse=True)
        answers: list[bool] = []
        for row, asked in groupby(zip((keys >> 32).tolist(), (keys & 0xFFFFFFFF).tolist(), strict=True), itemgetter(0)):
            view = SharedView(rows.target_of(row))
            answers += [self._asks[bound](view) is False for _, bound in asked]
        refuted[refuted] = np.array(answers, np.bool_)[which]
        return refuted

    def _number(self, rule: Rule) -> int:
        tree: Tree = rule.when  # type: ignore[assignment]  # the others were refused
        bound = _bound(tree)
        if bound is None:
            return _NONE
        key = (bound, rule.classes)
        if key not in self._numbers:
            self._numbers[key] = len(self._asks)
            self._asks.append(compile_tree(bound, dict(rule.classes)))
        return self._numbers[key]


def _bound(tree: Tree) -> Tree | None:
    """Return a tree that is false only where this one is; None where the target cannot refute it."""
    match tree:
        case Condition(field) if field in _OF_TARGET:
            return tree
        case AllOf(parts):
            found = tuple(bound for part in parts if (bound := _bound(part)) is not None)
            return (AllOf(found) if len(found) > 1 else found[0]) if found else None
        case AnyOf(parts):
            every = [_bound(part) for part in parts]
            return None if None in every else AnyOf(tuple(part for part in every if part is not None))
        case _:
            return None
