"""The shape of a rule as the judge reads it: alternatives, their conditions, what each asks and how rare that is."""

import itertools
import re
from collections.abc import Iterator, Mapping

import msgspec

from ruleforge.background.table import Background
from ruleforge.cases.anatomy import Part
from ruleforge.cases.significance import is_selector
from ruleforge.rules.tree import AllOf, AnyOf, Condition, Name, Not, Root, Some, Tree, Value

LITERAL_OPS = frozenset(("equals", "in", "contains", "contains_any", "contains_all", "starts_with", "ends_with"))
WHOLE_OPS = frozenset(("equals", "in"))
PATH_OPS = frozenset(("path_suffix", "path_segments"))
PRESENCE_OPS = frozenset(("present", "absent", "count_gt"))
NAMED_PLACES = frozenset(("args", "query_args", "form_args", "json", "xml", "multipart", "cookies"))
LEAST_LITERAL = 4  # bytes of a value below which it is a sign of the attack, no example of it
MAX_CONJUNCTS = 96  # read of one rule; a gate refuses longer ones
_WORD = re.compile(rb"[A-Za-z0-9_/.-]{3,}")
_METHOD_BITS = {b"GET": 0.3, b"POST": 3.0, b"HEAD": 4.0}
_RARE_METHOD_BITS = 8.0
_PRESENT_ONLY = 1.0  # bits of asking that something is absent
_BOUND_BITS = 5.0  # of asking for a length or a number
_UNKNOWN_CLASS_BITS = 10.0


class Question(msgspec.Struct, frozen=True):
    """What one condition asks, wherever it stands: inside a `some`, the place is that of the element."""

    place: str
    names: tuple[Name, ...]
    op: str
    value: Value
    transforms: tuple[str, ...] = ()
    negated: bool = False

    @property
    def literals(self) -> tuple[bytes, ...]:
        """The texts it compares with; none for payload classes and patterns."""
        if self.op not in LITERAL_OPS and self.op not in PATH_OPS:
            return ()
        return self.value if isinstance(self.value, tuple) else (self.value,) if isinstance(self.value, bytes) else ()

    @property
    def selects(self) -> bool:
        """Whether it asks which function of the endpoint is called."""
        return any(is_selector(Part(self.place, name.text, b"")) for name in self.names)


class Conjunct(msgspec.Struct, frozen=True):
    """One part of an alternative: all parts have to hold."""

    path: str  # in the document, "when.any[0].all[2]"
    tree: Tree
    arm: int
    kind: str  # "method" | "endpoint" | "payload" | "selector" | "value" | "presence" | "bound" | "negated"
    questions: tuple[Question, ...]


def conjuncts_of(root: Root) -> tuple[tuple[Conjunct, ...], ...]:
    """Split a rule into its alternatives, and these into what has to hold together."""
    if isinstance(root, AnyOf):
        arms = [(f"when.any[{number}]", part) for number, part in enumerate(root.parts)]
    else:
        arms = [("when", root)]  # type: ignore[list-item]
    return tuple(tuple(_conjuncts(tree, path, number)) for number, (path, tree) in enumerate(arms[:MAX_CONJUNCTS]))


def _conjuncts(tree: Tree, path: str, arm: int) -> Iterator[Conjunct]:
    if isinstance(tree, AllOf):
        for number, part in enumerate(tree.parts):
            yield from _conjuncts(part, f"{path}.all[{number}]", arm)
        return
    questions = tuple(_questions(tree))
    yield Conjunct(path, tree, arm, _kind(questions), questions)


def _questions(tree: Root, place: str = "", names: tuple[Name, ...] = (), negated: bool = False) -> Iterator[Question]:
    match tree:
        case AllOf(parts) | AnyOf(parts):
            for part in parts:
                yield from _questions(part, place, names, negated)
        case Not(part):
            yield from _questions(part, place, names, not negated)
        case Some(inner, where):
            yield from _questions(where, inner, tuple(_element_names(where)), negated)
        case Condition(field="name") if place:
            if tree.op not in LITERAL_OPS:
                yield Question(place, (), "present", None, (), negated)
        case Condition(field, op, value, name, transforms):
            own = (name,) if name is not None else names
            yield Question(place or field, own, op, value, transforms, negated)


def _element_names(where: Tree) -> Iterator[Name]:
    for question in _names_of(where):
        values = question.value if isinstance(question.value, tuple) else (question.value,)
        how = "exact" if question.op in WHOLE_OPS else "regex"
        for value in values:
            if isinstance(value, bytes):
                yield Name(value if how == "exact" or question.op == "regex" else re.escape(value), how)


def _names_of(where: Tree) -> Iterator[Condition]:
    match where:
        case AllOf(parts) | AnyOf(parts):
            for part in parts:
                yield from _names_of(part)
        case Condition(field="name"):
            yield where


def _kind(questions: tuple[Question, ...]) -> str:
    asked = [q for q in questions if not q.negated]
    if not asked:
        return "negated"
    if any(q.op == "is_class" or q.place == "args.offsite" for q in asked):
        return "payload"
    if all(q.place == "method" for q in asked):
        return "method"
    if all(q.place.startswith(("path", "target")) for q in asked):
        return "endpoint"
    if any(q.op == "regex" for q in asked):
        return "payload"
    if all(q.op in PRESENCE_OPS for q in asked):
        return "presence"
    if all(q.op not in LITERAL_OPS for q in asked):
        return "bound"
    return "selector" if all(q.selects for q in asked if q.op in LITERAL_OPS) else "value"


def wants_value(question: Question) -> bool:
    """Whether it wants a text of several bytes where the attacker chooses what to send."""
    if question.op not in LITERAL_OPS or question.negated or question.selects:
        return False
    if question.place == "method" or question.place.startswith(("path", "version")):
        return False
    return min(map(len, question.literals), default=0) >= LEAST_LITERAL


def wants_whole(question: Question) -> bool:
    """Whether it wants one exact text."""
    return wants_value(question) and question.op in WHOLE_OPS


def arm_bits(arm: tuple[Conjunct, ...], background: Background, class_bits: Mapping[str, float]) -> float:
    """How surprising an alternative is in normal traffic: each kind counts once in full, repeated kinds by half."""
    total, seen = 0.0, set()
    rated = sorted(((tree_bits(c.tree, background, class_bits), c.kind) for c in arm), reverse=True)
    for bits, kind in rated:
        total += bits * (0.5 if kind in seen else 1.0)
        seen.add(kind)
    return total


def tree_bits(
    tree: Root, background: Background, class_bits: Mapping[str, float], place: str = "", names: tuple[Name, ...] = ()
) -> float:
    """How surprising it is that a request of normal traffic satisfies `tree`, in bits; an estimate."""
    match tree:
        case AllOf(parts):
            return sum(tree_bits(part, background, class_bits, place, names) for part in parts)
        case AnyOf(parts):
            return min(tree_bits(part, background, class_bits, place, names) for part in parts)
        case Not():
            return 0.5
        case Some(inner, where):
            return tree_bits(where, background, class_bits, inner, tuple(_element_names(where)))
        case Condition(field="name") if place:
            return 0.0  # counted with the value
        case Condition():
            own = tuple(_questions(tree, place, names))
            return _question_bits(own[0], background, class_bits)
    return 0.0


def _question_bits(question: Question, background: Background, class_bits: Mapping[str, float]) -> float:
    place, op, value = question.place, question.op, question.value
    named = min((_name_bits(place, name, background) for name in question.names), default=0.0)
    if op == "absent":
        return _PRESENT_ONLY
    if op in ("present", "count_gt"):
        return named if question.names else _PRESENT_ONLY
    if op == "is_class" and isinstance(value, bytes):
        return class_bits.get(value.decode("latin-1"), _UNKNOWN_CLASS_BITS) + named / 4
    if place == "method":
        return min((_METHOD_BITS.get(text.upper(), _RARE_METHOD_BITS) for text in question.literals), default=1.0)
    if op == "regex" and isinstance(value, bytes):
        words = _WORD.findall(value[:4_096])
        longest = max(map(len, words), default=2)
        return min(2.0 * longest, 22.0) + named / 2
    if question.literals:
        rare = _path_bits if place.startswith(("path", "target")) else _value_bits
        return min(rare(text, background) for text in question.literals) + named / 2
    return _BOUND_BITS + named


def _name_bits(place: str, name: Name, background: Background) -> float:
    if name.how == "regex":
        words = _WORD.findall(name.text[:200])
        text = max(words, key=len, default=b"x")
    else:
        text = name.text
    if place == "json":
        text = text.rsplit(b"/", 1)[-1]
    return background.bits("header" if place == "headers" else "name", text)


def _path_bits(text: bytes, background: Background) -> float:
    segments = [segment for segment in text.split(b"/") if segment]
    if not segments:
        return _PRESENT_ONLY
    if len(segments) == 1:
        return background.bits("segment", segments[0])
    tails = [background.bits("tail", left + b"/" + right) for left, right in itertools.pairwise(segments)]
    return max(tails)


def _value_bits(text: bytes, background: Background) -> float:
    return background.bits("value", text)
