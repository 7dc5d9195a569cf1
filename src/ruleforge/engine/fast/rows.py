"""The buffers of a batch, without copies: columns for the kernels, and requests for the evaluator."""

from collections.abc import Mapping
from functools import cached_property
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ruleforge.engine.fast.layout import Bytes, Columns, Ints
from ruleforge.events.columns import SCHEMA, UNRECORDED_BITS, recorded_headers
from ruleforge.events.request import Request

_Item = TypeVar("_Item", bound=np.generic)
_UNRECORDED = tuple(
    frozenset(place for place, bit in UNRECORDED_BITS.items() if bits & bit)
    for bits in range(2 ** len(UNRECORDED_BITS))
)
_NOTHING = np.frombuffer(b"\x00", np.uint8)  # stands for the bytes of a column that has none


class Rows:
    """A batch of SCHEMA, read straight from its buffers."""

    def __init__(self, batch: pa.RecordBatch) -> None:
        if not batch.schema.equals(SCHEMA, check_metadata=False):
            batch = pa.RecordBatch.from_arrays(
                [batch.column(field.name).cast(field.type) for field in SCHEMA],
                schema=SCHEMA.with_metadata(batch.schema.metadata),
            )
        self._batch = batch
        self.recorded_headers = recorded_headers(batch.schema)
        self.bits: Bytes = batch.column("unrecorded").to_numpy(zero_copy_only=False)
        method_at, method = _binary(batch.column("method"))
        target_at, target = _binary(batch.column("target"))
        body = batch.column("body")
        body_at, body_bytes = _binary(body)
        has_body = (
            np.ones(len(body), np.uint8) if not body.null_count else body.is_valid().to_numpy(False).view(np.uint8)
        )
        headers = batch.column("headers")
        at = headers.offsets.to_numpy()
        until = at[1:] if not headers.null_count else np.where(headers.is_valid().to_numpy(False), at[1:], at[:-1])
        names, values = headers.values.field("name"), headers.values.field("value")
        self.columns = Columns(
            method_at, method, target_at, target, _owned(at[:-1]), _owned(until.astype(np.int32)),
            *_binary(names), *_binary(values), body_at, body_bytes, _owned(has_body),
        )  # fmt: skip
        self._memory: Mapping[str, memoryview] = {
            name: memoryview(getattr(self.columns, name)) for name in ("method", "target", "name", "value", "body")
        }
        self._version = batch.column("version")
        self._address = batch.column("source_address")
        self._status = batch.column("status")

    def knows_headers(self, row: int) -> bool:
        """Say whether all headers of a row are known."""
        return self.recorded_headers is None and not self.bits[row] & UNRECORDED_BITS["headers"]

    def header_values(self, row: int, name: bytes) -> tuple[bytes, ...]:
        """Return the values of a header, whose name is given in lower case."""
        names, values, value_at = self._memory["name"], self._memory["value"], self.columns.value_at
        at = self._name_at
        return tuple(
            bytes(values[value_at[header] : value_at[header + 1]])
            for header in range(self.columns.headers_from[row], self.columns.headers_to[row])
            if at[header + 1] - at[header] == len(name) and bytes(names[at[header] : at[header + 1]]).lower() == name
        )

    @cached_property
    def _name_at(self) -> list[int]:
        at: list[int] = self.columns.name_at.tolist()
        return at

    def target_of(self, row: int) -> Request:
        """Return a row as a request of which nothing but the target is to be asked about."""
        columns, memory = self.columns, self._memory["target"]
        target = bytes(memory[columns.target_at[row] : columns.target_at[row + 1]])
        return Request(method=b"", target=target, unrecorded=_UNRECORDED[self.bits[row]])

    def request(self, row: int) -> Request:
        """Return a row as a request, with all that rules can ask about and nothing else."""
        columns, memory = self.columns, self._memory
        names, values = memory["name"], memory["value"]
        name_at, value_at = columns.name_at, columns.value_at
        return Request(
            method=bytes(memory["method"][columns.method_at[row] : columns.method_at[row + 1]]),
            target=bytes(memory["target"][columns.target_at[row] : columns.target_at[row + 1]]),
            version=self._version[row].as_py(),
            headers=tuple(
                [
                    (bytes(names[name_at[at] : name_at[at + 1]]), bytes(values[value_at[at] : value_at[at + 1]]))
                    for at in range(columns.headers_from[row], columns.headers_to[row])
                ]
            ),
            body=bytes(memory["body"][columns.body_at[row] : columns.body_at[row + 1]])
            if columns.has_body[row]
            else None,
            source_address=self._address[row].as_py(),
            status=self._status[row].as_py(),
            unrecorded=_UNRECORDED[self.bits[row]],
            recorded_headers=self.recorded_headers,
        )


def _binary(column: pa.BinaryArray) -> tuple[Ints, Bytes]:
    """Return offsets and bytes of a column; the offsets count from the start of its buffer."""
    _, offsets, data = column.buffers()
    at = np.frombuffer(offsets, np.int32)[column.offset :] if offsets is not None and offsets.size else None
    if at is None or len(at) < len(column) + 1:
        at = np.zeros(len(column) + 1, np.int32)
    bytes_ = np.frombuffer(data, np.uint8) if data is not None and data.size else _NOTHING
    return _owned(at), _shared(bytes_)


def _owned(array: npt.NDArray[_Item]) -> npt.NDArray[_Item]:
    """Return an array that kernels take: contiguous and not to be written."""
    array = np.ascontiguousarray(array)
    array.flags.writeable = False
    return array


def _shared(array: Bytes) -> Bytes:
    array.flags.writeable = False
    return array
