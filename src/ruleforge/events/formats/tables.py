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
    from pyarrow import parquet

MAX_TABLE_BYTES = 4 << 30  # of a file that has to be held in memory because it came as a stream
MAX_GROUP_BYTES = 2 << 30  # of one row group, as it says of itself
MAX_GROUP_VALUES = 64 << 20  # of one column of a row group: of headers there are many in a row
MAX_BATCH_BYTES = 128 << 20  # texts of a batch of more than one row
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
    return parquet_batches(source, rows)


def parquet_batches(
    source: BinaryIO | str, rows: int, groups: range | None = None, *, use_threads: bool = True
) -> "Iterator[pa.RecordBatch]":
    """Read row groups of a Parquet file within bounds, whatever it says of itself.

    A few bytes can say "this long text again" a million times. So long as texts stand in a dictionary they are not
    copied out, and a batch gets as many rows as fit in 128 MiB.

    Args:
        source: a seekable stream, or the name of a file.
        rows: of a batch at most.
        groups: which row groups; None: all.
        use_threads: see pyarrow.

    Raises:
        pyarrow.ArrowInvalid: a row group is too large, or has too many values; or the file is damaged.
    """
    from pyarrow import parquet

    with parquet.ParquetFile(source) as file:
        chosen = range(file.metadata.num_row_groups) if groups is None else groups
        for number in chosen:
            _check_group(file.metadata.row_group(number))
        texts = [field.name for field in file.schema_arrow if _is_text(field.type)]
        metadata, footer = file.schema_arrow.metadata, file.metadata  # a footer of many groups takes long to read
    with parquet.ParquetFile(source, metadata=footer, read_dictionary=texts) as file:
        for batch in file.iter_batches(batch_size=rows, row_groups=chosen, use_threads=use_threads):
            yield from _copied_out(batch.replace_schema_metadata(metadata))


def _check_group(group: "parquet.RowGroupMetaData") -> None:
    import pyarrow as pa

    if not 0 <= group.total_byte_size <= MAX_GROUP_BYTES:
        raise pa.ArrowInvalid(f"a row group of {group.total_byte_size} bytes")
    most = max((group.column(number).num_values for number in range(group.num_columns)), default=0)
    if most > MAX_GROUP_VALUES:
        raise pa.ArrowInvalid(f"a row group of {most} values")


def _is_text(kind: "pa.DataType") -> bool:
    import pyarrow as pa

    return bool(pa.types.is_string(kind) or pa.types.is_binary(kind))


def _copied_out(batch: "pa.RecordBatch") -> "Iterator[pa.RecordBatch]":
    """Put texts in place of positions in dictionaries, in as many batches as that takes."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    sizes = np.zeros(batch.num_rows, np.int64)
    for column in batch.columns:
        if pa.types.is_dictionary(column.type) and _is_text(column.type.value_type):
            lengths = pc.binary_length(column.dictionary).take(column.indices).fill_null(0)
            sizes += lengths.to_numpy(zero_copy_only=False)
    ends = np.cumsum(sizes)
    start = 0
    while start < batch.num_rows:
        before = ends[start - 1] if start else 0
        stop = max(int(np.searchsorted(ends, before + MAX_BATCH_BYTES, "right")), start + 1)
        part = batch.slice(start, stop - start)
        columns = [one.dictionary_decode() if isinstance(one, pa.DictionaryArray) else one for one in part.columns]
        yield pa.RecordBatch.from_arrays(columns, names=part.schema.names).replace_schema_metadata(part.schema.metadata)
        start = stop


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
