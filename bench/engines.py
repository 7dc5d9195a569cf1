"""Our engine and readers as the benchmarks call them: the fastest that this version has."""

import importlib.util
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ruleforge.engine import batches
from ruleforge.engine.batches import BatchMatcher, RowByRow
from ruleforge.engine.compiled import CompiledSet
from ruleforge.events import formats
from ruleforge.events.columns import to_batches
from ruleforge.events.request import Request
from ruleforge.rules.tree import Rule


def batch_matcher(rules: Sequence[Rule]) -> BatchMatcher:
    """Return the fastest matcher there is; one request after the other where there is no other."""
    make = getattr(batches, "make_batch_matcher", None)
    if make is None:
        return RowByRow(CompiledSet(rules))
    engine = "auto" if importlib.util.find_spec("numba") is None else "fast"
    matcher: BatchMatcher = make(rules, engine=engine)
    return matcher


def read_batches(file: Path, format_name: str) -> Iterator[Any]:
    """Yield the record batches of a file; what cannot be read is left out."""
    read = getattr(formats, "read_batches", None)
    if read is None:
        found = formats.read_requests(file, format_name)
        return to_batches(item for item in found if isinstance(item, Request))
    return (item for item in read(file, format_name) if hasattr(item, "num_rows"))
