"""Find literals in the folded texts of one row, and the rules that may hold for it."""

import numpy as np

from ruleforge.engine.fast.decide import clause_occurs, decide_rule, has_name, is_at, is_scattered
from ruleforge.engine.fast.layout import (
    FIELDS,
    HEADERS,
    MAYBE,
    SERIAL,
    TEXTS,
    TRUE,
    Bytes,
    Ints,
    Longs,
    Scratch,
    Tables,
)
from ruleforge.engine.fast.native import inlined, native

GRAM = 4  # bytes by whose hash a literal is found
_TEXTS = len(TEXTS)


@inlined
def gram_hash(gram: int, text: int, mask: int) -> int:
    """Hash four bytes, as a little-endian number, in a text."""
    mixed = (np.uint64(gram) | np.uint64(text) << np.uint64(32)) * np.uint64(0x9E3779B97F4A7C15)
    return (mixed >> np.uint64(36)) & np.uint64(mask)


@native
def next_place(source: Bytes, at: int, end: int, gram: int, text: int, bits: Bytes, shorts: Bytes) -> tuple[int, int]:
    """Return the next place where a literal may end or have its key, and the four bytes up to it; `end` for none."""
    mask = np.uint64(8 * len(bits) - 1)
    seen = np.uint64(gram)
    slot = np.uint64(text << 8)
    for index in range(at, end):
        byte = np.uint64(source[np.uint64(index)])
        seen = seen >> np.uint64(8) | byte << np.uint64(24)
        hashed = gram_hash(seen, text, mask)
        bit = np.uint64(bits[hashed >> np.uint64(3)]) >> (hashed & np.uint64(7)) & np.uint64(1)
        if bit | np.uint64(shorts[slot | byte]):
            return index, np.int64(seen)
    return end, np.int64(seen)


@native
def try_rule(tables: Tables, rule: int, work: Scratch, serial: int, pairs: Ints, count: int, unknowns: Longs) -> int:
    """Decide a rule that may hold, or append it to the pairs; return how many there are.

    A rule that is unknown unless it is found is counted as unknown for all rows by the caller: here what is otherwise
    is taken back.
    """
    work.rule_seen[rule] = serial
    for index in range(tables.rule_at[rule], tables.rule_at[rule + 1]):
        if not clause_occurs(tables, tables.rule_clauses[index], work, serial):
            return count
    answers = decide_rule(tables, rule, work, serial)
    if answers == MAYBE:
        if not tables.unless_found[rule]:
            unknowns[rule] += 1
        return count
    if tables.unless_found[rule]:
        unknowns[rule] -= 1
    if answers & ~1 == 0:
        return count
    pairs[count, 0], pairs[count, 1], pairs[count, 2] = serial - 1, rule, answers == TRUE
    pairs[count, 3] = field_of(tables, rule, work) if tables.rule_header[rule] and answers != TRUE else -1
    return count + 1


@native
def field_of(tables: Tables, rule: int, work: Scratch) -> int:
    """Return a number of the one header field that decides a rule, of no other ever; -1 where there is not just one."""
    field = -1
    if not is_scattered(HEADERS, work):
        return field
    leaf = tables.programs[tables.program_at[rule]]
    for element in range(work.first_element[HEADERS], work.last_element[HEADERS]):
        if has_name(tables, leaf, work, work.elements[3 * element + 1], work.elements[3 * element + 2]):
            if field >= 0:
                return -1
            field = work.fields.row[element + 1]
    return field + work.fields.counts[SERIAL] - work.fields.counts[FIELDS] if field >= 0 else field


@native
def found_literal(
    tables: Tables, literal: int, work: Scratch, serial: int, pairs: Ints, count: int, unknowns: Longs
) -> int:
    """Try the rules that are found by a literal."""
    work.literal_seen[literal] = serial
    for index in range(tables.owner_at[literal], tables.owner_at[literal + 1]):
        rule = tables.owners[index]
        if work.rule_seen[rule] != serial:
            count = try_rule(tables, rule, work, serial, pairs, count, unknowns)
    return count


@native
def look_closer(
    tables: Tables, text: int, at: int, gram: int, work: Scratch, serial: int, pairs: Ints, count: int, unknowns: Longs
) -> int:
    """Compare the literals that may stand at a place."""
    begin, end = work.begin[text], work.end[text]
    slot = text << 8 | np.int64(work.text[at])
    for index in range(tables.short_at[slot], tables.short_at[slot + 1]):
        literal = tables.short_literal[index]
        if work.literal_seen[literal] != serial and is_at(
            tables, literal, work.text, at - tables.short_offset[index], begin, end
        ):
            count = found_literal(tables, literal, work, serial, pairs, count, unknowns)
    slot = np.int64(gram_hash(gram, text, 8 * len(tables.bits) - 1)) & (len(tables.bucket_at) - 2)
    for index in range(tables.bucket_at[slot], tables.bucket_at[slot + 1]):
        literal = tables.bucket_literal[index]
        if (
            work.literal_seen[literal] != serial
            and tables.literal_text[literal] == text
            and is_at(tables, literal, work.text, at - GRAM + 1 - tables.bucket_offset[index], begin, end)
        ):
            count = found_literal(tables, literal, work, serial, pairs, count, unknowns)
    return count


@inlined
def find_rules(tables: Tables, work: Scratch, serial: int, pairs: Ints, count: int, unknowns: Longs) -> int:
    """Append (row, rule, holds, field) for every rule that may hold for the row in `work`; return the new count.

    There must be room for all rules. `serial` is row + 1.
    """
    for index in range(len(tables.always)):
        count = try_rule(tables, tables.always[index], work, serial, pairs, count, unknowns)
    fields = work.fields
    for index in range(1, fields.row[0] + 1):
        field = fields.row[index]
        for at in range(fields.rule_at[field], fields.rule_at[field + 1]):
            if work.rule_seen[fields.rules[at]] != serial:
                count = try_rule(tables, fields.rules[at], work, serial, pairs, count, unknowns)
    for text in range(_TEXTS):
        if not tables.searched[text] or is_scattered(text, work):
            continue
        if work.wild[text]:
            for index in range(tables.text_owner_at[text], tables.text_owner_at[text + 1]):
                rule = tables.text_owners[index]
                if work.rule_seen[rule] != serial:
                    count = try_rule(tables, rule, work, serial, pairs, count, unknowns)
            continue
        at, end, gram = work.begin[text], work.end[text], 0
        while at < end:
            at, gram = next_place(work.text, at, end, gram, text, tables.bits, tables.short_flag)
            if at < end:
                count = look_closer(tables, text, at, gram, work, serial, pairs, count, unknowns)
                at += 1
    return count
