r"""What must stand in a request for a rule to be true: literals per zone, in conjunctive form.

A clause names alternatives, each a zone and a literal. If a tree is true for a request, every clause has an
alternative that occurs in the request's zone text. If no alternative of some clause occurs and the zones of that
clause are complete, the tree is false. Where nothing can be proved there is no clause.
"""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from itertools import product
from typing import NamedTuple, TypeAlias

from ruleforge.engine.class_literals import class_clauses
from ruleforge.engine.rarity import telling_length
from ruleforge.engine.regex_literals import regex_clauses
from ruleforge.engine.zones import DECODE_ROUNDS, FIELD_ZONE, NAME_EDGE, VALUE_EDGE, ZONES
from ruleforge.events.offsite import LINK_SIGNS
from ruleforge.rules.tree import AllOf, AnyOf, Condition, Name, Not, Some, Tree, Value


class Literal(NamedTuple):
    """Bytes that are looked for in the text of a zone, edges included."""

    zone: str
    text: bytes


Clause: TypeAlias = frozenset[Literal]

MAX_CLAUSES = 64  # of one tree, and of the product an `any` makes
MAX_ALTERNATIVES = 64  # of a clause made by multiplying out
_MAX_UNION = 1_024  # of a clause made by uniting the best clauses of an `any`
_KEPT = 16_384  # clauses whose rank is kept: those of classes are large, and in many rules
_MAX_PRODUCT = 16  # clauses of an `any` before only the best are kept


class _Alternative(NamedTuple):
    """A literal while clauses are built: `role` says what it may be joined with."""

    zone: str
    text: bytes
    role: str = ""  # "name": a whole name with both edges; "value": begins with the edge before a value


_Draft: TypeAlias = frozenset[_Alternative]


class _Piece(NamedTuple):
    """A part of a value; an edge says that the value begins or ends with it."""

    text: bytes
    left: bool = False
    right: bool = False


def requirements(
    tree: Tree, classes: Mapping[str, int] | None = None, zones: Mapping[str, str] = FIELD_ZONE
) -> tuple[Clause, ...]:
    """Return the clauses of `tree`, best first: longest literals, then fewest alternatives.

    Args:
        tree: the condition of a rule.
        classes: versions of the payload classes the tree uses; a class that is not named here adds no clause.
        zones: the zone to look in for each field; FIELD_ZONE or OWN_ZONE.
    """
    rules = _Rules(classes or {}, zones)
    clauses = {_clause(draft) for draft in _drafts(tree, None, rules)}
    kept = [clause for clause in clauses if not any(other < clause for other in clauses)]
    return tuple(sorted(kept, key=_rank)[:MAX_CLAUSES])


@lru_cache(maxsize=_KEPT)
def _clause(draft: _Draft) -> Clause:
    return frozenset(Literal(item.zone, item.text) for item in draft)


class _Rules(NamedTuple):
    """What the clauses of a rule depend on beside its tree."""

    classes: Mapping[str, int]
    zones: Mapping[str, str]


def clause_holds(clause: Clause, texts: Mapping[str, bytes]) -> bool:
    """Say whether some alternative occurs in the zone texts given."""
    return any(text in texts[zone] for zone, text in clause)


def clause_zones(clause: Clause) -> frozenset[str]:
    """Return the zones in which the alternatives are looked for."""
    return frozenset(literal.zone for literal in clause)


@lru_cache(maxsize=_KEPT)
def _rank(clause: Clause | _Draft) -> tuple[object, ...]:
    texts = sorted((item[1], item[0]) for item in clause)
    return (-min(len(text.strip(b"\x00\x01")) for text, _ in texts), len(texts), texts)


@lru_cache(maxsize=_KEPT)
def _telling_rank(clause: Clause | _Draft) -> tuple[object, ...]:
    """As `_rank`, where long words that everybody sends count for nothing."""
    return (-min(telling_length(item[1]) for item in clause), *_rank(clause))


def _drafts(tree: Tree, place: str | None, rules: _Rules) -> tuple[_Draft, ...]:
    """Return the clauses of a tree; `place` is that of the `some` around it."""
    match tree:
        case AllOf(parts):
            found = [draft for part in parts for draft in _drafts(part, place, rules)]
            return _pruned(_joined(found) if place is not None else found)
        case AnyOf(parts):
            return _either([_drafts(part, place, rules) for part in parts])
        case Not():
            return ()
        case Some(inner, where):
            return _drafts(where, inner, rules) if inner in rules.zones else ()
        case Condition():
            return _of_condition(tree, rules) if place is None else _of_element(tree, rules.zones[place], rules)


def _pruned(drafts: Iterable[_Draft]) -> tuple[_Draft, ...]:
    """Drop what repeats or is weaker than another clause, and all but the best of too many."""
    unique = list(dict.fromkeys(drafts))
    if len(unique) > MAX_CLAUSES:
        unique = sorted(unique, key=_rank)[:MAX_CLAUSES]
    return tuple(draft for draft in unique if not any(other < draft for other in unique))


def _joined(drafts: list[_Draft]) -> list[_Draft]:
    """Within one element, put a name before the values that are known from their beginning."""
    names = [draft for draft in drafts if all(item.role == "name" for item in draft)]
    if not names:
        return drafts
    name = min(names, key=_rank)
    joined = [_name_and_value(name, draft) for draft in drafts if draft not in names]
    return [*names, *joined]


def _name_and_value(name: _Draft, value: _Draft) -> _Draft:
    if any(item.role != "value" for item in value) or len(name) * len(value) > MAX_ALTERNATIVES:
        return value
    return frozenset(_Alternative(n.zone, n.text + v.text[1:]) for n, v in product(name, value))


def _either(choices: list[tuple[_Draft, ...]]) -> tuple[_Draft, ...]:
    """Multiply out an `any`; where that grows too large, unite the best clause of each part.

    Which clause is best nobody knows here: the longest literals narrow an index, but may be the name of a header that
    every browser sends. So both are united, those with the longest literals and those that say most.
    """
    if not all(choices):
        return ()
    made = choices[0]
    for drafts in choices[1:]:
        widest = max(map(len, made)) + max(map(len, drafts))
        if len(made) * len(drafts) <= _MAX_PRODUCT and widest <= MAX_ALTERNATIVES:
            made = _pruned(a | b for a, b in product(made, drafts))
        else:
            united = {min(made, key=rank) | min(drafts, key=rank): None for rank in (_rank, _telling_rank)}
            made = tuple(clause for clause in united if len(clause) <= _MAX_UNION)
            if not made:
                return ()
    return made


def _of_condition(condition: Condition, rules: _Rules) -> tuple[_Draft, ...]:
    zone = rules.zones.get(condition.field)
    if zone is None:
        return ()
    values = _of_values(condition, zone, rules.classes) + _of_field(condition, zone)
    if condition.name is None or not ZONES[zone].named or not _needs_element(condition):
        return values
    names = _of_name(condition.field, condition.name, zone)
    return tuple(_joined([*names, *values]))


def _of_element(condition: Condition, zone: str, rules: _Rules) -> tuple[_Draft, ...]:
    """Return the clauses of a condition inside `some`, where fields are the parts of one element."""
    if condition.field != "name":
        known = condition.field in ("value", "filename", "content_type")
        return _of_values(condition, zone, rules.classes) if known else ()
    # Names are written once, not in their decoded forms.
    if condition.op == "is_class" or any(transform.startswith("percent") for transform in condition.transforms):
        return ()
    return tuple(
        frozenset(
            _Alternative(
                zone,
                (NAME_EDGE if piece.left else b"") + piece.text + (VALUE_EDGE if piece.right else b""),
                "name" if piece.left and piece.right else "",
            )
            for piece in clause
        )
        for clause in _pieces(condition)
    )


def _of_values(condition: Condition, zone: str, classes: Mapping[str, int]) -> tuple[_Draft, ...]:
    edged = ZONES[zone].edged
    if condition.op == "is_class":
        name = condition.value.decode("utf-8", "replace") if isinstance(condition.value, bytes) else ""
        return _of_class(name, classes[name], zone) if name in classes and not condition.transforms else ()
    return tuple(
        frozenset(
            _Alternative(
                zone,
                (VALUE_EDGE if edged and piece.left else b"")
                + piece.text
                + (NAME_EDGE if edged and piece.right else b""),
                "value" if edged and piece.left else "",
            )
            for piece in clause
        )
        for clause in _pieces(condition, edged=edged)
    )


def _of_field(condition: Condition, zone: str) -> tuple[_Draft, ...]:
    """Return what any value of the field has, whatever is asked about it."""
    if condition.field != "args.offsite" or not _needs_element(condition):
        return ()
    return (frozenset(_Alternative(zone, sign) for sign in LINK_SIGNS),)


def _needs_element(condition: Condition) -> bool:
    """Say whether the condition can only hold when an element is there."""
    if condition.op == "count_gt":
        return isinstance(condition.value, int) and condition.value >= 0
    return condition.op != "absent"


def _of_name(field: str, name: Name, zone: str) -> tuple[_Draft, ...]:
    if name.how == "regex":
        clauses = regex_clauses(name.text)
        return tuple(frozenset(_Alternative(zone, text) for text in clause) for clause in clauses)
    if field == "json":
        return _of_pointer(name.text, zone)
    return (frozenset({_Alternative(zone, NAME_EDGE + name.text.lower() + VALUE_EDGE, "name")}),)


def _of_pointer(pointer: bytes, zone: str) -> tuple[_Draft, ...]:
    """Return the fixed parts of a JSON pointer; a level `*` stands for any."""
    steps = pointer.lower().split(b"/")
    if b"*" not in steps:
        return (frozenset({_Alternative(zone, NAME_EDGE + pointer.lower() + VALUE_EDGE, "name")}),)
    runs: list[bytes] = [b""]
    for step in steps[1:]:
        if step == b"*":
            runs.append(b"")
        else:
            runs[-1] += b"/" + step
    return tuple(frozenset({_Alternative(zone, run)}) for run in runs if run)


def _pieces(condition: Condition, *, edged: bool = True) -> tuple[frozenset[_Piece], ...]:
    """Return the clauses about the value as it stands in the request, before the transforms."""
    splits: set[int] = set()
    rounds, edges = 0, True
    for transform in condition.transforms:
        effect = _TRANSFORMS.get(transform)
        if effect is None:
            return ()
        splits.update(effect.splits)
        rounds += effect.rounds
        edges = edges and effect.edges
    if rounds > DECODE_ROUNDS:
        return ()
    clauses = [_reduced(clause, splits, edges) for clause in _of_operator(condition.op, condition.value)]
    # An empty piece says something only between two edges, where the text has edges.
    return tuple(
        clause for clause in clauses if all(piece.text or (edged and piece.left and piece.right) for piece in clause)
    )


@lru_cache(maxsize=1_024)
def _of_class(name: str, version: int, zone: str) -> tuple[_Draft, ...]:
    """Return the clauses of a value that is a payload; none where that cannot be said."""
    clauses = class_clauses(name, version)
    return tuple(frozenset(_Alternative(zone, text) for text in clause) for clause in clauses)


class _Effect(NamedTuple):
    """What a transform leaves of the literals of its result: they are in its input too, except ..."""

    splits: bytes = b""  # ... that these bytes may have been something else,
    edges: bool = True  # ... that they may not stand at the ends,
    rounds: int = 0  # ... and that the value is percent-decoded so many times.


_TRANSFORMS: Mapping[str, _Effect] = {
    "lower": _Effect(),
    "trim": _Effect(edges=False),
    "percent_decode": _Effect(rounds=1),
    "percent_decode_stable": _Effect(rounds=DECODE_ROUNDS),
    "plus_to_space": _Effect(splits=b" ", edges=False),
    "compress_whitespace": _Effect(splits=b" ", edges=False),
    "normalize_path": _Effect(splits=b"/", edges=False),
}


def _reduced(clause: frozenset[_Piece], splits: set[int], edges: bool) -> frozenset[_Piece]:
    if edges and not splits:
        return clause
    return frozenset(_Piece(_longest_part(piece.text, splits)) for piece in clause)


def _longest_part(text: bytes, splits: set[int]) -> bytes:
    for split in splits:
        text = text.replace(bytes((split,)), b"\x00")
    return max(text.split(b"\x00"), key=len) if splits else text


def _of_operator(op: str, value: Value) -> tuple[frozenset[_Piece], ...]:
    """Return the clauses about the value after the transforms, in lower case."""
    if op == "regex" and isinstance(value, bytes):
        return tuple(frozenset(map(_Piece, clause)) for clause in regex_clauses(value))
    left, right = op in ("equals", "in", "starts_with"), op in ("equals", "in", "ends_with")
    if isinstance(value, bytes) and op in _ONE_LITERAL:
        return (frozenset({_Piece(value.lower(), left, right)}),)
    if isinstance(value, tuple) and value and op in ("in", "contains_any"):
        return (frozenset(_Piece(text.lower(), left, right) for text in value),)
    if isinstance(value, tuple) and op == "contains_all":
        return tuple(frozenset({_Piece(text.lower())}) for text in value)
    return ()


_ONE_LITERAL = frozenset({"equals", "contains", "starts_with", "ends_with", "path_suffix", "path_segments"})
