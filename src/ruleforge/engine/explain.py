"""Why a rule is true, false or unknown about a request: the values it read and the bytes that decided."""

from collections.abc import Mapping

import msgspec

from ruleforge.engine.cut import compile_certain
from ruleforge.engine.reference import compile_cut_element, compile_holds, compile_name, compile_question, element_value
from ruleforge.errors import RuleError
from ruleforge.events.kinds import HTTP
from ruleforge.events.places import HttpView
from ruleforge.events.reading import Element, Reading
from ruleforge.events.request import Request
from ruleforge.rules.classes import load_class
from ruleforge.rules.operators import OPERATORS
from ruleforge.rules.patterns import Span
from ruleforge.rules.transforms import compile_transforms
from ruleforge.rules.tree import AllOf, AnyOf, Condition, Count, Name, Not, Rule, Sequence, Some, Tree

MAX_VALUES = 5  # shown of one place; those that satisfy come first
MAX_BYTES = 200  # shown of one value
_LEAST_UNIQUE = 3  # fewer bytes occur in a request by chance
_WORDS = {True: "true", False: "false", None: "unknown"}


class Spot(msgspec.Struct, frozen=True):
    """Bytes of the request as recorded: `target[start:end]`, `body[start:end]` or the value of one header."""

    part: str  # "target" | "body" | "method" | "version" | "headers[2]"
    start: int
    end: int


class Seen(msgspec.Struct, frozen=True):
    """One value a condition read, after its transforms, cut to 200 bytes."""

    value: bytes
    size: int  # bytes, before the cut
    name: bytes = b""
    satisfies: bool = False
    span: Span | None = None  # what satisfied, within the whole value
    spot: Spot | None = None  # the same within the request; None where the value is not a substring of it
    note: str = ""  # which form and pattern of a payload class


class Step(msgspec.Struct, frozen=True):
    """One node of the rule's tree with its answer."""

    answer: bool | None
    label: str
    reason: str = ""
    seen: tuple[Seen, ...] = ()
    more: int = 0  # values that are not shown
    parts: tuple["Step", ...] = ()


class Explanation(msgspec.Struct, frozen=True):
    """The answer of a rule about one request, and why."""

    rule: str
    request: str
    answer: bool | None
    root: Step

    def to_dict(self) -> dict[str, object]:
        """Give plain data for JSON; bytes become escaped text, answers "true", "false" or "unknown"."""
        head = {"rule": self.rule, "request": self.request, "answer": _WORDS[self.answer]}
        return head | {"root": _step_dict(self.root)}

    def to_text(self) -> str:
        """Give indented lines for a terminal; every byte of the request is printable ASCII there."""
        return "\n".join([f"{self.rule}: {_WORDS[self.answer]}", *_lines(self.root, 1)])


def explain(rule: Rule, request: Request) -> Explanation:
    """Explain what `rule` answers about `request`; no node is skipped, so it costs more than asking.

    Raises:
        RuleError: RF330 the rule counts or orders events, RF332 it is about other events.
    """
    if isinstance(rule.when, Count | Sequence):
        raise RuleError("the rule counts or orders events; one request cannot answer it", code="RF330")
    if rule.event != HTTP:
        raise RuleError(f"the rule is about {rule.event}; a request cannot answer it", code="RF332")
    root = _Explainer(request, dict(rule.classes)).tree(rule.when)
    return Explanation(rule.id, request.id, root.answer, root)


class _Explainer:
    def __init__(self, request: Request, classes: Mapping[str, int]) -> None:
        self.request = request
        self.view = HttpView(request)
        self.classes = classes

    def tree(self, tree: Tree, element: Element | None = None, place: str = "") -> Step:
        """Explain one node; `element` is the one a `some` around it looks at, `place` where it was found."""
        match tree:
            case AllOf(parts):
                steps = tuple(self.tree(part, element, place) for part in parts)
                return Step(_all([step.answer for step in steps]), "all of", parts=steps)
            case AnyOf(parts):
                steps = tuple(self.tree(part, element, place) for part in parts)
                negated = _all([_not(step.answer) for step in steps])
                return Step(_not(negated), "any of", parts=steps)
            case Not(part):
                step = self.tree(part, element, place)
                return Step(_not(step.answer), "not", parts=(step,))
            case Some(inner_place, where):
                return self.some(inner_place, where)
            case Condition():
                return self.condition(tree, element, place)

    def some(self, place: str, where: Tree) -> Step:
        reading = self.view.read(place)
        ask = compile_holds(where, self.classes)
        hit = next((element for element in reading.elements if ask(element)), None)
        answer = True if hit is not None else (False if reading.complete else None)
        others = [element for element in reading.elements[: MAX_VALUES + 1] if element is not hit]
        shown = [] if hit is None else [_seen(hit, hit.value, satisfies=True)]
        shown += [_seen(element, element.value) for element in others[: MAX_VALUES - len(shown)]]
        # One element is explained in full: the one that satisfies, or the first that does not.
        chosen = hit or next(iter(others), None)
        parts = (self.tree(where, chosen, place),) if chosen is not None else ()
        more = len(reading.elements) - len(shown)
        reason = self.reason(place, None, reading, answer)
        return Step(answer, f"some element of {place} where", reason, tuple(shown), more, parts)

    def condition(self, condition: Condition, element: Element | None, place: str) -> Step:
        if element is None:
            reading = compile_name(condition.field, condition.name)(self.view)
            place = condition.field
        else:
            value = element_value(condition.field, element)
            cut = element.cut and condition.field == "value"
            reading = Reading(() if value is None else (Element(value, element.name, cut=cut),), complete=not cut)
        if element is not None and element.cut:
            answer = compile_cut_element(condition, self.classes)(element)
        else:
            answer = compile_question(condition, self.classes)(reading)
        seen = self.values(condition, reading, place)
        reason = self.reason(place, condition.name, reading, answer)
        return Step(answer, label(condition), reason, tuple(seen), len(reading.elements) - len(seen))

    def values(self, condition: Condition, reading: Reading, place: str) -> list[Seen]:
        """Describe the values worth showing: those that satisfy, then the first of the others."""
        apply = compile_transforms(condition.transforms)
        operator = OPERATORS[condition.op]
        locate = operator.locate(condition.value, self.classes) if operator.locate is not None else None
        certain = compile_certain(condition, self.classes)
        hits: list[Seen] = []
        others: list[Seen] = []
        for element in reading.elements:
            value = element.value if apply is None else apply(element.value)
            span = locate(value) if locate is not None and value is not None else None
            if span is None:
                if len(others) < MAX_VALUES:
                    note = "does not decode" if value is None else ""
                    others.append(_seen(element, element.value if value is None else value, note=note))
                continue
            assert value is not None
            if element.cut and not certain(element.value):
                if len(others) < MAX_VALUES:
                    others.append(_seen(element, value, note="holds for the part that is known"))
                continue
            spot = _spot(self.request, place, value[span.start : span.end])
            note = self.payload_note(condition, value)
            hits.append(_seen(element, value, satisfies=True, span=span, spot=spot, note=note))
            if len(hits) == MAX_VALUES:
                break
        return (hits + others)[:MAX_VALUES]

    def payload_note(self, condition: Condition, value: bytes) -> str:
        if condition.op != "is_class":
            return ""
        assert isinstance(condition.value, bytes)
        name = condition.value.decode()
        found = load_class(name, self.classes[name]).find(value)
        if found is None:
            return ""
        decoded = "" if found.form == value else f" in the form {_show(found.form)}"
        return f"pattern {found.pattern}{decoded}"

    def reason(self, place: str, name: Name | None, reading: Reading, answer: bool | None) -> str:
        if answer is None:
            return _why_unknown(self.request, place, name)
        return "" if reading.elements else "no value there"


def label(condition: Condition) -> str:
    """Say what a condition asks, in one short line: `args "q" (lower) contains 'union'`."""
    words = [condition.field]
    if condition.name is not None:
        how = "" if condition.name.how == "exact" else f"{condition.name.how} "
        words.append(f"[{how}{_show(condition.name.text)}]")
    if condition.transforms:
        words.append(f"({', '.join(condition.transforms)})")
    words.append(condition.op)
    match condition.value:
        case bytes() as value:
            words.append(value.decode() if condition.op == "is_class" else _show(value))
        case int() as number:
            words.append(str(number))
        case tuple() as values:
            rest = f", … {len(values)} in all" if len(values) > MAX_VALUES else ""
            words.append("[" + ", ".join(map(_show, values[:MAX_VALUES])) + rest + "]")
    return " ".join(words)


def _all(answers: list[bool | None]) -> bool | None:
    if False in answers:
        return False
    return None if None in answers else True


def _not(answer: bool | None) -> bool | None:
    return None if answer is None else not answer


def _seen(
    element: Element,
    value: bytes,
    *,
    satisfies: bool = False,
    span: Span | None = None,
    spot: Spot | None = None,
    note: str = "",
) -> Seen:
    return Seen(value[:MAX_BYTES], len(value), element.name[:MAX_BYTES], satisfies, span, spot, note)


def _sources(place: str) -> tuple[str, ...]:
    """Name the parts of a request a place is made from."""
    if place in ("method", "version"):
        return (place,)
    if place in ("headers", "cookies"):
        return ("headers",)
    if place.startswith(("path", "query", "target")):
        return ("target",)
    if place.startswith("args"):
        return ("target", "body")
    return () if place.startswith(("response", "source")) else ("body",)


def _why_unknown(request: Request, place: str, name: Name | None) -> str:
    missing = [part for part in _sources(place) if part in request.unrecorded]
    if missing:
        return f"the source does not record the {missing[0]}"
    if place in ("response.status", "source.address"):
        return f"the source does not record {place}"
    if request.recorded_headers is not None and _sources(place) == ("headers",):
        return f"the source does not record the header {_show(name.text)}" if name else "not all headers are recorded"
    return "cut off by a size bound or not decodable"


def _spot(request: Request, place: str, found: bytes) -> Spot | None:
    """Find bytes in the recorded request, where they can only be meant once."""
    if len(found) < _LEAST_UNIQUE:
        return None
    parts: list[tuple[str, bytes]] = []
    for source in _sources(place):
        if source == "headers":
            parts += [(f"headers[{at}]", value) for at, (_, value) in enumerate(request.headers)]
        else:
            parts.append((source, getattr(request, source) or b""))
    spots = [Spot(part, text.find(found), text.find(found) + len(found)) for part, text in parts if found in text]
    if len(spots) != 1:
        return None
    text = dict(parts)[spots[0].part]
    return spots[0] if text.find(found, spots[0].start + 1) < 0 else None


def _show(value: bytes) -> str:
    """Quote bytes in printable ASCII, cut to 200 of them."""
    cut = "…" if len(value) > MAX_BYTES else ""
    return repr(value[:MAX_BYTES])[1:] + cut


def _step_dict(step: Step) -> dict[str, object]:
    data: dict[str, object] = {"answer": _WORDS[step.answer], "label": step.label}
    if step.reason:
        data["reason"] = step.reason
    if step.seen:
        data["values"] = [_seen_dict(seen) for seen in step.seen]
    if step.more:
        data["more_values"] = step.more
    if step.parts:
        data["parts"] = [_step_dict(part) for part in step.parts]
    return data


def _seen_dict(seen: Seen) -> dict[str, object]:
    data: dict[str, object] = {"value": _show(seen.value), "size": seen.size, "satisfies": seen.satisfies}
    if seen.name:
        data["name"] = _show(seen.name)
    if seen.span is not None:
        data["span"] = list(seen.span)
    if seen.spot is not None:
        data["in_request"] = msgspec.structs.asdict(seen.spot)
    return data | ({"note": seen.note} if seen.note else {})


def _lines(step: Step, depth: int) -> list[str]:
    indent = "  " * depth
    reason = f"  ({step.reason})" if step.reason else ""
    lines = [f"{indent}{_WORDS[step.answer]:<8}{step.label}{reason}"]
    lines += [f"{indent}        {_seen_line(seen)}" for seen in step.seen]
    if step.more:
        lines.append(f"{indent}        and {step.more} more")
    for part in step.parts:
        lines += _lines(part, depth + 1)
    return lines


def _seen_line(seen: Seen) -> str:
    words = ["+" if seen.satisfies else "-", f"{_show(seen.name)} =" if seen.name else "", _show(seen.value)]
    if seen.size > len(seen.value):
        words.append(f"… {seen.size} bytes")
    if seen.span is not None:
        words.append(f"bytes {seen.span.start} to {seen.span.end}")
    if seen.spot is not None:
        words.append(f"({seen.spot.part} {seen.spot.start} to {seen.spot.end})")
    return " ".join(word for word in [*words, seen.note] if word)
