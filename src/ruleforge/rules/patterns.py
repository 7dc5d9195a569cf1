"""The one place that compiles patterns which come from data: RE2 over bytes, linear time, bounded size."""

import re
from functools import lru_cache
from typing import NamedTuple

import re2

from ruleforge.errors import RuleError

MAX_PATTERN_BYTES = 2_000
MAX_PROGRAM = 10_000  # RE2 instructions; the cost per byte of the worst case grows with it
_MEMORY = 8 << 20  # bytes RE2 may use for one program and its cached states
_SHIPPED_BYTES = 10_000  # of one pattern in data that comes with the program
_SHIPPED_PROGRAM = 200_000
_SHIPPED_MEMORY = 64 << 20  # taken only as states are met; with 8 MiB a hit of the largest class costs seven times more
_FLAGS = frozenset(b"ism-")
_ESCAPED = re.compile(rb"\\Q(?:[^\\]|\\(?!E))*(?:\\E|\Z)|\\(.)", re.DOTALL)  # quoted text is passed over


class Span(NamedTuple):
    """Where something was found, as byte offsets: `text[start:end]`."""

    start: int
    end: int


class Pattern:
    """A compiled pattern. `test` asks, `search` also tells where; both look anywhere in the text."""

    __slots__ = ("_compiled", "matches_empty", "program_size", "regex")

    def __init__(self, regex: bytes, compiled: "re2._Regexp") -> None:
        self.regex = regex
        self._compiled = compiled
        self.program_size: int = compiled.programsize
        self.matches_empty: bool = compiled.search(b"") is not None

    def search(self, text: bytes) -> Span | None:
        """Return the leftmost place where the pattern is found, or None."""
        found = self._compiled.search(text)
        return Span(*found.span()) if found is not None else None

    def test(self, text: bytes) -> bool:
        """Say whether the pattern is found anywhere in the text."""
        return self._compiled.search(text) is not None

    def __repr__(self) -> str:
        return f"Pattern({self.regex!r})"


def compile_pattern(regex: bytes) -> Pattern:
    r"""Compile a pattern of the rule language.

    Bytes are Latin-1 characters, `.` matches all but a line feed, `^` is the start and `\z` the end of the text.

    Raises:
        RuleError: RF320 `$` or a flag the language does not have, RF321 not a valid pattern, RF322 too large.
    """
    return _compile(bytes(regex), MAX_PATTERN_BYTES, MAX_PROGRAM)


def compile_alternatives(regexes: tuple[bytes, ...]) -> Pattern:
    """Compile one pattern that is found where any of `regexes` is; each of them must be valid by itself.

    Meant for data we ship (payload classes): one pass over the text instead of one per pattern, and wider bounds.

    Raises:
        RuleError: as `compile_pattern`.
    """
    for regex in regexes:
        _compile(regex, _SHIPPED_BYTES, _SHIPPED_PROGRAM)
    joined = b"|".join(b"(?:" + regex + b")" for regex in regexes)
    return _compile(joined, len(joined), _SHIPPED_PROGRAM)


def reads_ahead(regex: bytes) -> bool:
    r"""Say whether a match may depend on the bytes after it, or on there being none: `\z`, `\b` and `\B`."""
    return any(found[1] in (b"z", b"b", b"B") for found in _ESCAPED.finditer(regex))


def quote(literal: bytes) -> bytes:
    """Return the pattern that finds exactly `literal`."""
    return bytes(re2.escape(literal))


@lru_cache(maxsize=16_384)
def _compile(regex: bytes, max_bytes: int, max_program: int) -> Pattern:
    if len(regex) > max_bytes:
        raise RuleError(
            f"the pattern has {len(regex)} bytes, at most {max_bytes} are allowed",
            hint="split it into several conditions",
            code="RF322",
        )
    _refuse_foreign_syntax(regex)
    try:
        compiled = re2.compile(regex, _options(_SHIPPED_MEMORY if max_program > MAX_PROGRAM else _MEMORY))
    except re2.error as error:
        raise _refusal(error) from None
    if compiled.programsize > max_program:
        raise RuleError(
            f"the pattern compiles to {compiled.programsize} instructions, at most {max_program} are allowed",
            hint="use smaller repetition counts",
            code="RF322",
        )
    return Pattern(regex, compiled)


def _options(max_memory: int) -> "re2.Options":
    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    options.log_errors = False
    options.never_capture = True  # only the span of the whole is used; RE2 is faster without groups
    options.max_mem = max_memory
    return options


def _refusal(error: Exception) -> RuleError:
    what = error.args[0] if error.args else b""
    text = what.decode("utf-8", "backslashreplace") if isinstance(what, bytes) else str(what)
    if "too large" in text or "repetition size" in text:
        return RuleError(f"the pattern is too large: {text}", hint="use smaller repetition counts", code="RF322")
    hint = "RE2 has no look-around, back-references or possessive quantifiers" if "perl operator" in text else ""
    if "escape sequence" in text:
        hint = r"write \z for the end of the text; RE2 has no back-references"
    return RuleError(f"not a valid pattern: {text}", hint=hint, code="RF321")


def _refuse_foreign_syntax(regex: bytes) -> None:
    r"""Refuse an unescaped `$` outside a class, and flags other than i, s and m."""
    at, size = 0, len(regex)
    while at < size:
        byte = regex[at : at + 1]
        if byte == b"\\":
            at = _after_escape(regex, at)
        elif byte == b"[":
            at = _after_class(regex, at)
        elif byte == b"$":
            raise RuleError(
                f"the pattern uses $ at byte {at}",
                hint=r"write \z for the end of the text, or \$ for a dollar sign",
                code="RF320",
            )
        else:
            if byte == b"(":
                _refuse_foreign_flags(regex, at)
            at += 1


def _after_escape(regex: bytes, at: int) -> int:
    if regex[at + 1 : at + 2] != b"Q":
        return at + 2
    end = regex.find(b"\\E", at + 2)
    return len(regex) if end < 0 else end + 2


def _after_class(regex: bytes, at: int) -> int:
    """Return the place after the character class that opens at `at`; the end when it never closes."""
    at += 1
    if regex[at : at + 1] == b"^":
        at += 1
    if regex[at : at + 1] == b"]":  # a first ] is a member
        at += 1
    while at < len(regex):
        if regex[at : at + 1] == b"]":
            return at + 1
        if regex[at : at + 2] == b"[:":
            end = regex.find(b":]", at + 2)
            at = end + 2 if end >= 0 else at + 2
        else:
            at += 2 if regex[at : at + 1] == b"\\" else 1
    return at


def _refuse_foreign_flags(regex: bytes, at: int) -> None:
    if regex[at + 1 : at + 2] != b"?" or regex[at + 2 : at + 3] in (b":", b"P", b"<", b"=", b"!", b""):
        return
    end = at + 2
    while end < len(regex) and regex[end] not in b"):":
        end += 1
    if not _FLAGS.issuperset(regex[at + 2 : end]):
        flags = regex[at + 2 : end].decode("latin-1")
        raise RuleError(f"the pattern uses the flags {flags!r}", hint="only i, s and m exist", code="RF320")
