"""What is decisive without a payload class: selectors, literals, parameter names, headers, the method."""

import re
from collections.abc import Iterator

import msgspec

from ruleforge.background.table import Background
from ruleforge.cases.anatomy import ORDINARY_HEADERS, Anatomy, Part
from ruleforge.cases.significance import is_selector, name_classes
from ruleforge.cases.telling import SESSION_HEADERS, speaks_of_access, telling
from ruleforge.cases.trust import header_bits
from ruleforge.generate.facet import Facet, field_of, name_bits, named, shown
from ruleforge.generate.words import CANARIES, CLASS_BITS, ORDINARY_VALUES
from ruleforge.records.advisory import Advisory
from ruleforge.rules.tree import AllOf, Condition, Name

TELLING_BITS = 10.0  # a bound: such values are rare, but no class of them was measured
OFFSITE_BITS = 5.0  # 2.6 % of recorded requests, of trackers mostly, hold an address of another site in some argument
SESSION_BITS = 0.5  # most recorded traffic carries neither header
_NO_WORD = re.compile(rb"[\s<>'\"(){};|&`]")
LITERAL_BITS_MOST = 14.0  # texts of a domain go together: two of them say little more than one


def _named_parts(anatomy: Anatomy) -> Iterator[Part]:
    for part in anatomy.parts:
        if part.place in ("headers", "cookies", "body") or part.name_standin or not part.name:
            continue
        if not _written_by_attacker(part):
            yield part


def _written_by_attacker(part: Part) -> bool:
    """Whether the name is itself the payload: its class is asked for, its text is one exploit's.

    Operators (`$func`) and properties (`__proto__`) are payloads, too, but their words are the server's.
    """
    return bool(_NO_WORD.search(part.name) and name_classes(part))


def _chosen(part: Part) -> tuple[str, bytes]:
    """Operator and value that ask for a selector; the object's number at the end of a route is the caller's choice."""
    route = re.fullmatch(rb"(/(?:[\w.:-]+/)*[A-Za-z][\w.:-]*/)[0-9]+", part.value[:200])
    return ("starts_with", route[1]) if route and len(part.value) <= 200 else ("equals", part.value)


def selector_facets(anatomy: Anatomy, background: Background) -> Iterator[Facet]:
    """Parameters that choose the function: `action=…`, `option=com_…`, a JSON `method`."""
    for part in _named_parts(anatomy):
        if part.standin or part.classes or any(mark in part.value for mark in anatomy.poc.standins):
            continue
        identifier = re.fullmatch(rb"[A-Za-z_/][\w./:-]{2,80}", part.value)
        if not identifier or part.value.lower() in ORDINARY_VALUES or CANARIES.search(part.value):
            continue
        known = is_selector(part)
        bits = background.bits("value", part.value) if known else background.bits("value", part.value) - 3
        if not known and len(part.value) < 6:
            continue
        op, value = _chosen(part)
        tree = named(field_of(part.place), part.name, op, value)
        yield Facet("selector" if known else "literal", tree, max(bits, 1.0), f"{part.place} {shown(part.name)} "
                    f"{op.replace('_', ' ')} {shown(value)}")  # fmt: skip


def literal_facets(anatomy: Anatomy, background: Background) -> Iterator[Facet]:
    """Significant pieces of opaque values and bodies, longest first."""
    standins = anatomy.poc.standins
    for part in anatomy.parts:
        if part.place == "cookies" or (part.place == "headers" and part.name in ORDINARY_HEADERS):
            continue
        if part.name_standin and part.place != "body":
            continue
        pieces = significant_pieces(part.value, standins)
        for piece in pieces[: 4 if part.place == "body" else 2]:
            place = field_of(part.place)
            tree = named(place, part.name, "contains", piece)
            bits = min(background.bits("value", piece), 1.6 * len(piece), LITERAL_BITS_MOST)
            yield Facet("literal", tree, bits, f"{place} {shown(part.name)} contains {shown(piece)}")
        value = part.value
        if part.place != "body" and not part.standin and 1 <= len(value) <= 40 and not part.classes and (
            value.lower() not in ORDINARY_VALUES and not any(mark in value for mark in standins)
            and not CANARIES.search(value)
        ):  # fmt: skip
            tree = named(field_of(part.place), part.name, "equals", value)
            yield Facet("literal", tree, background.bits("value", value), f"{part.place} {shown(part.name)} equals "
                        f"{shown(value)}")  # fmt: skip


def significant_pieces(value: bytes, standins: tuple[bytes, ...]) -> list[bytes]:
    """Return the word-like runs of `value` that are no stand-in, canary or everyday word, longest first."""
    rest = value[:20_000]
    for mark in standins:
        rest = rest.replace(mark, b"\n")
    runs = re.findall(rb"[A-Za-z_][\w.:$@/-]{5,60}", rest)
    keep = [run.strip(b".:/-") for run in runs]
    keep = [run for run in keep if len(run) >= 6 and not CANARIES.search(run) and run.lower() not in ORDINARY_VALUES]
    return sorted(dict.fromkeys(keep), key=lambda run: (-len(run), run))


def present_facets(anatomy: Anatomy, background: Background) -> Iterator[Facet]:
    """Names of parameters, rarest first."""
    found = []
    for part in _named_parts(anatomy):
        place = field_of(part.place)
        if len(part.name) > 120 or (place == "json" and part.name.count(b"/") > 8):
            continue
        bits = name_bits(place, part.name, background)
        found.append(
            Facet("present", named(place, part.name, "present", None), bits, f"{place} {shown(part.name)} is present")
        )
    yield from sorted(found, key=lambda facet: -facet.bits)[:8]


def header_facets(anatomy: Anatomy, background: Background) -> Iterator[Facet]:
    """Headers that no ordinary client sends."""
    for part in anatomy.parts:
        if part.place != "headers" or part.name_standin or part.name in ORDINARY_HEADERS:
            continue
        bits = header_bits(part.name, background.bits("header", part.name))
        yield Facet(
            "header",
            Condition("headers", "present", None, Name(part.name)),
            bits,
            f"header {shown(part.name)} is present",
        )
        if (
            not part.standin
            and not any(mark in part.value for mark in anatomy.poc.standins)
            and 0 < len(part.value) <= 80
        ):
            yield Facet("header", Condition("headers", "equals", part.value, Name(part.name)), bits + 3,
                        f"header {shown(part.name)} equals {shown(part.value)}")  # fmt: skip


def method_facets(anatomy: Anatomy) -> Iterator[Facet]:
    """The method, where it changes something."""
    method = anatomy.poc.request.method
    if method not in (b"GET", b"HEAD", b""):
        bits = 1.5 if method == b"POST" else 5.0
        yield Facet("method", Condition("method", "equals", method), bits, f"method is {shown(method)}")


def telling_facets(anatomy: Anatomy, advisory: Advisory, background: Background) -> Iterator[Facet]:
    """What no ordinary call has, where no payload class says it: privileges, fixed secrets, hidden files, overflows."""
    for tell in telling(anatomy, advisory):
        part = tell.part
        if part is None or not tell.op or part.name_standin:
            continue
        place = field_of(part.place)
        bits = TELLING_BITS
        if tell.op == "is_class" and isinstance(tell.value, bytes):
            bits = CLASS_BITS[tell.value.decode()] + name_bits(place, part.name, background) * 0.25
        elif isinstance(tell.value, bytes):
            bits = min(TELLING_BITS, max(4.0, background.bits("value", tell.value)))
        if tell.field:
            bits = OFFSITE_BITS + name_bits(place, part.name, background) * 0.5
        elif tell.op == "present":
            continue  # the payload's class asks for it
        tree = named(tell.field or place, part.name, tell.op, tell.value)
        if place == "headers" and tell.op == "contains" and isinstance(tree, Condition):
            tree = msgspec.structs.replace(tree, transforms=("lower",))  # lists of header names have no case
        yield Facet("payload", tree, bits, tell.phrase)


def session_facets(advisory: Advisory) -> Iterator[Facet]:
    """The call comes without a session, where the flaw is that it needs none: whoever may make it is signed in."""
    # An exploit that brings credentials of its own, in any of its requests, is not told by their absence.
    exploits = [poc.request for poc in advisory.requests if poc.role == "exploit"]
    brings = any(name.lower() in SESSION_HEADERS for request in exploits for name, _ in request.headers)
    if speaks_of_access(advisory) and not brings:
        absent = tuple(Condition("headers", "absent", None, Name(name)) for name in SESSION_HEADERS)
        yield Facet("session", AllOf(absent), SESSION_BITS, "neither cookie nor authorization header")
