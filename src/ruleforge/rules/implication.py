"""When one condition being true makes another one true, or impossible: about the same values only."""

from collections.abc import Mapping
from typing import cast

from ruleforge.errors import RuleError
from ruleforge.rules.operators import OPERATORS
from ruleforge.rules.tree import Condition

_COUNTS = frozenset({"present", "absent", "count_gt"})
_LEAST_LENGTH = frozenset({"equals", "contains", "starts_with", "ends_with", "path_suffix", "path_segments"})


def same_subject(one: Condition, other: Condition) -> bool:
    """Say whether both ask about the same values after the same transforms."""
    return (one.field, one.name, one.transforms) == (other.field, other.name, other.transforms)


def implies(one: Condition, other: Condition, classes: Mapping[str, int]) -> bool:
    """Say whether `other` is true of every event for which `one` is; False where that cannot be proved."""
    if not same_subject(one, other):
        return False
    if one == other:
        return True
    if other.op == "present":
        return one.op not in _COUNTS or (one.op == "count_gt" and cast("int", one.value) >= 0)
    if one.op in _COUNTS or other.op in _COUNTS:
        return one.op == other.op == "count_gt" and cast("int", one.value) >= cast("int", other.value)
    literals = _literals(one)
    if literals:
        return all(_holds(other, literal, classes) for literal in literals)
    return _part_implies(one, other) or _number_implies(one, other)


def contradicts(one: Condition, other: Condition, classes: Mapping[str, int]) -> bool:
    """Say whether both cannot be true of the same single value; False where that cannot be proved."""
    if not same_subject(one, other):
        return False
    if one.op == "absent" or other.op == "absent":
        return {one.op, other.op} != {"absent"} and not (_may_be_empty(one) or _may_be_empty(other))
    if one.op in _COUNTS or other.op in _COUNTS:
        return False
    return any(_one_sided(a, b, classes) for a, b in ((one, other), (other, one)))


def _may_be_empty(condition: Condition) -> bool:
    return condition.op == "count_gt" and cast("int", condition.value) < 0


def _one_sided(one: Condition, other: Condition, classes: Mapping[str, int]) -> bool:
    literals = _literals(one)
    if literals:
        return not any(_holds(other, literal, classes) for literal in literals)
    if one.op == other.op == "starts_with":
        a, b = cast("bytes", one.value), cast("bytes", other.value)
        return not (a.startswith(b) or b.startswith(a))
    if one.op == other.op == "ends_with":
        a, b = cast("bytes", one.value), cast("bytes", other.value)
        return not (a.endswith(b) or b.endswith(a))
    if one.op in _LEAST_LENGTH and other.op == "length_lt":
        return len(cast("bytes", one.value)) >= cast("int", other.value)
    return _numbers_exclude(one, other)


def _numbers_exclude(one: Condition, other: Condition) -> bool:
    if not isinstance(one.value, int) or not isinstance(other.value, int):
        return False
    match one.op, other.op:
        case ("int_gt", "int_lt") | ("length_gt", "length_lt"):
            return other.value <= one.value + 1
        case ("int_eq", "int_gt"):
            return one.value <= other.value
        case ("int_eq", "int_lt"):
            return one.value >= other.value
        case ("int_eq", "int_eq"):
            return one.value != other.value
    return False


def _number_implies(one: Condition, other: Condition) -> bool:
    if not isinstance(one.value, int) or not isinstance(other.value, int):
        return False
    match one.op, other.op:
        case ("int_gt", "int_gt") | ("length_gt", "length_gt"):
            return one.value >= other.value
        case ("int_lt", "int_lt") | ("length_lt", "length_lt"):
            return one.value <= other.value
        case ("int_eq", "int_gt"):
            return one.value > other.value
        case ("int_eq", "int_lt"):
            return one.value < other.value
    return False


def _part_implies(one: Condition, other: Condition) -> bool:
    """Say whether a part of the value that `one` asks for holds all that `other` asks for."""
    if not isinstance(one.value, bytes) or one.op not in _LEAST_LENGTH:
        return False
    if other.op == "contains_any" and isinstance(other.value, tuple):
        return any(item in one.value for item in other.value)
    if other.op == "contains_all" and isinstance(other.value, tuple):
        return all(item in one.value for item in other.value)
    if not isinstance(other.value, bytes):
        return isinstance(other.value, int) and other.op == "length_gt" and len(one.value) > other.value
    match one.op, other.op:
        case _, "contains":
            return other.value in one.value
        case "starts_with", "starts_with":
            return one.value.startswith(other.value)
        case ("ends_with", "ends_with") | ("ends_with" | "path_suffix", "path_suffix"):
            return one.value.endswith(other.value)
        case (("path_suffix" | "path_segments"), "path_segments"):
            return other.value + b"/" in one.value + b"/"
    return False


def _literals(condition: Condition) -> tuple[bytes, ...]:
    """Return the only values that satisfy the condition, if it lists them."""
    if condition.op == "equals" and isinstance(condition.value, bytes):
        return (condition.value,)
    return condition.value if condition.op == "in" and isinstance(condition.value, tuple) else ()


def _holds(condition: Condition, value: bytes, classes: Mapping[str, int]) -> bool:
    """Ask the operator itself; a class without a version cannot be asked, and counts as satisfied by nothing known."""
    compile_ = OPERATORS[condition.op].compile
    assert compile_ is not None
    return compile_(condition.value, classes)(value)


def can_be_asked(condition: Condition, classes: Mapping[str, int]) -> bool:
    """Say whether the operator compiles: a known class version, a valid pattern."""
    operator = OPERATORS.get(condition.op)
    if operator is None:
        return False
    try:
        if operator.compile is not None:
            operator.compile(condition.value, classes)
    except (RuleError, KeyError, ValueError):
        return False
    return True
