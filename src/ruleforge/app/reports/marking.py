"""Which letters of a request line to mark, from the spans of a hit: as sent, or behind percent-encoding."""

import re
from collections.abc import Iterable, Mapping
from itertools import groupby
from typing import Any, NamedTuple

from ruleforge.app.visible import visible

MAX_TEXT = 2_000  # characters looked at
MAX_MARKS = 20  # places of one span
_LEAST = 3  # a shorter text is marked only where it stands once
_LOWER = {upper: upper + 32 for upper in range(0x41, 0x5B)}  # ASCII alone: other letters may change their number
_PERCENT = re.compile(r"%[0-9A-Fa-f]{2}")


class Piece(NamedTuple):
    """Neighbouring letters that are all marked, or all not."""

    text: str
    matched: bool


def marked_runs(text: str, spans: Iterable[Mapping[str, Any]]) -> list[Piece]:
    """Cut a request line into runs; those that a rule matched are marked.

    Args:
        text: the line, already harmless to show.
        spans: of a hit, see `matched_spans`.
    """
    marked = [False] * len(text)
    as_sent = text[:MAX_TEXT].translate(_LOWER)
    decoded, places = _decoded(as_sent)
    for span in spans:
        shown = visible(str(span["text"])).translate(_LOWER)
        if span["part"] not in ("target", "value") or not shown:
            continue
        found = _found(as_sent, shown)
        if not found and span["part"] == "value":
            found = [(places[start], places[end]) for start, end in _found(decoded, shown)]
        for start, end in found:
            marked[start:end] = [True] * (end - start)
    runs = groupby(zip(text, marked, strict=True), key=lambda pair: pair[1])
    return [Piece("".join(letter for letter, _ in run), on) for on, run in runs]


def _found(text: str, wanted: str) -> list[tuple[int, int]]:
    if len(wanted) < _LEAST and text.count(wanted) != 1:
        return []
    found: list[tuple[int, int]] = []
    start = text.find(wanted)
    while start >= 0 and len(found) < MAX_MARKS:
        found.append((start, start + len(wanted)))
        start = text.find(wanted, start + len(wanted))
    return found


def _decoded(text: str) -> tuple[str, list[int]]:
    """Percent-decoding of ASCII, and for each letter (and the end) where it begins in `text`."""
    letters: list[str] = []
    places: list[int] = []
    at = 0
    while at < len(text):
        code = int(text[at + 1 : at + 3], 16) if _PERCENT.match(text, at) else 0
        places.append(at)
        letters.append(chr(code).translate(_LOWER) if 0x20 <= code < 0x7F else " " if text[at] == "+" else text[at])
        at += 3 if 0x20 <= code < 0x7F else 1
    return "".join(letters), [*places, len(text)]
