"""What the target alone says against a rule: it refutes most candidates, for a fraction of the whole question."""

from ruleforge.engine.reference import Ask, compile_tree
from ruleforge.rules.tree import AllOf, AnyOf, Condition, Rule, Tree

# Places that are read from the target and nothing else.
_OF_TARGET = frozenset({"target.raw", "path.raw", "path.decoded", "path", "query.raw"})


def target_bound(rule: Rule) -> Ask | None:
    """Return a question about the target alone; where its answer is False, the rule is false. None: there is none."""
    tree: Tree = rule.when  # type: ignore[assignment]  # the others were refused
    bound = _bound(tree)
    return None if bound is None else compile_tree(bound, dict(rule.classes))


def _bound(tree: Tree) -> Tree | None:
    """Return a tree that is false only where this one is."""
    match tree:
        case Condition(field) if field in _OF_TARGET:
            return tree
        case AllOf(parts):
            found = tuple(bound for part in parts if (bound := _bound(part)) is not None)
            return AllOf(found) if found else None
        case AnyOf(parts):
            every = [_bound(part) for part in parts]
            return None if None in every else AnyOf(tuple(part for part in every if part is not None))
        case _:
            return None
