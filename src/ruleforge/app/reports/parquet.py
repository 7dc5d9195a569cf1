"""Hits as a Parquet file, one row for each rule that holds for a request."""

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

import pyarrow as pa

from ruleforge.app.scanning.hits import ScanHit
from ruleforge.events.origin import seconds_of

ROWS = 8_192  # of a row group
_SPAN = pa.struct(
    [
        ("field", pa.string()),
        ("name", pa.string()),
        ("part", pa.string()),
        ("start", pa.int64()),
        ("end", pa.int64()),
        ("text", pa.string()),
    ]
)
SCHEMA = pa.schema(
    [
        ("request", pa.string()),
        ("file", pa.string()),
        ("rule", pa.string()),
        ("revision", pa.int32()),
        ("rank", pa.int32()),  # 1: the most specific; one row per request has it
        ("others", pa.list_(pa.string())),
        ("cves", pa.list_(pa.string())),
        ("title", pa.string()),
        ("severity", pa.string()),
        ("source_address", pa.string()),
        ("time", pa.string()),
        ("at", pa.timestamp("ms", "UTC")),  # null where the time is not recorded or cannot be read
        ("status", pa.int32()),
        ("outcome", pa.string()),
        ("method", pa.string()),
        ("host", pa.string()),
        ("target", pa.string()),
        ("user_agent", pa.string()),
        ("summary", pa.string()),
        ("spans", pa.list_(_SPAN)),
    ]
)


def write_parquet(hits: Iterable[ScanHit], path: Path) -> int:
    """Write hits, wholly or not at all; return how many."""
    from pyarrow import parquet

    part, count, rest = path.with_name(path.name + ".part"), 0, iter(hits)
    with parquet.ParquetWriter(part, SCHEMA, compression="zstd") as writer:
        while rows := list(islice(rest, ROWS)):
            writer.write_batch(_batch(rows))
            count += len(rows)
    part.replace(path)
    return count


def _batch(hits: list[ScanHit]) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays(list(_columns(hits)), schema=SCHEMA)


def _columns(hits: list[ScanHit]) -> Iterator[pa.Array]:
    for field in SCHEMA:
        if field.name == "at":
            seconds = [seconds_of(hit.at) if hit.at else None for hit in hits]
            values: list[object] = [None if each is None else int(each * 1000) for each in seconds]
            yield pa.array(values, pa.int64()).cast(field.type)
        else:
            yield pa.array([getattr(hit, field.name) for hit in hits], field.type)
