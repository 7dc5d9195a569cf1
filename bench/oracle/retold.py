"""The same attack with another payload: what an attacker chooses freely is chosen otherwise, all else stays.

A rule that was made from one exploit holds its words by heart when it misses these. Only the core of a payload is
exchanged, never what breaks out of its context, so that a server would fall for the new one exactly as for the old.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from urllib.parse import quote_from_bytes

import msgspec

from oracle.case import Case
from oracle.slots import Slot, rewrite
from ruleforge.events.request import Request

Exchange = Callable[[bytes, int], bytes]


class Retold(msgspec.Struct, frozen=True):
    """One way to choose otherwise. `exchange` returns the text unchanged where there is nothing to exchange."""

    name: str
    valid: str  # the validity predicate, for people: why the attack works as before
    exchange: Exchange
    ways: int
    places: frozenset[str] = frozenset()  # of slots; empty: all but file names


RETOLD: dict[str, Retold] = {}


def retold(name: str, valid: str, ways: int = 2, places: Iterable[str] = ()) -> Callable[[Exchange], Exchange]:
    """Register an exchange under a name that is not taken."""

    def put(exchange: Exchange) -> Exchange:
        assert name not in RETOLD
        RETOLD[name] = Retold(name, valid, exchange, ways, frozenset(places))
        return exchange

    return put


def retell(case: Case) -> Iterator[tuple[str, Request]]:
    """Yield (exchange, request) for everything that can be chosen otherwise; each differs from all others."""
    seen = {_identity(case.request)}
    for name, entry in RETOLD.items():
        for way in range(entry.ways):
            made = _exchanged(case, entry, way)
            if _identity(made) not in seen:
                seen.add(_identity(made))
                yield name, made


def _exchanged(case: Case, entry: Retold, way: int) -> Request:
    def change(slot: Slot) -> bytes | None:
        if (slot.place == "filename") is not ("filename" in entry.places) or len(slot.value) > _LONG:
            return None
        if slot.place in ("header", "cookie") and slot.name in _CLIENT:
            return None
        new = entry.exchange(slot.value, way)
        return None if new == slot.value else new

    request = rewrite(case, change)
    if entry.places:
        return request
    return Case(request, case.advisory).with_path(_in_path(case.path, entry, way))


def _in_path(path: bytes, entry: Retold, way: int) -> bytes:
    """Exchange in the path as it was sent; what comes in is escaped where a path could not hold it."""
    new = entry.exchange(path, way)
    return path if new == path else quote_from_bytes(new, safe="/%:;@&=+$,!~*'()<>\"\\{}|^`[]-._").encode()


_LONG = 16_384
_CLIENT = frozenset(("host", "content-type", "accept", "accept-encoding", "accept-language", "origin", "connection"))
_FUNCTION = re.compile(rb"(?i)\b(?:alert|confirm|prompt)(\(|%28|`)[\w.\"'/ -]{0,40}?(\)|%29|`)")
_ELEMENT = re.compile(rb"(?i)<script>[^<>]{1,200}</script>")
_FILES = (
    (re.compile(rb"(?i)(etc(?:/|\\|%2f|%5c|%252f))passwd\b"), (b"group", b"hosts")),
    (re.compile(rb"(?i)(windows(?:/|\\|%2f|%5c|%252f))win\.ini\b"), (b"system.ini", b"System.ini")),
)
_STEPS = re.compile(rb"(?i)((?:\.\.|%2e%2e|\.%2e|%2e\.|%252e%252e)(?:/|\\|%2f|%5c|%252f|%255c))\1")
_DELAY = re.compile(rb"(?i)\b((?:pg_)?sleep\s{0,3}\(\s{0,3}|delay\s{0,3}'0:0:|delay\s{0,3}'00:00:0?)(\d{1,3})")
_HASHED = re.compile(rb"(?i)\b((?:md5|sha1|crc32|char|hex|chr)\s{0,2}\(\s{0,2}['\"]?)(\d{3,14})")
_PRODUCT = re.compile(rb"(?<![\w.])(\d{1,9})(\s?\*\s?)(\d{1,9})(?![\w.])")
_TAUTOLOGY = re.compile(rb"(?<![\w.])(\d{1,6})(=|%3d)\1(?![\w.])", re.IGNORECASE)
_URL_HOST = re.compile(
    rb"(?i)((?:https?|ftp|ldaps?|rmi|dns):?(?:/|\\|%2f){2}(?:[a-z0-9-]{1,63}\.){0,6}?)([a-z0-9-]{1,63}\.[a-z]{2,20})(?![\w@.:-])"
)
# The target's own name, and names that stand in documents as identifiers and are never called.
_OWN = (
    b"target.example",
    b"w3.org",
    b"xmlsoap.org",
    b"oasis-open.org",
    b"apache.org",
    b"microsoft.com",
    b"springframework.org",
)
_SYSTEM_FILE = re.compile(rb"(?i)(?:/|\\|%2f|%5c|%252f)(?:etc|windows|winnt|proc|boot\.ini)\b")
_QUERY = re.compile(rb"(?i)\b(?:select|update|insert|delete|where|union)\b")
_JNDI = re.compile(rb"(?i)(jndi:)(ldaps?|rmi|dns)(?=:)")
_COMMANDS = (
    (re.compile(rb"(?<![\w/.-])(?:id|whoami)(?![\w=.:(-])"), (b"uname -a", b"hostname")),
    (re.compile(rb"(?<![\w/.-])nslookup(?=[ +]|%20|\$\{IFS\})"), (b"host", b"dig")),
    (re.compile(rb"(?<![\w/.-])(?:curl|wget)(?=[ +]|%20|\$\{IFS\})"), (b"wget", b"curl")),
    (re.compile(rb"(?<![\w/.-])cat(?=[ +]|%20|\$\{IFS\})"), (b"head", b"tail")),
)
_NAMES_OF = re.compile(rb"(?i)\b(?:@@version|version\(\)|database\(\)|user\(\)|current_user(?:\(\))?)")
_STEM = re.compile(rb"[A-Za-z0-9_-]{3,60}(?=\.[A-Za-z0-9]{2,6}\Z)")


@retold("script_function", "alert, confirm and prompt prove the same, whatever they show")
def script_function(text: bytes, way: int) -> bytes:
    name, shown = ((b"confirm", b"document.title"), (b"prompt", b"7"))[way]
    return _FUNCTION.sub(lambda found: name + found[1] + (b"7" if found[1] == b"`" else shown) + found[2], text)


@retold(
    "script_element", "where a whole script element is written into a page, another element with a handler runs, too"
)
def script_element(text: bytes, way: int) -> bytes:
    return _ELEMENT.sub((b"<img src=q onerror=prompt(7)>", b"<svg/onload=confirm(7)>")[way], text)


@retold("other_file", "a server that gives away one file of the system gives away those beside it")
def other_file(text: bytes, way: int) -> bytes:
    for pattern, names in _FILES:
        text = pattern.sub(lambda found, name=names[way]: found[1] + name, text)  # type: ignore[misc]
    return text


@retold("deeper_path", "steps up to a folder of the system: one step more stays at its root", ways=1)
def deeper_path(text: bytes, way: int) -> bytes:
    del way
    return text if not _SYSTEM_FILE.search(text) else _STEPS.sub(lambda found: found[1] * 3, text, count=1)


@retold("other_numbers", "how long to wait, and what to compute or compare, is the attacker's choice")
def other_numbers(text: bytes, way: int) -> bytes:
    text = _DELAY.sub(lambda found: found[1] + (b"9", b"8")[way], text)
    text = _HASHED.sub(
        lambda found: found[1] + (b"50817", b"90412")[way] if b"char" not in found[1].lower() else found[0], text
    )
    text = _PRODUCT.sub(lambda found: (b"83", b"417")[way] + found[2] + (b"97", b"29")[way], text)
    return _TAUTOLOGY.sub(lambda found: (b"83", b"4")[way] + found[2] + (b"83", b"4")[way], text)


@retold("other_host", "the domain of the attacker is any but the target's own; what stands before it stays")
def other_host(text: bytes, way: int) -> bytes:
    new = (b"wharf.example", b"pier-7.example")[way]
    return _URL_HOST.sub(lambda found: found[0] if _is_own(found[0].lower()) else found[1] + new, text)


def _is_own(url: bytes) -> bool:
    return url.endswith(_OWN)


@retold("other_protocol", "JNDI looks up names by all of these protocols")
def other_protocol(text: bytes, way: int) -> bytes:
    return _JNDI.sub(lambda found: found[1] + (b"rmi", b"ldap")[way], text)


@retold("other_command", "a shell that runs one command of the system runs another one")
def other_command(text: bytes, way: int) -> bytes:
    if not re.search(rb"[;|&`$<>\n(]|\A\s{0,4}(?:id|whoami|cat|curl|wget|nslookup)\b", text) or _QUERY.search(text):
        return text
    for pattern, names in _COMMANDS:
        text = pattern.sub(names[way], text)
    return text


@retold("other_question", "what is read from the database is the attacker's choice")
def other_question(text: bytes, way: int) -> bytes:
    return _NAMES_OF.sub((b"database()", b"user()")[way], text)


@retold(
    "other_file_name",
    "the name of the file that is sent is the attacker's choice; its ending stays",
    places=["filename"],
)
def other_file_name(text: bytes, way: int) -> bytes:
    return _STEM.sub((b"harbour7", b"tmp_k3")[way], text)


def _identity(request: Request) -> tuple[object, ...]:
    return request.method, request.target, request.headers, request.body
