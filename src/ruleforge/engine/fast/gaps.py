"""What a row does not tell, and what that means for a rule: which clauses refute it, and when it is unknown."""

from collections.abc import Mapping
from typing import NamedTuple

from ruleforge.engine.zones import BODY_ZONES, OWN_ZONE
from ruleforge.rules.tree import AllOf, AnyOf, Condition, Root, Some, Tree

_ARGS = frozenset({"args", "args.raw"})
_TARGET = frozenset({"target", "path.raw", "query.raw", "path", "query_args", "query_args.raw"})
_MISSING: Mapping[str, frozenset[str]] = {
    "body": BODY_ZONES | _ARGS,
    "headers": frozenset({"headers", "cookies"}),
    "method": frozenset({"method"}),
    "target": _TARGET | _ARGS,
}
OFFSITE = "args.offsite"
# Where the values of a field are looked for: links that lead elsewhere are some of the arguments.
PLACE_ZONE: Mapping[str, str] = {**OWN_ZONE, OFFSITE: OWN_ZONE["args"]}
_NO_CLAUSE = Condition("source.address", "present")  # stands for a part of a tree that nothing can refute
UNKNOWN = Condition("unknown", "present")  # stands for a part that is unknown; no place has this name


class Gaps(NamedTuple):
    """What is not known of a row."""

    unrecorded: frozenset[str] = frozenset()
    recorded_headers: frozenset[bytes] | None = None  # None: all
    bounded: frozenset[str] = frozenset()  # zones that a bound cut off

    @property
    def zones(self) -> frozenset[str]:
        """Zones of which something may be missing."""
        zones = self.bounded.union(*(_MISSING.get(place, ()) for place in self.unrecorded))
        if self.recorded_headers is not None:
            zones |= {"headers"} if b"cookie" in self.recorded_headers else _MISSING["headers"]
        return zones


def is_open(field: str, condition: Condition | None, gaps: Gaps) -> bool:
    """Say whether values of a place may be missing: of the one header that is asked for, or of the whole place."""
    if field == OFFSITE and not _knows_host(gaps):
        return True
    if field != "headers" or condition is None or "headers" in gaps.unrecorded or gaps.recorded_headers is None:
        return PLACE_ZONE.get(field, "") in gaps.zones
    name = condition.name
    return name is None or name.how == "regex" or name.text.lower() not in gaps.recorded_headers


def refutable(tree: Tree, gaps: Gaps) -> Tree:
    """Return the tree with every part that cannot be false replaced by one that has no clauses.

    While a clause of the result does not occur, the tree is false, whatever is missing.
    """
    match tree:
        case AllOf(parts):
            return AllOf(tuple(refutable(part, gaps) for part in parts))
        case AnyOf(parts):
            return AnyOf(tuple(refutable(part, gaps) for part in parts))
        case Some(place) if is_open(place, None, gaps):
            return _NO_CLAUSE
        case Condition(field) if is_open(field, tree, gaps):
            return _NO_CLAUSE
        case _:
            return tree


def cannot_be_false(tree: Root, gaps: Gaps) -> bool:
    """Say whether the tree is true or unknown for every row with these gaps."""
    match tree:
        case AllOf(parts):
            return all(cannot_be_false(part, gaps) for part in parts)
        case AnyOf(parts):
            return any(cannot_be_false(part, gaps) for part in parts)
        case Some(place):
            return _is_never_complete(place, None, gaps)
        case Condition(field, op):
            return _is_never_complete(field, tree, gaps) and (op != "absent" or _is_empty(field, gaps))
        case _:
            return False


def _is_never_complete(field: str, condition: Condition | None, gaps: Gaps) -> bool:
    """Say whether values of a place are missing in every row. Where none is a link it does not matter who was asked."""
    return PLACE_ZONE[OFFSITE] in gaps.zones if field == OFFSITE else is_open(field, condition, gaps)


def _knows_host(gaps: Gaps) -> bool:
    recorded = gaps.recorded_headers
    return "headers" not in gaps.unrecorded and (recorded is None or b"host" in recorded)


def _is_empty(field: str, gaps: Gaps) -> bool:
    """Say whether a place never has a value: then it cannot be said either that there is none."""
    zone = PLACE_ZONE.get(field, "")
    return any(zone in _EMPTY.get(place, ()) for place in gaps.unrecorded)


_EMPTY: Mapping[str, frozenset[str]] = {
    **_MISSING,
    "body": BODY_ZONES,
    "target": _TARGET,
}
