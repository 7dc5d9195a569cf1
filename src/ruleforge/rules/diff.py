"""What changed between two revisions of a rule, in plain sentences; nothing when they do the same."""

from collections.abc import Sequence as Items

from ruleforge.rules.canonical import canonical_json, content_hash, normal_form
from ruleforge.rules.dump import dump_tree
from ruleforge.rules.render import render_clause
from ruleforge.rules.tree import AllOf, AnyOf, Condition, Count, Not, Root, Rule, Sequence, Some, Tree

MAX_CHANGES = 40  # sentences; the rest is counted
MAX_CLAUSE = 400  # characters shown of one clause


def diff_rules(old: Rule, new: Rule) -> tuple[str, ...]:
    """Say what `new` asks that `old` did not, and the other way round; empty exactly when their content is the same.

    Only what decides about requests counts: a new title is no change.
    """
    if content_hash(old) == content_hash(new):
        return ()
    found: list[str] = []
    if old.event != new.event:
        found.append(f"the event is {new.event}, before {old.event}")
    before, now = dict(old.classes), dict(new.classes)
    found += [
        f"payload class {name} is version {now[name]}, before {before[name]}"
        for name in sorted(before.keys() & now.keys())
        if before[name] != now[name]
    ]
    found += _roots(normal_form(old.when), normal_form(new.when))
    found = list(dict.fromkeys(found)) or ["the versions of payload classes changed"]
    more = len(found) - MAX_CHANGES
    return (*found[:MAX_CHANGES], *((f"and {more} more changes",) if more > 0 else ()))


def _roots(old: Root, new: Root) -> list[str]:
    if _key(old) == _key(new):
        return []
    if isinstance(old, Count | Sequence) or isinstance(new, Count | Sequence):
        return [f"changed: {_clause(new)}, before: {_clause(old)}"]
    return _trees(old, new, "")


def _trees(old: Tree, new: Tree, where: str) -> list[str]:
    """Compare two trees that stand in the same place; `where` names the place, with a blank at its end."""
    if _key(old) == _key(new):
        return []
    match old, new:
        case AnyOf(before), AnyOf(now):
            return _parts(before, now, "alternative", where)
        case Some(place, before_where), Some(other, now_where) if place == other:
            return _trees(before_where, now_where, f"{where}in one element of {place}: ")
        case Not(before_part), Not(now_part):
            return _trees(before_part, now_part, f"{where}in an exception: ")
    return _parts(_all(old), _all(new), "condition", where)


def _all(tree: Tree) -> tuple[Tree, ...]:
    return tree.parts if isinstance(tree, AllOf) else (tree,)


def _parts(old: Items[Tree], new: Items[Tree], noun: str, where: str) -> list[str]:
    """Pair what stayed, then what changed in part; the rest was added or removed."""
    before, now = {_key(part): part for part in old}, {_key(part): part for part in new}
    gone = [part for key, part in before.items() if key not in now]
    come = [part for key, part in now.items() if key not in before]
    found: list[str] = []
    for part in list(gone):
        twin = next((other for other in come if _alike(part, other)), None)
        if twin is None:
            continue
        gone.remove(part)
        come.remove(twin)
        found += _changed(part, twin, noun, where)
    found += [f"{where}added {noun}: {_clause(part)}" for part in come]
    return found + [f"{where}removed {noun}: {_clause(part)}" for part in gone]


def _changed(old: Tree, new: Tree, noun: str, where: str) -> list[str]:
    if isinstance(old, Condition) or isinstance(new, Condition):
        return [f"{where}changed {noun}: {_clause(new)}, before: {_clause(old)}"]
    inside = f"{where}in one alternative: " if noun == "alternative" else where
    return _trees(old, new, inside)


def _alike(old: Tree, new: Tree) -> bool:
    """Whether two parts are about the same thing: the same value of a request, or mostly the same questions."""
    if isinstance(old, Condition) and isinstance(new, Condition):
        return (old.field, old.name) == (new.field, new.name)
    if type(old) is not type(new):
        return False
    if isinstance(old, AllOf | AnyOf) and isinstance(new, AllOf | AnyOf):
        return bool({_key(part) for part in old.parts} & {_key(part) for part in new.parts})
    return not isinstance(old, Some) or (isinstance(new, Some) and old.place == new.place)


def _key(root: Root) -> bytes:
    return canonical_json(dump_tree(root))


def _clause(root: Root) -> str:
    text = render_clause(root)
    return text if len(text) <= MAX_CLAUSE else text[: MAX_CLAUSE - 1] + "…"
