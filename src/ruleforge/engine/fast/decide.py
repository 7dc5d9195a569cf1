"""Decide what can be decided of a rule from the folded texts of a row: which answers are possible for its tree."""

import numpy as np

from ruleforge.engine.fast.fold import find_byte
from ruleforge.engine.fast.layout import (
    AND,
    BODY,
    BY_CLAUSES,
    BY_DECODED,
    BY_DECODED_LOWER,
    BY_ELEMENT,
    BY_METHOD,
    BY_NAME,
    BY_RESOLVED_LOWER,
    COOKIES,
    FALSE,
    HEADERS,
    MAYBE,
    NOT,
    SKIP_IF_FALSE,
    SKIP_IF_TRUE,
    TRUE,
    Bytes,
    Scratch,
    Tables,
)
from ruleforge.engine.fast.native import inlined, native


def _combined() -> tuple[Bytes, Bytes, Bytes]:
    """Tabulate Kleene's logic over sets of answers, each a sum of FALSE, MAYBE, TRUE: least, most, opposite."""
    least, most, opposite = np.zeros((8, 8), np.uint8), np.zeros((8, 8), np.uint8), np.zeros(8, np.uint8)
    for one in range(8):
        members = [answer for answer in (FALSE, MAYBE, TRUE) if one & answer]
        for answer in members:
            opposite[one] |= {FALSE: TRUE, MAYBE: MAYBE, TRUE: FALSE}[answer]
        for other in range(8):
            for answer in members:
                for second in (FALSE, MAYBE, TRUE):
                    if other & second:
                        least[one, other] |= min(answer, second)
                        most[one, other] |= max(answer, second)
    return least, most, opposite


_LEAST, _MOST, _OPPOSITE = _combined()
_FEW = 16  # literals of a clause that are looked for in the body


@native
def is_at(tables: Tables, literal: int, source: Bytes, at: int, begin: int, end: int) -> bool:
    """Say whether a literal stands at a place, within source[begin:end]."""
    first = tables.literal_at[literal]
    size = tables.literal_at[literal + 1] - first
    if size == 1 and tables.literal_bytes[first] == 0:
        end -= 1  # that is the edge of the last value: alone it says nothing
    if at < begin or at + size > end:
        return False
    for offset in range(size):
        if source[at + offset] != tables.literal_bytes[first + offset]:
            return False
    return True


@native
def find_word(source: Bytes, begin: int, end: int, words: Bytes, first: int, last: int) -> int:
    """Return where words[first:last] occurs in source[begin:end], -1 where it does not."""
    size = last - first
    if size == 0:
        return begin
    initial = words[first]
    at, stop = begin, end - size + 1
    while at < stop:
        at = find_byte(source, at, stop, initial)
        if at < stop:
            offset = 1
            while offset < size and source[at + offset] == words[first + offset]:
                offset += 1
            if offset == size:
                return at
            at += 1
    return -1


@native
def note_bytes(source: Bytes, begin: int, end: int, present: Bytes) -> None:
    """Note which bytes occur in a part."""
    for at in range(begin, end):
        present[source[np.uint64(at)]] = 1


@inlined
def is_scattered(text: int, work: Scratch) -> bool:
    """Say whether a text lies in pieces, which are its elements."""
    return (text == HEADERS or text == COOKIES) and work.last_element[text] >= 0


@native
def is_in_body(tables: Tables, start: int, stop: int, work: Scratch) -> bool:
    """Say whether one of some literals of a clause may come from the body: by its part that is there as it is."""
    for index in range(start, stop):
        literal = tables.clause_literals[index]
        size = tables.literal_core[literal]
        first = tables.literal_at[literal] + tables.literal_core_at[literal]
        if size == 0:
            return True
        begin, end = work.begin[BODY], work.end[BODY]
        if find_word(work.text, begin, end, tables.literal_bytes, first, first + size) >= 0:
            return True
    return False


@native
def run_is_in_text(tables: Tables, start: int, stop: int, text: int, work: Scratch, serial: int) -> bool:
    """Say whether one of some literals of a clause, all with the same text and key, occurs in that text."""
    begin, end = work.begin[text], work.end[text]
    scattered = is_scattered(text, work)
    first, last = (work.first_element[text], work.last_element[text]) if scattered else (0, 0)
    if begin == end and first == last:
        return False
    if work.present_seen[text] != serial:
        work.present[text, :] = 0
        note_bytes(work.text, begin, end, work.present[text])
        for element in range(first, last):
            note_bytes(work.text, work.elements[3 * element + 1], work.elements[3 * element + 3], work.present[text])
        work.present_seen[text] = serial
    if not work.present[text, tables.literal_key[tables.clause_literals[start]]]:
        return False
    for element in range(first, last):
        head, tail = work.elements[3 * element + 1], work.elements[3 * element + 3]
        if run_occurs(tables, start, stop, work.text, head, tail):
            return True
    return begin < end and run_occurs(tables, start, stop, work.text, begin, end)


@native
def clause_occurs(tables: Tables, clause: int, work: Scratch, serial: int) -> bool:
    """Say whether some literal of a clause occurs, or may; looked for once per row."""
    seen = work.clause_seen[clause]
    if seen >> 1 == serial:
        return (seen & 1) == 1
    found = False
    index, stop = tables.clause_at[clause], tables.clause_at[clause + 1]
    few = stop - index <= _FEW
    while index < stop and not found:
        text, following = tables.literal_text[tables.clause_literals[index]], tables.clause_next[index]
        if work.wild[text]:
            found = work.wild[text] == 1 or not few or is_in_body(tables, index, following, work)
        else:
            found = run_is_in_text(tables, index, following, text, work, serial)
        index = following
    work.clause_seen[clause] = 2 * serial + found
    return found


@native
def run_occurs(tables: Tables, start: int, stop: int, source: Bytes, begin: int, end: int) -> bool:
    """Say whether one of some literals of a clause, all with the same key, occurs in source[begin:end]."""
    key = tables.literal_key[tables.clause_literals[start]]
    at = find_byte(source, begin, end, key)
    while at < end:
        for index in range(start, stop):
            literal = tables.clause_literals[index]
            if is_at(tables, literal, source, at - tables.literal_key_at[literal], begin, end):
                return True
        at = find_byte(source, at + 1, end, key)
    return False


@native
def decide_rule(tables: Tables, rule: int, work: Scratch, serial: int) -> int:
    """Return which answers the tree of a rule may give: FALSE, MAYBE, TRUE, or sums."""
    depth = 0
    index, stop = tables.program_at[rule], tables.program_at[rule + 1]
    while index < stop:
        step = tables.programs[index]
        index += 1
        if step >= 0:
            work.answers[depth] = decide_leaf(tables, step, work, serial)
            depth += 1
        elif step == SKIP_IF_FALSE or step == SKIP_IF_TRUE:
            if work.answers[depth - 1] == (FALSE if step == SKIP_IF_FALSE else TRUE):
                index += tables.programs[index]
            index += 1
        elif step == NOT:
            work.answers[depth - 1] = _OPPOSITE[work.answers[depth - 1]]
        else:
            depth -= 1
            one, other = work.answers[depth - 1], work.answers[depth]
            work.answers[depth - 1] = _LEAST[one, other] if step == AND else _MOST[one, other]
    return work.answers[0]


@native
def decide_leaf(tables: Tables, leaf: int, work: Scratch, serial: int) -> int:
    """Return which answers a leaf may give; decided once per row."""
    seen = work.leaf_seen[leaf]
    if seen >> 3 == serial:
        return seen & 7
    kind = tables.leaf_kind[leaf]
    text = tables.leaf_text[leaf]
    missing, found = np.int64(tables.leaf_missing[leaf]), np.int64(tables.leaf_found[leaf])
    if kind == BY_CLAUSES or (kind == BY_ELEMENT and work.last_element[text] < 0):
        answers = found if all_clauses(tables, leaf, work, serial) else missing
    elif kind == BY_ELEMENT:
        answers = found if some_element(tables, leaf, text, work, True) else missing
    elif kind == BY_NAME:
        if work.last_element[text] < 0:
            answers = found | missing
        else:
            answers = found if some_element(tables, leaf, text, work, False) else missing
    elif kind == BY_METHOD:
        if work.path[5] < 0:
            answers = found | missing
        else:
            answers = found if some_word(tables, leaf, work.text, work.path[5], work.path[6]) else missing
    elif work.path[3] == 0:
        answers = found | missing
    else:
        answers = found if word_in_path(tables, leaf, kind, work) else missing
    work.leaf_seen[leaf] = 8 * serial + answers
    return answers


@native
def all_clauses(tables: Tables, leaf: int, work: Scratch, serial: int) -> bool:
    """Say whether every clause of a leaf occurs somewhere in the row."""
    for index in range(tables.leaf_at[leaf], tables.leaf_at[leaf + 1]):
        if not clause_occurs(tables, tables.leaf_clauses[index], work, serial):
            return False
    return True


@native
def some_element(tables: Tables, leaf: int, text: int, work: Scratch, clauses: bool) -> bool:
    """Say whether an element has the name of a leaf and, if asked, every clause of it."""
    for element in range(work.first_element[text], work.last_element[text]):
        head, name_end, end = (
            work.elements[3 * element + 1],
            work.elements[3 * element + 2],
            work.elements[3 * element + 3],
        )
        if has_name(tables, leaf, work, head, name_end) and (
            not clauses or element_has_all(tables, leaf, work, head, end)
        ):
            return True
    return False


@native
def has_name(tables: Tables, leaf: int, work: Scratch, head: int, name_end: int) -> bool:
    """Say whether an element has the name of a leaf."""
    first = tables.leaf_name_at[leaf]
    size = tables.leaf_name_at[leaf + 1] - first
    if name_end - head - 1 != size:
        return False
    for offset in range(size):
        if work.text[head + 1 + offset] != tables.leaf_name[first + offset]:
            return False
    return True


@native
def element_has_all(tables: Tables, leaf: int, work: Scratch, begin: int, end: int) -> bool:
    """Say whether every clause of a leaf occurs in one element."""
    work.element_bytes[:] = 0
    note_bytes(work.text, begin, end, work.element_bytes)
    for index in range(tables.leaf_at[leaf], tables.leaf_at[leaf + 1]):
        clause = tables.leaf_clauses[index]
        found = False
        at, stop = tables.clause_at[clause], tables.clause_at[clause + 1]
        while at < stop and not found:
            following = tables.clause_next[at]
            if work.element_bytes[tables.literal_key[tables.clause_literals[at]]]:
                found = run_occurs(tables, at, following, work.text, begin, end)
            at = following
        if not found:
            return False
    return True


@native
def word_in_path(tables: Tables, leaf: int, kind: int, work: Scratch) -> bool:
    """Say whether a word of a leaf is in the path, at the edges it asks for."""
    decoded = kind == BY_DECODED or kind == BY_DECODED_LOWER
    begin, end = (work.path[0], work.path[1]) if decoded else (work.path[2], work.path[3])
    if kind != BY_DECODED_LOWER and kind != BY_RESOLVED_LOWER:
        return some_word(tables, leaf, work.text, begin, end)
    for at in range(begin, end):
        byte = work.text[at]
        work.lower[at - begin] = byte + 32 if 65 <= byte <= 90 else byte
    return some_word(tables, leaf, work.lower, 0, end - begin)


@native
def some_word(tables: Tables, leaf: int, source: Bytes, begin: int, end: int) -> bool:
    """Say whether a word of a leaf is in a part, at the edges it asks for."""
    for word in range(tables.leaf_words_at[leaf], tables.leaf_words_at[leaf + 1]):
        first, last = tables.word_at[word], tables.word_at[word + 1]
        size, edges = last - first, tables.word_edges[word]
        if size > end - begin or (edges == 3 and size != end - begin):
            continue
        low = end - size if edges & 2 else begin
        high = begin + size if edges == 1 else end
        if find_word(source, low, high, tables.words, first, last) >= 0:
            return True
    return False
