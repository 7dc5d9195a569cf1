r"""What must stand in a text for a value in it to be a payload of a class: literals, or an escape that may become one.

A class looks for its triggers, and then for its patterns, in decoded forms of a value. The percent-decoded forms are
in the texts of zones, so a literal of such a form is there itself. A literal of another form has at least one byte
that an escape stood for: then the text holds such an escape. Base64 needs neither, so nothing is required there.
"""

from collections.abc import Iterable, Mapping
from functools import lru_cache

from ruleforge.engine.regex_literals import regex_clauses, worth
from ruleforge.events.decoding import BARE_ENTITIES, ENTITIES
from ruleforge.rules.classes import ClassData, load_class

_SIGNED_FORMS = frozenset({"identity", "percent", "plus", "percent_u", "entities", "unicode_escape"})
_MOST_LITERALS = 256  # of a clause made of patterns
_ESCAPE_SYNTAX = frozenset("\\ux{}0123456789abcdefABCDEF")  # an entity may stand for a part of another escape


@lru_cache(maxsize=256)
def class_clauses(name: str, version: int) -> tuple[frozenset[bytes], ...]:
    """Return sets of lower-case literals; of each set one is in the text of any value that is a payload.

    Literals are cut at spaces where a `+` may have stood for one.
    """
    data = load_class(name, version).data
    if not set(data.forms) <= _SIGNED_FORMS:
        return ()
    triggers = {_as_sent(trigger.encode().lower(), data.forms) for trigger in data.triggers}
    sets = [literals for literals in (triggers, _of_patterns(data)) if literals and b"" not in literals]
    return tuple(frozenset(literals | _signs(data.forms, literals)) for literals in sets)


def _of_patterns(data: ClassData) -> set[bytes]:
    """Return literals of which every match of a pattern has one; empty where they would be short or many."""
    found: set[bytes] = set()
    for pattern in data.patterns:
        cut = [{_as_sent(text, data.forms) for text in clause} for clause in regex_clauses(pattern.regex.encode())]
        best = max(cut, key=lambda clause: (min(map(worth, clause)), -len(clause), sorted(clause)), default={b""})
        if not min(map(worth, best)):
            return set()
        found |= best
    kept = {text for text in found if not any(other != text and other in text for other in found)}
    return kept if len(kept) <= _MOST_LITERALS else set()


def _as_sent(text: bytes, forms: Iterable[str]) -> bytes:
    """Return the longest part without a space where a `+` may have stood for one; a sign rather than a letter."""
    return max(text.split(b" "), key=lambda part: (len(part), not part.isalnum())) if "plus" in forms else text


def _signs(forms: Iterable[str], literals: set[bytes]) -> set[bytes]:
    """Return beginnings of every escape, in lower case, that can stand for a character of a literal."""
    wanted = {letter for text in literals for letter in text.decode("utf-8", "replace")}
    wanted |= {letter.upper() for letter in wanted if letter.isascii()}
    if "\ufffd" in wanted:  # a literal that is a part of a character: any but ASCII might complete it
        return {sign for form in forms for sign in _ANY_SIGN.get(form, ())}
    signs: set[bytes] = {b"%u"} if "percent_u" in forms else set()
    if "unicode_escape" in forms:
        signs |= {sign for letter in wanted for sign in _unicode_signs(ord(letter))}
        signs |= {rb"\uu", rb"\u{", rb"\0"}
    if "entities" in forms:
        targets = wanted | (_ESCAPE_SYNTAX if "unicode_escape" in forms else set())
        signs |= {sign for letter in targets for sign in _entity_signs(ord(letter))} | {b"&#0", b"&#x0"}
    return {sign for sign in signs if not any(sign != other and sign.startswith(other) for other in signs)}


_ANY_SIGN: Mapping[str, tuple[bytes, ...]] = {
    "percent_u": (b"%u",),
    "entities": (
        b"&#",
        *sorted({b"&" + name.lower() + (b"" if name in BARE_ENTITIES else b";") for name in ENTITIES}),
    ),
    "unicode_escape": (rb"\u", rb"\x", *(b"\\%d" % digit for digit in range(8))),
}


def _unicode_signs(point: int) -> Iterable[bytes]:
    r"""Yield the beginnings of `\u0041`, `\x41` and `\101`; letters share their first digit, to have fewer."""
    if chr(point).isalpha() and point < 0x80:
        yield from (b"\\u00%x" % (point >> 4), b"\\x%x" % (point >> 4), b"\\%o" % (point >> 3))
        return
    yield b"\\u%04x" % (point if point <= 0xFFFF else _high_surrogate(point))
    if point <= 0xFF:
        yield b"\\x%02x" % point
        yield b"\\%o" % point


def _high_surrogate(point: int) -> int:
    return 0xD800 + (point - 0x10000 >> 10)


def _entity_signs(point: int) -> Iterable[bytes]:
    """Yield the beginnings of `&#65;`, `&#x41;` and of the named entities of a character."""
    yield b"&#%d" % point
    yield b"&#x%x" % (point >> 4 if chr(point).isalpha() and point < 0x80 else point)
    for name, stands_for in ENTITIES.items():
        if stands_for == chr(point).encode():
            yield b"&" + name.lower() + (b"" if name in BARE_ENTITIES else b";")
