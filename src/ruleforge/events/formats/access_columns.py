"""Access logs, many lines at once: numpy looks at the bytes of a block and finds where the values are.

Only lines whose shape leaves no doubt are taken: quotes where they belong, a request line of three parts with a usual
method and version, backslashes only between quotes. Every other line is left to the reader that takes one after the
other, so both ways give the same requests.
"""

import msgspec
import numpy as np
import numpy.typing as npt

from ruleforge.events.columns import MONTHS
from ruleforge.events.formats.raw_http import METHOD
from ruleforge.events.formats.slices import NO_TIME, PAD, Layout, Lines, Mask, Positions, Slices

CLF_TIME_BYTES = 26  # 10/Oct/2099:13:55:36 -0700
COMBINED = Layout(
    slots=("source_address", "time", "method", "target", "version", "header:Referer", "header:User-Agent"),
    recorded=frozenset({b"referer", b"user-agent"}),
    unrecorded=frozenset({"body"}),
)
_TARGET, _REFERER, _AGENT = 3, 5, 6
COMMON = Layout(slots=COMBINED.slots, unrecorded=frozenset({"body", "headers"}))

_QUOTE, _SPACE, _OPEN, _CLOSE, _DASH, _BACKSLASH = b'" []-\\'
_METHODS = (b"GET ", b"POST ", b"HEAD ", b"PUT ", b"OPTIONS ", b"DELETE ", b"PATCH ")
_MOST_METHOD = 64
_VERSIONS = tuple(int.from_bytes(version, "little") for version in (b"HTTP/1.1", b"HTTP/1.0", b"HTTP/2.0", b"HTTP/3.0"))
BLANK = np.zeros(256, np.bool_)
BLANK[list(b" \t\n\r\x0b\x0c")] = True
# The sum of the last two letters tells the months apart.
_MONTH_OF_SUM = np.zeros(512, np.int64)
for _number, _name in enumerate(MONTHS):
    _MONTH_OF_SUM[ord(_name[1]) + ord(_name[2])] = _number
_MONTH_LETTERS = np.array([list(name.encode()) for name in MONTHS], np.uint8)
_DIGITS = np.uint64(0x3030303030303030)
_HIGH_HALVES = np.uint64(0xF0F0F0F0F0F0F0F0)
_SIXES = np.uint64(0x0606060606060606)


def slice_access(lines: Lines) -> Slices:
    """Find the values of lines of the combined or the common format, whichever more of the lines seem to have."""
    quotes = _Quotes(lines)
    if 2 * np.count_nonzero(quotes.counts >= 6) < len(quotes.counts):
        return _access_slices(lines, quotes, COMMON, lines.ends, quotes.counts == 2)
    found = _access_slices(lines, quotes, COMBINED, quotes.at(2) - 1, quotes.counts >= 6)
    data = lines.bytes_at
    second, third, fourth, fifth = (quotes.at(number) for number in (2, 3, 4, 5))
    understood = found.understood & (data[second - 1] == _SPACE) & (fourth == third + 2) & (data[third + 1] == _SPACE)
    for slot, start, end in ((_REFERER, second + 1, third), (_AGENT, fourth + 1, fifth)):
        found.cuts[:, slot, 0], found.cuts[:, slot, 1] = start, end
        found.present[:, slot] = ~((end - start == 1) & (data[start] == _DASH))
        understood &= (end <= start) | ~(BLANK[data[start]] | BLANK[data[end - 1]])
    return msgspec.structs.replace(
        found, understood=understood, escaped=quotes.escapes_in(found.cuts, (_TARGET, _REFERER, _AGENT))
    )


class _Quotes:
    """Where the quotes of each line are that no backslash stands before, and where backslashes are."""

    def __init__(self, lines: Lines) -> None:
        self._places = np.flatnonzero(lines.bytes_at == _QUOTE)
        self._backslashes = np.empty(0, np.int64)
        if _BACKSLASH in lines.text:
            self._backslashes = np.flatnonzero(lines.bytes_at == _BACKSLASH)
            asked = np.flatnonzero(lines.bytes_at[self._places - 1] == _BACKSLASH)
            if len(asked):
                escaped = asked[_are_escaped(self._backslashes, self._places[asked])]
                self._places = np.delete(self._places, escaped)
        self._first = np.searchsorted(self._places, lines.starts)
        self.counts = np.diff(self._first, append=len(self._places))
        if not len(self._places):
            self._places = np.array([len(lines.text) // 2])

    def at(self, number: int) -> Positions:
        """The place of the n-th quote of each line, from 0; some place of the text where there is none."""
        return self._places[np.minimum(self._first + number, len(self._places) - 1)]

    def has_backslash(self, starts: Positions, ends: Positions) -> Mask:
        """Whether a backslash stands between two places of each line."""
        if not len(self._backslashes):
            return np.zeros(len(starts), np.bool_)
        number = np.searchsorted(self._backslashes, starts)
        found: Mask = self._backslashes[np.minimum(number, len(self._backslashes) - 1)] < ends
        return found & (number < len(self._backslashes))

    def escapes_in(self, cuts: npt.NDArray[np.int32], slots: tuple[int, ...]) -> Mask | None:
        """Which of the values in these slots have a backslash; None: none of them."""
        if not len(self._backslashes):
            return None
        escaped = np.zeros(cuts.shape[:2], np.bool_)
        for slot in slots:
            starts, ends = cuts[:, slot].T.astype(np.int64)
            escaped[:, slot] = self.has_backslash(starts, ends)
        return escaped


def _are_escaped(backslashes: Positions, places: Positions) -> Mask:
    """Whether an odd number of backslashes, of which there are some, stands before each place."""
    number = np.searchsorted(backslashes, places) - 1  # of the last one before it
    firsts = np.flatnonzero(np.diff(backslashes, prepend=-2) != 1)  # of each run
    first = firsts[np.searchsorted(firsts, number, "right") - 1]
    escaped: Mask = (number >= 0) & (backslashes[number] == places - 1) & ((number - first) % 2 == 0)
    return escaped


def _access_slices(lines: Lines, quotes: _Quotes, layout: Layout, size_ends: Positions, counted: Mask) -> Slices:
    """The values up to the size of the answer, which ends at `size_ends`, of lines with the right number of quotes.

    The headers are there, too, as not sent.
    """
    data, words = lines.bytes_at, lines.words_at
    begin, end = quotes.at(0), quotes.at(1)
    understood = counted & (begin - lines.starts > CLF_TIME_BYTES + 3)
    understood &= ~quotes.has_backslash(lines.starts, begin)
    begin = np.where(understood, begin, PAD)
    end, size_ends = np.where(understood, end, PAD), np.where(understood, size_ends, PAD)
    understood &= (data[begin - 1] == _SPACE) & (data[begin - 2] == _CLOSE) & (data[begin - 29] == _OPEN)
    at = clf_instants(data, begin - 28)
    understood &= at != NO_TIME
    understood &= (data[end + 1] == _SPACE) & (data[end + 5] == _SPACE)
    status, is_status = three_digits(data, end + 2)
    understood &= is_status & size_before(data, words, end + 6, size_ends)
    request = request_cuts(data, words, begin + 1, end)
    understood &= request.understood
    address_ends = _address_ends(data, words, lines.starts, np.where(understood, begin - 29, lines.starts))
    understood &= address_ends > 0
    cuts = np.empty((len(begin), len(layout.slots), 2), np.int32)
    cuts[:, 5:] = end[:, None, None]
    cuts[:, 0, 0], cuts[:, 0, 1] = lines.starts, address_ends
    cuts[:, 1, 0], cuts[:, 1, 1] = begin - 28, begin - 2
    cuts[:, 2:5] = request.cuts
    present = np.ones((len(begin), len(layout.slots)), np.bool_)
    present[:, 5:] = False
    return Slices(layout, cuts, understood, status, at, present, quotes.escapes_in(cuts, (_TARGET,)))


class RequestCuts:
    """Where method, target and version of some request lines are."""

    def __init__(self, cuts: npt.NDArray[np.int32], understood: Mask) -> None:
        self.cuts, self.understood = cuts, understood  # (lines, 3, 2) and (lines,)


def request_cuts(
    data: npt.NDArray[np.uint8], words: npt.NDArray[np.uint64], starts: Positions, ends: Positions
) -> RequestCuts:
    """Split request lines that have a usual method, a target and a usual version, with one blank between each."""
    first = words[starts]
    method_bytes = np.zeros(len(starts), np.int64)
    for method in _METHODS:
        mask = np.uint64((1 << (8 * len(method))) - 1)
        method_bytes[(first & mask) == np.uint64(int.from_bytes(method, "little"))] = len(method) - 1
    last = words[ends - 8]
    is_version = np.zeros(len(starts), np.bool_)
    for version in _VERSIONS:
        is_version |= last == np.uint64(version)
    for row in np.flatnonzero(is_version & (method_bytes == 0)).tolist():
        found = METHOD.match(data[starts[row] : min(starts[row] + _MOST_METHOD, ends[row])].tobytes())
        method_bytes[row] = found.end() if found is not None and data[starts[row] + found.end()] == _SPACE else 0
    target, target_end = starts + method_bytes + 1, ends - 9
    understood = (method_bytes > 0) & is_version & (target_end > target) & (data[ends - 9] == _SPACE)
    understood &= ~(BLANK[data[target]] | BLANK[data[target_end - 1]])
    cuts = np.empty((len(starts), 3, 2), np.int32)
    cuts[:, 0, 0], cuts[:, 0, 1] = starts, starts + method_bytes
    cuts[:, 1, 0], cuts[:, 1, 1] = target, target_end
    cuts[:, 2, 0], cuts[:, 2, 1] = ends - 8, ends
    return RequestCuts(cuts, understood)


def three_digits(data: npt.NDArray[np.uint8], starts: Positions) -> tuple[npt.NDArray[np.int32], Mask]:
    """The number of three digits at each place, and whether there is one."""
    digits = data[starts[None, :] + np.arange(3)[:, None]] - np.uint8(48)
    values = digits[0].astype(np.int32) * 100 + digits[1].astype(np.int32) * 10 + digits[2]
    return values.astype(np.int32), (digits < 10).all(axis=0)


def size_before(data: npt.NDArray[np.uint8], words: npt.NDArray[np.uint64], starts: Positions, ends: Positions) -> Mask:
    """Whether what stands there is `-` or one to eight digits and nothing else."""
    length = ends - starts
    shift = (8 - np.clip(length, 1, 8)).astype(np.uint64) * np.uint64(8)
    # The bytes before the number are shifted out, and zeros take their place.
    word = (words[ends - 8] >> shift) << shift | _DIGITS >> np.uint64(8) * ((length.clip(0, 8)).astype(np.uint64))
    is_number = ((word & _HIGH_HALVES) == _DIGITS) & (((word + _SIXES) & _HIGH_HALVES) == _DIGITS)
    is_dash = (length == 1) & (data[starts] == _DASH)
    fits: Mask = ((length >= 1) & (length <= 8) & is_number) | is_dash
    return fits


def clf_instants(data: npt.NDArray[np.uint8], starts: Positions) -> npt.NDArray[np.int64]:
    """Microseconds since 1970 of the times that begin at each place; NO_TIME where there is none of 1970 to 2199."""
    words = np.ndarray((len(data) - 8,), np.dtype("<u8"), np.ascontiguousarray(data), strides=(1,))
    first, second, third, last = (words[starts + place] for place in (0, 8, 16, 18))
    is_new = np.ones(len(starts), np.bool_)  # busy logs have many lines of one second, one after the other
    is_new[1:] = (first[1:] != first[:-1]) | (second[1:] != second[:-1])
    is_new[1:] |= (third[1:] != third[:-1]) | (last[1:] != last[:-1])
    found: Positions = _clf_instants(data, starts[is_new])[np.cumsum(is_new) - 1]
    return found


def _clf_instants(data: npt.NDArray[np.uint8], starts: Positions) -> npt.NDArray[np.int64]:
    text = data[starts[None, :] + np.arange(CLF_TIME_BYTES)[:, None]]
    digit = text - np.uint8(48)
    valid = (digit[[0, 1, 7, 8, 9, 10, 12, 13, 15, 16, 18, 19, 22, 23, 24, 25]] < 10).all(axis=0)
    for place, mark in ((2, b"/"), (6, b"/"), (11, b":"), (14, b":"), (17, b":"), (20, b" ")):
        valid &= text[place] == mark[0]
    west = text[21] == _DASH
    valid &= west | (text[21] == 43)
    month = _MONTH_OF_SUM[text[4].astype(np.int64) + text[5]]
    for place in range(3):
        valid &= text[3 + place] == _MONTH_LETTERS[month, place]
    wide = digit.astype(np.int64)
    day, year = wide[0] * 10 + wide[1], wide[7] * 1000 + wide[8] * 100 + wide[9] * 10 + wide[10]
    hour, minute, second = (wide[place] * 10 + wide[place + 1] for place in (12, 15, 18))
    away_hours, away_minutes = wide[22] * 10 + wide[23], wide[24] * 10 + wide[25]
    valid &= (year >= 1970) & (year < 2200) & (hour < 24) & (minute < 60) & (second < 60)
    valid &= (away_hours < 24) & (away_minutes < 60)
    months = np.where(valid, (year - 1970) * 12 + month, 0)
    first_day = _FIRST_DAYS[months]
    valid &= (day >= 1) & (day <= _FIRST_DAYS[months + 1] - first_day)
    away = (away_hours * 60 + away_minutes) * np.where(west, -60, 60)
    seconds = (first_day + day - 1) * 86_400 + hour * 3600 + minute * 60 + second - away
    return np.where(valid, seconds * 1_000_000, NO_TIME)


_FIRST_DAYS = np.arange("1970-01", "2200-03", dtype="datetime64[M]").astype("datetime64[D]").astype(np.int64)


def _address_ends(
    data: npt.NDArray[np.uint8], words: npt.NDArray[np.uint64], starts: Positions, ends: Positions
) -> Positions:
    """Where the first of exactly three columns ends, each followed by one blank; 0 where the columns are others.

    The text from `starts` to `ends` is looked at; the address is not a lone dash.
    """
    found = ends - 5
    size = found - starts
    plain = (size >= 2) & (size <= 16) & ((words[found] & _FIVE_BYTES) == _NO_NAMES)
    for place in (0, 8):
        kept = _FIRST_BYTES[(size - place).clip(0, 8)]
        word = (words[starts + place] & kept) | (_DIGITS & ~kept)
        other = word ^ _OPENS
        plain &= ((word - _BLANKS) & ~word & _TOP_BITS) | ((other - _ONES) & ~other & _TOP_BITS) == 0
    if not plain.all():
        rest = np.flatnonzero(~plain)
        found[rest] = _column_ends(data, starts[rest], ends[rest])
    return found


_ONES = np.uint64(0x0101010101010101)
_TOP_BITS = _ONES * np.uint64(0x80)
_BLANKS = _ONES * np.uint64(0x21)  # bytes below it are blanks or worse
_OPENS = _ONES * np.uint64(_OPEN)
_FIVE_BYTES = np.uint64(0xFFFFFFFFFF)
_NO_NAMES = np.uint64(int.from_bytes(b" - - ", "little"))
_FIRST_BYTES = np.array([(1 << (8 * count)) - 1 for count in range(9)], np.uint64)


def _column_ends(data: npt.NDArray[np.uint8], starts: Positions, ends: Positions) -> Positions:
    """What `_address_ends` gives, for any lines."""
    lengths = ends - starts
    offsets = np.zeros(len(ends) + 1, np.int64)
    np.cumsum(lengths, out=offsets[1:])
    near = data[np.repeat(starts - offsets[:-1], lengths) + np.arange(offsets[-1])]
    blanks = np.flatnonzero(near <= _SPACE)
    first = np.searchsorted(blanks, offsets[:-1])
    fits = np.diff(first, append=len(blanks)) == 3
    if not len(blanks):
        return np.zeros(len(ends), np.int64)
    one, two, three = (blanks[np.minimum(first + number, len(blanks) - 1)] for number in range(3))
    size = one - offsets[:-1]
    fits &= (three == offsets[1:] - 1) & (size > 0) & (two > one + 1) & (three > two + 1)
    fits &= (near[one] == _SPACE) & (near[two] == _SPACE) & (near[three] == _SPACE)
    fits &= ~((size == 1) & (near[offsets[:-1].clip(0, max(len(near) - 1, 0))] == _DASH))
    opens = np.flatnonzero(near == _OPEN)
    fits[np.searchsorted(offsets, opens, "right") - 1] = False
    return np.where(fits, starts + size, 0)
