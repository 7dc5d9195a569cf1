"""Static proofs: what can be said of a rule without any traffic. A proof is never a guess; `lint` guesses.

`never_holds` true: no event makes the tree true. `never_fails` true: no event makes it false. Both may be false of a
tree that nothing is known about.
"""

from collections.abc import Iterator, Mapping
from typing import TypeAlias

from ruleforge.events.kinds import HTTP, EventField, fields_of
from ruleforge.rules.implication import can_be_asked, contradicts, implies
from ruleforge.rules.parse import Problem
from ruleforge.rules.shapes import DROPPING, is_impossible, name_is_impossible, shape_of
from ruleforge.rules.tree import AllOf, AnyOf, Condition, Count, Not, Root, Rule, Sequence, Some, Tree

Finding: TypeAlias = Problem  # code, path, message, hint, severity

ALWAYS_THERE = frozenset({"target.raw", "path.raw", "path.decoded", "path"})  # one value each, if recorded at all

CODES: Mapping[str, str] = {
    "RF601": "a condition that can never hold",
    "RF602": "conditions that cannot hold together",
    "RF603": "the rule can never hold",
    "RF611": "a condition that always holds",
    "RF612": "alternatives of which one always holds",
    "RF613": "the rule always holds",
    "RF621": "a condition that another one makes redundant",
}


class _Context:
    """What the proofs need beside the tree: class versions, the `some` they are in, the fields of the event."""

    def __init__(self, classes: Mapping[str, int], place: str | None = None, event: str = HTTP) -> None:
        self.classes, self.place = classes, place
        self.fields: Mapping[str, EventField] = fields_of(event)

    def inside(self, place: str) -> "_Context":
        return _Context(self.classes, place)

    def is_single(self, condition: Condition) -> bool:
        """Say whether the condition reads at most one value."""
        if self.place is not None:
            return True
        field = self.fields.get(condition.field)
        return field is not None and field.kind == "single"

    def is_there(self, condition: Condition) -> bool:
        """Say whether there is a value to ask about whenever the place is recorded."""
        if not DROPPING.isdisjoint(condition.transforms):
            return False
        if self.place is not None:
            return condition.field in ("name", "value")
        return condition.field in ALWAYS_THERE


def prove(rule: Rule) -> tuple[Finding, ...]:
    """Return what can be proved against a rule: `error` for dead or empty parts, `warning` for redundant ones."""
    findings: list[Finding] = []
    context = _Context(dict(rule.classes), event=rule.event)
    for path, tree in roots(rule.when):
        if isinstance(rule.when, Count) and _never_fails(tree, context):
            continue  # to count every event is a question, too
        findings += _walk(tree, path, context)
        if _never_holds(tree, context):
            findings.append(_finding("RF603", path, "the rule can never hold", "see the conditions named beside"))
        elif _never_fails(tree, context):
            findings.append(
                _finding("RF613", path, "the rule holds for every request", "see the conditions named beside")
            )
    return tuple(findings)


def never_holds(tree: Tree, classes: Mapping[str, int] | None = None) -> bool:
    """Say whether it is proved that no event makes the tree true."""
    return _never_holds(tree, _Context(classes or {}))


def never_fails(tree: Tree, classes: Mapping[str, int] | None = None) -> bool:
    """Say whether it is proved that no event makes the tree false (it may still be unknown)."""
    return _never_fails(tree, _Context(classes or {}))


def roots(root: Root, path: str = "when") -> Iterator[tuple[str, Tree]]:
    """Yield the trees of a rule that are asked about one event each, with their paths."""
    match root:
        case Count(when):
            yield f"{path}.count.when", when
        case Sequence(steps):
            for index, step in enumerate(steps):
                yield f"{path}.sequence[{index}]", step
        case _:
            yield path, root


def _never_holds(tree: Tree, context: _Context) -> bool:
    match tree:
        case AllOf(parts):
            return any(_never_holds(part, context) for part in parts) or next(_clashes(tree, context), None) is not None
        case AnyOf(parts):
            return all(_never_holds(part, context) for part in parts)
        case Not(part):
            return _never_fails(part, context)
        case Some(place, where):
            return _never_holds(where, context.inside(place))
        case Condition():
            return _condition_never_holds(tree, context)


def _never_fails(tree: Tree, context: _Context) -> bool:
    match tree:
        case AllOf(parts):
            return all(_never_fails(part, context) for part in parts)
        case AnyOf(parts):
            return any(_never_fails(part, context) for part in parts) or _is_tautology(parts, context)
        case Not(part):
            return _never_holds(part, context)
        case Some():
            return False
        case Condition():
            return _condition_never_fails(tree, context)


def _condition_never_holds(condition: Condition, context: _Context) -> bool:
    if condition.op == "absent":
        return context.is_there(condition)
    name = condition.name
    if name is not None and name.how == "exact" and name_is_impossible(condition.field, name.text):
        return condition.op != "count_gt" or _bound(condition) >= 0
    if condition.op == "count_gt":
        return context.is_single(condition) and _bound(condition) >= 1
    if condition.op in ("present", "is_class"):
        return False
    return is_impossible(condition.op, condition.value, shape_of(condition, context.place))


def _condition_never_fails(condition: Condition, context: _Context) -> bool:
    if condition.op == "count_gt":
        return _bound(condition) < 0 or (_bound(condition) == 0 and context.is_there(condition))
    if condition.op == "absent":
        name = condition.name
        return name is not None and name.how == "exact" and name_is_impossible(condition.field, name.text)
    return context.is_there(condition) and (condition.op == "present" or asks_nothing(condition))


def _bound(condition: Condition) -> int:
    return condition.value if isinstance(condition.value, int) else 0


def asks_nothing(condition: Condition) -> bool:
    """Say whether every value satisfies the condition."""
    value = condition.value
    match condition.op:
        case "contains" | "starts_with" | "ends_with":
            return value == b""
        case "contains_any":
            return isinstance(value, tuple) and b"" in value
        case "contains_all":
            return isinstance(value, tuple) and not any(value)
        case "length_gt":
            return isinstance(value, int) and value < 0
        case "regex":
            return isinstance(value, bytes) and _matches_anywhere(value)
    return False


def _matches_anywhere(regex: bytes) -> bool:
    """Say whether the pattern is found in every text: it can be empty and does not ask where it is."""
    asks_where = (b"^", b"$", b"\\A", b"\\z", b"\\b", b"\\B")
    if any(sign in regex for sign in asks_where):
        return False
    condition = Condition("body", "regex", regex)
    return can_be_asked(condition, {}) and implies(Condition("body", "equals", b""), condition, {})


def _clashes(tree: AllOf, context: _Context) -> Iterator[tuple[str, str]]:
    """Yield pairs of parts that cannot be true together, as paths within the tree."""
    parts = list(_flat(tree, ""))
    asked = [(path, part) for path, part in parts if isinstance(part, Condition) and _is_usable(part, context)]
    for index, (path, one) in enumerate(asked):
        for other_path, other in asked[index + 1 :]:
            either = "absent" in (one.op, other.op)
            if (either or context.is_single(one)) and contradicts(one, other, context.classes):
                yield path, other_path
    for path, part in parts:
        if isinstance(part, Not):
            for sibling_path, sibling in parts:
                if _follows(sibling, part.part, context):
                    yield path, sibling_path


def _is_tautology(parts: tuple[Tree, ...], context: _Context) -> bool:
    """Say whether some part is true wherever the denial of another is false."""
    return any(_follows(denied.part, other, context) for denied in parts if isinstance(denied, Not) for other in parts)


def _follows(one: Tree, other: Tree, context: _Context) -> bool:
    if one == other:
        return True
    if not isinstance(one, Condition) or not isinstance(other, Condition):
        return False
    return _is_usable(one, context) and _is_usable(other, context) and implies(one, other, context.classes)


def _is_usable(condition: Condition, context: _Context) -> bool:
    return can_be_asked(condition, context.classes)


def _flat(tree: AllOf, path: str) -> Iterator[tuple[str, Tree]]:
    for index, part in enumerate(tree.parts):
        at = f"{path}.all[{index}]"
        if isinstance(part, AllOf):
            yield from _flat(part, at)
        else:
            yield at, part


def _walk(tree: Tree, path: str, context: _Context) -> Iterator[Finding]:
    """Yield the innermost parts that are dead or empty, and redundant siblings."""
    match tree:
        case AllOf(parts):
            for index, part in enumerate(parts):
                yield from _walk(part, f"{path}.all[{index}]", context)
            for one, other in _clashes(tree, context):
                yield _finding(
                    "RF602", path + one, f"cannot hold together with {path + other}", "one of the two is wrong"
                )
            yield from _redundant(parts, f"{path}.all", context)
        case AnyOf(parts):
            for index, part in enumerate(parts):
                yield from _walk(part, f"{path}.any[{index}]", context)
            if _is_tautology(parts, context):
                yield _finding("RF612", path, "one of the alternatives always holds", "remove it or its opposite")
            yield from _redundant(parts, f"{path}.any", context)
        case Not(part):
            yield from _walk(part, f"{path}.not", context)
        case Some(place, where):
            yield from _walk(where, f"{path}.where", context.inside(place))
        case Condition():
            if _condition_never_holds(tree, context):
                yield _finding("RF601", path, "the condition can never hold", _why_never(tree))
            elif _condition_never_fails(tree, context):
                yield _finding("RF611", path, "the condition always holds", "every request has such a value; remove it")


def _redundant(parts: tuple[Tree, ...], path: str, context: _Context) -> Iterator[Finding]:
    """In an `all` what follows from a sibling is redundant, in an `any` what a sibling follows from."""
    conjunction = path.endswith(".all")
    for index, part in enumerate(parts):
        for other_index, other in enumerate(parts):
            one, two = (other, part) if conjunction else (part, other)
            if index == other_index or not _follows(one, two, context):
                continue
            if _follows(two, one, context) and index < other_index:
                continue  # of two that say the same, the later one is redundant
            message = f"adds nothing to {path}[{other_index}]"
            yield _finding("RF621", f"{path}[{index}]", message, "remove it", "warning")
            break


def _why_never(condition: Condition) -> str:
    if condition.op == "absent":
        return "this place always has a value"
    if condition.op == "count_gt":
        return "this place has at most one value"
    if condition.transforms:
        return f"no value looks like this after {', '.join(condition.transforms)}"
    if condition.field == "path":
        return "path is normalised and has no //, dot segment, ; or \\: use path.raw or path.decoded"
    return f"{condition.field} cannot hold this text"


def _finding(code: str, path: str, message: str, hint: str, severity: str = "error") -> Finding:
    return Finding(code, path, message, hint, severity)
