"""Family JUDGE: what of an exploit its author was free to choose, chosen otherwise.

A variant writes the same attack in another way; a choice is another attack by the same flaw: another file, host,
command, marker, function, element, file name, user. What carries the flaw (the parameter, what breaks out of its
context, the function that is called) stays. Each choice is told in words, so that a reader knows what was varied.
"""

import re
from collections.abc import Callable, Iterator
from functools import lru_cache, partial
from pathlib import Path

import msgspec

from ruleforge.cases.anatomy import Anatomy, Part, expected_classes
from ruleforge.cases.edit import encode_argument, target_of, with_filename, with_name, with_path, with_value
from ruleforge.cases.named import named_places
from ruleforge.cases.ordinary import FILLINGS, kind_of, ordinary_value
from ruleforge.cases.payloads import unwrap
from ruleforge.cases.significance import dice, is_namespace, is_selector, name_classes, path_payload
from ruleforge.cases.telling import telling
from ruleforge.events.decoding import percent_decode
from ruleforge.events.request import Request
from ruleforge.records.advisory import Advisory

CHOICES_MOST = 40  # requests of one exploit
EACH_MOST = 3  # other values of one choice
PARTS_MOST = 12  # ordinary values of one exploit that are chosen otherwise
VALUE_MOST = 8_192  # bytes of a value in which something is chosen otherwise; a longer one is a program of its own
_FLAGS = re.IGNORECASE | re.DOTALL
_FILE = Path(__file__).parent / "choices.json"
_NAME = re.compile(rb"\A(?P<head>(?:.{0,300}[/\\])?)[^./\\\x00]{1,100}(?P<tail>\.[^/\\]{1,60})\Z", re.DOTALL)
_UPLOADS = (b"k2f9", b"Quarterly_Report", b"a")
# Names whose values the sender makes up: what a user types, and what is drawn anew each time.
_OWN_KINDS = frozenset(("mail", "secret", "token", "person", "text", "date", "number"))
_FLAG = re.compile(rb"(?i)[01]?|true|false|on|off|yes|no|null|none|-1|save|submit|send|login|go|ok")
_PROSE = re.compile(rb"[A-Za-z]+[,.!'-]? [A-Za-z][A-Za-z ,.!'-]*")


class Choice(msgspec.Struct, frozen=True):
    """A request in which one thing is chosen otherwise."""

    request: Request
    kind: str  # "file", "host", "value", …
    said: str  # what is different, as a clause
    part: Part | None = None  # where; None: in the path


class _Swap(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One kind of piece that attackers choose, where values of some classes hold it, and what they may choose."""

    kind: str
    said: str
    classes: tuple[str, ...]
    pattern: str
    others: tuple[str, ...]


class _Ready(msgspec.Struct, frozen=True):
    kind: str
    said: str
    classes: frozenset[str]
    find: re.Pattern[bytes]
    others: tuple[str, ...]

    def choose(self, text: bytes, number: int) -> bytes:
        """Put the `number`-th other piece wherever such a piece stands."""

        def other(found: re.Match[bytes]) -> bytes:
            kept = {name: value.decode("latin-1") for name, value in found.groupdict(b"").items()}
            return re.sub(r"\{(\w)\}", lambda hole: kept.get(hole[1], ""), self.others[number]).encode("latin-1")

        return self.find.sub(other, text)


@lru_cache(maxsize=1)
def _swaps() -> tuple[_Ready, ...]:
    return tuple(
        _Ready(s.kind, s.said, frozenset(s.classes), re.compile(s.pattern.encode(), _FLAGS), s.others)
        for s in msgspec.json.decode(_FILE.read_bytes(), type=tuple[_Swap, ...])
    )


def choices(anatomy: Anatomy, advisory: Advisory) -> tuple[Choice, ...]:
    """Choose otherwise what the attacker is free to choose, one thing at a time, up to three other values of each.

    The attack works by each of them as far as the disclosure tells: a value is only exchanged for another of its kind,
    and what the attack is told by (`telling`) other than as a payload stays. Deterministic. At most CHOICES_MOST.
    """
    groups: list[list[Choice]] = []
    for make in (_payloads, _paths, _uploads, _values, _named):
        groups += make(anatomy, advisory)
    original = anatomy.poc.request
    seen: set[object] = set()
    found: list[Choice] = []
    longest = max((len(group) for group in groups), default=0)
    for turn in range(longest):
        for group in groups:
            one = group[turn] if turn < len(group) else None
            key = (one.request.method, one.request.target, one.request.headers, one.request.body) if one else None
            if one is None or one.request == original or key in seen:
                continue
            seen.add(key)
            found.append(msgspec.structs.replace(one, request=_numbered(one, len(found))))
    return tuple(found[:CHOICES_MOST])


def _numbered(one: Choice, number: int) -> Request:
    return msgspec.structs.replace(one.request, id=f"{one.request.id}~chosen_{one.kind}.{number}")


def _some(anatomy: Anatomy, count: int) -> list[int]:
    """Which of `count` values to take, in an order that depends on the request alone."""
    start = dice(anatomy)[1] % max(count, 1)
    return [(start + at) % count for at in range(count)]


# --- inside payloads --------------------------------------------------------------------------------------------------


def _payloads(anatomy: Anatomy, advisory: Advisory) -> Iterator[list[Choice]]:
    expected = frozenset(expected_classes(advisory))
    for part in anatomy.parts:
        if is_namespace(part) or len(part.value) > VALUE_MOST:
            continue
        own = frozenset(part.classes + part.inner)
        if own:
            yield from _swapped(anatomy, part.value, own & expected or own, _writer(anatomy, part, part.classes), part)
        elif expected and not part.filename and _acts(part, anatomy, advisory):
            yield from _swapped(anatomy, part.value, expected, _writer(anatomy, part, ()), part)
        if names := frozenset(name_classes(part)):
            yield from _swapped(anatomy, part.name, names, partial(with_name, anatomy.poc.request, part), part)


def _acts(part: Part, anatomy: Anatomy, advisory: Advisory) -> bool:
    """Whether a value that no class knows is what the attack is told by."""
    return any(tell.part == part for tell in telling(anatomy, advisory))


_Write = Callable[[bytes], Request | None]


def _writer(anatomy: Anatomy, part: Part, classes: tuple[str, ...]) -> _Write:
    """Write a text into a part, in the form in which its payload stands there."""
    request = anatomy.poc.request
    wrapped = next((found for name in classes if (found := unwrap(part.value, name)) is not None), None)
    if wrapped is None or wrapped.text == part.value:
        return lambda text: with_value(request, part, text)
    return lambda text: with_value(request, part, wrapped.wrap(text))


def _swapped(
    anatomy: Anatomy, value: bytes, classes: frozenset[str], write: _Write, part: Part | None, *, decode: bool = True
) -> Iterator[list[Choice]]:
    for swap in _swaps():
        if not swap.classes & classes:
            continue
        text = percent_decode(value) if decode and not swap.find.search(value) else value
        if not swap.find.search(text):
            continue
        made = []
        for number in _some(anatomy, len(swap.others)):
            changed = swap.choose(text, number)
            request = write(changed) if changed != text else None
            if request is not None:
                made.append(Choice(request, swap.kind, swap.said, part))
        yield made[:EACH_MOST]


# --- the path ---------------------------------------------------------------------------------------------------------


def _paths(anatomy: Anatomy, advisory: Advisory) -> Iterator[list[Choice]]:
    if not path_payload(anatomy) and not any(tell.part is None for tell in telling(anatomy, advisory)):
        return
    request = anatomy.poc.request
    path = target_of(request).path
    classes = frozenset((*anatomy.path_classes, *(name for segment in anatomy.segments for name in segment.classes)))
    expected = frozenset(expected_classes(advisory))
    raw = (classes & expected or classes or expected) | {"traversal"}

    def written(text: bytes) -> Request:
        return with_path(request, b"/".join(_path_piece(piece) for piece in text.split(b"/")))

    if re.fullmatch(rb"[\x21-\x7e]+", path):
        yield from _swapped(anatomy, path, raw & {"traversal"}, partial(with_path, request), None, decode=False)
        yield from _swapped(anatomy, percent_decode(path), raw - {"traversal"}, written, None)


def _path_piece(piece: bytes) -> bytes:
    return encode_argument(piece).replace(b"?", b"%3F")


# --- uploads ----------------------------------------------------------------------------------------------------------


def _uploads(anatomy: Anatomy, advisory: Advisory) -> Iterator[list[Choice]]:
    """The file that is put on the server may have any name before its ending."""
    request = anatomy.poc.request

    def is_target(part: Part) -> bool:
        written = "upload_name" in part.classes and "upload_name" in expected_classes(advisory)
        return written and not is_selector(part)

    for part in anatomy.parts:
        if part.filename is not None and (found := _NAME.match(part.filename)):
            named = [with_filename(request, part, found["head"] + each + found["tail"]) for each in _UPLOADS]
            yield [Choice(one, "file name", "the uploaded file has another name", part) for one in named if one]
        elif is_target(part) and (found := _NAME.match(part.value)):
            named = [with_value(request, part, found["head"] + each + found["tail"]) for each in _UPLOADS]
            yield [Choice(one, "file name", "the written file has another name", part) for one in named if one]


# --- ordinary values --------------------------------------------------------------------------------------------------


def _values(anatomy: Anatomy, advisory: Advisory) -> Iterator[list[Choice]]:
    """What users type or programs draw anew: a name, a mail address, a password, a token, a number of an object."""
    told = {(tell.part.place, tell.part.name) for tell in telling(anatomy, advisory) if tell.part is not None}
    free = [part for part in anatomy.parts if _is_free(part) and (part.place, part.name) not in told]
    for part in free[:PARTS_MOST]:
        made = []
        for number in range(FILLINGS):
            request = with_value(anatomy.poc.request, part, ordinary_value(part, number, "judge"))
            shown = part.name.decode("latin-1")[:40]
            if request is not None:
                made.append(Choice(request, "value", f"{shown} has another ordinary value", part))
        yield made


def _is_free(part: Part) -> bool:
    if part.classes or part.inner or part.filename is not None or part.place in ("body", "headers", "xml"):
        return False
    if is_selector(part) or _FLAG.fullmatch(part.value) or len(part.value) > 2_000:
        return False
    kind = kind_of(part.name, part.value)
    if part.standin or _PROSE.fullmatch(part.value[:300]):
        return True
    if kind == "text":
        return part.place in ("query_args", "form_args")
    return kind in _OWN_KINDS and (kind != "number" or part.value.isdigit())


# --- what the disclosure names ----------------------------------------------------------------------------------------


def _named(anatomy: Anatomy, advisory: Advisory) -> Iterator[list[Choice]]:
    made = [Choice(one.request, one.kind, one.said, one.part) for one in named_places(anatomy, advisory)]
    by_kind: dict[str, list[Choice]] = {}
    for one in made:
        by_kind.setdefault(one.kind, []).append(one)
    yield from by_kind.values()
