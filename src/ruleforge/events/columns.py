"""Requests as columns: the Arrow batches that fast readers make, the engine matches, and cluster runners pass on.

Nothing is normalised here: a batch holds what `Request` holds, byte for byte, and both directions are exact.
"""

import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime

import pyarrow as pa

from ruleforge.events.request import Request

UNRECORDED_BITS = {"body": 1, "headers": 2, "method": 4, "version": 8, "target": 16}
RECORDED_HEADERS = b"ruleforge.recorded_headers"  # in a batch's metadata: lower-case names, joined by NUL
BATCH_ROWS = 8_192

HEADERS_TYPE = pa.list_(pa.struct([("name", pa.binary()), ("value", pa.binary())]))
SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("source", pa.string()),
        ("source_address", pa.binary()),  # empty: not recorded
        ("time", pa.string()),  # as recorded; empty: not recorded
        ("at", pa.timestamp("us", "UTC")),  # the same instant, where it could be read
        ("status", pa.int32()),
        ("method", pa.binary()),
        ("target", pa.binary()),
        ("version", pa.binary()),
        ("headers", HEADERS_TYPE),  # as sent, in order, duplicates kept
        ("body", pa.binary()),  # null: none was sent, or not recorded (see the bits)
        ("unrecorded", pa.uint8()),  # UNRECORDED_BITS
    ]
)

_UNRECORDED = tuple(
    frozenset(place for place, bit in UNRECORDED_BITS.items() if bits & bit)
    for bits in range(2 ** len(UNRECORDED_BITS))
)

_BITS = {places: bits for bits, places in enumerate(_UNRECORDED)}


def to_batch(requests: Sequence[Request]) -> pa.RecordBatch:
    """Return `requests` as one batch of SCHEMA.

    All must agree on `recorded_headers`, which is a property of a source; `to_batches` takes any mix.
    """
    recorded = requests[0].recorded_headers if requests else None
    assert all(request.recorded_headers == recorded for request in requests)
    columns = {
        "id": [request.id for request in requests],
        "source": [request.source for request in requests],
        "source_address": [request.source_address for request in requests],
        "time": [request.time for request in requests],
        "at": [instant(request.time) for request in requests],
        "status": [request.status for request in requests],
        "method": [request.method for request in requests],
        "target": [request.target for request in requests],
        "version": [request.version for request in requests],
        "body": [request.body for request in requests],
        "unrecorded": [_BITS[request.unrecorded] for request in requests],
    }
    arrays = [
        _headers(requests) if field.name == "headers" else pa.array(columns[field.name], field.type) for field in SCHEMA
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=with_recorded_headers(SCHEMA, recorded))


def _headers(requests: Sequence[Request]) -> pa.Array:
    headers = [header for request in requests for header in request.headers]
    offsets = [0, *itertools.accumulate(len(request.headers) for request in requests)]
    parts = [pa.array([header[part] for header in headers], pa.binary()) for part in (0, 1)]
    pairs = pa.StructArray.from_arrays(parts, fields=list(HEADERS_TYPE.value_type))
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), pairs, type=HEADERS_TYPE)


def to_batches(requests: Iterable[Request], rows: int = BATCH_ROWS) -> Iterator[pa.RecordBatch]:
    """Yield `requests` in order as batches of at most `rows`; a batch ends where `recorded_headers` changes."""
    kept: list[Request] = []
    for request in requests:
        if kept and (len(kept) >= rows or request.recorded_headers != kept[0].recorded_headers):
            yield to_batch(kept)
            kept = []
        kept.append(request)
    if kept:
        yield to_batch(kept)


def with_recorded_headers(schema: pa.Schema, names: frozenset[bytes] | None) -> pa.Schema:
    """Return `schema` saying that only these headers are recorded; None: all are."""
    return schema if names is None else schema.with_metadata({RECORDED_HEADERS: b"\x00".join(sorted(names))})


def recorded_headers(schema: pa.Schema) -> frozenset[bytes] | None:
    """Return the lower-case names of the only headers that the source of a batch records; None: all."""
    names = (schema.metadata or {}).get(RECORDED_HEADERS)
    return None if names is None else frozenset(names.split(b"\x00")) - {b""}


def request_at(batch: pa.RecordBatch, row: int) -> Request:
    """Return one row as a request."""
    values = {name: batch.column(name)[row].as_py() for name in batch.schema.names if name != "at"}
    values["headers"] = tuple((header["name"], header["value"]) for header in values["headers"] or ())
    values["unrecorded"] = _UNRECORDED[values["unrecorded"]]
    return Request(**values, recorded_headers=recorded_headers(batch.schema))


def to_requests(batch: pa.RecordBatch) -> Iterator[Request]:
    """Yield the rows of a batch as requests."""
    return (request_at(batch, row) for row in range(batch.num_rows))


MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_ACCESS_LOG = re.compile(r"([0-9]{2})/([A-Z][a-z]{2})/([0-9]{4}):([0-9:]{8}) ([+-][0-9]{2})([0-9]{2})")


def instant(time: str) -> datetime | None:
    """Read an RFC 3339 time or one of an access log, `10/Oct/2099:13:55:36 -0700`; None where it is something else."""
    if (found := _ACCESS_LOG.fullmatch(time)) is not None and found[2] in MONTHS:
        month = MONTHS.index(found[2]) + 1
        time = f"{found[3]}-{month:02}-{found[1]}T{found[4]}{found[5]}:{found[6]}"
    try:
        read = datetime.fromisoformat(time)
        return read.astimezone(UTC) if read.tzinfo else None
    except (ValueError, OverflowError):
        return None
