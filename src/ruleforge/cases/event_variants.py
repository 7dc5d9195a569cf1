"""Other ways to write an attack in events, and harmless events beside it: by role and form of fields, not by kind.

Everything follows from the examples by hashing, so the same case has the same variants. One change is made to all
events of an example alike: the same address becomes the same other one, so that what belongs together stays together.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeAlias

import msgspec

from ruleforge.background.ordinary_events import ordinary_events
from ruleforge.events.event import Event
from ruleforge.events.kinds import EventField, EventKind
from ruleforge.events.reading import Element
from ruleforge.records.event_case import Example, Item

Change: TypeAlias = Callable[[EventField, bytes], bytes]
VARIED_MOST = 20  # examples that variants and near-misses are made of: the first ones
STREAM_LEAST = 4  # events of a stream whose number or pace can be changed
SLOWER, MUCH_SLOWER = 1.4, 40.0
LEFT_OUT_EVERY = 5  # of the events of a stream, one is lost on the way
REVERSED = "reversed"  # no attack for a rule on the order of events; one that counts does not care
BELOW = 0.3  # share of the events of a stream that is no attack yet

_ADDRESS = re.compile(rb"\b(?!0\.0\.0\.0|127\.)[0-9]{1,3}(?:\.[0-9]{1,3}){3}\b")
_HOST = re.compile(rb"(?i)((?:https?|ftp|tftp)://)[^\s/:\"'|;&<>)]{1,200}")
_TEMP = re.compile(
    rb"(?i)((?:/tmp/|/dev/shm/|/var/tmp/|\\appdata\\local\\temp\\|\\users\\public\\))[^\s\"'|;&<>)/\\]{1,100}"
)
_BASE64 = re.compile(rb"\b[A-Za-z0-9+/]{40,4000}")
_PORT = re.compile(rb"(?<=[ :/])[0-9]{4,5}\b")
_BIN = re.compile(rb"\A/(?:usr/)?(?:local/)?s?bin/([^/]{1,100})\Z")


class Varied(msgspec.Struct, frozen=True):
    """An example written in another way, or a harmless one made from it."""

    how: str
    example: Example
    poc: int  # ordinal of the example it was made from


def event_variants(examples: Sequence[Example], kind: EventKind) -> tuple[Varied, ...]:
    """Return what is still the attack: other accounts, addresses, hosts, file names, quoting, case, pace."""
    made: list[Varied] = []
    for number, example in enumerate(examples[:VARIED_MOST]):
        for how, change in _CHANGES.items():
            _add(made, how, _changed(example, kind, change), number, examples)
        if len(example.items) >= STREAM_LEAST and _is_timed(example):
            _add(made, "slower", _paced(example, SLOWER), number, examples)
            fewer = tuple(item for at, item in enumerate(example.items) if at % LEFT_OUT_EVERY != 1)
            _add(made, "some_lost", Example(example.name, fewer), number, examples)
    return tuple(made)


def event_near_misses(examples: Sequence[Example], kind: EventKind) -> tuple[Varied, ...]:
    """Return what is no attack although it looks like one: a mention, a call for help, the bare domain, a few of many.

    What equals an example of the attack, or holds its events, is left out.
    """
    made: list[Varied] = []
    for number, example in enumerate(examples[:VARIED_MOST]):
        for how, harmless in _harmless(example, examples, kind):
            _add(made, how, harmless, number, examples)
        if len(example.items) >= STREAM_LEAST and _is_timed(example):
            few = max(1, int(len(example.items) * BELOW))
            _add(made, "few", Example(example.name, example.items[:few]), number, examples)
            _add(made, "much_slower", _paced(example, MUCH_SLOWER), number, examples)
            _add(made, "many_sources", _spread(example, kind), number, examples)
            _add(made, REVERSED, _reversed(example), number, examples)
            _add(made, "other_call", _other_calls(example, examples, kind), number, examples)
            _add(made, "succeeded", _succeeded(example, kind), number, examples)
            _add(made, "same_name", _same_name(example, kind), number, examples)
    known = {_said(item, kind) for example in examples for item in example.items}
    return tuple(one for one in made if len(one.example.items) > 1 or _said(one.example.items[0], kind) not in known)


def same_words(one: Example, other: Example, kind: EventKind) -> bool:
    """Whether two examples say the same in every field that a rule may ask about, in the same order."""
    return [_said(item, kind) for item in one.items] == [_said(item, kind) for item in other.items]


def _said(event: Item, kind: EventKind) -> tuple[tuple[str, tuple[tuple[bytes, bytes], ...]], ...]:
    """What an event says in fields that rules may compare; whose it is does not count, unless it is somebody known."""
    if not isinstance(event, Event):
        return ()
    told = []
    for name, field in kind.fields.items():
        values = event.values.get(name, ())
        if field.role in ("act", "content", "indicator"):
            told.append((name, tuple((one.name, one.value.lower()) for one in values)))
        elif field.role == "who" and field.known:
            known = tuple(
                (b"", v) for one in values if (v := one.value.lower()).decode("utf-8", "replace") in field.known
            )
            told.append((name, known))
    return tuple(told)


def _add(made: list[Varied], how: str, example: Example | None, poc: int, examples: Sequence[Example]) -> None:
    if example is not None and example.items and example.items not in [one.items for one in examples]:
        made.append(Varied(how, example, poc))


def _is_timed(example: Example) -> bool:
    return all(isinstance(item, Event) and item.time_us is not None for item in example.items)


def with_values(event: Event, given: Mapping[str, bytes]) -> Event:
    """Return the event with other values of single fields; an empty one takes the field away."""
    values = {name: elements for name, elements in event.values.items() if given.get(name) != b""}
    values |= {name: (Element(value),) for name, value in given.items() if value}
    return msgspec.structs.replace(event, values=values)


def _changed(example: Example, kind: EventKind, change: Change) -> Example | None:
    """Change every value of every event; None where nothing changes."""
    items = []
    for event in example.items:
        assert isinstance(event, Event)
        values = {}
        for name, elements in event.values.items():
            field = kind.fields[name]
            values[name] = tuple(msgspec.structs.replace(one, value=change(field, one.value)) for one in elements)
        items.append(msgspec.structs.replace(event, values=values))
    return Example(example.name, tuple(items)) if tuple(items) != example.items else None


def _paced(example: Example, factor: float) -> Example:
    start = min(item.time_us or 0 for item in example.items if isinstance(item, Event))
    items = tuple(
        msgspec.structs.replace(item, time_us=start + int(((item.time_us or 0) - start) * factor))
        for item in example.items
        if isinstance(item, Event)
    )
    return Example(example.name, items)


def _reversed(example: Example) -> Example:
    times = sorted((item.time_us or 0 for item in example.items if isinstance(item, Event)), reverse=True)
    items = tuple(
        msgspec.structs.replace(item, time_us=time)
        for item, time in zip(example.items, times, strict=True)
        if isinstance(item, Event)
    )
    return Example(example.name, items[::-1])


def _other_calls(example: Example, examples: Sequence[Example], kind: EventKind) -> Example | None:
    """As many events, of which each is something else that happens every day; None where nothing else is known."""
    fields = [field.name for field in kind.fields.values() if field.form == "call"]
    given = {name: other for name in fields if (other := _ordinary_call(name, examples, kind))}
    items = [with_values(item, given) for item in example.items if isinstance(item, Event)]
    return Example(example.name, tuple(items)) if given else None


def _ordinary_call(name: str, examples: Sequence[Example], kind: EventKind) -> bytes:
    """Return what ordinary events call oftenest and no example does; empty where there is nothing."""
    items = [item for one in examples for item in one.items if isinstance(item, Event)]
    known = {element.value.lower() for item in items for element in item.values.get(name, ())}
    values = (element.value for event in ordinary_events(kind.name) for element in event.values.get(name, ()))
    counts = Counter(value for value in values if value.lower() not in known)
    return counts.most_common(1)[0][0] if counts else b""


def _succeeded(example: Example, kind: EventKind) -> Example | None:
    """As many events that all went well, where the attack is that they fail; None where it is not."""
    items = [item for item in example.items if isinstance(item, Event)]
    outcomes = [field.name for field in kind.fields.values() if field.form == "outcome"]
    failed = [name for name in outcomes if all(_value(item, name) == b"failure" for item in items)]
    errors = {field.name: b"" for field in kind.fields.values() if field.form == "error"}
    given = dict.fromkeys(failed, b"success") | errors
    return Example(example.name, tuple(with_values(item, given) for item in items)) if failed else None


def _value(event: Event, name: str) -> bytes:
    return event.values[name][0].value.lower() if event.values.get(name) else b""


def _same_name(example: Example, kind: EventKind) -> Example | None:
    """The same name of DNS again and again: no data travels in it."""
    first = example.items[0]
    names = [field.name for field in kind.fields.values() if field.form == "domain" or field.role == "indicator"]
    if not names or not isinstance(first, Event):
        return None
    given = {name: first.values[name][0].value for name in names if first.values.get(name)}
    items = [with_values(item, given) for item in example.items if isinstance(item, Event)]
    return Example(example.name, tuple(items)) if given else None


def _spread(example: Example, kind: EventKind) -> Example:
    """Every event is somebody else's."""
    items = []
    for number, event in enumerate(example.items):
        assert isinstance(event, Event)
        given = {n: _other_who(kind.fields[n], b"%d" % number) for n in event.values if kind.fields[n].role == "who"}
        items.append(with_values(event, given))
    return Example(example.name, tuple(items))


# --- changes that leave an attack what it is -----------------------------------------------------------------------


def _number(value: bytes, most: int) -> int:
    return int.from_bytes(hashlib.sha256(value).digest()[:4], "big") % most


def _other_who(field: EventField, value: bytes) -> bytes:
    if field.type == "address":
        return b"198.51.100.%d" % (1 + _number(value, 250))
    return b"u%05d" % _number(value, 100_000) if field.type == "text" else b"%d" % (20_000 + _number(value, 30_000))


def _who(field: EventField, value: bytes) -> bytes:
    """Another account, another address, another machine; one that is known everywhere stays."""
    if field.role != "who" or value.lower().decode("utf-8", "replace") in field.known:
        return value
    return _other_who(field, value)


def _hosts(field: EventField, value: bytes) -> bytes:
    if field.role != "content" or field.form in ("domain", "path"):
        return value
    value = _HOST.sub(lambda m: m[1] + (b"203.0.113.77" if _ADDRESS.search(m[0]) else b"files.cdn-7.example"), value)
    return _PORT.sub(b"48123", _ADDRESS.sub(b"203.0.113.77", value))


def _files(field: EventField, value: bytes) -> bytes:
    return _TEMP.sub(rb"\1.cache-9", value) if field.role == "content" and field.form in ("command", "path") else value


def _blobs(field: EventField, value: bytes) -> bytes:
    return _BASE64.sub(lambda m: _letters(m[0], _B64, len(m[0])), value) if field.role == "content" else value


def _case(field: EventField, value: bytes) -> bytes:
    """Windows and DNS do not care for case; elsewhere it is another program."""
    if field.form == "domain":
        return value.swapcase()
    is_windows = value.lower().endswith((b".exe", b".dll")) or b".exe" in value.lower()
    return value.upper() if is_windows and field.form in ("program", "starter", "command", "path") else value


def _quoted(field: EventField, value: bytes) -> bytes:
    """Put the last word into quotes."""
    head, blank, last = value.rpartition(b" ")
    if field.form != "command" or not blank or b'"' in value or b"'" in value or not last:
        return value
    return head + b' "' + last + b'"'


def _full_path(field: EventField, value: bytes) -> bytes:
    word, blank, rest = value.partition(b" ")
    if field.form != "command" or not re.fullmatch(rb"[a-z][a-z0-9_.-]{1,30}", word) or b".exe" in word:
        return value
    return b"/usr/local/bin/" + word + blank + rest


def _other_folder(field: EventField, value: bytes) -> bytes:
    found = _BIN.fullmatch(value) if field.form == "path" else None
    return b"/usr/local/sbin/" + found[1] if found else value


def _blanks(field: EventField, value: bytes) -> bytes:
    return value.replace(b" ", b"  ") if field.form == "command" else value


def _one_more(field: EventField, value: bytes) -> bytes:
    return value + b" 2" if field.form == "command" and b"|" not in value and b"'" not in value else value


def _labels(field: EventField, value: bytes) -> bytes:
    """Other data in the labels of a name, of the same length and alphabet; the domain stays."""
    if field.form != "domain":
        return value
    labels = value.split(b".")
    return b".".join([*(_label(label) for label in labels[:-2]), *labels[-2:]])


def _domains(field: EventField, value: bytes) -> bytes:
    """Another domain of the attacker, of the same length and alphabet."""
    labels = value.rstrip(b".").split(b".")
    if field.form != "domain" and field.role != "indicator":
        return value
    if len(labels) < 2:
        return value
    return b".".join([*labels[:-2], _label(labels[-2], shortest=1), labels[-1]])


_HEX, _B32, _B64 = b"0123456789abcdef", b"abcdefghijklmnopqrstuvwxyz234567", b"ABCDEFGHabcdefgh01234567+/"
_ALPHABETS = (_HEX, _B32, b"abcdefghijklmnopqrstuvwxyz0123456789")
_CONSONANTS = b"bcdfghjklmnpqrstvwxz"


def _label(label: bytes, shortest: int = 12) -> bytes:
    if len(label) < shortest:
        return label
    if label.isalpha():  # vowels stay vowels: how a word sounds is all it has
        return b"".join(_letter(label, at) for at in range(len(label)))
    alphabet = next((letters for letters in _ALPHABETS if set(label.lower()) <= set(letters)), None)
    if alphabet is None:
        return label
    runs = re.findall(rb"[0-9]+|[^0-9]+", label) if alphabet is _ALPHABETS[2] else [label]
    kept = [_digits(run) if run.isdigit() else _letters(run, alphabet[:26], len(run)) for run in runs]
    return b"".join(kept) if alphabet is _ALPHABETS[2] else _letters(label, alphabet, len(label))


def _letter(label: bytes, at: int) -> bytes:
    letters = _CONSONANTS if label[at : at + 1].lower() in _CONSONANTS else b"aeiouy"
    place = _number(label + b"%d" % at, len(letters))
    return letters[place : place + 1]


def _digits(run: bytes) -> bytes:
    return _letters(run, b"0123456789", len(run))


def _letters(seed: bytes, alphabet: bytes, length: int) -> bytes:
    made = bytearray()
    block = seed
    while len(made) < length:
        block = hashlib.sha256(block).digest()
        made += bytes(alphabet[byte % len(alphabet)] for byte in block)
    return bytes(made[:length])


_CHANGES: Mapping[str, Change] = {
    "other_account": _who,
    "other_host": _hosts,
    "other_file": _files,
    "other_blob": _blobs,
    "case": _case,
    "quoted": _quoted,
    "full_path": _full_path,
    "other_folder": _other_folder,
    "blanks": _blanks,
    "one_more_argument": _one_more,
    "other_data": _labels,
    "other_domain": _domains,
}
OF_THE_NAME = frozenset({"other_domain", "same_domain"})  # what a rule on a name the attacker picked cannot stand


# --- harmless events -----------------------------------------------------------------------------------------------


def _harmless(example: Example, examples: Sequence[Example], kind: EventKind) -> Iterator[tuple[str, Example]]:
    """Each event of a short example by itself, with what makes it an attack taken away."""
    fields = {form: [f.name for f in kind.fields.values() if f.form == form] for form in _FORMS}
    for event in example.items[:10]:
        assert isinstance(event, Event)
        for how, given in _neutral(event, fields):
            yield how, Example(how, (with_values(event, given),))
        call = next((name for name in fields["call"] if event.values.get(name)), "")
        if call and (other := _ordinary_call(call, examples, kind)):
            yield "other_call", Example("other_call", (with_values(event, {call: other}),))


_FORMS = ("command", "program", "starter", "path", "domain", "call")
_PARENT = b"systemd"


def _neutral(event: Event, fields: Mapping[str, Sequence[str]]) -> Iterator[tuple[str, dict[str, bytes]]]:
    def first(form: str) -> tuple[str, bytes]:
        name = next((field for field in fields[form] if event.values.get(field)), "")
        return name, event.values[name][0].value if name else b""

    command, line = first("command")
    program, _ = first("program")
    starter, _ = first("starter")
    path, _ = first("path")
    if command and program:
        word = line.split(b" ", 1)[0]
        parents = {starter: _PARENT} if starter else {}
        yield "help", {command: word + b" --help", **parents}
        searched = line[:200].replace(b"'", b"")
        paths = {path: b"/usr/bin/grep"} if path else {}
        yield (
            "mention",
            {command: b"grep -rn -- '" + searched + b"' /usr/share/doc", program: b"grep", **paths, **parents},
        )
    name, asked = first("domain")
    labels = asked.rstrip(b".").split(b".")
    if name and len(labels) > 2:
        domain = b".".join(labels[-2:])
        for head in (b"", b"www.", b"mail."):
            yield "same_domain", {name: head + domain}
