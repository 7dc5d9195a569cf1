"""Compile the tree of a rule for the kernels: leaves that they decide as far as they can, and how those combine."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Generic, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from ruleforge.engine.fast.gaps import OFFSITE, PLACE_ZONE, Gaps, cannot_be_false, is_open
from ruleforge.engine.fast.layout import (
    AND,
    ARGS,
    ARGS_RAW,
    BY_CLAUSES,
    BY_DECODED,
    BY_DECODED_LOWER,
    BY_ELEMENT,
    BY_METHOD,
    BY_NAME,
    BY_RESOLVED,
    BY_RESOLVED_LOWER,
    COOKIES,
    FALSE,
    HEADERS,
    JSON,
    MAYBE,
    MULTIPART,
    NOT,
    OR,
    SKIP_IF_FALSE,
    SKIP_IF_TRUE,
    TEXT_OF_ZONE,
    TRUE,
    XML,
    Ints,
)
from ruleforge.engine.literals import Clause, requirements
from ruleforge.rules.tree import AllOf, AnyOf, Condition, Name, Not, Rule, Some, Tree

_Item = TypeVar("_Item")


class Leaf(NamedTuple):
    """A condition, or a `some`, as the kernels see it."""

    kind: int
    missing: int  # possible answers where what it needs is missing
    found: int
    text: int = ARGS
    name: bytes = b""
    clauses: tuple[int, ...] = ()
    words: tuple[tuple[bytes, int], ...] = ()


class Leaves:
    """The different leaves of a set of rules, for rows with the same gaps."""

    def __init__(self, literals: "Numbers[tuple[int, bytes]]", clauses: "Numbers[tuple[int, ...]]", gaps: Gaps) -> None:
        self._literals, self._clauses, self._gaps = literals, clauses, gaps
        self._leaves = Numbers[Leaf]()
        self._known: dict[tuple[Tree, tuple[tuple[str, int], ...]], int] = {}

    def program(self, rule: Rule) -> list[int]:
        """Return the tree of a rule in postfix order."""
        tree: Tree = rule.when  # type: ignore[assignment]  # the others were refused
        return self._steps(tree, rule.classes)

    def _steps(self, tree: Tree, classes: tuple[tuple[str, int], ...]) -> list[int]:
        match tree:
            case AllOf(parts) | AnyOf(parts):
                done, skip = (AND, SKIP_IF_FALSE) if isinstance(tree, AllOf) else (OR, SKIP_IF_TRUE)
                first, *others = sorted((self._steps(part, classes) for part in parts), key=self._cost)
                for steps in others:  # the costly ones last, and only where they can change something
                    first += [skip, len(steps) + 1, *steps, done]
                return first
            case Not(part):
                return [*self._steps(part, classes), NOT]
            case _:
                key = (tree, classes)
                if key not in self._known:
                    self._known[key] = self._leaves.of(self._leaf(tree, dict(classes)))
                return [self._known[key]]

    def _cost(self, steps: list[int]) -> int:
        """Return how many literals it may take to decide a part of a tree."""
        leaves = [self._leaves.items[step] for step in steps if 0 <= step < len(self._leaves.items)]
        counts = [sum(len(self._clauses.items[clause]) for clause in leaf.clauses) for leaf in leaves]
        return sum(counts) + len(leaves)

    def _leaf(self, tree: Condition | Some, classes: Mapping[str, int]) -> Leaf:
        if isinstance(tree, Condition):
            special = self._by_words(tree) or self._by_name(tree)
            if special is not None:
                return special
        place, name = (tree.place, _name_within(tree)) if isinstance(tree, Some) else (tree.field, tree.name)
        is_named = name is not None and _named_text(place) is not None and _is_fixed(place, name)
        found = [number_of(clause, self._literals, self._clauses) for clause in requirements(tree, classes, PLACE_ZONE)]
        missing, there = self._answers(tree, bool(found))
        if is_named and name is not None and found:
            text = TEXT_OF_ZONE[PLACE_ZONE[place]]
            return Leaf(BY_ELEMENT, missing, there, text, name.text.lower(), tuple(sorted(found)))
        return Leaf(BY_CLAUSES, missing, there, clauses=tuple(sorted(found)))

    def _answers(self, tree: Condition | Some, has_clauses: bool) -> tuple[int, int]:
        """Return what is possible where a clause is missing, and where all are there."""
        place = tree.place if isinstance(tree, Some) else tree.field
        if place not in PLACE_ZONE:
            return FALSE | MAYBE | TRUE, FALSE | MAYBE | TRUE
        if not is_open(place, tree if isinstance(tree, Condition) else None, self._gaps):
            return FALSE if has_clauses else FALSE | TRUE, FALSE | TRUE
        if cannot_be_false(tree, self._gaps):
            return MAYBE if has_clauses else MAYBE | TRUE, MAYBE | TRUE
        return FALSE | MAYBE | (0 if has_clauses else TRUE), FALSE | MAYBE | TRUE

    def _by_name(self, condition: Condition) -> Leaf | None:
        """Decide whether a named value is there at all."""
        name = condition.name
        text = _named_text(condition.field)
        if name is None or text is None or condition.transforms or condition.op not in ("present", "absent"):
            return None
        if not _is_fixed(condition.field, name) or condition.field == OFFSITE:  # the name alone does not lead elsewhere
            return None
        yes, no = (TRUE, FALSE) if condition.op == "present" else (FALSE, TRUE)
        missing = MAYBE if is_open(condition.field, condition, self._gaps) else no
        # Only names of headers are without case, as those in the text are.
        sure = condition.field == "headers" and "headers" not in self._gaps.unrecorded
        return Leaf(BY_NAME, missing, yes if sure else yes | missing, text, name.text.lower())

    def _by_words(self, condition: Condition) -> Leaf | None:
        """Decide what is asked of the path, or the method, as a text."""
        kind = _WORD_KINDS.get((condition.field, condition.transforms))
        words = _words(condition)
        if kind is None or not words or is_open(condition.field, condition, self._gaps):
            return None
        return Leaf(kind, FALSE, TRUE, TEXT_OF_ZONE[PLACE_ZONE[condition.field]], words=words)

    def in_field(self, tree: Tree, classes: tuple[tuple[str, int], ...], clause: int) -> int:
        """Return the leaf that must hold in the header field which has a clause, for the tree to be true; -1: none."""
        if isinstance(tree, AllOf):
            return max((self.in_field(part, classes, clause) for part in tree.parts), default=-1)
        number = self._known.get((tree, classes), -1)
        if number < 0:
            return -1
        leaf = self._leaves.items[number]
        is_it = (leaf.kind, leaf.text, leaf.missing) == (BY_ELEMENT, HEADERS, FALSE) and clause in leaf.clauses
        return number if is_it else -1

    def is_of_header(self, rule: Rule) -> bool:
        """Say whether the values of one header decide a rule, and it is a leaf that names this header."""
        number = self._known.get((rule.when, rule.classes), -1)  # type: ignore[arg-type]
        if number < 0 or self._gaps.recorded_headers is not None or "headers" in self._gaps.unrecorded:
            return False
        leaf = self._leaves.items[number]
        is_named = leaf.kind in (BY_ELEMENT, BY_NAME) and leaf.text == HEADERS
        return is_named and only_header(rule) == leaf.name

    def texts(self) -> set[int]:
        """Return the texts that leaves need to be folded."""
        return {leaf.text for leaf in self._leaves.items}

    def arrays(self) -> dict[str, npt.NDArray[np.generic]]:
        """Return the leaves as fields of Tables."""
        leaves = self._leaves.items
        words = [word for leaf in leaves for word in leaf.words]
        made: dict[str, npt.NDArray[np.generic]] = {
            f"leaf_{field}": np.array([getattr(leaf, field) for leaf in leaves], np.uint8)
            for field in ("kind", "text", "missing", "found")
        }
        made["leaf_name_at"], made["leaf_name"] = rows_of([leaf.name for leaf in leaves], np.uint8)
        made["leaf_at"], made["leaf_clauses"] = rows_of([leaf.clauses for leaf in leaves])
        made["leaf_words_at"], _ = rows_of([range(len(leaf.words)) for leaf in leaves])
        made["word_at"], made["words"] = rows_of([word for word, _ in words], np.uint8)
        made["word_edges"] = np.array([edges for _, edges in words], np.uint8)
        return made


_WORD_KINDS: Mapping[tuple[str, tuple[str, ...]], int] = {
    ("method", ()): BY_METHOD,
    ("path.decoded", ()): BY_DECODED,
    ("path", ()): BY_RESOLVED,
    ("path.decoded", ("lower",)): BY_DECODED_LOWER,
    ("path", ("lower",)): BY_RESOLVED_LOWER,
}
_NAMED_TEXTS = (HEADERS, COOKIES, ARGS, ARGS_RAW, JSON, MULTIPART, XML)
_EDGES = {"contains": 0, "contains_any": 0, "starts_with": 1, "ends_with": 2, "equals": 3, "in": 3}


def _words(condition: Condition) -> tuple[tuple[bytes, int], ...]:
    """Return words, with the edges each must be at, of which a value must have one; empty where it is not so simple."""
    op, value = condition.op, condition.value
    if op in _EDGES:
        texts = value if isinstance(value, tuple) else (value,)
        return tuple((text, _EDGES[op]) for text in texts if isinstance(text, bytes))
    if not isinstance(value, bytes):
        return ()
    if op == "path_suffix":
        return ((value, 2), (value + b"/", 2))
    return ((value + b"/", 0), (value, 2)) if op == "path_segments" else ()


def _named_text(place: str) -> int | None:
    """Return the text of a place whose elements are noted with their names."""
    text = TEXT_OF_ZONE.get(PLACE_ZONE.get(place, ""))
    return text if text in _NAMED_TEXTS else None


def _is_fixed(place: str, name: Name) -> bool:
    """Say whether only elements of one name, in lower case, are asked for."""
    return name.how != "regex" and not (place == "json" and b"*" in name.text)


def _name_within(tree: Some) -> Name | None:
    """Return the name that an element must have to satisfy a `some`, where there is one such name."""
    for part in tree.where.parts if isinstance(tree.where, AllOf) else (tree.where,):
        if isinstance(part, Condition) and (part.field, part.op, part.transforms) == ("name", "equals", ()):
            return Name(part.value) if isinstance(part.value, bytes) else None
    return None


def only_header(rule: Rule) -> bytes | None:
    """Return the header, in lower case, whose values alone decide a rule where all headers are known; else None."""
    tree = rule.when
    if isinstance(tree, Some) and tree.place == "headers":
        name = _name_within(tree)
    elif isinstance(tree, Condition) and tree.field == "headers":
        name = tree.name
    else:
        return None
    return name.text.lower() if name is not None and name.how != "regex" else None


class Numbers(Generic[_Item]):
    """Numbers things in the order they are first seen."""

    def __init__(self) -> None:
        self.of_clause: dict[Clause, int] = {}  # those of classes are large, and in many rules
        self.items: list[_Item] = []
        self._numbers: dict[_Item, int] = {}

    def of(self, item: _Item) -> int:
        """Return the number of a thing."""
        number = self._numbers.get(item)
        if number is None:
            number = self._numbers[item] = len(self.items)
            self.items.append(item)
        return number


def number_of(clause: Clause, literals: "Numbers[tuple[int, bytes]]", clauses: "Numbers[tuple[int, ...]]") -> int:
    """Return the number of a clause, and number its literals."""
    number = clauses.of_clause.get(clause)
    if number is None:
        found = sorted({literals.of((TEXT_OF_ZONE[zone], text)) for zone, text in clause})
        number = clauses.of_clause[clause] = clauses.of(tuple(found))
    return number


def rows_of(items: Sequence[Iterable[int]], kind: type = np.int32) -> tuple[Ints, npt.NDArray[np.generic]]:
    """Lay rows end to end: where each begins, and all of them."""
    lists = [list(item) for item in items]
    at = np.zeros(len(lists) + 1, np.int32)
    np.cumsum([len(item) for item in lists], out=at[1:])
    return at, np.array([value for item in lists for value in item], kind)
