"""Hits and alerts as a Parquet file: a row for each event and rule that holds for it, and for each alert."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa

from ruleforge.app.scanning.hits import ScanHit
from ruleforge.events.origin import seconds_of

_TIMES = ("at", "start")
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
        ("event", pa.string()),  # kind of the event
        ("kind", pa.string()),  # hit; count or sequence: an alert about several events
        ("count", pa.int64()),  # events, or distinct values, that an alert counted
        ("key", pa.map_(pa.string(), pa.string())),  # of an alert: field → value that its events share
        ("start", pa.timestamp("ms", "UTC")),  # of an alert: time of its first event
        ("sample", pa.list_(pa.string())),  # of an alert: ids of at most 10 of its events
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
        values = [getattr(hit, field.name) for hit in hits]
        if field.name in _TIMES:
            seconds = [seconds_of(value) if value else None for value in values]
            whole: list[object] = [None if each is None else round(each * 1000) for each in seconds]
            yield pa.array(whole, pa.int64()).cast(field.type)
        elif field.name == "key":
            yield pa.array([list(value.items()) for value in values], field.type)
        else:
            yield pa.array(values, field.type)


def read_parquet(path: Path) -> Iterator[dict[str, Any]]:
    """Yield what was written, as plain data of JSON."""
    from pyarrow import parquet

    with parquet.ParquetFile(path) as table:
        for batch in table.iter_batches():
            for row in batch.to_pylist():
                times = {name: _written(row[name]) for name in _TIMES}
                yield row | times | {"key": dict(row["key"])}


def _written(moment: datetime | None) -> str:
    return "" if moment is None else moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
