"""The two kernels that are called from Python: fold and match the rows of a batch, or match texts made elsewhere."""

from collections.abc import Callable
from typing import Final

from ruleforge.engine.fast.bodies_fold import UNKNOWN, fold_body
from ruleforge.engine.fast.fields import (
    COOKIE,
    DECLARED,
    GZIPPED,
    MANY,
    MOST_COOKIES,
    TEXT_ROOM,
    TYPE,
    forget,
    is_coded,
)
from ruleforge.engine.fast.fields import number_of as field_number
from ruleforge.engine.fast.find import find_rules
from ruleforge.engine.fast.fold import (
    GROWTH,
    MARK,
    MAX_ELEMENTS,
    ROOM,
    path_begin,
    put_arguments,
    put_path,
    put_plain,
)
from ruleforge.engine.fast.layout import (
    ARGS,
    ARGS_RAW,
    COOKIES,
    HEADERS,
    METHOD,
    PATH,
    PATH_RAW,
    QUERY_RAW,
    TARGET,
    TEXTS,
    Bytes,
    Columns,
    Ints,
    Longs,
    Scratch,
    Tables,
)
from ruleforge.engine.fast.native import inlined, kept, kernels_stamp
from ruleforge.events.bodies.bounds import MAX_VALUES

_TEXTS = len(TEXTS)
_NO_BODY, _NO_HEADERS, _NO_METHOD, _NO_TARGET = 1, 2, 4, 16  # UNRECORDED_BITS


@inlined
def _fold_target(columns: Columns, row: int, folded: Bytes, work: Scratch, at: int) -> int:
    """Fold target, path and query; arguments come last, so that those of a form can follow. -1: left to Python."""
    text = work.text
    begin, end = columns.target_at[row], columns.target_at[row + 1]
    if at + 6 * (GROWTH * (end - begin) + ROOM) > len(text):
        return -1
    if folded[TARGET]:
        work.begin[TARGET] = at
        at = put_plain(text, at, columns.target, begin, end)
        work.end[TARGET] = at
    first = begin
    if begin < end and columns.target[begin] != 47:
        first = path_begin(columns.target, begin, end)
    query = first
    while query < end and columns.target[query] != MARK:
        query += 1
    if folded[PATH_RAW]:
        work.begin[PATH_RAW] = at
        at = put_plain(text, at, columns.target, first, query)
        work.end[PATH_RAW] = at
    if folded[QUERY_RAW] and query < end:
        work.begin[QUERY_RAW] = at
        at = put_plain(text, at, columns.target, query + 1, end)
        work.end[QUERY_RAW] = at
    if folded[PATH]:
        at = put_path(text, at, columns.target, first, query, work.steps, work.path)
        if at < 0:
            return -1
        work.begin[PATH], work.end[PATH] = work.path[4], at
    if folded[ARGS_RAW]:
        work.begin[ARGS_RAW], work.first_element[ARGS_RAW] = at, work.elements[0]
        at = put_arguments(text, at, columns.target, min(query + 1, end), end, True, MAX_VALUES, work.elements)
        if at < 0:
            return -1
        work.end[ARGS_RAW], work.last_element[ARGS_RAW] = at, work.elements[0]
    work.begin[ARGS], work.first_element[ARGS] = at, work.elements[0]
    at = put_arguments(text, at, columns.target, min(query + 1, end), end, False, MAX_VALUES, work.elements)
    work.end[ARGS], work.last_element[ARGS] = at, work.elements[0]
    return at


@inlined
def _fold_headers(columns: Columns, row: int, tables: Tables, work: Scratch) -> int:
    """Make the elements of headers and cookies; return what they say of the body, -1 where that is left to Python."""
    fields, elements = work.fields, work.elements
    signs = codings = count = 0
    for header in range(columns.headers_from[row], columns.headers_to[row]):
        field = field_number(columns, header, tables, work)
        if field < 0 or count == MAX_ELEMENTS // 2:
            return -1
        for index in range(3):
            elements[3 * count + 1 + index] = fields.element[3 * field + index]
        count += 1
        fields.row[count] = field
        said = fields.signs[field]
        codings += (said & GZIPPED) > 0
        signs |= said & ~(TYPE | DECLARED) if signs & TYPE else said
    fields.row[0] = elements[0] = work.last_element[HEADERS] = count
    if codings > 1 or signs & MANY:
        return -1
    return -1 if signs & COOKIE and _gather_cookies(work, count) < 0 else signs


@inlined
def _gather_cookies(work: Scratch, count: int) -> int:
    """Make the elements of cookies; -1 where there are so many that some may be out of bounds."""
    fields, elements = work.fields, work.elements
    headers = 0
    work.first_element[COOKIES] = count
    for index in range(1, fields.row[0] + 1):
        field = fields.row[index]
        headers += (fields.signs[field] & COOKIE) > 0
        for at in range(fields.cookie_at[field], fields.cookie_at[field + 1]):
            if count == MAX_ELEMENTS:
                return -1
            for part in range(3):
                elements[3 * count + 1 + part] = fields.cookies[3 * at + part]
            count += 1
    elements[0] = work.last_element[COOKIES] = count
    return count if headers <= MAX_VALUES // MOST_COOKIES else -1


@inlined
def fold_row(columns: Columns, row: int, bits: int, tables: Tables, work: Scratch, pointer: Bytes) -> bool:
    """Fold one row; False where only the parsers can say what it holds."""
    for text in range(_TEXTS):
        work.begin[text] = work.end[text] = work.wild[text] = 0
        work.first_element[text] = work.last_element[text] = 0
    work.elements[0] = work.path[3] = work.fields.row[0] = 0
    work.path[5] = -1
    folded, at, signs = tables.folded, TEXT_ROOM, 0
    if folded[METHOD] and not bits & _NO_METHOD:
        begin, end = columns.method_at[row], columns.method_at[row + 1]
        if at + GROWTH * (end - begin) + ROOM > len(work.text):
            return False
        for index in range(begin, end):
            work.text[at] = columns.method[index]
            at += 1
        work.path[5], work.path[6], work.begin[METHOD] = TEXT_ROOM, at, at
        at = put_plain(work.text, at, columns.method, begin, end)
        work.end[METHOD] = at
    if not bits & _NO_HEADERS and columns.headers_from[row] < columns.headers_to[row]:
        signs = _fold_headers(columns, row, tables, work)
        if signs < 0:
            forget(work.fields)
            signs = _fold_headers(columns, row, tables, work)
        if signs < 0:
            return False
    work.begin[ARGS] = work.end[ARGS] = at
    work.first_element[ARGS] = work.last_element[ARGS] = work.elements[0]
    if not bits & _NO_TARGET:
        at = _fold_target(columns, row, folded, work, at)
        if at < 0:
            return False
    if not bits & _NO_BODY and columns.has_body[row]:
        begin, end = columns.body_at[row], columns.body_at[row + 1]
        if is_coded(columns.body, begin, end, signs):
            return False
        kind = (signs & DECLARED) - 1 if signs & TYPE else UNKNOWN
        at = fold_body(work, folded, pointer, at, columns.body, begin, end, kind)
    if at >= 0 and work.elements[0] > MAX_ELEMENTS:
        for text in range(_TEXTS):
            if text != HEADERS and text != COOKIES:
                work.last_element[text] = -1
    return at >= 0


def _make_match_rows(stamp: int) -> Callable[..., tuple[int, int, int]]:
    def match_rows(
        columns: Columns,
        rows: Ints,
        start: int,
        bits: int,
        tables: Tables,
        work: Scratch,
        pointer: Bytes,
        pairs: Ints,
        unknowns: Longs,
        doubtful: Ints,
        version: int = stamp,  # noqa: ARG001 - a part of the key that the machine code is kept under
    ) -> tuple[int, int, int]:
        """Fold and match `rows[start:]` until the pairs may not have room.

        Args:
            columns: the batch.
            rows: which of its rows, all with the same gaps.
            start: how many of them were done before.
            bits: what the source of these rows does not record, UNRECORDED_BITS.
            tables: the rules, made for these gaps.
            work: room; its marks must not have seen these rows before.
            pointer: room for a JSON pointer.
            pairs: (n, 4): row, rule, 1 where it holds or 0 where that must be asked, and the header field of
                `work.fields` that decides it alone, or -1; more than there are rules.
            unknowns: per rule: for how many rows it is unknown is added; see `try_rule`.
            doubtful: where the rows are written that only the parsers can fold.
            version: the stamp of the kernels.

        Returns:
            How many of `rows` are done now, and how many pairs and doubtful rows were written.
        """
        count = doubts = 0
        rules = len(tables.unless_found)
        for index in range(start, len(rows)):
            if count + rules > len(pairs):
                return index, count, doubts
            row = rows[index]
            if fold_row(columns, row, bits, tables, work, pointer):
                count = find_rules(tables, work, row + 1, pairs, count, unknowns)
            else:
                doubtful[doubts] = row
                doubts += 1
        return len(rows), count, doubts

    return kept(match_rows)


def _make_match_texts(stamp: int) -> Callable[..., tuple[int, int]]:
    def match_texts(
        rows: Ints, start: int, begin: Longs, end: Longs, tables: Tables, work: Scratch, pairs: Ints,
        unknowns: Longs,
        version: int = stamp,  # noqa: ARG001
    ) -> tuple[int, int]:  # fmt: skip
        """Match rows whose texts were made elsewhere and lie in `work.text`, at begin[index, text] to end[index, text].

        Returns:
            How many of `rows` are done now, and how many pairs were written.
        """
        count = 0
        rules = len(tables.unless_found)
        for index in range(start, len(rows)):
            if count + rules > len(pairs):
                return index, count
            for text in range(_TEXTS):
                work.begin[text], work.end[text] = begin[index, text], end[index, text]
                work.wild[text] = 0
                work.last_element[text] = -1
            work.path[3], work.path[5], work.fields.row[0] = 0, -1, 0
            count = find_rules(tables, work, rows[index] + 1, pairs, count, unknowns)
        return len(rows), count

    return kept(match_texts)


match_rows: Final = _make_match_rows(kernels_stamp())
match_texts: Final = _make_match_texts(kernels_stamp())
