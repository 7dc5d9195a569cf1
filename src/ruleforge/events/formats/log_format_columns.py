"""Lines of a compiled log format, many at once; see `access_columns` for how."""

from collections.abc import Callable

import numpy as np

from ruleforge.events.formats.access_columns import BLANK, clf_instants, request_cuts, three_digits
from ruleforge.events.formats.log_format import LogFormat
from ruleforge.events.formats.slices import NO_TIME, PAD, Layout, Lines, Mask, Positions, Slices, microseconds, rows_of

_NEVER_ABSENT = frozenset({"source_address", "time", "method", "target", "version", "status"})


def log_format_slicer(form: LogFormat) -> Callable[[Lines], Slices]:
    """Return the fast way to read lines of this format."""
    slots: list[str] = []
    for part in form.parts:
        slots += ("method", "target", "version") if part.column == "request" else [part.column]
    stands_for = {"status": "", "epoch": "" if "time" in slots else "time"}
    layout = Layout(tuple(stands_for.get(slot, slot) for slot in slots), form.recorded, form.unrecorded)
    return lambda lines: _slice(form, layout, lines)


class _Finder:
    """Where each byte stands in a block, found once."""

    def __init__(self, lines: Lines) -> None:
        self.lines, self._places = lines, dict[int, Positions]()

    def next(self, text: bytes, places: Positions) -> tuple[Positions, Mask]:
        """The first place from each of `places` on that has the first byte of `text`, and whether all of it is there.

        Places without one are PAD, and false.
        """
        data = self.lines.bytes_at
        known = self._places.get(text[0])
        if known is None:
            known = self._places[text[0]] = np.flatnonzero(data == text[0])
        if not len(known):
            return np.full(len(places), PAD), np.zeros(len(places), np.bool_)
        number = np.searchsorted(known, places)
        found = known[np.minimum(number, len(known) - 1)]
        there = (number < len(known)) & (found + len(text) <= self.lines.ends)
        return np.where(there, found, PAD), there & self.has(text, np.where(there, found, PAD))

    def has(self, text: bytes, places: Positions) -> Mask:
        """Whether `text` stands at each place."""
        data, there = self.lines.bytes_at, np.ones(len(places), np.bool_)
        for number, byte in enumerate(text):
            there &= data[np.minimum(places + number, len(data) - 1)] == byte
        return there


def _slice(form: LogFormat, layout: Layout, lines: Lines) -> Slices:
    data, finder, count = lines.bytes_at, _Finder(lines), len(lines.starts)
    places = lines.starts + len(form.begin)
    understood = (places <= lines.ends) & finder.has(form.begin, lines.starts)
    if b"\\" in lines.text:
        understood[rows_of(lines, np.flatnonzero(data == 92))] = False
    cuts = np.empty((count, len(layout.slots), 2), np.int32)
    present = np.ones((count, len(layout.slots)), np.bool_)
    status, at = np.full(count, -1, np.int32), np.full(count, NO_TIME)
    slot = 0
    for part in form.parts:
        places = np.where(understood, places, PAD)
        ends = lines.ends
        if part.until:
            ends, there = finder.next(part.until, places)
            understood &= there
        ends = np.where(understood, ends, places)
        if part.column == "request":
            found = request_cuts(data, lines.words_at, places, ends)
            cuts[:, slot : slot + 3] = found.cuts
            understood &= found.understood
            slot += 2
        else:
            cuts[:, slot, 0], cuts[:, slot, 1] = places, ends
        absent = ((ends - places == 1) & (data[places] == 45)) | ((ends == places) & form.is_absent(b""))
        if part.column in _NEVER_ABSENT:
            understood &= ~absent
        elif part.column == "body" or part.column.startswith("header:"):
            present[:, slot] = ~absent
        if part.column == "status":
            status, is_status = three_digits(data, places)
            understood &= is_status & (ends - places == 3)
        elif part.column == "time":
            at = _instants(lines, places, ends, understood)
            understood &= at != NO_TIME
        elif part.column == "epoch" and "time" not in form.columns:
            understood[:] = False  # its text is written anew, line by line
        elif part.column.startswith("header:"):
            understood &= (ends == places) | ~(BLANK[data[places]] | BLANK[data[ends - 1]])
        places, slot = ends + len(part.until), slot + 1
    return Slices(layout, cuts, understood, status, at, present)


def _instants(lines: Lines, starts: Positions, ends: Positions, asked: Mask) -> Positions:
    is_clf = asked & (ends - starts == 26)
    at = clf_instants(lines.bytes_at, np.where(is_clf, starts, PAD))
    at[~is_clf] = NO_TIME
    known: dict[bytes, int] = {}  # many lines have the same second
    for row in np.flatnonzero(asked & ~is_clf & (ends - starts < 64)).tolist():
        text = lines.text[starts[row] : ends[row]]
        if text not in known:
            known[text] = microseconds(text.decode("latin-1")) if text.isascii() else NO_TIME
        at[row] = known[text]
    return at
