"""What the kernels read and write: columns of a batch, tables of a set of rules, and scratch of one row."""

from collections.abc import Mapping
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

Bytes: TypeAlias = npt.NDArray[np.uint8]
Ints: TypeAlias = npt.NDArray[np.int32]
Longs: TypeAlias = npt.NDArray[np.int64]

# Texts that rows are folded to, in this order; the halves of args are looked for in the whole.
TEXTS = ("method", "target", "path.raw", "query.raw", "path", "args", "args.raw", "headers", "cookies", "body",
         "body.raw", "json", "xml", "multipart")  # fmt: skip
METHOD, TARGET, PATH_RAW, QUERY_RAW, PATH, ARGS, ARGS_RAW, HEADERS, COOKIES, BODY, BODY_RAW, JSON, XML, MULTIPART = (
    range(len(TEXTS))
)
TEXT_OF_ZONE: Mapping[str, int] = {zone: number for number, zone in enumerate(TEXTS)} | {
    "query_args": ARGS, "form_args": ARGS, "query_args.raw": ARGS_RAW, "form_args.raw": ARGS_RAW,
}  # fmt: skip
ZONES_OF_TEXT: tuple[tuple[str, ...], ...] = tuple(
    tuple(zone for zone, number in TEXT_OF_ZONE.items() if number == text and zone in TEXTS)
    for text in range(len(TEXTS))
)


# Texts that lie in pieces, one for each header field of a row: where their elements are known, these are all of them.
SCATTERED = (HEADERS, COOKIES)

# A leaf is decided by clauses, by clauses in one element, by whether an element of a name is there, or by words in
# the path as it is decoded or resolved, in its own case or in lower case, or in the method.
BY_CLAUSES, BY_ELEMENT, BY_NAME, BY_DECODED, BY_RESOLVED, BY_DECODED_LOWER, BY_RESOLVED_LOWER, BY_METHOD = range(8)
FALSE, MAYBE, TRUE = 1, 2, 4
AND, OR, NOT = -1, -2, -3  # of two, two and one
SKIP_IF_FALSE, SKIP_IF_TRUE = -4, -5  # as many steps as the next number says, where the last answer is that


class Columns(NamedTuple):
    """The columns of a batch that matching reads. `*_at[row]` is where a value begins, `*_at[row + 1]` its end."""

    method_at: Ints
    method: Bytes
    target_at: Ints
    target: Bytes
    headers_from: Ints  # of a row, in the columns of headers
    headers_to: Ints
    name_at: Ints
    name: Bytes
    value_at: Ints
    value: Bytes
    body_at: Ints
    body: Bytes
    has_body: Bytes  # 0 or 1 per row


class Tables(NamedTuple):
    """A set of rules for rows of one kind of gap. CSR: items of `x` are `items[x_at[x] : x_at[x + 1]]`."""

    literal_text: Bytes  # per literal: number of its text in TEXTS
    literal_at: Ints
    literal_bytes: Bytes
    literal_key: Bytes  # per literal: the rarest of its bytes
    literal_key_at: Ints  # where that byte is in the literal
    literal_core_at: Ints  # of XML and multipart: the part of a literal that is in the body as it is
    literal_core: Ints  # bytes of that, 0 where none is worth looking for
    clause_at: Ints  # per clause its literals: one of them must occur
    clause_literals: Ints
    clause_next: Ints  # per literal of a clause: where the next one is that has another text or key
    rule_at: Ints  # per rule its clauses other than the one it is found by
    rule_clauses: Ints
    owner_at: Ints  # per literal the rules that are found by it
    owners: Ints
    text_owner_at: Ints  # per text the rules that are found by some literal in it
    text_owners: Ints
    rule_field: Ints  # per rule: a leaf that must hold, in the header field that the rule is found by; -1: none
    rule_header: Bytes  # per rule: 1 where the values of one header decide it, all headers are known, and it is a leaf
    always: Ints  # rules that every row is a candidate for
    program_at: Ints  # per rule its tree in postfix order: leaves, and combinations as negative numbers
    programs: Ints
    leaf_kind: Bytes  # what decides a leaf, LEAF_KINDS
    leaf_text: Bytes  # where its elements are, if they must have a name
    leaf_missing: Bytes  # answers that are possible where what it needs is missing: 1 false, 2 unknown, 4 true, or sums
    leaf_found: Bytes  # the same where that is there
    leaf_name_at: Ints  # the name, in lower case
    leaf_name: Bytes
    leaf_at: Ints  # clauses that must occur, in one element where a name is asked for
    leaf_clauses: Ints
    leaf_words_at: Ints  # words of which one must be in the path
    word_at: Ints
    words: Bytes
    word_edges: Bytes  # per word: 1 at the beginning, 2 at the end, 3 all of it
    unless_found: Bytes  # per rule: 1 where it is unknown, not false, while a clause is missing
    searched: Bytes  # per text: 1 where some literal is searched for; then it is scanned
    folded: Bytes  # per text: 1 where some clause needs it
    bits: Bytes  # a bit per hash of four bytes with which a literal is found
    bucket_at: Ints
    bucket_literal: Ints
    bucket_offset: Ints  # of those four bytes in the literal
    short_flag: Bytes  # per text and byte: 1 where a literal of less than four bytes has it as its key
    short_at: Ints
    short_literal: Ints
    short_offset: Ints


class Fields(NamedTuple):
    """Header fields that rows had so far: what each is folded to, and the rules it is found for. Traffic repeats them.

    Their texts lie at the beginning of `Scratch.text`. Elements are three numbers: where one begins, its name ends, and
    all its decoded forms end.
    """

    counts: Longs  # FIELDS, RAW, TEXT, COOKIES_, RULES: how much there is; SERIAL: how many there ever were
    slots: Ints  # number + 1 of a field by its hash, 0 for none
    hashes: Longs
    raw_at: Longs  # per field: name and value as sent
    raw_value: Longs  # where the value begins
    raw: Bytes
    element: Longs
    signs: Ints  # what a field says of the body, and whether it is a cookie: sums
    cookie_at: Ints  # per field its cookies
    cookies: Longs  # elements
    rule_at: Ints  # per field its rules
    rules: Ints
    row: Ints  # of the row at hand: how many fields, then their numbers
    made: Longs  # elements of the field at hand, as `Scratch.elements`


FIELDS, RAW, TEXT, COOKIES_, RULES, SERIAL = range(6)


class Scratch(NamedTuple):
    """Room to work in, for one call of a kernel."""

    text: Bytes  # the folded texts of the row at hand
    begin: Longs  # per text
    end: Longs
    wild: Bytes  # per text: 1 where it may hold anything, 2 where what the body holds
    element_bytes: Bytes  # which bytes occur in the element at hand
    literal_seen: Ints  # row + 1 in which it was found last
    rule_seen: Ints
    clause_seen: Ints  # 2 * (row + 1) + whether it holds
    present: Bytes  # per text and byte: 1 where that occurs in it
    present_seen: Ints  # per text: row + 1
    steps: Longs  # a stack: open containers of JSON, segments of a path
    # Elements: their number, then for each where it begins, its name ends, and all its decoded forms end.
    elements: Longs
    first_element: Longs  # per text
    last_element: Longs  # -1: not known
    path: Longs  # where the path as decoded begins and ends, and the one as resolved, in their own case; 0: not known
    # Then where its text begins, and where the method begins and ends; -1: not known
    leaf_seen: Ints  # 8 * (row + 1) + possible answers
    lower: Bytes  # the path in lower case
    answers: Longs  # a stack of possible answers
    fields: Fields
