r"""Which literals must occur in a text for a pattern to be found there. Doubt gives nothing, never a wrong literal.

A pattern is read as concatenation, alternation and repetition of small sets of strings: `union\s+(all|select)`
gives `union` and (`all` or `select`). Everything is folded to lower case, so flags make no difference.
"""

import re
from functools import lru_cache
from itertools import product
from typing import NamedTuple

from ruleforge.errors import RuleError
from ruleforge.rules.patterns import compile_pattern

Strings = frozenset[bytes]

_MAX_STRINGS = 32  # alternatives of one run of literals
_MAX_RUN = 128  # bytes of one literal
_MAX_CLASS = 4  # members of a character class that is still spelled out
_MOST_COPIES = 8  # of something repeated without a bound
_MAX_DEPTH = 40  # nested groups
_CONTROLS = {b"a": b"\a", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"v": b"\v"}
_ZERO_WIDTH = b"AzbB"
_FLAGS = re.compile(rb"\(\?[a-zA-OQ-Z-]")  # (?i) and (?i:, not (?P<name>
_KINDS = b"dDwWsSC"


class _DoubtError(Exception):
    """The pattern uses syntax that is not read here."""


class _Node(NamedTuple):
    """What a part of a pattern matches: exactly one of `exact`, or something that needs all of `clauses`."""

    exact: Strings | None
    clauses: tuple[Strings, ...] = ()

    def required(self) -> tuple[Strings, ...]:
        """Return the clauses, also of an exact part; an empty string needs nothing."""
        if self.exact is None:
            return self.clauses
        return () if b"" in self.exact or not self.exact else (self.exact,)


_EMPTY = _Node(frozenset({b""}))
_UNKNOWN = _Node(None)


@lru_cache(maxsize=16_384)
def regex_clauses(regex: bytes) -> tuple[Strings, ...]:
    """Return sets of lower-case literals; of each set one is in any lower-cased text the pattern is found in."""
    try:
        compile_pattern(regex)  # what the language refuses is not read: our reading of it would be a guess
        return _Reader(regex).read().required()
    except (RuleError, _DoubtError):
        return ()


def best_clause(clauses: tuple[Strings, ...]) -> Strings | None:
    """Return the clause whose least telling literal tells most, of those the one with the fewest literals."""
    if not clauses:
        return None
    return max(clauses, key=lambda clause: (min(map(worth, clause)), -len(clause), sorted(clause)))


def worth(literal: bytes) -> int:
    """Return how many bytes tell something: one letter, digit or blank by itself stands everywhere."""
    return 0 if len(literal) == 1 and (literal.isalnum() or literal == b" ") else len(literal)


def _either(nodes: list[_Node]) -> _Node:
    if len(nodes) == 1:
        return nodes[0]
    exacts = [node.exact for node in nodes if node.exact is not None]
    if len(exacts) == len(nodes):
        union = frozenset[bytes]().union(*exacts)
        if len(union) <= _MAX_STRINGS:
            return _Node(union)
    best = [best_clause(node.required()) for node in nodes]
    if any(clause is None for clause in best):
        return _UNKNOWN
    return _Node(None, (frozenset[bytes]().union(*(clause for clause in best if clause)),))


def _in_turn(nodes: list[_Node]) -> _Node:
    """Join parts that follow each other; runs of exact parts become longer literals."""
    run: Strings = frozenset({b""})
    clauses: list[Strings] = []
    exact = True
    for node in nodes:
        joined = _joined(run, node.exact) if node.exact is not None else None
        if joined is not None:
            run = joined
            continue
        exact = False
        clauses += _Node(run).required()
        run = node.exact if node.exact is not None else frozenset({b""})
        clauses += node.clauses
    return _Node(run) if exact else _Node(None, (*clauses, *_Node(run).required()))


def _joined(left: Strings, right: Strings) -> Strings | None:
    if len(left) * len(right) > _MAX_STRINGS:
        return None
    joined = frozenset(a + b for a, b in product(left, right))
    return joined if all(len(text) <= _MAX_RUN for text in joined) else None


def _repeated(node: _Node, least: int, most: int | None) -> _Node:
    if most == 0:
        return _EMPTY
    if least == 0:
        if most == 1 and node.exact is not None and len(node.exact) < _MAX_STRINGS:
            return _Node(node.exact | {b""})
        return _UNKNOWN
    if least == most and node.exact is not None:
        return _in_turn([node] * least) if least <= _MAX_RUN else _Node(None, node.required())
    if node.exact is not None:  # as often as it must be there
        return _Node(None, _in_turn([node] * min(least, _MOST_COPIES)).required())
    return _Node(None, node.required())


class _Reader:
    """One pass over the bytes of a pattern, left to right."""

    def __init__(self, regex: bytes) -> None:
        self._regex, self._at = regex, 0
        # Under (?i) RE2 folds Latin-1 letters too, which our folding does not.
        self._ascii_only = _FLAGS.search(regex) is not None

    def read(self) -> _Node:
        node = self._alternatives(0)
        if self._at < len(self._regex):
            raise _DoubtError
        return node

    def _peek(self, size: int = 1) -> bytes:
        return self._regex[self._at : self._at + size]

    def _take(self) -> bytes:
        byte = self._peek()
        if not byte:
            raise _DoubtError
        self._at += 1
        return byte

    def _alternatives(self, depth: int) -> _Node:
        if depth > _MAX_DEPTH:
            raise _DoubtError
        branches = [self._sequence(depth)]
        while self._peek() == b"|":
            self._at += 1
            branches.append(self._sequence(depth))
        return _either(branches)

    def _sequence(self, depth: int) -> _Node:
        nodes: list[_Node] = []
        while self._peek() not in (b"", b"|", b")"):
            nodes.append(self._repetitions(self._atom(depth)))
        return _in_turn(nodes)

    def _repetitions(self, node: _Node) -> _Node:
        while (bounds := self._bounds()) is not None:
            node = _repeated(node, *bounds)
            if self._peek() == b"?":  # lazy: finds the same texts
                self._at += 1
        return node

    def _bounds(self) -> tuple[int, int | None] | None:
        byte = self._peek()
        simple: dict[bytes, tuple[int, int | None]] = {b"*": (0, None), b"+": (1, None), b"?": (0, 1)}
        if byte in simple:
            self._at += 1
            return simple[byte]
        end = self._regex.find(b"}", self._at) if byte == b"{" else -1
        if end < 0:
            return None
        least, comma, most = self._regex[self._at + 1 : end].partition(b",")
        if not least.isdigit() or (most and not most.isdigit()):
            return None  # RE2 reads such a brace as itself
        self._at = end + 1
        return int(least), (int(most) if most else None) if comma else int(least)

    def _atom(self, depth: int) -> _Node:
        byte = self._take()
        if byte == b"(":
            return self._group(depth)
        if byte == b"[":
            return self._class()
        if byte == b"\\":
            return self._escape()
        if byte in b"^$":
            return _EMPTY
        return _UNKNOWN if byte == b"." else self._literal(byte)

    def _literal(self, byte: bytes) -> _Node:
        if self._ascii_only and not byte.isascii():
            return _UNKNOWN
        return _Node(frozenset({byte.lower()}))

    def _group(self, depth: int) -> _Node:
        if self._peek() == b"?":
            self._at += 1
            if self._peek() in (b"P", b"<"):
                self._skip_past(b">")
            else:
                flags = self._until(b":)")
                if not set(flags) <= set(b"ism-U"):
                    raise _DoubtError
                if self._take() == b")":
                    return _EMPTY
        node = self._alternatives(depth + 1)
        if self._take() != b")":
            raise _DoubtError
        return node

    def _until(self, ends: bytes) -> bytes:
        start = self._at
        while self._peek() and self._peek() not in ends:
            self._at += 1
        return self._regex[start : self._at]

    def _skip_past(self, end: bytes) -> None:
        found = self._regex.find(end, self._at)
        if found < 0:
            raise _DoubtError
        self._at = found + 1

    def _escape(self) -> _Node:
        byte = self._take()
        if byte in _ZERO_WIDTH:
            return _EMPTY
        if byte in _KINDS:
            return _UNKNOWN
        if byte in b"pP":
            if self._take() == b"{":
                self._skip_past(b"}")
            return _UNKNOWN
        return self._literal(self._escaped(byte))

    def _escaped(self, byte: bytes) -> bytes:
        """Return the one byte that the escape of `byte` stands for."""
        if byte in _CONTROLS:
            return _CONTROLS[byte]
        if byte == b"x":
            return self._hexadecimal()
        if byte.isalnum() or not byte.isascii():
            raise _DoubtError
        return byte

    def _hexadecimal(self) -> bytes:
        if self._peek() == b"{":
            self._at += 1
            digits = self._until(b"}")
            self._at += 1
        else:
            digits = self._peek(2)
            self._at += 2
        try:
            return bytes((int(digits, 16),))
        except ValueError:
            raise _DoubtError from None

    def _class(self) -> _Node:
        """Read a character class; a small one is spelled out, any other stands for anything."""
        members: set[int] = set()
        known = self._peek() != b"^"
        self._at += not known
        first = True
        while first or self._peek() != b"]":
            first = False
            low = self._member()
            known = known and low is not None
            high = low
            if self._peek() == b"-" and self._peek(2) != b"-]":
                self._at += 1
                high = self._member()
            if low is None or high is None or high - low > _MAX_CLASS:
                known = False
            else:
                members.update(range(low, high + 1))
        self._at += 1
        folded = frozenset(bytes((member,)).lower() for member in members)
        if not known or not 1 <= len(folded) <= _MAX_CLASS:
            return _UNKNOWN
        return _UNKNOWN if self._ascii_only and not b"".join(folded).isascii() else _Node(folded)

    def _member(self) -> int | None:
        r"""Read one member of a class; None for a kind of characters such as `\d` or `[:alpha:]`."""
        byte = self._take()
        if byte == b"[" and self._peek() == b":":
            end = self._regex.find(b":]", self._at + 1)
            if end < 0:
                raise _DoubtError
            self._at = end + 2
            return None
        if byte != b"\\":
            return byte[0]
        byte = self._take()
        if byte in _KINDS:
            return None
        if byte in b"pP":
            if self._take() == b"{":
                self._skip_past(b"}")
            return None
        return self._escaped(byte)[0]
