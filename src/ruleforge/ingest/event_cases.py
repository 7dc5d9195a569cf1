"""Case documents: one attack on one kind of event, with examples of it and of ordinary use, as YAML or JSON."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ruleforge.errors import InputError
from ruleforge.events.event import Event
from ruleforge.events.kinds import EVENTS
from ruleforge.records.event_case import QUESTIONS, EventCase, Example, Item
from ruleforge.rules.document import LISTS, TEXTS
from ruleforge.sources.bounded_yaml import MAX_BYTES, Node, load_yaml
from ruleforge.sources.event_streams import written_out

CASE_VERSION = "1"
MAX_EXAMPLES = 200  # of each sort
MAX_ITEMS = 2_000  # events of one example
MAX_ALL_ITEMS = 5_000  # events of a case
MAX_VALUE = 8_192  # bytes of one value that are looked at; an example with more is refused
_TEXTS, _LISTS = ("title", "description", "severity"), ("attack", "cves", "references", "false_positives")
KEYS = frozenset({"case", "id", "event", "by", "malicious", "benign", "answers", *_TEXTS, *_LISTS})
_HINT = "see docs/howto/agent-for-events.md"
_YES = {"true": True, "yes": True, "false": False, "no": False}


def looks_like_case(data: bytes) -> bool:
    """Whether a document says of itself that it is a case, without reading all of it."""
    return any(line.startswith((b"case:", b'"case":')) for line in (one.strip() for one in data[:4_096].splitlines()))


def read_case(file: Path) -> EventCase:
    """Read one case.

    Raises:
        InputError: the file cannot be read (RF217), is no YAML or JSON (RF210 to RF213), is no case (RF253), or an
            event in it cannot be read (RF230, RF250, RF251, RF223).
    """
    return parse_case(_bytes_of(file), str(file))


def _bytes_of(file: Path) -> bytes:
    """Read as much of a file as a document may have, and one byte more: a device has no end."""
    try:
        with file.open("rb") as stream:
            return stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", where=str(file), code="RF217") from error


def parse_case(data: bytes, where: str) -> EventCase:
    """Read a case from its bytes; as `read_case`."""
    found = load_yaml(data, where)
    root = found.root
    if not isinstance(root, dict):
        raise _no_case("it is no mapping", where)
    if found.problems:
        raise _no_case(found.problems[0], where)
    if root.get("case") != CASE_VERSION:
        raise _no_case(f"the key 'case' is not {CASE_VERSION}", where)
    for key in root:
        if key not in KEYS:
            raise _no_case(f"unknown key {key[:80]!r}", where)
    event = str(root.get("event"))
    if event not in EVENTS:
        raise _no_case(f"unknown event {event[:80]!r}; {EVENTS.suggest(event[:80])}", where)
    texts: dict[str, Any] = {key: _text(root, key, where) for key in _TEXTS if root.get(key)}
    lists: dict[str, Any] = {key: _texts(root, key, where) for key in _LISTS if root.get(key)}
    by = tuple(str(field) for field in _list(root, "by", where))
    for field in by:
        if field not in EVENTS[event].fields:
            raise _no_case(f"by: {event} has no field {field[:80]!r}", where)
    malicious, benign = (_examples(root, key, event, where) for key in ("malicious", "benign"))
    if not malicious:
        raise _no_case("there is no example of the attack", where)
    if sum(len(example.items) for example in (*malicious, *benign)) > MAX_ALL_ITEMS:
        raise _no_case(f"more than {MAX_ALL_ITEMS:,} events", where)
    return EventCase(
        id=_text(root, "id", where),
        event=event,
        malicious=malicious,
        benign=benign,
        by=by,
        answers=_answers(root.get("answers"), where),
        digest=hashlib.sha256(data).hexdigest(),
        source=where,
        **texts,
        **lists,
    )


def read_answers(file: Path) -> Mapping[str, Mapping[str, bool]]:
    """Read what a person answered: case id → question → yes or no.

    Raises:
        InputError: the file cannot be read (RF217), or is no such file (RF254).
    """
    where = str(file)
    root = load_yaml(_bytes_of(file), where).root
    if not isinstance(root, dict) or not all(isinstance(each, dict) for each in root.values()):
        hint = f"CASE: {{{next(iter(QUESTIONS))}: yes}}"
        raise InputError("no answers by case", where=where, hint=hint, code="RF254")
    return {case: _answers(each, where) for case, each in root.items()}


def _answers(node: Node, where: str) -> dict[str, bool]:
    if node is None:
        return {}
    if not isinstance(node, dict):
        raise InputError("no answers: a question and yes or no", where=where, hint=_HINT, code="RF254")
    for question, said in node.items():
        if question not in QUESTIONS or str(said).lower() not in _YES:
            hint = f"yes or no to one of {', '.join(QUESTIONS)}"
            raise InputError(f"no answer: {question[:60]!r}: {str(said)[:60]!r}", where=where, hint=hint, code="RF254")
    return {question: _YES[str(said).lower()] for question, said in node.items()}


def _no_case(what: str, where: str) -> InputError:
    return InputError(f"not a case of events: {what}", where=where, hint=_HINT, code="RF253")


def _text(root: Mapping[str, Node], key: str, where: str) -> str:
    value = root.get(key)
    refusal = TEXTS[key].refusal(value) if isinstance(value, str) else "it is no text"
    if refusal:
        raise _no_case(f"{key}: {refusal}", where)
    return str(value)


def _list(root: Mapping[str, Node], key: str, where: str) -> list[Node]:
    value = root.get(key)
    if value is None:
        return []
    if not isinstance(value, list):
        raise _no_case(f"{key} is no list", where)
    return value


def _texts(root: Mapping[str, Node], key: str, where: str) -> tuple[str, ...]:
    found = _list(root, key, where)
    for value in found:
        refusal = LISTS[key].refusal(value) if isinstance(value, str) else "an item is no text"
        if refusal:
            raise _no_case(f"{key}: {refusal}", where)
    return tuple(map(str, found))


def _examples(root: Mapping[str, Node], key: str, event: str, where: str) -> tuple[Example, ...]:
    found = _list(root, key, where)
    if len(found) > MAX_EXAMPLES:
        raise _no_case(f"{key}: more than {MAX_EXAMPLES} examples", where)
    return tuple(_example(node, number, f"{where} {key}[{number}]", event) for number, node in enumerate(found))


def _example(node: Node, number: int, where: str, event: str) -> Example:
    if not isinstance(node, dict):
        raise _no_case("an example is no mapping", where)
    name = str(node.get("name") or f"example {number + 1}")[:200]
    given = {key: value for key, value in node.items() if key != "name"}
    items: list[Item] = []
    for item in written_out(given if "events" in given else {"events": [given]}, event, where):
        items.append(item)
        if len(items) > MAX_ITEMS:
            raise _no_case(f"an example has more than {MAX_ITEMS:,} events", where)
        if isinstance(item, Event):
            _bounded(item, where)
    return Example(name, tuple(items))


def _bounded(event: Event, where: str) -> None:
    if any(len(element.value) > MAX_VALUE for elements in event.values.values() for element in elements):
        raise _no_case(f"a value has more than {MAX_VALUE:,} bytes", where)
