"""Make the tables of a set of rules: which literals are searched for, and what else a candidate must have."""

import math
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from itertools import groupby
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from ruleforge.engine.compiled import clause_share
from ruleforge.engine.fast.find import GRAM
from ruleforge.engine.fast.gaps import PLACE_ZONE, Gaps, cannot_be_false, refutable
from ruleforge.engine.fast.layout import BODY, MULTIPART, TEXTS, XML, Ints, Tables
from ruleforge.engine.fast.leaves import Leaves, Numbers, number_of, rows_of
from ruleforge.engine.literals import Clause, requirements
from ruleforge.engine.rarity import COMMON_WORDS, Rarity
from ruleforge.rules.tree import Rule, Tree

_QUICK = 8  # literals of a clause that is looked for before the tree is decided
_BITS_PER_LITERAL = 48  # so that one place in 48 looks as if a literal were there
_LEAST_BITS = 1 << 15
_MOST_BITS = 1 << 22
# How often a byte stands in ordinary requests, in order of magnitude: the rest is rare.
_BYTE_WEIGHT = np.ones(256)
for _bytes, _weight in ((b"etaoinsrlcdpmu", 40), (b"bfghjkvwxyz", 12), (b"0123456789", 15), (b"/.-_=", 25),
                        (b" ;,:", 15), (b"\x00\x01", 25), (b"&+%()\"", 6)):  # fmt: skip
    _BYTE_WEIGHT[list(_bytes)] = _weight
_WEIGHTS: list[float] = _BYTE_WEIGHT.tolist()
_COMMON_GRAMS = frozenset(
    word[at : at + GRAM] for text in COMMON_WORDS for word in (b"/" + text, text) for at in range(len(word) - GRAM + 1)
) | {b"http", b"ttp:", b"ttps", b"tps:", b"p://", b"s://", b"www.", b".com"}

# Parts that are worth looking for: what neither parser changes.
_CORES = re.compile(rb"[!#-.0-?A-\[\]-~]{3,}")

_Priced: TypeAlias = list[tuple[float, Clause]]


def make_tables(rules: Sequence[Rule], gaps: Gaps, rarity: Rarity) -> Tables:
    """Make the tables for rows with these gaps.

    Args:
        rules: over `http.request`, each asking about one request.
        gaps: what the rows do not tell; nothing more than that may be missing in them.
        rarity: how often benign requests hold a literal.
    """
    share = cache(partial(clause_share, rarity=rarity))
    made = [_clauses(rule, gaps, share) for rule in rules]
    literals = Numbers[tuple[int, bytes]]()
    clauses = Numbers[tuple[int, ...]]()
    numbered = [[number_of(clause, literals, clauses) for _, clause in priced] for priced, _ in made]
    owners: list[list[int]] = [[] for _ in literals.items]
    for rule, numbers in enumerate(numbered):
        for literal in clauses.items[numbers[0]] if numbers else ():
            owners[literal].append(rule)
    leaves = Leaves(literals, clauses, gaps)
    programs = [leaves.program(rule) for rule in rules]
    owners += [[] for _ in range(len(literals.items) - len(owners))]
    others = [_quick(numbers[1:], clauses.items) for numbers in numbered]
    always = [rule for rule, numbers in enumerate(numbered) if not numbers]
    by_text = [
        sorted({rule for literal, (at, _) in enumerate(literals.items) if at == text for rule in owners[literal]})
        for text in range(len(TEXTS))
    ]
    kept = dict[str, npt.NDArray[np.generic]]()
    kept["literal_text"] = np.array([text for text, _ in literals.items], np.uint8)
    kept["literal_at"], kept["literal_bytes"] = rows_of([value for _, value in literals.items], np.uint8)
    kept["literal_key"] = np.array([_rarest(value) for _, value in literals.items], np.uint8)
    kept["literal_key_at"] = np.array([value.index(_rarest(value)) for _, value in literals.items], np.int32)
    kept["clause_at"], kept["clause_literals"], kept["clause_next"] = _runs(clauses.items, literals.items)
    cores = [_core(text, value) for text, value in literals.items]
    kept["literal_core_at"] = np.array([at for at, _ in cores], np.int32)
    kept["literal_core"] = np.array([size for _, size in cores], np.int32)
    kept["rule_at"], kept["rule_clauses"] = rows_of(others)
    found = zip(rules, numbered, made, strict=True)
    kept["rule_field"] = np.array([_field(rule, numbers, one[1], leaves) for rule, numbers, one in found], np.int32)
    kept["rule_header"] = np.array([leaves.is_of_header(rule) for rule in rules], np.uint8)
    kept["owner_at"], kept["owners"] = rows_of(owners)
    kept["text_owner_at"], kept["text_owners"] = rows_of(by_text)
    kept["always"] = np.array(always, np.int32)
    kept["unless_found"] = np.array([unknown for _, unknown in made], np.uint8)
    kept["searched"] = np.array([bool(rules_) for rules_ in by_text], np.uint8)
    kept["program_at"], kept["programs"] = rows_of(programs)
    kept |= leaves.arrays()
    used = {at for at, _ in literals.items} | leaves.texts()
    used |= {BODY} if used & {XML, MULTIPART} else set()
    kept["folded"] = np.array([text in used for text in range(len(TEXTS))], np.uint8)
    searched = [number for number, rules_ in enumerate(owners) if rules_]
    return Tables(**kept, **_grams(literals.items, searched), **_shorts(literals.items, searched))  # type: ignore[arg-type]


def _clauses(rule: Rule, gaps: Gaps, share: Callable[[Clause], float]) -> tuple[_Priced, bool]:
    """Return the clauses a candidate must have, rarest first, and whether it is unknown without them, not false."""
    tree: Tree = rule.when  # type: ignore[assignment]  # the others were refused
    unknown = bool(gaps.zones) and cannot_be_false(tree, gaps)
    asked = tree if unknown or not gaps.zones else refutable(tree, gaps)
    clauses = requirements(asked, dict(rule.classes), PLACE_ZONE)
    priced = sorted(((share(clause), clause) for clause in clauses), key=lambda pair: pair[0])
    return priced, unknown and bool(priced)


def _field(rule: Rule, numbers: Sequence[int], is_unknown: bool, leaves: Leaves) -> int:
    """Return the leaf that must hold in the header field that a rule is found by; -1 where there is none."""
    if not numbers or is_unknown:
        return -1
    return leaves.in_field(rule.when, rule.classes, numbers[0])  # type: ignore[arg-type]


def _core(text: int, value: bytes) -> tuple[int, int]:
    """Return where the longest part of a literal of XML or multipart is that the body has as it is, and its size.

    Names are joined by signs that are not there, blanks and quoted values are changed, other letters may be recoded.
    """
    if text not in (XML, MULTIPART):
        return 0, 0
    part = max(_CORES.finditer(value), key=lambda found: len(found[0]), default=None)
    return (part.start(), len(part[0])) if part is not None else (0, 0)


def _quick(numbers: Sequence[int], clauses: Sequence[Sequence[int]]) -> list[int]:
    """Return the clauses that are quickly looked for; what the others say, the leaves of the tree say too."""
    return sorted((number for number in numbers if len(clauses[number]) <= _QUICK), key=lambda one: len(clauses[one]))


def _runs(clauses: Sequence[Sequence[int]], literals: Sequence[tuple[int, bytes]]) -> tuple[Ints, ...]:
    """Lay the literals of clauses end to end, those with the same text and key together, and where such a run ends."""

    def key(literal: int) -> tuple[int, int]:
        text, value = literals[literal]
        return text, _rarest(value)

    laid: list[int] = []
    following: list[int] = []
    for clause in clauses:
        for _, run in groupby(sorted(clause, key=key), key=key):
            laid += run
            following += [len(laid)] * (len(laid) - len(following))
    at, _ = rows_of(clauses)
    return at, np.array(laid, np.int32), np.array(following, np.int32)


def _rarest(text: bytes) -> int:
    return min(text, key=lambda byte: (_WEIGHTS[byte], byte))


def _grams(literals: Sequence[tuple[int, bytes]], searched: Sequence[int]) -> Mapping[str, npt.NDArray[np.generic]]:
    """Index the literals of four bytes and more by their rarest four bytes in a row."""
    long = [number for number in searched if len(literals[number][1]) >= GRAM]
    shared = Counter(gram for number in long for gram in set(_all_grams(literals[number][1])))
    size = min(_MOST_BITS, max(_LEAST_BITS, 1 << (len(long) * _BITS_PER_LITERAL).bit_length()))
    bits = np.zeros(size // 8, np.uint8)
    buckets: list[list[tuple[int, int]]] = [[] for _ in range(max(256, size // 32))]
    for number in long:
        text, value = literals[number]
        offset, gram = min(enumerate(_all_grams(value)), key=lambda item: (_gram_weight(item[1], shared), item))
        hashed = _hash(int.from_bytes(gram, "little"), text, size - 1)
        bits[hashed >> 3] |= 1 << (hashed & 7)
        buckets[hashed & len(buckets) - 1].append((number, offset))
    at, pairs = rows_of([[value for pair in bucket for value in pair] for bucket in buckets])
    return {
        "bits": bits,
        "bucket_at": at // 2,
        "bucket_literal": pairs[::2].copy(),
        "bucket_offset": pairs[1::2].copy(),
    }


def _all_grams(value: bytes) -> list[bytes]:
    return [value[at : at + GRAM] for at in range(len(value) - GRAM + 1)]


def _gram_weight(gram: bytes, shared: Counter[bytes]) -> float:
    weight = math.prod(map(_WEIGHTS.__getitem__, gram)) * (1 + shared[gram] / 8)
    return weight * 1_000 if gram in _COMMON_GRAMS else weight


def _hash(gram: int, text: int, mask: int) -> int:
    """As `find.gram_hash`."""
    return ((gram | text << 32) * 0x9E3779B97F4A7C15 % (1 << 64) >> 36) & mask


def _shorts(literals: Sequence[tuple[int, bytes]], searched: Sequence[int]) -> Mapping[str, npt.NDArray[np.generic]]:
    """Index the shorter literals by their rarest byte."""
    slots: list[list[tuple[int, int]]] = [[] for _ in range(256 * len(TEXTS))]
    for number in searched:
        text, value = literals[number]
        if len(value) < GRAM:
            key = _rarest(value)
            slots[text << 8 | key].append((number, value.index(key)))
    at, pairs = rows_of([[value for pair in slot for value in pair] for slot in slots])
    return {
        "short_flag": np.array([bool(slot) for slot in slots], np.uint8),
        "short_at": at // 2, "short_literal": pairs[::2].copy(), "short_offset": pairs[1::2].copy(),
    }  # fmt: skip
