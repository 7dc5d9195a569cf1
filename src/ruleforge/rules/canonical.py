"""One spelling for trees that say the same by their shape, and the content hash over it.

The normal form flattens `all` in `all` and `any` in `any`, drops repeated parts, sorts parts by their canonical JSON,
replaces an `all` or `any` of one part by the part, removes double negation, sorts lists of values that are sets, and
lower-cases names that ignore case. Each step keeps the meaning in three-valued logic.
"""

import hashlib
import json

import msgspec

from ruleforge.rules.dump import dump_tree
from ruleforge.rules.tree import AllOf, AnyOf, Condition, Count, Name, Not, Root, Rule, Sequence, Some, Tree

_SETS = frozenset(("in", "contains_any", "contains_all", "cidr"))  # operators whose list has no order


def canonical_json(data: object) -> bytes:
    """Write plain data as canonical JSON (RFC 8785): sorted keys, no blanks, UTF-8.

    Integers must lie within ±(2^53 - 1) and fractions are not written: rules have neither.
    """
    return json.dumps(_sorted(data), ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


def normal_form(root: Root) -> Root:
    """Return the normal form of a tree; equal normal forms mean the same on every request."""
    if isinstance(root, Count):
        return msgspec.structs.replace(root, when=normal_tree(root.when))
    if isinstance(root, Sequence):
        return msgspec.structs.replace(root, steps=tuple(normal_tree(step) for step in root.steps))
    return normal_tree(root)


def normal_tree(tree: Tree) -> Tree:
    """Return the normal form of a tree without count or sequence."""
    match tree:
        case Condition():
            return _normal_condition(tree)
        case Not(Not(part)):
            return normal_tree(part)
        case Not(part):
            inner = normal_tree(part)
            return inner.part if isinstance(inner, Not) else Not(inner)
        case Some(place, where):
            return Some(place, normal_tree(where))
        case AllOf() | AnyOf():
            return _normal_combination(tree)


def content_hash(rule: Rule) -> str:
    """Hash what the rule does: its event, the normal form of `when` and the versions of its payload classes."""
    content = {"event": rule.event, "when": dump_tree(normal_form(rule.when)), "classes": dict(rule.classes)}
    return "sha256:" + hashlib.sha256(canonical_json(content)).hexdigest()


def _normal_combination(tree: AllOf | AnyOf) -> Tree:
    kind = type(tree)
    parts: dict[bytes, Tree] = {}
    for part in tree.parts:
        inner = normal_tree(part)
        for flat in inner.parts if isinstance(inner, kind) else (inner,):
            parts[canonical_json(dump_tree(flat))] = flat
    ordered = tuple(parts[key] for key in sorted(parts))
    return ordered[0] if len(ordered) == 1 else kind(ordered)


def _normal_condition(condition: Condition) -> Condition:
    value, name = condition.value, condition.name
    if condition.op in _SETS and isinstance(value, tuple):
        value = tuple(sorted(set(value)))
    if name is not None:
        name = _normal_name(condition.field, name)
    return msgspec.structs.replace(condition, value=value, name=name)


def _normal_name(field: str, name: Name) -> Name:
    if name.how == "regex":
        return name
    if field == "headers":
        return Name(name.text.lower())
    return Name(name.text.lower(), "lower") if name.how == "lower" else name


def _sorted(data: object) -> object:
    """Sort keys by their UTF-16 code units, as RFC 8785 asks; refuse numbers that JSON readers change."""
    if isinstance(data, dict):
        return {key: _sorted(data[key]) for key in sorted(data, key=lambda key: key.encode("utf-16-be"))}
    if isinstance(data, list | tuple):
        return [_sorted(item) for item in data]
    if isinstance(data, float) or (isinstance(data, int) and abs(data) >= 2**53):
        raise ValueError(f"{data!r} has no canonical form here")
    return data
