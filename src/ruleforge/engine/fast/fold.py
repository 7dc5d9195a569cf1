r"""Fold parts of a request to the texts of `engine.zones`, byte for byte, into one buffer.

Every function appends to `text` from `at` on and returns where it stopped. Callers see to the room.

Loops over bytes index by unsigned numbers and have no way out where they can: then the compiler does many bytes at a
time, which is ten to thirty times as fast. Signed ones could be negative, and count from the end.
"""

import numpy as np

from ruleforge.engine.fast.layout import Bytes, Longs
from ruleforge.engine.fast.native import native
from ruleforge.engine.zones import DECODE_ROUNDS

PERCENT, PLUS, AND, EQUALS, SLASH, BACKSLASH, DOT, SEMICOLON, MARK, COLON = b"%+&=/\\.;?:"
GROWTH = 24  # a part of n bytes takes at most GROWTH * n + ROOM bytes of text
ROOM = 64
MAX_ELEMENTS = 4_096  # of all texts of a row, that names are looked for in
_BLOCK = 32  # bytes that are looked at together

_HEX = np.full(256, -1, np.int16)
for _digit in range(16):
    _HEX[ord(f"{_digit:x}")] = _HEX[ord(f"{_digit:X}")] = _digit


@native
def put_lower(text: Bytes, at: int, source: Bytes, begin: int, end: int) -> int:
    """Append a part in lower case."""
    for index in range(end - begin):
        byte = source[np.uint64(begin + index)]
        text[np.uint64(at + index)] = byte | np.uint8((np.uint8(byte - 65) < 26) << 5)
    return at + end - begin


@native
def put_spaced(text: Bytes, at: int, source: Bytes, begin: int, end: int, plus: bool, lower: bool) -> int:
    """Append a part; with `plus`, `+` is a space; with `lower`, in lower case."""
    sign, case = np.uint8(PLUS if plus else 32), np.uint8(32 if lower else 0)
    for index in range(end - begin):
        byte = source[np.uint64(begin + index)]
        byte = np.uint8(32) if byte == sign else byte
        text[np.uint64(at + index)] = byte | np.uint8(np.uint8(np.uint8(byte - 65) < 26) * case)
    return at + end - begin


@native
def has_byte(source: Bytes, begin: int, end: int, wanted: int) -> bool:
    """Say whether a byte occurs in a part."""
    found, byte = np.uint8(0), np.uint8(wanted)
    for index in range(end - begin):
        found |= np.uint8(source[np.uint64(begin + index)] == byte)
    return found != 0  # type: ignore[no-any-return]


@native
def find_byte(source: Bytes, at: int, end: int, wanted: int) -> int:
    """Return where a byte occurs first from `at` on, `end` where it does not."""
    byte = np.uint8(wanted)
    while at + _BLOCK <= end:
        found = np.uint8(0)
        for index in range(_BLOCK):
            found |= np.uint8(source[np.uint64(at + index)] == byte)
        if found:
            break
        at += _BLOCK
    while at < end and source[np.uint64(at)] != byte:
        at += 1
    return at


@native
def is_same(source: Bytes, at: int, other: Bytes, begin: int, size: int) -> bool:
    """Say whether two parts of a size are the same."""
    differ = np.uint8(0)
    for index in range(size):
        differ |= source[np.uint64(at + index)] ^ other[np.uint64(begin + index)]
    return differ == 0  # type: ignore[no-any-return]


@native
def put_decoded(text: Bytes, at: int, source: Bytes, begin: int, end: int, plus: bool, lower: bool) -> int:
    """Append a part percent-decoded once; with `plus`, `+` is a space; with `lower`, in lower case."""
    while begin < end:
        index = find_byte(source, begin, end, PERCENT)
        at = put_spaced(text, at, source, begin, index, plus, lower)
        begin = index
        while begin < end and source[np.uint64(begin)] == PERCENT:  # escapes come in runs
            byte = np.uint8(PERCENT)
            if begin + 2 < end:
                high, low = _HEX[source[np.uint64(begin + 1)]], _HEX[source[np.uint64(begin + 2)]]
                if high >= 0 and low >= 0:
                    byte = np.uint8(high * 16 + low)
                    begin += 2
            text[np.uint64(at)] = byte + 32 if lower and 65 <= byte <= 90 else byte
            at += 1
            begin += 1
    return at


@native
def put_rounds(text: Bytes, at: int, head: int, begin: int, end: int) -> int:
    """Append the further decoded forms of the value text[begin:end], each after a copy of its head text[head:begin]."""
    for _ in range(DECODE_ROUNDS):
        if not has_byte(text, begin, end, PERCENT):
            return at
        start = at
        at = value = put_spaced(text, at, text, head, begin, False, False)
        at = put_decoded(text, at, text, begin, end, False, True)
        if at - value == end - begin:  # an escape that is undone is two bytes shorter
            return start
        text[at] = 0
        head, begin, end = start, value, at
        at += 1
    return at


@native
def note_element(elements: Longs, head: int, name_end: int, end: int) -> None:
    """Note where an element begins, its name ends, and its last form ends; beyond the bound it is only counted."""
    count = elements[0]
    if count < MAX_ELEMENTS:
        elements[3 * count + 1], elements[3 * count + 2], elements[3 * count + 3] = head, name_end, end
    elements[0] = count + 1


@native
def put_plain(text: Bytes, at: int, source: Bytes, begin: int, end: int) -> int:
    r"""Append `01 value 00` and its decoded forms."""
    text[at] = 1
    stop = put_lower(text, at + 1, source, begin, end)
    text[stop] = 0
    return put_rounds(text, stop + 1, at, at + 1, stop)


@native
def put_named(
    text: Bytes, at: int, name: Bytes, name_at: int, name_end: int, value: Bytes, begin: int, end: int, elements: Longs
) -> int:
    r"""Append `00 name 01 value 00` and the decoded forms of the value."""
    head = at
    text[at] = 0
    at = put_lower(text, at + 1, name, name_at, name_end)
    text[at] = 1
    stop = put_lower(text, at + 1, value, begin, end)
    text[stop] = 0
    last = put_rounds(text, stop + 1, head, at + 1, stop)
    note_element(elements, head, at, last)
    return last


@native
def put_arguments(
    text: Bytes, at: int, source: Bytes, begin: int, end: int, raw: bool, most: int, elements: Longs
) -> int:
    """Append the elements of `a=b&c`, decoded once or as sent; -1 where there are more than `most`."""
    count, piece = 0, begin
    while piece < end:
        stop = find_byte(source, piece, end, AND)
        if stop > piece:
            count += 1
            if count > most:
                return -1
            name_end = find_byte(source, piece, stop, EQUALS)
            value = min(name_end + 1, stop)
            head = at
            text[at] = 0
            at += 1
            if raw:
                at = put_lower(text, at, source, piece, name_end)
            else:
                at = put_decoded(text, at, source, piece, name_end, True, True)
            text[at] = 1
            start = at + 1
            if raw:
                at = put_lower(text, start, source, value, stop)
            else:
                at = put_decoded(text, start, source, value, stop, True, True)
            text[at] = 0
            at = put_rounds(text, at + 1, head, start, at)
            note_element(elements, head, start - 1, at)
        piece = stop + 1
    return at


@native
def put_cookies(text: Bytes, at: int, source: Bytes, begin: int, end: int, most: int, elements: Longs) -> int:
    """Append the elements of one Cookie header; -1 where there may be more than `most`."""
    count, piece = 0, begin
    while piece < end:
        stop = find_byte(source, piece, end, SEMICOLON)
        first, last, following = piece, stop, stop + 1
        while first < last and (source[first] == 32 or 9 <= source[first] <= 13):
            first += 1
        while last > first and (source[last - 1] == 32 or 9 <= source[last - 1] <= 13):
            last -= 1
        if last > first:
            count += 1
            if count > most:
                return -1
            equals = find_byte(source, first, last, EQUALS)
            at = put_named(text, at, source, first, equals, source, min(equals + 1, last), last, elements)
        piece = following
    return at


@native
def path_begin(target: Bytes, begin: int, end: int) -> int:
    """Return where the path of a target begins: after scheme and authority where there are any."""
    index = begin
    while (
        index < end
        and index - begin < 31
        and (
            97 <= (target[index] | 32) <= 122
            or (
                index > begin
                and (48 <= target[index] <= 57 or target[index] == 43 or target[index] == 45 or target[index] == DOT)
            )
        )
    ):
        index += 1
    if index == begin or index + 2 >= end:
        return begin
    if target[index] != COLON or target[index + 1] != SLASH or target[index + 2] != SLASH:
        return begin
    index += 3
    while index < end and target[index] != SLASH and target[index] != MARK:
        index += 1
    return index


@native
def put_normal(text: Bytes, at: int, begin: int, end: int, steps: Longs) -> int:
    """Append the path text[begin:end] as a server resolves it, from the root; -1 where it is too deep."""
    depth, index = 0, begin
    last_kept = True  # whether the last segment is a name
    while index <= end:
        stop, cut = index, -1
        while stop < end and text[stop] != SLASH and text[stop] != BACKSLASH:
            if cut < 0 and text[stop] == SEMICOLON:
                cut = stop
            stop += 1
        size = (stop if cut < 0 else cut) - index
        last_kept = False
        if size == 2 and text[index] == DOT and text[index + 1] == DOT:
            if depth > 0:
                depth -= 1
                at = steps[depth]
        elif size > 0 and not (size == 1 and text[index] == DOT):
            if depth == len(steps):
                return -1
            steps[depth] = at
            depth += 1
            text[at] = SLASH
            at += 1
            for offset in range(size):
                text[at] = text[index + offset]
                at += 1
            last_kept = True
        index = stop + 1
    if depth == 0 or not last_kept:
        text[at] = SLASH
        at += 1
    return at


@native
def put_path(text: Bytes, at: int, source: Bytes, begin: int, end: int, steps: Longs, path: Longs) -> int:
    """Append a path decoded, and resolved where that differs, after both in their own case; -1 where it is too deep.

    `path` receives where the two stand in their own case, and where the text begins.
    """
    stop = put_decoded(text, at, source, begin, end, False, False)
    resolved = put_normal(text, stop, at, stop, steps)
    if resolved < 0:
        return -1
    path[0], path[1], path[2], path[3], path[4] = at, stop, stop, resolved, resolved
    same = resolved - stop == stop - at and is_same(text, at, text, stop, stop - at)
    last = put_plain(text, resolved, text, at, stop)
    return last if same else put_plain(text, last, text, stop, resolved)
