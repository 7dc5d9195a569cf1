"""Frames of Spark, at rest or streaming: requests in, hits and counts out."""

import io
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from ruleforge.engine.runners.counting import TOLD, count_shard, seen_rows, told
from ruleforge.engine.runners.rulesets import RuleSet, names_of, observe_single, ready, single_matches
from ruleforge.engine.runners.work import BATCH_ROWS
from ruleforge.errors import InputError, UsageError
from ruleforge.events.formats import FORMATS
from ruleforge.events.request import Request

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame, SparkSession
    from pyspark.sql.types import StructType

HIT, UNDECIDED, REQUESTS, UNREADABLE = "hit", "undecided", "requests", "unreadable"  # kinds of rows of a result
RECORDED, FILE, ROW = "recorded_headers", "file", "row"  # columns beside those of SCHEMA
VALUE = "value"  # a line, where requests are not read yet
_MARK = "\x00line"  # how a reader is told to call its input; no file or topic is called so
_NO_LINE_ENDS = bytes(32 if byte in b"\r\n" else byte for byte in range(256))


def request_schema() -> "StructType":
    """Return SCHEMA of requests as Spark has it: no unsigned numbers, and RECORDED beside it (null: all are)."""
    from pyspark.sql.types import StructType

    return StructType.fromDDL(
        "id string, source string, source_address binary, time string, at timestamp, status int, method binary,"
        " target binary, version binary, headers array<struct<name: binary, value: binary>>, body binary,"
        f" unrecorded smallint, {RECORDED} array<binary>"
    )


def result_schema() -> str:
    """Return what a scan of a frame gives: columns of HITS, and `kind` and `count`.

    Rows of kind `hit` have a count of 1. `undecided` counts requests that `rule` could not decide, `requests` what was
    scanned, `unreadable` lines that are no request: a sink that keeps rows exactly once keeps counts exactly once.
    """
    return (
        "kind string, count bigint, file string, row bigint, request string, source string, rule string, revision int,"
        " cves array<string>, severity string, source_address string, time string, at timestamp, status int,"
        " method string, target string"
    )


def scan_frame(frame: "DataFrame", ruleset: RuleSet) -> "DataFrame":
    """Run rules over a frame of requests.

    Args:
        frame: columns of SCHEMA as `request_schema` says; RECORDED, FILE and ROW where there are any. Where RECORDED is
            missing, the headers that a source records are taken to be all.
        ruleset: goes to each executor once; a process compiles it once.
    """
    return _mapped(frame, ruleset, _scan_requests)


def scan_lines(frame: "DataFrame", ruleset: RuleSet, format_name: str = "jsonl") -> "DataFrame":
    """Read lines of a log in the executors and run rules over them.

    Args:
        frame: `value` (binary, one line), FILE and ROW. A line that gives no id is named by both.
        ruleset: as in `scan_frame`.
        format_name: a key of FORMATS whose lines stand for themselves.
    """

    def scan(rules: RuleSet, batches: "Iterable[pa.RecordBatch]") -> "Iterator[pa.RecordBatch]":
        return _scan_lines(rules, batches, format_name)

    return _mapped(frame, ruleset, scan)


def seen_frame(frame: "DataFrame", ruleset: RuleSet) -> "DataFrame":
    """Return what rules that count or order see in a frame of requests: rows for `alerts_frame`."""
    return _mapped(frame, ruleset, _see_requests, seen_schema())


def seen_schema() -> str:
    """Return SEEN as Spark has it."""
    return (
        "shard int, time_us bigint, id string, times bigint, rule int, steps bigint, key array<binary>,"
        " distinct array<binary>"
    )


def alerts_frame(seen: "DataFrame", ruleset: RuleSet) -> "DataFrame":
    """Count what was seen, the rows of each shard of keys together; `counting.heard` reads the rows of the result.

    Raises:
        UsageError: a stream (RF169): its windows would need state that outlives a batch.
    """
    if seen.isStreaming:
        hint = "write the stream to Parquet and count that, or follow the logs with 'ruleforge scan --follow'"
        raise UsageError("a stream of Spark does not count or order events", hint=hint, code="RF169")
    shared = seen.sparkSession.sparkContext.broadcast(ruleset.counting)

    def count(rows: "pa.Table") -> "pa.Table":
        import pyarrow as pa

        return pa.Table.from_batches([told(count_shard(rows, shared.value))])

    return seen.groupBy("shard").applyInArrow(count, TOLD)


def parquet_frame(spark: "SparkSession", *paths: str) -> "DataFrame":
    """Return the requests of Parquet files with file and row; the executors ask each file which headers it records."""
    return _with_place(spark.read.schema(_written()).parquet(*paths))


def parquet_stream(spark: "SparkSession", folder: str, files_at_once: int = 64) -> "DataFrame":
    """Return the requests of Parquet files that appear in a folder."""
    reading = spark.readStream.schema(_written()).option("maxFilesPerTrigger", files_at_once)
    return _with_place(reading.parquet(folder))


def text_stream(spark: "SparkSession", folder: str, files_at_once: int = 64) -> "DataFrame":
    """Return the lines of log files that appear in a folder, as `scan_lines` takes them.

    Spark does not number lines. ROW is a hash of the line, so lines that are the same in one file share a name.
    """
    from pyspark.sql import functions as fn

    lines = spark.readStream.option("maxFilesPerTrigger", files_at_once).text(folder)
    place = fn.col("_metadata.file_path").alias(FILE)
    return lines.select(fn.col("value").cast("binary").alias("value"), place, fn.xxhash64("value").alias(ROW))


def kafka_stream(spark: "SparkSession", options: Mapping[str, str]) -> "DataFrame":
    """Return the messages of Kafka topics, one request of JSON each, as `scan_lines` takes them.

    Args:
        spark: a session with the connector of its version, `org.apache.spark:spark-sql-kafka-0-10_2.13`.
        options: of the connector, as `kafka.bootstrap.servers`, `subscribe`, `startingOffsets`.

    Raises:
        UsageError: the connector is not there, or lacks an option (RF165).
    """
    from pyspark.errors import PySparkException

    try:
        return kafka_lines(spark.readStream.format("kafka").options(**options).load())
    except PySparkException as error:
        hint = "spark-submit --packages org.apache.spark:spark-sql-kafka-0-10_2.13 with the version of Spark"
        raise UsageError(f"no source of Kafka: {error}"[:300], hint=hint, code="RF165") from error


def kafka_lines(messages: "DataFrame") -> "DataFrame":
    """Return messages as lines: FILE is topic and partition, ROW the offset, so each has a name of its own."""
    from pyspark.sql import functions as fn

    return messages.select("value", fn.concat_ws("/", "topic", "partition").alias(FILE), fn.col("offset").alias(ROW))


def _written() -> "StructType":
    from pyspark.sql.types import StructType

    return StructType([field for field in request_schema().fields if field.name != RECORDED])


def _with_place(frame: "DataFrame") -> "DataFrame":
    from pyspark.sql import functions as fn

    place, row = fn.col("_metadata.file_path").alias(FILE), fn.col("_metadata.row_index").alias(ROW)
    return frame.select("*", place, row)


_Scan = Callable[[RuleSet, "Iterable[pa.RecordBatch]"], "Iterator[pa.RecordBatch]"]


def _mapped(frame: "DataFrame", ruleset: RuleSet, scan: _Scan, schema: str = "") -> "DataFrame":
    shared = frame.sparkSession.sparkContext.broadcast(ruleset)

    def run(batches: "Iterable[pa.RecordBatch]") -> "Iterator[pa.RecordBatch]":
        return scan(shared.value, batches)

    return frame.mapInArrow(run, schema or result_schema())


def _scan_requests(ruleset: RuleSet, batches: "Iterable[pa.RecordBatch]") -> "Iterator[pa.RecordBatch]":
    from ruleforge.engine.runners.tables import conform

    for batch in batches:
        for part in _runs(batch):
            requests = conform(part.rows, part.file or "frame").replace_schema_metadata(part.metadata)
            yield from _results(ruleset, requests, part.file, part.numbers)


def _see_requests(ruleset: RuleSet, batches: "Iterable[pa.RecordBatch]") -> "Iterator[pa.RecordBatch]":
    from ruleforge.engine.runners.tables import conform

    compiled = ready(ruleset)
    for batch in batches:
        for part in _runs(batch):
            requests = conform(part.rows, part.file or "frame").replace_schema_metadata(part.metadata)
            matches = compiled.matcher.match(requests)
            yield seen_rows(observe_single(compiled.plan, len(ruleset.rules), requests, matches))


class _Part(NamedTuple):
    """Neighbouring rows of one file that agree on the headers which are recorded."""

    rows: "pa.RecordBatch"
    file: str
    numbers: npt.NDArray[np.int64]
    metadata: dict[bytes, bytes] | None


def _runs(batch: "pa.RecordBatch") -> Iterator[_Part]:
    names = batch.schema.names
    files = batch.column(FILE).fill_null("").to_pylist() if FILE in names else [""] * batch.num_rows
    recorded = batch.column(RECORDED).to_pylist() if RECORDED in names else None
    numbers = batch.column(ROW).fill_null(-1).to_numpy(zero_copy_only=False) if ROW in names else None
    start = 0
    for at in range(1, batch.num_rows + 1):
        if at == batch.num_rows or files[at] != files[start] or (recorded and recorded[at] != recorded[start]):
            if recorded is None:
                metadata = _metadata_of(files[start]) if files[start] else None
            else:
                metadata = _recorded_metadata(recorded[start])
            rows = np.arange(start, at) if numbers is None else numbers[start:at]
            yield _Part(batch.slice(start, at - start), files[start], rows, metadata)
            start = at


def _recorded_metadata(names: "list[bytes] | None") -> dict[bytes, bytes] | None:
    from ruleforge.events.columns import SCHEMA, with_recorded_headers

    made = with_recorded_headers(SCHEMA, None if names is None else frozenset(names)).metadata
    return made or None


@lru_cache(maxsize=4096)
def _metadata_of(file: str) -> dict[bytes, bytes] | None:
    """Return what a Parquet file says of itself: Spark keeps its rows and forgets that.

    Raises:
        OSError: the file cannot be opened from here.
    """
    import pyarrow.parquet as pq
    from pyarrow.fs import FileSystem

    from ruleforge.events.columns import RECORDED_HEADERS

    system, path = FileSystem.from_uri(file)
    with system.open_input_file(path) as stream:
        given = pq.ParquetFile(stream).schema_arrow.metadata or {}
    return {RECORDED_HEADERS: given[RECORDED_HEADERS]} if RECORDED_HEADERS in given else None


def _scan_lines(ruleset: RuleSet, batches: "Iterable[pa.RecordBatch]", format_name: str) -> "Iterator[pa.RecordBatch]":
    from ruleforge.events.columns import to_batches

    for batch in batches:
        columns = (batch.column(name).to_pylist() for name in (VALUE, FILE, ROW))
        lines = [_Line(*line) for line in zip(*columns, strict=True)]
        requests, numbers, unreadable = _read_lines(lines, format_name)
        for file, count in unreadable.items():
            yield _counted(UNREADABLE, file, count)
        for file, start, stop in _stretches([place.file for place in numbers]):
            at = start
            for made in to_batches(requests[start:stop], BATCH_ROWS):
                rows = np.array([place.row for place in numbers[at : at + made.num_rows]], np.int64)
                at += made.num_rows
                yield from _results(ruleset, made, file, rows)


class _Line(NamedTuple):
    value: bytes | None
    file: str | None
    row: int | None


class _Place(NamedTuple):
    file: str
    row: int


def _read_lines(lines: list[_Line], format_name: str) -> tuple[list[Request], list[_Place], Counter[str]]:
    """Read lines one to one: a reader gives a request or an error for each that is not blank."""
    # A message may hold line ends; between the parts of JSON they mean as much as blanks.
    kept = [(text, line) for line in lines if (text := (line.value or b"").translate(_NO_LINE_ENDS)).strip()]
    stream = io.BytesIO(b"\n".join(text for text, _ in kept))
    requests: list[Request] = []
    places: list[_Place] = []
    unreadable: Counter[str] = Counter()
    items = FORMATS[format_name].read(stream, _MARK, sum(len(text) + 1 for text, _ in kept))
    for item, (_, line) in zip(items, kept, strict=True):
        place = _Place(line.file or "", -1 if line.row is None else line.row)
        if isinstance(item, InputError):
            unreadable[place.file] += 1
        else:
            requests.append(_named(item, place))
            places.append(place)
    return requests, places, unreadable


def _named(request: Request, place: _Place) -> Request:
    if not request.id.startswith(_MARK) and request.source != _MARK:
        return request
    name = PurePosixPath(place.file).name
    id_ = f"{name}:{place.row}" if request.id.startswith(_MARK) else request.id
    return msgspec.structs.replace(request, id=id_, source=name if request.source == _MARK else request.source)


def _stretches(keys: Sequence[str]) -> Iterator[tuple[str, int, int]]:
    """Yield (key, start, stop) of neighbours that are the same."""
    start = 0
    for at in range(1, len(keys) + 1):
        if at == len(keys) or keys[at] != keys[start]:
            yield keys[start], start, at
            start = at


def _results(
    ruleset: RuleSet, batch: "pa.RecordBatch", file: str, rows: npt.NDArray[np.int64]
) -> "Iterator[pa.RecordBatch]":

    from ruleforge.engine.runners.hits import hits_of

    compiled = ready(ruleset)
    everything = compiled.matcher.match(batch)
    matches = single_matches(everything, len(ruleset.rules))
    yield _counted(REQUESTS, file, batch.num_rows)
    undecided = [
        (name, int(everything.unknowns[index]))
        for index in np.flatnonzero(everything.unknowns).tolist()
        for name in names_of(ruleset, compiled.plan, index)
    ]
    if undecided:
        names = {"rule": [name for name, _ in undecided], "file": [file] * len(undecided)}
        yield _rows(UNDECIDED, [count for _, count in undecided], names)
    if len(matches.rows):
        hits = hits_of(batch, matches, compiled.labels, file, rows)
        columns = {name: hits.column(name) for name in hits.schema.names}
        yield _rows(HIT, [1] * hits.num_rows, columns)


def _counted(kind: str, file: str, count: int) -> "pa.RecordBatch":
    return _rows(kind, [count], {"file": [file]})


def _rows(kind: str, counts: Sequence[int], columns: "Mapping[str, Any]") -> "pa.RecordBatch":
    """Make rows of a result; columns that are not given are null."""
    import pyarrow as pa

    from ruleforge.engine.runners.hits import HITS

    arrays = [pa.repeat(kind, len(counts)), pa.array(counts, pa.int64())]
    for field in HITS:
        given = columns.get(field.name)
        if given is None:
            arrays.append(pa.nulls(len(counts), field.type))
        else:
            arrays.append(given if isinstance(given, pa.Array) else pa.array(given, field.type))
    return pa.RecordBatch.from_arrays(arrays, names=["kind", "count", *HITS.names])
