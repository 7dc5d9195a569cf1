"""All mutators, registered."""

from oracle import arguments, framing, path, payloads
from oracle.case import MUTATORS

MODULES = (framing, path, arguments, payloads)


def load() -> int:
    """Make sure that every mutator is registered; gives their number."""
    assert MODULES
    return len(MUTATORS)
