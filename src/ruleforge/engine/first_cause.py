"""Why a rule misses a request: of the arm that comes closest, the condition that fails first."""

from collections.abc import Iterator, Mapping
from functools import lru_cache

import msgspec

from ruleforge.engine.explain import label
from ruleforge.engine.reference import AskElement, compile_element, compile_name, compile_tree
from ruleforge.errors import RuleError
from ruleforge.events.kinds import HTTP
from ruleforge.events.places import FIELDS, HttpView
from ruleforge.events.reading import Element
from ruleforge.events.request import Request
from ruleforge.rules.classes import load_class
from ruleforge.rules.tree import AllOf, AnyOf, Condition, Count, Not, Rule, Sequence, Some, Tree

# How far a request is from an arm when such a condition fails, in the order in which causes come first: the endpoint
# weighs more than all the rest together, and what is there, if in another place, is nearer than what is not there.
_WEIGHTS = {
    "another endpoint": 64,
    "another method": 16,
    "another parameter": 8,
    "place not read": 1,
    "not decidable": 4,
    "selector or literal differs": 2,
    "payload not of the class": 2,
}
_RANK = {kind: number for number, kind in enumerate(_WEIGHTS)}
_ELSEWHERE = ("query_args", "form_args", "json", "multipart", "xml", "cookies", "headers", "path.raw", "body")
_MAX_ELEMENTS = 200  # of one place that are tried


class Cause(msgspec.Struct, frozen=True):
    """The first cause of a miss."""

    kind: str  # a key of records.quality.CAUSES, but "no rule"
    condition: str  # what was asked, as `explain` writes it
    place: str = ""  # for "place not read": where the name or payload is, "json"
    distance: int = 0  # of the arm from the request; 0: the rule holds


def first_cause(rule: Rule, request: Request) -> Cause | None:
    """Name the first cause among the conditions that fail on the arm of `rule` that comes closest to `request`.

    Returns:
        None where the rule holds.

    Raises:
        RuleError: RF330 the rule counts or orders events, RF332 it is about other events.
    """
    if isinstance(rule.when, Count | Sequence):
        raise RuleError("the rule counts or orders events; one request cannot answer it", code="RF330")
    if rule.event != HTTP:
        raise RuleError(f"the rule is about {rule.event}; a request cannot answer it", code="RF332")
    failures = _Walk(HttpView(request), dict(rule.classes)).failures(rule.when)
    if not failures:
        return None
    first = min(failures, key=lambda cause: _RANK[cause.kind])  # the first of equals: in the rule's order
    return msgspec.structs.replace(first, distance=_distance(failures))


def _distance(failures: list[Cause]) -> int:
    return sum(_WEIGHTS[cause.kind] for cause in failures)


class _Walk:
    def __init__(self, view: HttpView, classes: Mapping[str, int]) -> None:
        self.view, self.classes = view, classes

    def failures(self, tree: Tree) -> list[Cause]:
        """Return what fails below `tree`; of alternatives, the closest one."""
        answer = compile_tree(tree, self.classes)(self.view)
        if answer:
            return []
        match tree:
            case AllOf(parts):
                return [cause for part in parts for cause in self.failures(part)]
            case AnyOf(parts):
                return min((self.failures(part) for part in parts), key=_distance)
            case Not(part):
                kind = "not decidable" if answer is None else "selector or literal differs"
                return [Cause(kind, f"not {_label(part)}")]
            case Some(place, where):
                return self.some(place, where, answer)
            case Condition():
                return [self.condition(tree, answer)]

    def some(self, place: str, where: Tree, answer: bool | None) -> list[Cause]:
        elements = self.view.read(place).elements[:_MAX_ELEMENTS]
        tries = [self.element(where, element, place) for element in elements]
        if answer is None and not tries:
            return [Cause("not decidable", f"some element of {place}")]
        if not tries:
            return [self.absent(where, place)]
        best = min(tries, key=_distance)
        if not best:  # each condition holds, but only for the part of the value that is known
            return [Cause("not decidable", f"some element of {place}")]
        # Neither name fits: another place may hold what is asked for.
        return [self.absent(where, place)] if any(cause.kind == "another parameter" for cause in best) else best

    def element(self, where: Tree, element: Element, place: str) -> list[Cause]:
        if _ask_element(where, tuple(self.classes.items()))(element):
            return []
        match where:
            case AllOf(parts):
                return [cause for part in parts for cause in self.element(part, element, place)]
            case AnyOf(parts):
                return min((self.element(part, element, place) for part in parts), key=_distance)
            case Condition(field="name"):
                return [Cause("another parameter", f"{place} {label(where)}")]
            case Condition(op="is_class"):
                return [Cause("payload not of the class", f"{place} {label(where)}")]
            case _:
                return [Cause("selector or literal differs", f"{place} {_label(where)}")]

    def absent(self, where: Tree, place: str) -> Cause:
        """Say of a `some` that no element has the right name: is what it asks for in another place?"""
        for other in _ELSEWHERE:
            if other in _places(place) or FIELDS[other].kind != "named":
                continue
            for element in self.view.read(other).elements[:_MAX_ELEMENTS]:
                bare = Element(element.value, element.name.rpartition(b"/")[2], element.filename, element.content_type)
                if _ask_element(where, tuple(self.classes.items()))(bare):
                    return Cause("place not read", f"some element of {place} where {_label(where)}", other)
        return Cause("another parameter", f"some element of {place} where {_label(where)}")

    def condition(self, condition: Condition, answer: bool | None) -> Cause:
        text = label(condition)
        if answer is None:
            return Cause("not decidable", text)
        field = condition.field
        if field == "method":
            return Cause("another method", text)
        if field.startswith(("path", "target")) and condition.op != "is_class":
            return Cause("another endpoint", text)
        if condition.name is not None and not compile_name(field, condition.name)(self.view).elements:
            other = next(self.places_of_name(condition), "")
            return Cause("place not read" if other else "another parameter", text, other)
        if condition.op == "is_class":
            other = next(self.places_of_payload(condition), "")
            return Cause("place not read" if other else "payload not of the class", text, other)
        return Cause("selector or literal differs", text)

    def places_of_name(self, condition: Condition) -> Iterator[str]:
        """Yield the places that have an element of the name a condition asks for, without regard to case."""
        assert condition.name is not None
        wanted = condition.name.text.rpartition(b"/")[2].lower()
        for place in _ELSEWHERE:
            if FIELDS[place].kind != "named" or place in _places(condition.field):
                continue
            names = (element.name.rpartition(b"/")[2].lower() for element in self.view.read(place).elements)
            if (wanted and wanted in names) or compile_name(place, condition.name)(self.view).elements:
                yield place

    def places_of_payload(self, condition: Condition) -> Iterator[str]:
        """Yield the places that hold a payload of the class a condition asks for elsewhere."""
        if condition.name is not None:
            return  # the value is there and is no payload
        assert isinstance(condition.value, bytes)
        payload = load_class(name := condition.value.decode(), self.classes[name])
        for place in _ELSEWHERE:
            if place in _places(condition.field) or (place == "headers" and name == "url_value"):
                continue
            if any(payload.matches(element.value) for element in self.view.read(place).elements[:_MAX_ELEMENTS]):
                yield place


def _places(field: str) -> tuple[str, ...]:
    """Name the places whose values are among those of `field`."""
    field = field.removesuffix(".raw") if field not in FIELDS or field.startswith(("args", "query", "form")) else field
    if field == "args":
        return ("query_args", "form_args")
    if field == "query":
        return ("query_args",)
    if field.startswith("path"):
        return ("path.raw",)
    if field.startswith("body"):
        return ("body", "form_args", "json", "multipart", "xml")
    return (field,)


@lru_cache(maxsize=4096)
def _ask_element(where: Tree, classes: tuple[tuple[str, int], ...]) -> AskElement:
    return compile_element(where, dict(classes))


def _label(tree: Tree) -> str:
    match tree:
        case Condition():
            return label(tree)
        case AllOf(parts):
            return "(" + " and ".join(map(_label, parts)) + ")"
        case AnyOf(parts):
            return "(" + " or ".join(map(_label, parts)) + ")"
        case Not(part):
            return f"not {_label(part)}"
        case Some(place, where):
            return f"some element of {place} where {_label(where)}"
