"""Header fields are folded and searched once, however often rows repeat them: traffic repeats most of its headers."""

import numpy as np

from ruleforge.engine.fast.bodies_fold import declared_kind, is_word
from ruleforge.engine.fast.decide import element_has_all, find_word, has_name, is_at
from ruleforge.engine.fast.find import GRAM, gram_hash, next_place
from ruleforge.engine.fast.fold import GROWTH, ROOM, is_same, put_cookies, put_lower, put_named
from ruleforge.engine.fast.layout import (
    COOKIES,
    COOKIES_,
    FIELDS,
    HEADERS,
    RAW,
    RULES,
    SERIAL,
    TEXT,
    Bytes,
    Columns,
    Fields,
    Scratch,
    Tables,
)
from ruleforge.engine.fast.native import inlined, native
from ruleforge.events.bodies.bounds import MAX_VALUES

TEXT_ROOM = 3 << 20  # bytes of `Scratch.text` that are theirs
RAW_ROOM = 1 << 20
MOST_FIELDS = 1 << 14
MOST_COOKIES = MAX_VALUES // 10  # of one header; and as many headers
_PROBES = 16  # fields of one hash that are looked at: who sends more of them has none of them kept

# What a field says: 1 + the parser it declares, and whether it is a content type, a coding, chunks, gzip, a cookie, or
# a cookie header of so many that some may be out of bounds.
DECLARED, TYPE, CODED, CHUNKED, GZIPPED, COOKIE, MANY = 7, 8, 16, 32, 64, 128, 256

_WEIGHTS = np.random.default_rng(0).integers(1, 1 << 32, 1_024, np.uint64)
_COOKIE = np.frombuffer(b"cookie", np.uint8)
_CONTENT_TYPE = np.frombuffer(b"content-type", np.uint8)
_CONTENT_ENCODING = np.frombuffer(b"content-encoding", np.uint8)
_TRANSFER_ENCODING = np.frombuffer(b"transfer-encoding", np.uint8)
_CHUNKED = np.frombuffer(b"chunked", np.uint8)
_GZIP = np.frombuffer(b"gzip", np.uint8)
# Names of codings that change a body; others do not count, as in `events.bodies.coding`.
CODINGS = (b"gzip", b"deflate", b"br", b"zstd", b"compress", b"dcb", b"dcz")
_CODINGS = np.frombuffer(b"".join(CODINGS), np.uint8)
_CODING_AT = np.cumsum([0, *map(len, CODINGS)])


@inlined
def _hash(source: Bytes, begin: int, end: int, first: int) -> int:
    """Hash a part, of a long one its beginning."""
    total = np.uint64(end - begin)
    for index in range(min(end - begin, 768)):
        total += np.uint64(source[np.uint64(begin + index)]) * _WEIGHTS[np.uint64(first + index)]
    return total  # type: ignore[return-value]


@native
def _signs(columns: Columns, header: int, lower: Bytes) -> int:
    """Return what a field says of the body, and whether it is a cookie."""
    source, name, name_end = columns.name, columns.name_at[header], columns.name_at[header + 1]
    begin, end = columns.value_at[header], columns.value_at[header + 1]
    if is_word(source, name, name_end, _CONTENT_TYPE):
        return TYPE | (1 + declared_kind(columns.value, begin, end))
    if is_word(source, name, name_end, _COOKIE):
        return COOKIE
    is_content = is_word(source, name, name_end, _CONTENT_ENCODING)
    if not is_content and not is_word(source, name, name_end, _TRANSFER_ENCODING):
        return 0
    if end - begin > len(lower):
        return CODED
    size = put_lower(lower, 0, columns.value, begin, end)
    if not is_content:
        return CHUNKED if find_word(lower, 0, size, _CHUNKED, 0, len(_CHUNKED)) >= 0 else 0
    if is_word(columns.value, begin, end, _GZIP):
        return GZIPPED
    for coding in range(len(_CODING_AT) - 1):
        if find_word(lower, 0, size, _CODINGS, _CODING_AT[coding], _CODING_AT[coding + 1]) >= 0:
            return CODED
    return 0


@native
def is_coded(body: Bytes, begin: int, end: int, signs: int) -> bool:
    """Say whether a body may be other than as it was sent. Recorders undo chunks and gzip and keep the header."""
    if signs & CODED:
        return True
    if begin == end:
        return False
    byte = body[begin]
    is_digit = 48 <= byte <= 57 or 97 <= (byte | 32) <= 102
    return (signs & CHUNKED != 0 and is_digit) or (signs & GZIPPED != 0 and byte == 0x1F)


@native
def forget(fields: Fields) -> None:
    """Begin anew."""
    for index in range(SERIAL):
        fields.counts[index] = 0
    for index in range(len(fields.slots)):
        fields.slots[index] = 0


@native
def number_of(columns: Columns, header: int, tables: Tables, work: Scratch) -> int:
    """Return the number of a field, of which a new one is folded and searched; -1 where there is no room for that."""
    fields = work.fields
    name: int = np.int64(columns.name_at[header])  # type: ignore[assignment]
    name_end: int = np.int64(columns.name_at[header + 1])  # type: ignore[assignment]
    begin: int = np.int64(columns.value_at[header])  # type: ignore[assignment]
    end: int = np.int64(columns.value_at[header + 1])  # type: ignore[assignment]
    total = _hash(columns.name, name, min(name_end, name + 200), 768) + _hash(columns.value, begin, end, 0)
    hashed: int = np.int64((total * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(24))  # type: ignore[assignment]
    mask = len(fields.slots) - 1
    slot = -1
    for probe in range(_PROBES):
        at = (hashed + probe) & mask
        number: int = fields.slots[at] - 1
        if number < 0:
            slot = at
            break
        first, value = fields.raw_at[number], fields.raw_value[number]
        if (
            fields.hashes[number] == hashed
            and value - first == name_end - name
            and fields.raw_at[number + 1] - value == end - begin
            and is_same(fields.raw, first, columns.name, name, name_end - name)
            and is_same(fields.raw, value, columns.value, begin, end - begin)
        ):
            return number
    number = _learn(columns, header, tables, work)
    if number >= 0:
        fields.hashes[number] = hashed
        if slot >= 0:
            fields.slots[slot] = number + 1
    return number


@native
def _learn(columns: Columns, header: int, tables: Tables, work: Scratch) -> int:
    """Fold and search a field, and return its number; -1 where there is no room for that."""
    fields = work.fields
    counts = fields.counts
    name: int = np.int64(columns.name_at[header])  # type: ignore[assignment]
    name_end: int = np.int64(columns.name_at[header + 1])  # type: ignore[assignment]
    begin: int = np.int64(columns.value_at[header])  # type: ignore[assignment]
    end: int = np.int64(columns.value_at[header + 1])  # type: ignore[assignment]
    size = name_end - name + end - begin
    if (
        counts[FIELDS] == MOST_FIELDS
        or counts[RAW] + size > len(fields.raw)
        or counts[TEXT] + 2 * (GROWTH * size + ROOM) > TEXT_ROOM
        or 3 * (counts[COOKIES_] + MOST_COOKIES) > len(fields.cookies)
        or counts[RULES] + len(tables.unless_found) > len(fields.rules)
    ):
        return -1
    number: int = counts[FIELDS]
    counts[FIELDS], counts[SERIAL] = number + 1, counts[SERIAL] + 1
    signs = _signs(columns, header, work.lower)
    _keep(columns, header, fields, number)
    made = fields.made
    made[0] = 0
    at = put_named(work.text, counts[TEXT], columns.name, name, name_end, columns.value, begin, end, made)
    for index in range(3):
        fields.element[3 * number + index] = made[index + 1]
    _search(tables, HEADERS, made[1], made[3], work, number)
    if signs & COOKIE:
        made[0] = 0
        last = put_cookies(work.text, at, columns.value, begin, end, MOST_COOKIES, made)
        if last < 0:
            signs |= MANY
        else:
            _search(tables, COOKIES, at, last, work, number)
            for index in range(3 * made[0]):
                fields.cookies[3 * counts[COOKIES_] + index] = made[index + 1]
            counts[COOKIES_] += made[0]
            at = last
    counts[TEXT] = at
    fields.signs[number] = signs
    fields.cookie_at[number + 1], fields.rule_at[number + 1] = counts[COOKIES_], counts[RULES]
    return number


@native
def _keep(columns: Columns, header: int, fields: Fields, number: int) -> None:
    """Keep the bytes of a field as they were sent."""
    at = fields.counts[RAW]
    fields.raw_at[number] = at
    for index in range(columns.name_at[header], columns.name_at[header + 1]):
        fields.raw[at] = columns.name[index]
        at += 1
    fields.raw_value[number] = at
    for index in range(columns.value_at[header], columns.value_at[header + 1]):
        fields.raw[at] = columns.value[index]
        at += 1
    fields.raw_at[number + 1] = fields.counts[RAW] = at


@native
def _search(tables: Tables, text: int, begin: int, end: int, work: Scratch, number: int) -> None:
    """Append the rules that are found by a literal in a field, but those whose leaf there does not hold."""
    if not tables.searched[text]:
        return
    at, gram = begin, 0
    while at < end:
        at, gram = next_place(work.text, at, end, gram, text, tables.bits, tables.short_flag)
        if at == end:
            return
        slot = text << 8 | np.int64(work.text[at])
        for index in range(tables.short_at[slot], tables.short_at[slot + 1]):
            literal = tables.short_literal[index]
            if is_at(tables, literal, work.text, at - tables.short_offset[index], begin, end):
                _note(tables, literal, work, number)
        slot = np.int64(gram_hash(gram, text, 8 * len(tables.bits) - 1)) & (len(tables.bucket_at) - 2)
        for index in range(tables.bucket_at[slot], tables.bucket_at[slot + 1]):
            literal = tables.bucket_literal[index]
            start = at - GRAM + 1 - tables.bucket_offset[index]
            if tables.literal_text[literal] == text and is_at(tables, literal, work.text, start, begin, end):
                _note(tables, literal, work, number)
        at += 1


@native
def _note(tables: Tables, literal: int, work: Scratch, number: int) -> None:
    """Append the rules that are found by a literal, each once. Marks of fields are negative, those of rows are not."""
    fields = work.fields
    mark = -fields.counts[SERIAL]
    if work.literal_seen[literal] == mark:
        return
    work.literal_seen[literal] = mark
    head, name_end, end = fields.element[3 * number], fields.element[3 * number + 1], fields.element[3 * number + 2]
    for index in range(tables.owner_at[literal], tables.owner_at[literal + 1]):
        rule = tables.owners[index]
        if work.rule_seen[rule] == mark:
            continue
        leaf = tables.rule_field[rule]
        if (
            leaf >= 0
            and tables.literal_text[literal] == HEADERS
            and not (has_name(tables, leaf, work, head, name_end) and element_has_all(tables, leaf, work, head, end))
        ):
            continue
        work.rule_seen[rule] = mark
        fields.rules[fields.counts[RULES]] = rule
        fields.counts[RULES] += 1
