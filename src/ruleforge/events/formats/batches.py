"""Requests of any reader as Arrow batches, and errors beside them."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from ruleforge.errors import InputError
from ruleforge.events.request import Request

if TYPE_CHECKING:
    import pyarrow as pa


def in_batches(items: Iterable[Request | InputError], rows: int) -> "Iterator[pa.RecordBatch | InputError]":
    """Join requests to batches of at most `rows`; a batch ends where `recorded_headers` changes.

    An error is passed on at once, so before the batch that holds the requests around it: a damaged file does not cut
    batches to pieces.
    """
    from ruleforge.events.columns import to_batch

    kept: list[Request] = []
    for item in items:
        if isinstance(item, InputError):
            yield item
            continue
        if kept and (len(kept) >= rows or item.recorded_headers != kept[0].recorded_headers):
            yield to_batch(kept)
            kept = []
        kept.append(item)
    if kept:
        yield to_batch(kept)
