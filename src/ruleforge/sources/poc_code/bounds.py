"""Bounds that hold for scripts of every language, checked before a parser sees them."""

import re

MAX_SOURCE = 512 << 10  # characters of one script
MAX_NESTING = 180  # brackets within one another, those inside texts included

_BRACKETS = re.compile(r"[()\[\]{}]")


def too_deep(source: str, limit: int = MAX_NESTING) -> bool:
    """Whether brackets may be nested deeper than `limit`; those inside texts count as well."""
    depth = deepest = 0
    for found in _BRACKETS.finditer(source):
        depth += 1 if found[0] in "([{" else -1
        depth = max(depth, 0)
        deepest = max(deepest, depth)
    return deepest > limit
