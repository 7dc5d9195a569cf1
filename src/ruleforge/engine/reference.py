"""The reference evaluator: the meaning of the rule language, small. True, False, or None for *unknown*."""

from collections.abc import Callable, Mapping
from functools import lru_cache
from operator import attrgetter
from typing import TypeAlias, TypeVar, cast

import msgspec

from ruleforge.engine.cut import compile_certain, keeps_every_value
from ruleforge.errors import RuleError
from ruleforge.events.places import HttpView
from ruleforge.events.reading import NOTHING, Element, Reading, View
from ruleforge.events.request import Request
from ruleforge.rules.operators import OPERATORS, Operator
from ruleforge.rules.patterns import compile_pattern
from ruleforge.rules.transforms import Apply, compile_transforms
from ruleforge.rules.tree import AllOf, AnyOf, Condition, Count, Name, Not, Root, Rule, Sequence, Some, Tree

Ask: TypeAlias = Callable[[View], bool | None]
AskElement: TypeAlias = Callable[[Element], bool]
AskCut: TypeAlias = Callable[[Element], bool | None]
Read: TypeAlias = Callable[[View], Reading]
AskReading: TypeAlias = Callable[[Reading], bool | None]

_Asked = TypeVar("_Asked")

_CONDITIONS = 65_536  # compiled conditions kept, so that rules share them
_MISSING = object()


class SharedView(HttpView):
    """A view that remembers the answers to costly conditions, for asking many rules that share them."""

    __slots__ = ()

    def __init__(self, request: Request) -> None:
        super().__init__(request)
        self.memo = {}


class CompiledRule(msgspec.Struct, frozen=True):
    """A rule and the question it asks about a request."""

    rule: Rule
    ask: Ask


def compile_rule(rule: Rule) -> CompiledRule:
    """Compile a rule once, to ask it about many requests.

    Raises:
        RuleError: RF330 the rule counts or orders events, which one request cannot answer; else as parsing does.
    """
    return CompiledRule(rule, compile_tree(rule.when, dict(rule.classes)))


def evaluate(rule: Rule, request: Request | View) -> bool | None:
    """Ask one rule about one event. Compile once with `compile_rule` to ask about many."""
    return compile_rule(rule).ask(HttpView(request) if isinstance(request, Request) else request)


def compile_tree(tree: Root, classes: Mapping[str, int]) -> Ask:
    """Compile a tree to closures.

    Args:
        tree: a tree that parses; anything else raises RuleError or UsageError.
        classes: version of each payload class the tree uses.
    """
    match tree:
        case Condition():
            return _compile_shared(tree, _version(tree, classes))
        case AllOf(parts):
            return _all(tuple(compile_tree(part, classes) for part in parts))
        case AnyOf(parts):
            return _any(tuple(compile_tree(part, classes) for part in parts))
        case Not(part):
            return _not(compile_tree(part, classes))
        case Some(place, where):
            return _some(place, _needed_name(place, where), compile_holds(where, classes))
        case Count() | Sequence():
            raise RuleError(
                "the rule counts or orders events; one request cannot answer it",
                hint="ask its inner trees one by one",
                code="RF330",
            )


def compile_holds(where: Tree, classes: Mapping[str, int]) -> AskElement:
    """Compile the inside of a `some`: whether an element satisfies it, also where its value is cut off."""
    ask, ask_cut = compile_element(where, classes), compile_cut_element(where, classes)
    # What is certain of a beginning holds of it, too: the second question is asked only where the first says yes.
    return lambda element: ask(element) and (not element.cut or ask_cut(element) is True)


def compile_cut_element(tree: Tree, classes: Mapping[str, int]) -> AskCut:
    """Compile the inside of a `some` for an element of whose value only the beginning is known."""
    match tree:
        case Condition():
            return _cut_condition(tree, classes)
        case AllOf(parts):
            return _all(tuple(compile_cut_element(part, classes) for part in parts))
        case AnyOf(parts):
            return _any(tuple(compile_cut_element(part, classes) for part in parts))
        case Not(part):
            return _not(compile_cut_element(part, classes))
        case Some():
            raise RuleError("some inside some", code="RF316")


def compile_element(tree: Tree, classes: Mapping[str, int]) -> AskElement:
    """Compile the inside of a `some` for an element that is known as a whole."""
    match tree:
        case Condition():
            return _element_condition(tree, classes)
        case AllOf(parts):
            asks = tuple(compile_element(part, classes) for part in parts)
            return _every(asks)
        case AnyOf(parts):
            asks = tuple(compile_element(part, classes) for part in parts)
            return _some_of(asks)
        case Not(part):
            inner = compile_element(part, classes)
            return lambda element: not inner(element)
        case Some():
            raise RuleError("some inside some", code="RF316")


def compile_name(field: str, name: Name | None) -> Read:
    """Compile the reading of a place, limited to the elements the name allows."""
    if name is None:
        return lambda view: view.read(field)
    if field == "headers" and name.how != "regex":
        lower = name.text.lower()
        return lambda view: view.read("headers", lower)
    if name.how == "exact" and not (field == "json" and b"*" in name.text):
        exact = name.text
        return lambda view: view.read(field, exact)
    keep = _name_filter(field, name)

    def read(view: View) -> Reading:
        reading = view.read(field)
        return Reading(tuple(element for element in reading.elements if keep(element.name)), reading.complete)

    return read


def element_value(field: str, element: Element) -> bytes | None:
    """Return what `field` of a `some` refers to; None when the element has no such thing."""
    return cast("bytes | None", getattr(element, field))


# --- combinations, by Kleene's logic ------------------------------------------------------------------------


def _all(asks: tuple[Callable[[_Asked], bool | None], ...]) -> Callable[[_Asked], bool | None]:
    def ask_all(asked: _Asked) -> bool | None:
        answer: bool | None = True
        for ask in asks:
            part = ask(asked)
            if part is False:
                return False
            if part is None:
                answer = None
        return answer

    return ask_all


def _any(asks: tuple[Callable[[_Asked], bool | None], ...]) -> Callable[[_Asked], bool | None]:
    def ask_any(asked: _Asked) -> bool | None:
        answer: bool | None = False
        for ask in asks:
            part = ask(asked)
            if part:
                return True
            if part is None:
                answer = None
        return answer

    return ask_any


def _not(ask: Callable[[_Asked], bool | None]) -> Callable[[_Asked], bool | None]:
    def ask_not(asked: _Asked) -> bool | None:
        answer = ask(asked)
        return None if answer is None else not answer

    return ask_not


def _every(asks: tuple[AskElement, ...]) -> AskElement:
    def ask_every(element: Element) -> bool:
        for ask in asks:  # noqa: SIM110 - a generator costs more than the questions
            if not ask(element):
                return False
        return True

    return ask_every


def _some_of(asks: tuple[AskElement, ...]) -> AskElement:
    def ask_some_of(element: Element) -> bool:
        for ask in asks:  # noqa: SIM110 - a generator costs more than the questions
            if ask(element):
                return True
        return False

    return ask_some_of


def _some(place: str, name: bytes | None, ask: AskElement) -> Ask:
    """Ask about each element, or only about those of the one name that can satisfy."""

    def ask_some(view: View) -> bool | None:
        for element in view.read(place, name).elements:
            if ask(element):
                return True
        return False if view.knows(place) else None

    return ask_some


def _needed_name(place: str, where: Tree) -> bytes | None:
    """Return the name that an element must have to satisfy `where`; None where there is no one such name."""
    parts = where.parts if isinstance(where, AllOf) else (where,)
    for part in parts:
        match part:
            case Condition(field="name", op="equals", value=bytes(name), transforms=()):
                # A place reads headers by name without case, but here their names are lower-case texts.
                return name if place != "headers" or name == name.lower() else None
    return None


# --- conditions ---------------------------------------------------------------------------------------------


def _version(condition: Condition, classes: Mapping[str, int]) -> int:
    """Return the version of the class a condition asks about, 0 for other conditions."""
    if condition.op != "is_class":
        return 0
    name = cast("bytes", condition.value).decode()
    if name not in classes:
        raise RuleError(f"the rule states no version of the payload class {name!r}", code="RF311")
    return classes[name]


def _classes(condition: Condition, version: int) -> Mapping[str, int]:
    return {cast("bytes", condition.value).decode(): version} if version else {}


@lru_cache(maxsize=_CONDITIONS)
def _compile_shared(condition: Condition, version: int) -> Ask:
    """Compile a condition once for all rules; a `SharedView` remembers the costly answers."""
    read = compile_name(condition.field, condition.name)
    about = compile_question(condition, _classes(condition, version))
    if not (OPERATORS[condition.op].costly or condition.transforms):
        return lambda view: about(read(view))
    key = object()

    def ask_once(view: View) -> bool | None:
        memo = view.memo
        if memo is None:
            return about(read(view))
        answer = memo.get(key, _MISSING)
        if answer is _MISSING:
            answer = memo[key] = about(read(view))
        return answer  # type: ignore[return-value]

    return ask_once


def compile_question(condition: Condition, classes: Mapping[str, int]) -> AskReading:
    """Compile what a condition asks about the values of a place, however they were read."""
    operator = OPERATORS[condition.op]
    apply = compile_transforms(condition.transforms)
    if operator.compile_count is not None:
        return _ask_count(operator, condition, apply)
    assert operator.compile is not None
    ask = operator.compile(condition.value, classes)
    certain = compile_certain(condition, classes)

    def ask_plain(reading: Reading) -> bool | None:
        for element in reading.elements:
            if ask(element.value) and (not element.cut or certain(element.value)):
                return True
        return False if reading.complete else None

    def ask_transformed(reading: Reading) -> bool | None:
        for element in reading.elements:
            value = apply(element.value)  # type: ignore[misc]
            if value is not None and ask(value) and (not element.cut or certain(element.value)):
                return True
        return False if reading.complete else None

    return ask_plain if apply is None else ask_transformed


def _ask_count(operator: Operator, condition: Condition, apply: Apply | None) -> AskReading:
    assert operator.compile_count is not None
    ask = operator.compile_count(condition.value)
    # Values that were not recorded can only add to the count: one answer stays true when more turn up.
    settled = operator.name != "absent"
    keeps = keeps_every_value(condition.transforms)

    def ask_count(reading: Reading) -> bool | None:
        count = len(reading.elements) if apply is None else _count_transformed(reading, apply, keeps)
        answer = ask(count)
        return answer if reading.complete or answer is settled else None

    return ask_count


def _count_transformed(reading: Reading, apply: Apply, keeps: bool) -> int:
    """Count what is left; a value that was cut off counts where the transforms refuse nothing."""
    return sum((keeps or not one.cut) and apply(one.value) is not None for one in reading.elements)


def _cut_condition(condition: Condition, classes: Mapping[str, int]) -> AskCut:
    if condition.field != "value":
        return _element_condition(condition, classes)
    if OPERATORS[condition.op].compile_count is not None:  # there is one value, whatever it is
        known = keeps_every_value(condition.transforms)
        ask = _element_condition(condition, classes)
        return lambda element: ask(element) if known else None
    certain = compile_certain(condition, classes)
    return lambda element: certain(element.value) or None


def _element_condition(condition: Condition, classes: Mapping[str, int]) -> AskElement:
    read: Callable[[Element], bytes | None] = attrgetter(condition.field)
    operator, apply = OPERATORS[condition.op], compile_transforms(condition.transforms)
    if operator.compile is None:
        count = compile_question(condition, classes)
        return lambda element: bool(count(_whole(read(element))))
    ask = operator.compile(condition.value, classes)
    if apply is None:
        return lambda element: (value := read(element)) is not None and ask(value)
    change = apply  # of its own, so that its type is known inside

    def ask_transformed(element: Element) -> bool:
        value = read(element)
        value = None if value is None else change(value)
        return value is not None and ask(value)

    return ask_transformed


def _whole(value: bytes | None) -> Reading:
    return NOTHING if value is None else Reading((Element(value),))


# --- names --------------------------------------------------------------------------------------------------


def _name_filter(field: str, name: Name) -> Callable[[bytes], bool]:
    if name.how == "regex":
        return compile_pattern(name.text).test
    lower = name.how == "lower"
    wanted = name.text.lower() if lower else name.text
    if field == "json" and b"*" in wanted:
        same = _pointer_filter(wanted)
        return (lambda text: same(text.lower())) if lower else same
    return (lambda text: text.lower() == wanted) if lower else wanted.__eq__


def _pointer_filter(pointer: bytes) -> Callable[[bytes], bool]:
    """Compare JSON pointers level by level; `*` stands for any one level."""
    levels = pointer.split(b"/")

    def same(text: bytes) -> bool:
        found = text.split(b"/")
        return len(found) == len(levels) and all(
            level in (b"*", other) for level, other in zip(levels, found, strict=True)
        )

    return same
