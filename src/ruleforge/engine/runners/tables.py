"""Tables that others wrote, made to fit the schema of requests, or refused."""

import pyarrow as pa
import pyarrow.compute as pc

from ruleforge.errors import InputError
from ruleforge.events.columns import SCHEMA, UNRECORDED_BITS

_WHERE_NULL = ("method", "target", "version", "headers")  # no value there: the source does not record it
_EMPTY = ("id", "source", "source_address", "time")  # no value there: empty says the same


def conform(batch: pa.RecordBatch, where: str) -> pa.RecordBatch:
    """Return `batch` with exactly the columns of SCHEMA, with their types; its metadata is kept.

    Other engines have no unsigned numbers, name the items of lists differently, or leave columns out of order.

    Raises:
        InputError: a column is missing, is not valid (offsets beyond its data, text that is no UTF-8) or cannot be cast
            (RF260); `unrecorded` has bits that mean nothing (RF261).
    """
    missing = [name for name in SCHEMA.names if name not in batch.schema.names]
    if missing:
        hint = "write requests with the schema in docs/reference/formats.md"
        raise InputError(f"no column {missing[0]!r} in the table", where=where, hint=hint, code="RF260")
    try:
        batch.validate(full=True)  # offsets of a file are not to be trusted: who follows them reads beside the file
        columns = {field.name: batch.column(field.name).cast(field.type) for field in SCHEMA}
    except pa.ArrowException as problem:
        raise InputError(f"a column has another type: {problem}"[:300], where=where, code="RF260") from problem
    columns["unrecorded"] = _bits(columns, where)
    for name in (*_EMPTY, *_WHERE_NULL):
        if columns[name].null_count:
            columns[name] = columns[name].fill_null(pa.scalar([] if name == "headers" else "", SCHEMA.field(name).type))
    return pa.RecordBatch.from_arrays(list(columns.values()), schema=SCHEMA.with_metadata(batch.schema.metadata))


def _bits(columns: dict[str, pa.Array], where: str) -> pa.Array:
    bits = columns["unrecorded"].fill_null(0)
    if len(bits) and pc.max(bits).as_py() > sum(UNRECORDED_BITS.values()):
        raise InputError("`unrecorded` has bits that mean nothing", where=where, code="RF261")
    for name in _WHERE_NULL:
        if columns[name].null_count:
            missing = pc.if_else(columns[name].is_null(), UNRECORDED_BITS[name], 0).cast(pa.uint8())
            bits = pc.bit_wise_or(bits, missing)
    return bits
