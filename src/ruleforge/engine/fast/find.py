"""Find literals in the folded texts of one row, and the rules that may hold for it."""

import numpy as np

from ruleforge.engine.fast.layout import TEXTS, Ints, Scratch, Tables
from ruleforge.engine.fast.native import native

GRAM = 4  # bytes by whose hash a literal is found
_TEXTS = len(TEXTS)


@native
def gram_hash(gram: int, text: int, mask: int) -> int:
    """Hash four bytes, as a little-endian number, in a text."""
    mixed = (np.uint64(gram) | np.uint64(text) << np.uint64(32)) * np.uint64(0x9E3779B97F4A7C15)
    return np.int64((mixed >> np.uint64(36)) & np.uint64(mask))


@native
def is_at(tables: Tables, literal: int, work: Scratch, at: int, begin: int, end: int) -> bool:
    """Say whether a literal stands at a place, within text[begin:end]."""
    first = tables.literal_at[literal]
    size = tables.literal_at[literal + 1] - first
    if at < begin or at + size > end:
        return False
    for offset in range(size):
        if work.text[at + offset] != tables.literal_bytes[first + offset]:
            return False
    return True


@native
def occurs(tables: Tables, literal: int, work: Scratch, serial: int) -> bool:
    """Say whether a literal occurs in its text of the row, or may."""
    text = tables.literal_text[literal]
    if work.wild[text]:
        return True
    begin, end = work.begin[text], work.end[text]
    if begin == end:
        return False
    if work.present_seen[text] != serial:
        note_bytes(work, text, serial)
    key = tables.literal_key[literal]
    if not (work.present[text, key >> 6] >> np.uint64(key & 63)) & np.uint64(1):
        return False
    first = tables.literal_at[literal]
    size = tables.literal_at[literal + 1] - first
    initial = tables.literal_bytes[first]
    for at in range(begin, end - size + 1):
        if work.text[at] == initial and is_at(tables, literal, work, at, begin, end):
            return True
    return False


@native
def note_bytes(work: Scratch, text: int, serial: int) -> None:
    """Note which bytes occur in a text of the row."""
    for word in range(4):
        work.present[text, word] = 0
    for at in range(work.begin[text], work.end[text]):
        byte = work.text[at]
        work.present[text, byte >> 6] |= np.uint64(1) << np.uint64(byte & 63)
    work.present_seen[text] = serial


@native
def clause_occurs(tables: Tables, clause: int, work: Scratch, serial: int) -> bool:
    """Say whether some literal of a clause occurs, or may; asked once per row."""
    seen = work.clause_seen[clause]
    if seen >> 1 == serial:
        return (seen & 1) == 1
    found = False
    for index in range(tables.clause_at[clause], tables.clause_at[clause + 1]):
        if occurs(tables, tables.clause_literals[index], work, serial):
            found = True
            break
    work.clause_seen[clause] = 2 * serial + found
    return found


@native
def try_rule(tables: Tables, rule: int, work: Scratch, serial: int, pairs: Ints, count: int) -> int:
    """Append a rule to the pairs if every clause of it occurs; return how many there are."""
    if work.rule_seen[rule] == serial:
        return count
    work.rule_seen[rule] = serial
    for index in range(tables.rule_at[rule], tables.rule_at[rule + 1]):
        if not clause_occurs(tables, tables.rule_clauses[index], work, serial):
            return count
    pairs[count, 0], pairs[count, 1] = serial - 1, rule
    return count + 1


@native
def found_literal(tables: Tables, literal: int, work: Scratch, serial: int, pairs: Ints, count: int) -> int:
    """Try the rules that are found by a literal."""
    work.literal_seen[literal] = serial
    for index in range(tables.owner_at[literal], tables.owner_at[literal + 1]):
        count = try_rule(tables, tables.owners[index], work, serial, pairs, count)
    return count


@native
def scan_text(tables: Tables, text: int, work: Scratch, serial: int, pairs: Ints, count: int) -> int:
    """Look at every four bytes of a text, and at the bytes that short literals have."""
    begin, end = work.begin[text], work.end[text]
    mask = 8 * len(tables.bits) - 1
    buckets = len(tables.bucket_at) - 2
    gram = np.uint64(0)
    source = work.text
    for at in range(begin, end):
        byte = source[at]
        gram = gram >> np.uint64(8) | np.uint64(byte) << np.uint64(24)
        if tables.short_flag[text << 8 | np.int64(byte)]:
            slot = text << 8 | np.int64(byte)
            for index in range(tables.short_at[slot], tables.short_at[slot + 1]):
                literal = tables.short_literal[index]
                if work.literal_seen[literal] != serial and is_at(
                    tables, literal, work, at - tables.short_offset[index], begin, end
                ):
                    count = found_literal(tables, literal, work, serial, pairs, count)
        hashed = gram_hash(gram, text, mask)
        if tables.bits[hashed >> 3] >> np.uint8(hashed & 7) & np.uint8(1):
            slot = hashed & buckets
            for index in range(tables.bucket_at[slot], tables.bucket_at[slot + 1]):
                literal = tables.bucket_literal[index]
                if (
                    work.literal_seen[literal] != serial
                    and tables.literal_text[literal] == text
                    and is_at(tables, literal, work, at - GRAM + 1 - tables.bucket_offset[index], begin, end)
                ):
                    count = found_literal(tables, literal, work, serial, pairs, count)
    return count


@native
def find_rules(tables: Tables, work: Scratch, serial: int, pairs: Ints, count: int) -> int:
    """Append (row, rule) for every rule that may hold for the row whose texts are in `work`; return the new count.

    There must be room for all rules. `serial` is row + 1.
    """
    for index in range(len(tables.always)):
        count = try_rule(tables, tables.always[index], work, serial, pairs, count)
    for text in range(_TEXTS):
        if not tables.searched[text]:
            continue
        if work.wild[text]:
            for index in range(tables.text_owner_at[text], tables.text_owner_at[text + 1]):
                count = try_rule(tables, tables.text_owners[index], work, serial, pairs, count)
        else:
            count = scan_text(tables, text, work, serial, pairs, count)
    return count
