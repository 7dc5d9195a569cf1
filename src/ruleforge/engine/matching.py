"""Finding many literals in one text in one pass: Hyperscan where it works, plain searching where it does not."""

import threading
from collections.abc import Sequence
from typing import Protocol

try:
    import hyperscan
except ImportError:  # no build for this platform
    hyperscan = None  # type: ignore[assignment]

MAX_LITERAL = 128  # bytes; of a longer literal its beginning is searched for, which finds no less


class Matcher(Protocol):
    """A fixed list of literals."""

    def find(self, text: bytes) -> Sequence[int]:
        """Return the indexes of the literals that occur in `text`, each once, in any order."""
        ...


def make_matcher(literals: Sequence[bytes]) -> Matcher:
    """Return the fastest matcher that works here for `literals`, none of which may be empty."""
    if hyperscan is None or not literals:
        return PlainMatcher(literals)
    try:
        return HyperscanMatcher(literals)
    except hyperscan.error:  # for example a processor without SSSE3, or not enough memory
        return PlainMatcher(literals)


class PlainMatcher:
    """One search per literal: no dependency, and the quickest for a handful."""

    def __init__(self, literals: Sequence[bytes]) -> None:
        self._literals = tuple(enumerate(literals))

    def find(self, text: bytes) -> Sequence[int]:
        """Return the indexes of the literals that occur in `text`."""
        return [index for index, literal in self._literals if literal in text]


class HyperscanMatcher:
    """One pass over the text whatever the number of literals; safe to share between threads."""

    def __init__(self, literals: Sequence[bytes]) -> None:
        self._database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
        # Written as escapes, because the literal interface of the Python module ends a literal at its first NUL byte.
        # Hyperscan sees through the escapes; these are still pure literals to it.
        self._database.compile(
            expressions=[b"".join(b"\\x%02x" % byte for byte in literal[:MAX_LITERAL]) for literal in literals],
            ids=list(range(len(literals))),
            elements=len(literals),
            flags=[hyperscan.HS_FLAG_SINGLEMATCH] * len(literals),
        )
        self._local = threading.local()

    def find(self, text: bytes) -> Sequence[int]:
        """Return the indexes of the literals that occur in `text`."""
        scratch = getattr(self._local, "scratch", None)
        if scratch is None:
            scratch = self._local.scratch = hyperscan.Scratch(self._database)
        found: list[int] = []
        self._database.scan(text, match_event_handler=_collect, scratch=scratch, context=found)
        return found


def _collect(index: int, *place: object) -> None:
    found: list[int] = place[-1]  # type: ignore[assignment]  # the context given to scan
    found.append(index)
