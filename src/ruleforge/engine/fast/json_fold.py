"""Fold a JSON body to the text of its leaves. Only what is surely JSON: the rest is left to the parser."""

import numpy as np

from ruleforge.engine.fast.fold import _HEX, note_element, put_lower, put_rounds
from ruleforge.engine.fast.layout import Bytes, Longs
from ruleforge.engine.fast.native import native

MAX_DEPTH = 60  # all a little under the bounds of `events.bodies.bounds`: who is near one is left to the parser
MAX_LEAVES = 900
MAX_POINTER = 4_000

_QUOTE, _ESCAPE, _TILDE, _SLASH, _COMMA, _COLON = b'"\\~/,:'
_OBJECT, _END_OBJECT, _ARRAY, _END_ARRAY = b"{}[]"
_PLAIN_ESCAPES = np.zeros(256, np.uint8)
for _byte, _stands_for in zip(b'"\\/bfnrt', b'"\\/\b\f\n\r\t', strict=True):
    _PLAIN_ESCAPES[_byte] = _stands_for
_WORDS = np.frombuffer(b"truefalsenull", np.uint8)


@native
def skip_blanks(source: Bytes, at: int, end: int) -> int:
    """Return where the next byte is that is no blank of JSON."""
    while at < end and (source[at] == 32 or source[at] == 9 or source[at] == 10 or source[at] == 13):
        at += 1
    return at


@native
def _put_point(text: Bytes, at: int, point: int, is_key: bool) -> int:
    """Append a character of a string in lower case and UTF-8; in a key `~` and `/` are escaped as in pointers."""
    if is_key and (point == _TILDE or point == _SLASH):
        text[at] = _TILDE
        text[at + 1] = 48 if point == _TILDE else 49
        return at + 2
    if point < 0x80:
        text[at] = point + 32 if 65 <= point <= 90 else point
        return at + 1
    if point < 0x800:
        text[at] = 0xC0 | point >> 6
        text[at + 1] = 0x80 | point & 63
        return at + 2
    text[at] = 0xE0 | point >> 12
    text[at + 1] = 0x80 | point >> 6 & 63
    text[at + 2] = 0x80 | point & 63
    return at + 3


@native
def put_string(text: Bytes, at: int, source: Bytes, index: int, end: int, is_key: bool) -> tuple[int, int]:
    """Append the string whose inside begins at `index`; return where text and source go on.

    Where there is no string the former is negative: -2 where the source ends before it does, so that this is no JSON
    to anyone, else -1.
    """
    while index < end:
        if not is_key:
            stop = index
            while stop < end and source[np.uint64(stop)] != _QUOTE and source[np.uint64(stop)] != _ESCAPE:
                stop += 1
            at, index = put_lower(text, at, source, index, stop), stop
            if index == end:
                break
        byte = np.int64(source[index])
        index += 1
        if byte == _QUOTE:
            return at, index
        if byte != _ESCAPE:
            if is_key and (byte == _TILDE or byte == _SLASH):
                at = _put_point(text, at, byte, is_key)
            else:
                text[at] = byte + 32 if 65 <= byte <= 90 else byte
                at += 1
            continue
        if index >= end:
            break
        byte = np.int64(source[index])
        index += 1
        if byte == 117:
            if index + 4 > end:
                return -1, index
            point = np.int64(0)
            for digit in range(4):
                value = np.int64(_HEX[source[index + digit]])
                if value < 0:
                    return -1, index
                point = point * 16 + value
            if 0xD800 <= point <= 0xDFFF:
                return -1, index
            index += 4
        else:
            point = np.int64(_PLAIN_ESCAPES[byte])
            if point == 0:
                return -1, index
        at = _put_point(text, at, point, is_key)
    return -2, index


@native
def number_end(source: Bytes, at: int, end: int) -> int:
    """Return where the number at `at` ends; -1 where it is none."""
    if at < end and source[at] == 45:
        at += 1
    first = at
    while at < end and 48 <= source[at] <= 57:
        at += 1
    if at == first or (source[first] == 48 and at > first + 1):
        return -1
    if at < end and source[at] == 46:
        first = at + 1
        at = first
        while at < end and 48 <= source[at] <= 57:
            at += 1
        if at == first:
            return -1
    if at < end and source[at] | 32 == 101:
        at += 1
        if at < end and (source[at] == 43 or source[at] == 45):
            at += 1
        first = at
        while at < end and 48 <= source[at] <= 57:
            at += 1
        if at == first:
            return -1
    return at


@native
def word_end(source: Bytes, at: int, end: int) -> int:
    """Return where `true`, `false` or `null` at `at` ends; -1 where none of them is there."""
    first, size = (0, 4) if source[at] == 116 else (4, 5) if source[at] == 102 else (9, 4)
    if at + size > end:
        return -1
    for offset in range(size):
        if source[at + offset] != _WORDS[first + offset]:
            return -1
    return at + size


@native
def _put_index(pointer: Bytes, at: int, index: int) -> int:
    """Append `/index` to a pointer."""
    pointer[at] = _SLASH
    digits = 1
    rest = index // 10
    while rest:
        digits += 1
        rest //= 10
    for digit in range(digits):
        pointer[at + digits - digit] = 48 + index % 10
        index //= 10
    return at + 1 + digits


@native
def put_json(
    text: Bytes, at: int, source: Bytes, begin: int, end: int, pointer: Bytes, steps: Longs, elements: Longs
) -> int:
    r"""Append `00 pointer 01 value 00` of every scalar; -1 where this is not surely JSON, or near a bound.

    It is -2 where all of it may begin JSON, but ends before that does: then no parser takes it.
    """
    if end - begin >= 3 and source[begin] == 0xEF and source[begin + 1] == 0xBB and source[begin + 2] == 0xBF:
        begin += 3
    index = skip_blanks(source, begin, end)
    depth, size, leaves = 0, 0, 0
    while True:
        if size > MAX_POINTER or at + 2 * size + 3 * (end - index) + 64 > len(text):
            return -1
        if index >= end:
            return -2
        byte = source[index]
        if byte == _OBJECT or byte == _ARRAY:
            if depth == MAX_DEPTH:
                return -1
            steps[3 * depth], steps[3 * depth + 1], steps[3 * depth + 2] = size, byte == _OBJECT, 0
            depth += 1
            index = skip_blanks(source, index + 1, end)
            if index >= end:
                return -2
            if source[index] != (_END_OBJECT if byte == _OBJECT else _END_ARRAY):
                if byte == _ARRAY:
                    size = _put_index(pointer, size, 0)
                    continue
                size, index = _key(pointer, size, source, index, end)
                if size < 0:
                    return -1
                continue
        else:
            leaves += 1
            if leaves > MAX_LEAVES:
                return -1
            head = at
            text[at] = 0
            at = put_lower(text, at + 1, pointer, 0, size)
            text[at] = 1
            at += 1
            value = at
            if byte == _QUOTE:
                at, index = put_string(text, at, source, index + 1, end, False)
                if at < 0:
                    return at
            else:
                stop = (
                    number_end(source, index, end) if byte == 45 or 48 <= byte <= 57 else word_end(source, index, end)
                )
                if stop < 0:
                    return -1
                at = put_lower(text, at, source, index, stop)
                index = stop
            text[at] = 0
            if at + 6 * (at - head) + 64 > len(text):
                return -1
            at = put_rounds(text, at + 1, head, value, at)
            note_element(elements, head, value - 1, at)
            index = skip_blanks(source, index, end)
        # A value has ended: close what ends with it, then go on to the next one.
        while True:
            if depth == 0:
                return at if skip_blanks(source, index, end) == end else -1
            if index >= end:
                return -2
            is_object = steps[3 * depth - 2]
            if source[index] == _COMMA:
                break
            if source[index] != (_END_OBJECT if is_object else _END_ARRAY):
                return -1
            depth -= 1
            size = steps[3 * depth]
            index = skip_blanks(source, index + 1, end)
        size = steps[3 * depth - 3]
        index = skip_blanks(source, index + 1, end)
        if is_object:
            size, index = _key(pointer, size, source, index, end)
            if size < 0:
                return -1
        else:
            steps[3 * depth - 1] += 1
            size = _put_index(pointer, size, steps[3 * depth - 1])


@native
def _key(pointer: Bytes, size: int, source: Bytes, index: int, end: int) -> tuple[int, int]:
    """Append `/key` to the pointer and return where its value begins; -1 for the size where there is no key."""
    if index >= end or source[index] != _QUOTE:
        return -1, index
    stop = index + 1  # a key may grow to three times its size
    while stop < end and stop - index <= MAX_POINTER and source[stop] != _QUOTE:
        stop += 2 if source[stop] == _ESCAPE else 1
    if size + 3 * (stop - index) + 4 > len(pointer):
        return -1, index
    pointer[size] = _SLASH
    size, index = put_string(pointer, size + 1, source, index + 1, min(stop + 1, end), True)
    if size < 0:
        return -1, index
    index = skip_blanks(source, index, end)
    if index >= end or source[index] != _COLON:
        return -1, index
    return size, skip_blanks(source, index + 1, end)
