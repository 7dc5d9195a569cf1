"""Whether tables from a file are safe to follow: kernels check no index, so every one is checked before they run.

What is checked is safety, not meaning: a file can be wrong about what its rules find, as any folder of rules can. It
must not make a kernel read or write beside its arrays, or run without end. `NAMES` says for each array what it holds
indexes of; an array that is not named there is refused, so that a new one cannot go unchecked. Names that the layout at
hand does not have are passed over.

What is *tried* for a row are rules, and behind them what stands in for several of them.
"""

from collections.abc import Mapping
from functools import cache
from typing import Final, get_type_hints

import numpy as np
import numpy.typing as npt

from ruleforge.engine.fast.layout import AND, NOT, OR, SKIP_IF_FALSE, SKIP_IF_TRUE, TEXTS, Bytes, Tables
from ruleforge.errors import InputError

_Array = npt.NDArray[np.generic]

_TEXTS: Final = len(TEXTS)
_KINDS: Final = 8  # of leaves
_NOTHING: Final = np.zeros(0, np.int32)
_ANSWERS: Final = 7  # FALSE, MAYBE and TRUE together

# Array with one place for each → what it has a place for.
_LENGTHS: Final[Mapping[str, str]] = {
    "literal_text": "literal", "literal_key": "literal", "literal_key_at": "literal",
    "literal_core": "literal", "literal_core_at": "literal", "rule_field": "tried", "rule_header": "tried",
    "clause_next": "clause_literal", "stand_in": "rule", "searched": "text", "folded": "text",
    "leaf_kind": "leaf", "leaf_text": "leaf", "leaf_missing": "leaf", "leaf_found": "leaf",
    "word_edges": "word", "bucket_offset": "bucket_literal", "short_flag": "slot", "short_offset": "short_literal",
}  # fmt: skip
# Array of begins → (what has a begin, what the items are).
_BEGINS: Final[Mapping[str, tuple[str, str]]] = {
    "literal_at": ("literal", "literal_byte"), "clause_at": ("clause", "clause_literal"),
    "rule_at": ("tried", "rule_clause"), "member_at": ("stand-in", "member"),
    "owner_at": ("literal", "owner"), "text_owner_at": ("text", "text_owner"),
    "program_at": ("tried", "step"), "leaf_name_at": ("leaf", "leaf_name_byte"), "leaf_at": ("leaf", "leaf_clause"),
    "leaf_words_at": ("leaf", "word"), "word_at": ("word", "word_byte"), "bucket_at": ("bucket", "bucket_literal"),
    "short_at": ("slot", "short_literal"),
}  # fmt: skip
# Array of numbers → how many there may be of what they number.
_NUMBERS: Final[Mapping[str, str]] = {
    "literal_text": "text", "clause_literals": "literal", "rule_clauses": "clause", "owners": "tried",
    "text_owners": "tried", "always": "tried", "members": "rule", "leaf_text": "text", "leaf_clauses": "clause",
    "bucket_literal": "literal", "short_literal": "literal",
}  # fmt: skip
# Arrays whose items are what others begin in.
_ITEMS: Final[Mapping[str, str]] = {
    "literal_bytes": "literal_byte", "clause_literals": "clause_literal", "rule_clauses": "rule_clause",
    "members": "member", "owners": "owner", "text_owners": "text_owner", "programs": "step",
    "leaf_name": "leaf_name_byte",
    "leaf_clauses": "leaf_clause", "words": "word_byte", "bucket_literal": "bucket_literal",
    "short_literal": "short_literal",
}  # fmt: skip
NAMES: Final = frozenset({*_LENGTHS, *_BEGINS, *_NUMBERS, *_ITEMS, "bits", "unless_found"})


def check_tables(tables: Tables, rules: int, where: str) -> None:
    """Refuse tables that a kernel could not follow safely.

    Args:
        tables: as they were read.
        rules: how many rules they must be of.
        where: the file, for the error.

    Raises:
        InputError: RF292 the first thing that is wrong.
    """
    problem = _problem(tables, rules)
    if problem:
        hint = "compile the rules again, and do not use this file"
        raise InputError(f"a compiled set that cannot be right: {problem}", where=where, hint=hint, code="RF292")


def _problem(tables: Tables, rules: int) -> str:
    arrays: Mapping[str, _Array] = tables._asdict()
    return (
        _wrong_type(arrays)
        or _wrong_size(arrays, rules)
        or _wrong_number(arrays, rules)
        or _wrong_run(tables)
        or _wrong_core(arrays)
        or _wrong_leaf(tables)
        or _wrong_program(tables)
    )


def _wrong_type(arrays: Mapping[str, _Array]) -> str:
    unchecked = arrays.keys() - NAMES
    if unchecked:
        return f"{min(unchecked)} has no check in this version"
    for name, wanted in _types().items():
        array = arrays[name]
        if array.dtype != wanted or not array.dtype.isnative or array.ndim != 1 or not array.flags.aligned:
            return f"{name} is not an array of {wanted}"
    return ""


@cache
def _types() -> Mapping[str, np.dtype[np.generic]]:
    hints = get_type_hints(Tables).items()
    return {name: np.dtype(np.uint8) if hint == Bytes else np.dtype(np.int32) for name, hint in hints}


def _wrong_size(arrays: Mapping[str, _Array], rules: int) -> str:
    sizes = {"rule": rules, "tried": len(arrays["unless_found"]), "text": _TEXTS, "slot": 256 * _TEXTS}
    sizes |= {"stand-in": sizes["tried"] - rules}
    sizes |= {"literal": len(arrays["literal_text"]), "leaf": len(arrays["leaf_kind"])}
    sizes |= {"clause": len(arrays["clause_at"]) - 1, "word": len(arrays["word_at"]) - 1}
    sizes |= {"bucket": len(arrays["bucket_at"]) - 1}
    sizes |= {what: len(arrays[name]) for name, what in _ITEMS.items() if name in arrays}
    if sizes["stand-in"] < 0 or (sizes["stand-in"] and "stand_in" not in arrays):
        return "unless_found has another number of rules"
    if not (_is_power(sizes["bucket"]) and _is_power(len(arrays["bits"]))):  # a hash is cut to it with a mask
        return "the index of literals has no size that there is"
    for name, what in _LENGTHS.items():
        if name in arrays and len(arrays[name]) != sizes[what]:
            return f"{name} has {len(arrays[name])} items"
    for name, (what, items) in _BEGINS.items():
        if name not in arrays:
            continue
        at = arrays[name].astype(np.int64)  # differences of 32 bits can wrap around
        if (
            not len(at)
            or len(at) != sizes[what] + 1
            or at[0] != 0
            or at[-1] != sizes[items]
            or np.diff(at).min(initial=0) < 0
        ):
            return f"{name} does not divide what it is about"
    return ""


def _is_power(number: int) -> bool:
    return number > 0 and number & (number - 1) == 0


def _wrong_number(arrays: Mapping[str, _Array], rules: int) -> str:
    sizes = {"rule": rules, "tried": len(arrays["unless_found"]), "text": _TEXTS}
    sizes |= {"literal": len(arrays["literal_text"]), "clause": len(arrays["clause_at"]) - 1}
    for name, what in _NUMBERS.items():
        array = arrays.get(name, _NOTHING)
        if len(array) and (array.min() < 0 or array.max() >= sizes[what]):
            return f"{name} leads to no {what}"
    # Each rule may be tried once for a row: there is room for as many pairs as there are rules.
    if (np.diff(arrays["always"].astype(np.int64)) <= 0).any():
        return "always has a rule twice"
    if np.isin(arrays.get("members", _NOTHING), arrays["always"]).any():
        return "always has a rule that something stands in for"
    if not _is_none_or(arrays.get("stand_in", _NOTHING), rules, sizes["tried"]):
        return "stand_in leads to nothing that is tried behind the rules"
    if not _is_none_or(arrays.get("rule_field", _NOTHING), 0, len(arrays["leaf_kind"])):
        return "rule_field leads to no leaf"
    return ""


def _is_none_or(array: _Array, least: int, end: int) -> bool:
    """Whether every number is -1 or lies between two bounds."""
    numbers = array.astype(np.int64)
    return bool(((numbers == -1) | ((numbers >= least) & (numbers < end))).all())


def _wrong_core(arrays: Mapping[str, _Array]) -> str:
    """The part of a literal that is looked for elsewhere lies within it."""
    begin = arrays.get("literal_core_at", _NOTHING).astype(np.int64)
    size = arrays.get("literal_core", _NOTHING).astype(np.int64)
    if len(begin) and ((begin < 0) | (size < 0) | (begin + size > np.diff(arrays["literal_at"]))).any():
        return "literal_core lies beside its literal"
    return ""


def _wrong_run(tables: Tables) -> str:
    """A run of literals in a clause ends behind its begin, and within the clause: else a kernel would not come out."""
    ends = np.repeat(tables.clause_at[1:], np.diff(tables.clause_at))
    if ((tables.clause_next <= np.arange(len(ends))) | (tables.clause_next > ends)).any():
        return "clause_next leads out of its clause"
    if (tables.literal_key_at < 0).any():
        return "literal_key_at is below 0"
    return ""


def _wrong_leaf(tables: Tables) -> str:
    if (tables.leaf_kind >= _KINDS).any():
        return "a leaf of no kind"
    if (tables.leaf_missing > _ANSWERS).any() or (tables.leaf_found > _ANSWERS).any():
        return "an answer that there is not"
    return ""


def _wrong_program(tables: Tables) -> str:
    """Every way through a program keeps the stack within it, and leaves one answer.

    Depths are those of going straight through. Where a step skips others, the depth there must be the one here, so that
    both ways agree; then the depths hold for all ways.
    """
    steps = tables.programs.astype(np.int64)
    begins, ends = tables.program_at[:-1].astype(np.int64), tables.program_at[1:].astype(np.int64)
    if (ends <= begins).any():
        return "a rule without a program"
    if not len(steps):
        return ""
    is_operand = np.zeros(len(steps), bool)
    is_skip = ((steps == SKIP_IF_FALSE) | (steps == SKIP_IF_TRUE)) & ~is_operand
    last = np.zeros(len(steps), bool)
    last[ends - 1] = True
    if (is_skip & last).any():
        return "a program ends in a skip"
    is_operand[1:] = is_skip[:-1]
    if (steps[is_operand] < 0).any() or ((steps < SKIP_IF_TRUE) & ~is_operand).any():
        return "a step that there is not"
    is_leaf = (steps >= 0) & ~is_operand
    if (steps[is_leaf] >= len(tables.leaf_kind)).any():
        return "a program leads to no leaf"
    is_pair = (steps == AND) | (steps == OR)
    after = np.cumsum(is_leaf.astype(np.int64) - is_pair)
    owner = np.repeat(np.arange(len(begins)), ends - begins)
    base = np.concatenate(([0], after))[begins]
    depth = np.concatenate(([0], after))[: len(steps)] - base[owner]  # before each step
    needed = np.where(is_pair, 2, np.where(is_skip | (steps == NOT), 1, 0))
    if (depth < needed).any() or (after[ends - 1] - base != 1).any():
        return "a program that takes more answers than there are"
    return _wrong_skip(np.flatnonzero(is_skip), steps, depth, is_operand, ends[owner])


def _wrong_skip(
    skips: npt.NDArray[np.int64],
    steps: npt.NDArray[np.int64],
    depth: npt.NDArray[np.int64],
    is_operand: npt.NDArray[np.bool_],
    ends: npt.NDArray[np.int64],
) -> str:
    targets = skips + 2 + steps[skips + 1]
    if (targets > ends[skips]).any():
        return "a skip leads out of its program"
    inside = targets < ends[skips]
    if is_operand[targets[inside]].any():
        return "a skip leads into another"
    if (depth[targets[inside]] != depth[skips[inside]]).any() or (depth[skips[~inside]] != 1).any():
        return "a skip changes how many answers there are"
    return ""
