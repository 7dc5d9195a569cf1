"""Parquet files and Arrow IPC files or streams: our own schema as it is, others by the names of their columns."""

import io
import itertools
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, BinaryIO

from ruleforge.errors import InputError
from ruleforge.events.formats.bounded import DAMAGED, MAX_TOTAL_BYTES
from ruleforge.events.formats.json_logs import NAMES, parts_of
from ruleforge.events.formats.parts import request_of
from ruleforge.events.request import Request

if TYPE_CHECKING:
    import pyarrow as pa

MAX_TABLE_BYTES = 4 << 30  # of a file that has to be held in memory because it came as a stream
MAX_GROUP_BYTES = 2 << 30  # of one row group or batch, decoded
_ARROW_FILE, _ARROW_STREAM, _PARQUET = b"ARROW1\0\0", b"\xff\xff\xff\xff", b"PAR1"
_ROWS = 8_192


def is_parquet(head: bytes) -> bool:
    """Whether a file begins as Parquet does."""
    return head.startswith(_PARQUET)


def is_arrow(head: bytes) -> bool:
    """Whether a file begins as an Arrow IPC file or stream does."""
    return head.startswith((_ARROW_FILE, _ARROW_STREAM))


def read_table(
    stream: BinaryIO, name: str, most: int = MAX_TOTAL_BYTES, names: Mapping[str, tuple[str, ...]] = NAMES
) -> Iterator[Request | InputError]:
    """Read one request a row of a Parquet or Arrow file."""
    from ruleforge.events.columns import SCHEMA, to_requests

    numbers = itertools.count(1)
    for batch in _batches(stream, name, most, _ROWS):
        if isinstance(batch, InputError):
            yield batch
        elif batch.schema.equals(SCHEMA):
            yield from to_requests(batch)
        else:
            yield from _mapped(batch, name, numbers, names)


def table_batches(
    stream: BinaryIO, name: str, most: int = MAX_TOTAL_BYTES, rows: int = _ROWS
) -> "Iterator[pa.RecordBatch | InputError]":
    """Read a Parquet or Arrow file as batches; rows of our own schema pass through as they are."""
    from ruleforge.events.columns import SCHEMA
    from ruleforge.events.formats.batches import in_batches

    numbers = itertools.count(1)
    for batch in _batches(stream, name, most, rows):
        if isinstance(batch, InputError):
            yield batch
        elif batch.schema.equals(SCHEMA):
            yield from (batch.slice(start, rows) for start in range(0, batch.num_rows, rows))
        else:
            yield from in_batches(_mapped(batch, name, numbers, NAMES), rows)


def _batches(stream: BinaryIO, name: str, most: int, rows: int) -> "Iterator[pa.RecordBatch | InputError]":
    """The batches of a file; those whose columns are ours get our schema."""
    import pyarrow as pa

    try:
        source = _seekable(stream, min(most, MAX_TABLE_BYTES))
        if source is None:
            hint = "read it from a file"
            yield InputError(f"more than {min(most, MAX_TABLE_BYTES)} bytes", where=name, hint=hint, code="RF222")
            return
        opened = _parquet if source.read(4) == _PARQUET else _arrow
        source.seek(0)
        for batch in opened(source, rows):
            batch.validate(full=True)
            yield _as_ours(batch)
    except (*DAMAGED, pa.ArrowException, ValueError, TypeError, KeyError, MemoryError, OverflowError) as error:
        yield InputError(f"the file is damaged: {error}"[:300], where=name, code="RF225")


def _seekable(stream: BinaryIO, most: int) -> BinaryIO | None:
    """The stream itself where one can go back in it, else its bytes; None: they are too many."""
    if isinstance(stream, io.BufferedReader) and isinstance(stream.raw, io.FileIO) and stream.seekable():
        return stream
    data = stream.read(most + 1)
    return None if len(data) > most else io.BytesIO(data)


def _parquet(source: BinaryIO, rows: int) -> "Iterator[pa.RecordBatch]":
    from pyarrow import parquet

    file = parquet.ParquetFile(source)
    for number in range(file.metadata.num_row_groups):
        size = file.metadata.row_group(number).total_byte_size
        if not 0 <= size <= MAX_GROUP_BYTES:
            raise ValueError(f"a row group of {size} bytes")
    yield from file.iter_batches(batch_size=rows)


def _arrow(source: BinaryIO, rows: int) -> "Iterator[pa.RecordBatch]":  # noqa: ARG001 - one signature for both
    from pyarrow import ipc

    if source.read(8) == _ARROW_FILE:
        source.seek(0)
        reader = ipc.open_file(source)
        for number in range(reader.num_record_batches):
            yield reader.get_batch(number)
        return
    source.seek(0)
    yield from ipc.open_stream(source)


def _as_ours(batch: "pa.RecordBatch") -> "pa.RecordBatch":
    """Columns named as in our schema, cast to it, whatever their order; other tables stay as they are."""
    import pyarrow as pa

    from ruleforge.events.columns import RECORDED_HEADERS, SCHEMA

    if not set(SCHEMA.names) <= set(batch.schema.names):
        return batch
    arrays = [batch.column(field.name).cast(field.type) for field in SCHEMA]
    if any(array.null_count for field, array in zip(SCHEMA, arrays, strict=True) if field.name in _NEVER_NULL):
        raise ValueError("a null where our schema has none")
    kept = (batch.schema.metadata or {}).get(RECORDED_HEADERS)
    schema = SCHEMA if kept is None else SCHEMA.with_metadata({RECORDED_HEADERS: kept})
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


_NEVER_NULL = frozenset(
    ("id", "source", "source_address", "time", "method", "target", "version", "headers", "unrecorded")
)


def _mapped(
    batch: "pa.RecordBatch", name: str, numbers: Iterator[int], names: Mapping[str, tuple[str, ...]]
) -> Iterator[Request | InputError]:
    for row in batch.to_pylist():
        where = f"{name}:{next(numbers)}"
        try:
            parts = parts_of(_plain(row), names)
            yield request_of(parts, where, name)
        except (ValueError, TypeError, OverflowError) as error:
            hint = "columns with a method and a target, or our own schema"
            yield InputError(f"not a request: {error}"[:300], where=where, hint=hint, code="RF223")


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    """A row as JSON would have it: times as RFC 3339, texts that are bytes as they are."""
    shown: Callable[[Any], Any] = lambda value: value.isoformat() if hasattr(value, "isoformat") else value  # noqa: E731
    return {key: shown(value) for key, value in row.items() if value is not None}
