"""Near-misses and the neutraliser: ordinary requests that look like an exploit, and none of which is an attack.

A rule that fires on one of these looks at something that goes with the attack. Every maker has a validity predicate:
"this is no attack", in words; each request made is also looked at again as a whole (`attack.is_harmless`).
"""

import re
from collections.abc import Callable, Iterable, Iterator

import msgspec

from oracle.attack import DOCTYPE, ENTITY, SELECTORS, Attack, is_harmless
from oracle.case import Case
from oracle.ordinary import PROSE, TEXTS, VALUES, Ordinary
from oracle.slots import Slot, rewrite
from ruleforge.events.request import Request

Make = Callable[[Attack, Ordinary], Iterable[Request]]


class Near(msgspec.Struct, frozen=True):
    """One kind of near-miss. `make` gives nothing where what it would make could be an attack."""

    name: str
    valid: str  # the validity predicate, for people: why this is no attack
    make: Make


NEAR: dict[str, Near] = {}
FILLINGS = 3
RECORDED = 3  # requests with recorded values
_BROWSER = (
    (b"User-Agent", b"Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0"),
    (b"Accept", b"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
    (b"Accept-Language", b"en-GB,en;q=0.7"),
    (b"Cookie", b"consent=yes; visit=8f14e45fceea167a"),
)  # fmt: skip
_ELSEWHERE = (b"/garden/plants/list", b"/api/v2/bookings")
_OTHER_FOLDERS = (b"/library/books/", b"/town/museum/")
_OTHER_QUERY = (b"view=month&from=2024-05", b"colour=teal&sort=price")
_GENERIC = re.compile(rb"(?i)\A(?:index|default|home|main|admin|login|api|search|upload|ajax|\d{1,9})?(?:\.\w{1,5})?\Z")
_FUNCTIONS = (b"list", b"preview", b"heartbeat")
_VALUES = "the values that carry the attack are replaced, {}; nothing that is left shows a sign of any attack"


def near(name: str, valid: str) -> Callable[[Make], Make]:
    """Register a maker under a name that is not taken."""

    def put(make: Make) -> Make:
        assert name not in NEAR
        NEAR[name] = Near(name, valid, make)
        return make

    return put


def near_misses(case: Case, ordinary: Ordinary) -> Iterator[tuple[str, Request]]:
    """Yield (maker, request), each harmless and different from the exploit and its siblings."""
    attack = Attack(case)
    if attack.why_not:
        return
    seen = {_identity(case.request)}
    for name, entry in NEAR.items():
        for made in entry.make(attack, ordinary):
            if _identity(made) not in seen and is_harmless(Case(made, case.advisory)):
                seen.add(_identity(made))
                yield name, made


def neutralise(case: Case, ordinary: Ordinary) -> Iterator[Request]:
    """Yield the exploit with ordinary values in place of what the attacker chose, all else byte for byte.

    Nothing where the attack is the call itself, or where something that could be an attack would be left.
    """
    attack = Attack(case)
    if attack.why_not:
        return
    seen = {_identity(case.request)}
    for number in (3, 2):
        made = replaced(attack, ordinary, number)
        if _identity(made) not in seen and is_harmless(Case(made, case.advisory)):
            seen.add(_identity(made))
            yield made


def replaced(attack: Attack, ordinary: Ordinary, number: int, *, every: bool = False) -> Request:
    """Replace the carriers by the n-th ordinary values; with `every` other values a user chooses as well."""

    def change(slot: Slot) -> bytes | None:
        if attack.carries(slot) or (every and _is_chosen(slot)):
            return ordinary.value(slot, number, attack.kinds)
        return None

    return _plain(attack, change)


def _plain(attack: Attack, change: Callable[[Slot], bytes | None]) -> Request:
    """Write the request with other values, without entities, and with an ordinary end of a tricky path."""
    case = attack.case
    if case.body and DOCTYPE.search(case.body):
        bare = ENTITY.sub(b"tulips", DOCTYPE.sub(b"", case.body))
        case = Case(case.with_body(bare), case.advisory)
    request = rewrite(case, change)
    if attack.path_at is None:
        return request
    words = attack.case.path[1:].split(b"/")[: attack.path_at]
    end = [b"css", b"main.css"] if "file" in attack.kinds else [b"overview"]
    return Case(request, case.advisory).with_path(b"/" + b"/".join([*words, *end]))


def _is_chosen(slot: Slot) -> bool:
    """Whether a user chooses a value: no function's name, no flag, no header."""
    if slot.place in ("header", "cookie", "raw_query", "raw_body", "file", "filename", "xml") or slot.name in SELECTORS:
        return False
    return len(slot.value) > 1 and slot.value.lower() not in (b"true", b"false", b"null", b"on", b"off", b"yes", b"no")


@near("ordinary_values", _VALUES.format("by ordinary ones of the kind their names suggest"))
def ordinary_values(attack: Attack, ordinary: Ordinary) -> Iterator[Request]:
    for number in range(FILLINGS):
        yield replaced(attack, ordinary, number)


@near("ordinary_call", _VALUES.format("and so is every other value a user chooses; sent by a browser"))
def ordinary_call(attack: Attack, ordinary: Ordinary) -> Iterator[Request]:
    for number in range(FILLINGS):
        yield _from_browser(replaced(attack, ordinary, number, every=True))


@near("recorded_values", _VALUES.format("by what arguments of these names held in recorded ordinary traffic"))
def recorded_values(attack: Attack, ordinary: Ordinary) -> Iterator[Request]:
    known = {slot.name: values for slot in attack.carriers if (values := ordinary.recorded_values(slot))}
    for number in range(RECORDED) if known else ():

        def change(slot: Slot, number: int = number) -> bytes | None:
            if not attack.carries(slot):
                return None
            values = known.get(slot.name) if slot.place in ("query", "form", "json", "part") else None
            return values[number * 7 % len(values)] if values else ordinary.value(slot, number, attack.kinds)

        yield _plain(attack, change)


@near("prose", "as ordinary_values, where arguments for free text hold a sentence with an apostrophe, & or brackets")
def prose(attack: Attack, ordinary: Ordinary) -> Iterator[Request]:
    texts = [s for s in attack.carriers if s.place in ("query", "form", "part") and TEXTS.fullmatch(s.name)]
    for number in range(len(PROSE)) if texts and not attack.kinds & {"file", "address", "upload"} else ():

        def change(slot: Slot, number: int = number) -> bytes | None:
            if not attack.carries(slot):
                return None
            return PROSE[number] if slot in texts else ordinary.value(slot, number, attack.kinds)

        yield _plain(attack, change)


@near("page_view", "the page without arguments and body, where these carry the attack: an ordinary visit")
def page_view(attack: Attack, ordinary: Ordinary) -> Iterator[Request]:
    del ordinary
    case = attack.case
    if attack.path_at is not None or not any(s.place not in ("header", "cookie") for s in attack.carriers):
        return
    headers = tuple((n, v) for n, v in case.request.headers if n.lower() == b"host")
    plain = msgspec.structs.replace(case.request, method=b"GET", target=case.path, headers=headers, body=None)
    yield plain
    yield _from_browser(plain)


@near("parameter_elsewhere", "ordinary values under the same names at a path of another product")
def parameter_elsewhere(attack: Attack, ordinary: Ordinary) -> Iterator[Request]:
    if any(s.place not in ("header", "cookie") for s in attack.carriers):
        for number, path in enumerate(_ELSEWHERE):
            made = replaced(attack, ordinary, number, every=True)
            yield _from_browser(Case(made, attack.case.advisory).with_path(path))


@near("file_elsewhere", "a file of the same name in a folder of another product, called with its own arguments")
def file_elsewhere(attack: Attack, ordinary: Ordinary) -> Iterator[Request]:
    del ordinary
    case = attack.case
    last = case.path.rpartition(b"/")[2]
    if attack.path_at is not None or _GENERIC.match(last) or not last or case.path.count(b"/") < 2:
        return
    headers = tuple((n, v) for n, v in case.request.headers if n.lower() == b"host")
    for folder, query in zip(_OTHER_FOLDERS, _OTHER_QUERY, strict=True):
        target = folder + last + b"?" + query
        made = msgspec.structs.replace(case.request, method=b"GET", target=target, headers=headers, body=None)
        yield _from_browser(made)


@near("other_function", "another function of the same page is called, with ordinary values")
def other_function(attack: Attack, ordinary: Ordinary) -> Iterator[Request]:
    chosen = [
        s for s in attack.slots if s.place in ("query", "form") and s.name in SELECTORS and s not in attack.carriers
    ]
    for number, function in enumerate(_FUNCTIONS) if chosen else ():

        def change(slot: Slot, number: int = number, function: bytes = function) -> bytes | None:
            if slot in chosen:
                return b"/wp/v2/posts" if slot.name == "rest_route" else function
            return ordinary.value(slot, number, attack.kinds) if attack.carries(slot) else None

        yield _plain(attack, change)


@near("harmless_upload", "a picture, a document or a text without any code is sent to the same form")
def harmless_upload(attack: Attack, ordinary: Ordinary) -> Iterator[Request]:
    files = [s for s in attack.slots if s.place == "file"]
    contents = (
        (b"harbour.jpg", b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01" + b"\x2a" * 40),
        (b"minutes.pdf", b"%PDF-1.7\n1 0 obj\n"),
    )
    for number, (name, content) in enumerate(contents) if files and "upload" in attack.kinds else ():

        def change(slot: Slot, number: int = number, name: bytes = name, content: bytes = content) -> bytes | None:
            if slot.place in ("file", "filename"):
                return content if slot.place == "file" else name
            return ordinary.value(slot, number, attack.kinds) if attack.carries(slot) else None

        yield _plain(attack, change)


@near("same_shape", "a document of the same keys in which every text is an ordinary word")
def same_shape(attack: Attack, ordinary: Ordinary) -> Iterator[Request]:
    del ordinary
    texts = [s for s in attack.slots if s.place in ("json", "xml")]
    if len(texts) < 2 or not any(attack.carries(s) for s in texts):
        return
    for number in (0, 2):

        def change(slot: Slot, number: int = number) -> bytes | None:
            if slot in texts and slot.name not in SELECTORS:
                return VALUES["word"][(number + len(slot.name)) % 4]
            return VALUES["word"][number] if attack.carries(slot) else None

        yield _plain(attack, change)


def _from_browser(request: Request) -> Request:
    """The same request with what a browser sends beside it; headers of these names are replaced."""
    names = {name.lower() for name, _ in _BROWSER}
    kept = tuple((name, value) for name, value in request.headers if name.lower() not in names)
    return msgspec.structs.replace(request, headers=(*kept, *_BROWSER))


def _identity(request: Request) -> tuple[object, ...]:
    return request.method, request.target, request.headers, request.body
