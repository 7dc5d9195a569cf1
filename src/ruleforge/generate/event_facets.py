"""Facets of events: single questions that examples of an attack satisfy, from which rules about events are built.

What a facet may ask of a field follows from its role and form in the file of the kind: a new kind needs no code.
A facet holds a literal only where every example it was made of has it; else it is a shape or a bound.
"""

import hashlib
import math
import re
from collections.abc import Callable, Iterable, Iterator, Sequence

import msgspec

from ruleforge.cases.event_shapes import label_pattern, shapes, word_pattern
from ruleforge.engine.reference import Ask, compile_tree
from ruleforge.events.event import Event, EventView
from ruleforge.events.kinds import EventField, EventKind
from ruleforge.events.reading import View
from ruleforge.rules.canonical import canonical_json
from ruleforge.rules.dump import dump_tree
from ruleforge.rules.patterns import compile_pattern, quote
from ruleforge.rules.render import quote_bytes
from ruleforge.rules.tree import AllOf, Condition, Name, Tree

# What a facet is, from what generalises best to what an attacker changes at once.
FACET_KINDS = ("shape", "act", "token", "literal", "number", "indicator")
BITS_MOST = {"act": 8.0, "shape": 10.0, "token": 8.0, "literal": 6.0, "number": 4.0, "indicator": 8.0}
VALUES_MOST = 3  # values of one field that are listed
FEW = 2  # examples a listed value needs, so that a list is no list of examples
TOKENS_MOST = 60  # of one value
TOKEN_BYTES = (2, 80)
LOOKED_AT = 4_096  # bytes of one value
LITERAL_MOST = 200  # bytes
NAMED_MOST = 40  # elements with names of one event

_LOWER = ("lower",)
_SPLIT = re.compile(rb"[\s\"'`;|&()<>=,]+")
_WORDS = re.compile(rb"[a-z0-9_.@/*:-]{3,80}")
_OPTION = re.compile(rb"[-/]{1,2}[a-z][a-z0-9_-]*\Z")
_CHOSEN = re.compile(  # by the attacker, and other next time: addresses, URLs, digits, runs of base64, files of temp
    rb"[0-9]{1,3}(?:\.[0-9]{1,3}){3}|://|\A[0-9:.,/x-]+\Z|[a-z0-9+/]{40,}|\A(?:/tmp/|/dev/shm/|/var/tmp/)."
    rb"|\.example\b|\.(?:com|net|org|invalid|test)(?:\Z|[/:])|[0-9a-f]{16,}"
)


class EventFacet(msgspec.Struct, frozen=True):
    """One question, with what it is for whoever chooses among many."""

    tree: Condition
    kind: str  # one of FACET_KINDS
    said: str  # for people and models: our words, and literals quoted

    @property
    def id(self) -> str:
        """Short name, the same for the same question."""
        return "f" + hashlib.sha256(canonical_json(dump_tree(self.tree))).hexdigest()[:8]

    @property
    def rank(self) -> int:
        """0: generalises best."""
        return FACET_KINDS.index(self.kind)

    @property
    def ask(self) -> Ask:
        """The compiled question."""
        return compile_tree(self.tree, {})


def facets_of(events: Sequence[Event], kind: EventKind) -> tuple[EventFacet, ...]:
    """Return every question that all `events` satisfy and that says something, best kinds first.

    Cost: about a millisecond for each event and field with content.
    """
    found: dict[str, EventFacet] = {}
    views = [EventView(event) for event in events]
    for field in kind.fields.values():
        for facet in _of_field(field, views):
            found.setdefault(facet.id, facet)
    return tuple(sorted((f for f in found.values() if _all_true(f.ask, views)), key=lambda f: (f.rank, f.said)))


def holds_for(facet: EventFacet, views: Iterable[View]) -> int:
    """Return a bit for each view the facet is true of."""
    ask, mask = facet.ask, 0
    for number, view in enumerate(views):
        if ask(view) is True:
            mask |= 1 << number
    return mask


def bits_of(facet: EventFacet, hits: int, ordinary: int) -> float:
    """Return how surprising the facet is in `ordinary` events, `hits` of which it is true of; bounded by its kind."""
    return min(BITS_MOST[facet.kind], max(0.0, -math.log2((hits + 0.5) / (ordinary + 1))))


def tree_of(facets: Sequence[EventFacet]) -> Tree:
    """Return the tree that asks for all of them."""
    ordered = tuple(facet.tree for facet in facets)
    return ordered[0] if len(ordered) == 1 else AllOf(ordered)


def _all_true(ask: Ask, views: Sequence[View]) -> bool:
    return all(ask(view) is True for view in views)


def _of_field(field: EventField, views: Sequence[View]) -> Iterator[EventFacet]:
    readings = [view.read(field.name) for view in views]
    if not all(reading.elements for reading in readings):
        return
    if field.kind == "named":
        if field.role == "content":
            yield from _of_names(field, views)
        return
    values = [[element.value[:LOOKED_AT] for element in reading.elements[:TOKENS_MOST]] for reading in readings]
    if field.role == "act":
        yield from _exact(field, values, "act")
        yield from _shapes(field, field.form, values, None)
    elif field.role == "indicator":
        yield from _exact(field, values, "indicator")
    elif field.role == "who":
        if field.known and all(one.lower().decode("utf-8", "replace") in field.known for row in values for one in row):
            yield from _exact(field, values, "act")
    elif field.role == "content":
        yield from _of_content(field, values, None)


def _of_names(field: EventField, views: Sequence[View]) -> Iterator[EventFacet]:
    read = [view.read(field.name).elements[: 2 * NAMED_MOST] for view in views]
    elements = [[(_anywhere(e.name), e.value) for e in row if len(e.name) <= LITERAL_MOST] for row in read]
    for name in dict.fromkeys(known for known, _ in elements[0][:NAMED_MOST]):
        rows = [[value[:LOOKED_AT] for known, value in row if known == name][:TOKENS_MOST] for row in elements]
        if all(rows):
            yield from _exact(field, rows, "literal", name)
            yield from _of_content(field, rows, name)


def _anywhere(name: bytes) -> Name:
    """Ask for an element by its pointer, at any place of the lists in it: which one it is says nothing."""
    parts = name.split(b"/")
    if not any(part.isdigit() for part in parts[1:]):
        return Name(name)
    return Name(b"^" + b"/".join(rb"[0-9]+" if part.isdigit() else quote(part) for part in parts) + rb"\z", "regex")


def _exact(
    field: EventField, values: Sequence[Sequence[bytes]], kind: str, named: Name | None = None
) -> Iterator[EventFacet]:
    """Ask for the value, or for one of few values, each of which several examples have."""
    rows = [{value.lower() for value in row} for row in values]
    shared = sorted(set.intersection(*rows))
    for value in shared[:VALUES_MOST]:
        if 0 < len(value) <= LITERAL_MOST and not (kind == "literal" and _CHOSEN.search(value)):
            what = f"{_place(field, named)} is {_quoted(value)}"
            yield EventFacet(Condition(field.name, "equals", value, named, _LOWER), kind, what)
    several = sorted({min(row) for row in rows})
    is_list = not shared and 1 < len(several) <= VALUES_MOST and len(rows) >= FEW * len(several)
    if is_list and kind != "indicator" and all(0 < len(value) <= LITERAL_MOST for value in several):
        what = f"{_place(field, named)} is one of {', '.join(map(_quoted, several))}"
        yield EventFacet(Condition(field.name, "in", tuple(several), named, _LOWER), kind, what)


def _of_content(field: EventField, values: Sequence[Sequence[bytes]], named: Name | None) -> Iterator[EventFacet]:
    if field.type == "int":
        yield from _numbers(field, values)
        return
    form = field.form or "text"
    yield from _shapes(field, form, values, named)
    rows = [set().union(*(_TOKENS[form](value.lower()) for value in row)) for row in values]
    for token in sorted(set.intersection(*rows)):
        yield _token(field, token, form, named)
    if form == "domain":
        least = min(min(map(len, row)) for row in values)
        condition = Condition(field.name, "length_gt", least - 1, named)
        yield EventFacet(condition, "number", f"{_place(field, named)} has {least} bytes or more")


def _shapes(
    field: EventField, form: str, values: Sequence[Sequence[bytes]], named: Name | None
) -> Iterator[EventFacet]:
    for shape in shapes():
        pattern = compile_pattern(shape.regex.encode())
        if shape.form == form and all(any(pattern.test(value.lower()) for value in row) for row in values):
            condition = Condition(field.name, "regex", shape.regex.encode(), named, _LOWER)
            yield EventFacet(condition, "shape", f"{_place(field, named)} has {shape.meaning}")


def _numbers(field: EventField, values: Sequence[Sequence[bytes]]) -> Iterator[EventFacet]:
    texts = [value for row in values for value in row]
    if not all(text.isdigit() and len(text) <= 15 for text in texts):
        return
    numbers = [int(text) for text in texts]
    # The examples are a sample: the next one may lie a quarter beyond them.
    low, high = min(numbers) * 3 // 4, max(numbers) * 5 // 4 + 1
    yield EventFacet(Condition(field.name, "int_gt", low), "number", f"{field.name} is more than {low}")
    yield EventFacet(Condition(field.name, "int_lt", high), "number", f"{field.name} is less than {high}")


def _token(field: EventField, token: bytes, form: str, named: Name | None) -> EventFacet:
    what = f"{_place(field, named)} has {_quoted(token)}"
    if form == "domain":
        condition = Condition(field.name, "regex", label_pattern(token), named, _LOWER)
        return EventFacet(condition, "token", f"{what} as a label")
    if form == "text":
        return EventFacet(Condition(field.name, "contains", token, named, _LOWER), "literal", what)
    condition = Condition(field.name, "regex", word_pattern(token), named, _LOWER)
    return EventFacet(condition, "token" if _OPTION.match(token) or token.isalpha() else "literal", f"{what} as a word")


def _command_tokens(value: bytes) -> set[bytes]:
    found: set[bytes] = set()
    for word in _SPLIT.split(value)[:TOKENS_MOST]:
        base = re.split(rb"[/\\]", word)[-1]
        for token in (word, base):
            if TOKEN_BYTES[0] <= len(token) <= TOKEN_BYTES[1] and not _CHOSEN.search(token):
                found.add(token)
    return found


def _path_tokens(_value: bytes) -> set[bytes]:
    return set()  # the name of the program is a field of its own; folders are shapes


def _labels(value: bytes) -> set[bytes]:
    labels = value.rstrip(b".").split(b".")[:-2]  # the last two are the domain, an indicator
    return {label for label in labels[:TOKENS_MOST] if 2 <= len(label) <= 20 and not _CHOSEN.search(label)}


def _words(value: bytes) -> set[bytes]:
    found = (word.strip(b".:-/") for word in _WORDS.findall(value)[:TOKENS_MOST])
    return {word for word in found if len(word) >= 4 and not _CHOSEN.search(word)}


_TOKENS: dict[str, Callable[[bytes], set[bytes]]] = {
    "command": _command_tokens,
    "path": _path_tokens,
    "domain": _labels,
    "text": _words,
}


def _place(field: EventField, named: Name | None) -> str:
    if named is None:
        return field.name
    text = named.text if named.how == "exact" else named.text[1:-2].replace(b"[0-9]+", b"*").replace(b"\\", b"")
    return f"{field.name} {_quoted(text)}"


def _quoted(value: bytes) -> str:
    return quote_bytes(value, 80)
