"""Batches made of slices of a block of lines: what fast readers share.

A fast reader finds where the values of many lines begin and end, with numpy over the bytes; here they become columns.
Lines it does not fully understand go to the slow reader one by one and take their place among the others.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import BinaryIO, TypeAlias, cast

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ruleforge.errors import InputError
from ruleforge.events.columns import HEADERS_TYPE, SCHEMA, UNRECORDED_BITS, instant, with_recorded_headers
from ruleforge.events.formats.bounded import Block, Line, read_blocks
from ruleforge.events.request import Request

Positions: TypeAlias = npt.NDArray[np.int64]
Mask: TypeAlias = npt.NDArray[np.bool_]

PAD = 64  # bytes before and after the lines, so that looking a little around a place stays inside
NO_TIME = np.iinfo(np.int64).min
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Lines(msgspec.Struct, frozen=True):
    """The lines of a block that are not blank."""

    text: bytes  # padded with PAD bytes on either side
    numbers: Positions  # of each line in the file
    starts: Positions  # in `text`
    ends: Positions  # without line ends

    @property
    def bytes_at(self) -> npt.NDArray[np.uint8]:
        """The bytes of `text`."""
        return np.frombuffer(self.text, np.uint8)

    @property
    def words_at(self) -> npt.NDArray[np.uint64]:
        """The eight bytes from each place on, the first in the lowest bits."""
        return np.ndarray((len(self.text) - 8,), np.dtype("<u8"), self.text, strides=(1,))


class Layout(msgspec.Struct, frozen=True):
    """What the lines of one format hold, in the order of the values."""

    slots: tuple[str, ...]  # columns of SCHEMA, "header:Name", or "" for what is not kept
    recorded: frozenset[bytes] | None = None  # see Request.recorded_headers
    unrecorded: frozenset[str] = frozenset()


class Slices(msgspec.Struct, frozen=True):
    """The values of some lines, by place. All arrays have a row for each line, also where `understood` is false."""

    layout: Layout
    cuts: npt.NDArray[np.int32]  # (lines, slots, 2): start and end, ascending within a line
    understood: Mask  # (lines,)
    status: npt.NDArray[np.int32]  # -1: none
    at: npt.NDArray[np.int64]  # microseconds since 1970; NO_TIME: not readable
    present: Mask  # (lines, slots): false for a header or body that was not sent
    escaped: Mask | None = None  # (lines, slots): true for a value that stands there with escapes; None: there are none


class Others(msgspec.Struct, frozen=True):
    """What does not stand in the text as it is meant."""

    requests: dict[int, Request]  # by row: lines that only the slow reader understands
    values: dict[tuple[int, int], bytes]  # by row and slot: values with their escapes undone


Slicer: TypeAlias = Callable[[Lines], Slices]
ReadLine: TypeAlias = Callable[[Line, str], Request | InputError]
Restore: TypeAlias = Callable[[str, bytes], bytes | None]


def read_sliced(
    stream: BinaryIO,
    name: str,
    most: int,
    rows: int,
    *,
    slicer: Slicer,
    read_line: ReadLine,
    restore: Restore = lambda _, text: text,
) -> Iterator[pa.RecordBatch | InputError]:
    """Yield the lines of a file as batches.

    Args:
        stream: decompressed bytes.
        name: of the file.
        most: bytes to read at most.
        rows: of a batch at most.
        slicer: the fast way; it may choose another layout for each block.
        read_line: the slow way, for the other lines.
        restore: what a text with escapes stands for in a column; None leaves its line to the slow way.
    """
    for block in read_blocks(stream, name, most, size=min(max(rows * 256, 1 << 16), 1 << 21)):
        if isinstance(block, InputError):
            yield block
            continue
        lines = lines_of(block)
        if not len(lines.starts):
            continue
        found = slicer(lines)
        others = Others({}, _restored(lines, found, restore))
        kept = np.ones(len(lines.starts), np.bool_)
        for row in np.flatnonzero(~found.understood).tolist():
            text = lines.text[lines.starts[row] : lines.ends[row]]
            item = read_line(Line(int(lines.numbers[row]), text), name)
            if isinstance(item, InputError):
                kept[row] = False
                yield item
            else:
                others.requests[row] = item
        for batch in _batches(lines, found, kept, others, name):
            for start in range(0, batch.num_rows, rows):
                yield batch.slice(start, rows)


def _restored(lines: Lines, found: Slices, restore: Restore) -> dict[tuple[int, int], bytes]:
    """Undo the escapes of values; a line with one that cannot be undone is no longer understood."""
    values: dict[tuple[int, int], bytes] = {}
    if found.escaped is None:
        return values
    slots = found.layout.slots
    for row, slot in np.argwhere(found.escaped & found.understood[:, None]).tolist():
        start, end = found.cuts[row, slot].tolist()
        value = restore(slots[slot], lines.text[start:end])
        if value is None:
            found.understood[row] = False
        else:
            values[row, slot] = value
    return {cell: value for cell, value in values.items() if found.understood[cell[0]]}


def lines_of(block: Block) -> Lines:
    """Find the lines of a block that are not blank."""
    text = b"".join((b"\0" * PAD, block.text, b"\0" * PAD))
    data = np.frombuffer(text, np.uint8)
    ends = np.flatnonzero(data == 10)
    if not block.text.endswith(b"\n"):
        ends = np.append(ends, len(text) - PAD)
    starts = np.concatenate(([PAD], ends[:-1] + 1))
    numbers = np.arange(block.number, block.number + len(ends))
    if b"\r" in block.text:
        ends = ends - ((data[ends - 1] == 13) & (ends > starts))
        for row in np.flatnonzero((data[ends - 1] == 13) & (ends > starts)):  # several: not all lines anew for each
            ends[row] = starts[row] + len(text[starts[row] : ends[row]].rstrip(b"\r"))
    filled = ends > starts
    if not filled.all():
        numbers, starts, ends = numbers[filled], starts[filled], ends[filled]
    return Lines(text, numbers, starts, ends)


def _batches(lines: Lines, found: Slices, kept: Mask, others: Others, name: str) -> Iterator[pa.RecordBatch]:
    """Yield the kept lines; a batch ends where what is recorded changes, which is a property of a whole batch."""
    layout = found.layout
    kinds = {(layout.unrecorded, layout.recorded): 0}
    kind = np.zeros(len(kept), np.int64)
    for row, request in others.requests.items():
        kind[row] = kinds.setdefault((request.unrecorded, request.recorded_headers), len(kinds))
    rows = np.flatnonzero(kept)
    if not len(rows):
        return
    batch = _assemble(lines, found, rows, others, name)
    recorded = [recorded for _, recorded in kinds]
    bit_of_kind = np.array([sum(UNRECORDED_BITS[place] for place in unrecorded) for unrecorded, _ in kinds], np.uint8)
    bits = bit_of_kind[kind[rows]]
    if "body" in layout.slots:  # a line without one does not say whether one was sent
        bits |= np.uint8(UNRECORDED_BITS["body"]) * batch.column("body").is_null().to_numpy(zero_copy_only=False)
    batch = batch.set_column(batch.num_columns - 1, SCHEMA.field("unrecorded"), pa.array(bits))
    groups = np.array([recorded.index(names) for names in recorded])[kind[rows]]
    edges = [0, *(np.flatnonzero(groups[1:] != groups[:-1]) + 1).tolist(), len(rows)]
    for start, end in pairwise(edges):
        names = recorded[int(groups[start])]
        part = batch.slice(start, end - start)
        yield pa.RecordBatch.from_arrays(part.columns, schema=with_recorded_headers(SCHEMA, names))


def _assemble(lines: Lines, found: Slices, rows: Positions, others: Others, name: str) -> pa.RecordBatch:
    layout = found.layout
    count, width = len(lines.starts), len(layout.slots)
    pieces = _pieces(lines, found, count * width)
    places = rows[:, None] * (2 * width) + np.arange(width) * 2  # of each value in `pieces`
    present, status, at = found.present[rows], found.status[rows], found.at[rows]
    if others.requests or others.values:
        extra, read = _extra(others.requests, layout), np.searchsorted(rows, list(others.requests))
        pieces = pa.concat_arrays([pieces, pa.array([*extra.values, *others.values.values()], pa.binary())])
        following = 2 * count * width + 1 + np.arange(len(extra.values) + len(others.values))
        places[read] = following[: len(extra.values)].reshape(-1, width)
        present[read], status[read], at[read] = extra.present, extra.status, extra.at
        cells = np.array(list(others.values), np.int64).reshape(-1, 2)
        places[np.searchsorted(rows, cells[:, 0]), cells[:, 1]] = following[len(extra.values) :]
    columns: dict[str, pa.Array] = {}
    for slot, column in enumerate(layout.slots):
        if column in SCHEMA.names:
            taken = pieces.take(pa.array(places[:, slot]))
            columns[column] = _nulled(taken, present[:, slot]) if column == "body" else taken
    columns["headers"] = _headers(pieces, layout, places, present)
    columns["time"] = _as_text(columns.get("time"), len(rows))
    columns["status"] = pa.array(status, mask=status < 0)
    columns["at"] = pa.array(at, mask=at == NO_TIME).view(SCHEMA.field("at").type)
    columns["id"] = numbered(name, lines.numbers[rows])
    columns["source"] = repeated(name.encode("utf-8", "surrogatepass"), len(rows), pa.string())
    columns["unrecorded"] = pa.array(np.zeros(len(rows), np.uint8))
    for column in SCHEMA.names:
        if column not in columns:
            is_body = column == "body"
            columns[column] = pa.nulls(len(rows), pa.binary()) if is_body else repeated(b"", len(rows), pa.binary())
    return pa.RecordBatch.from_arrays([columns[column] for column in SCHEMA.names], schema=SCHEMA)


def _pieces(lines: Lines, found: Slices, count: int) -> pa.Array:
    """The whole text as values and what lies between them, without a copy; one more at the end, for the rest."""
    offsets = np.empty(2 * count + 2, np.int32)
    offsets[:-2] = found.cuts.reshape(-1)
    if not found.understood.all():
        rows = np.flatnonzero(~found.understood)
        offsets[:-2].reshape(len(lines.starts), -1)[rows] = lines.starts[rows, None]
    offsets[-2:] = len(lines.text)
    return pa.Array.from_buffers(pa.binary(), len(offsets) - 1, [None, pa.py_buffer(offsets), pa.py_buffer(lines.text)])


class _Extra(msgspec.Struct, frozen=True):
    """What the slow reader gave, in the shape of `Slices`."""

    values: list[bytes]
    present: Mask
    status: npt.NDArray[np.int32]
    at: npt.NDArray[np.int64]


def _extra(others: dict[int, Request], layout: Layout) -> _Extra:
    values: list[bytes] = []
    present = np.ones((len(others), len(layout.slots)), np.bool_)
    for number, request in enumerate(others.values()):
        sent = dict(request.headers)
        for slot, column in enumerate(layout.slots):
            value = _value(request, sent, column)
            present[number, slot] = value is not None
            values.append(value or b"")
    status = np.array([-1 if one.status is None else one.status for one in others.values()], np.int32)
    return _Extra(values, present, status, np.array([microseconds(one.time) for one in others.values()], np.int64))


def _value(request: Request, sent: dict[bytes, bytes], column: str) -> bytes | None:
    if not column:
        return None
    if column.startswith("header:"):
        return sent.get(column.removeprefix("header:").encode())
    value = getattr(request, column)
    return value.encode() if isinstance(value, str) else cast("bytes | None", value)


def microseconds(time: str) -> int:
    """A recorded time in microseconds since 1970; NO_TIME where it cannot be read."""
    read = instant(time)
    return NO_TIME if read is None else (read - _EPOCH) // timedelta(microseconds=1)


def _headers(pieces: pa.Array, layout: Layout, places: Positions, present: Mask) -> pa.Array:
    slots = [slot for slot, column in enumerate(layout.slots) if column.startswith("header:")]
    names = [layout.slots[slot].removeprefix("header:").encode() for slot in slots]
    sent = present[:, slots]
    offsets = np.zeros(len(places) + 1, np.int32)
    np.cumsum(sent.sum(axis=1), out=offsets[1:])
    which = np.flatnonzero(sent) % max(len(slots), 1)
    values = pieces.take(pa.array(places[:, slots][sent]))
    parts = [pa.array(names or [b""], pa.binary()).take(pa.array(which)), values]
    pairs = pa.StructArray.from_arrays(parts, fields=list(HEADERS_TYPE.value_type))
    return pa.ListArray.from_arrays(pa.array(offsets), pairs, type=HEADERS_TYPE)


def _nulled(values: pa.Array, present: Mask) -> pa.Array:
    import pyarrow.compute as pc

    return pc.if_else(pa.array(present), values, pa.scalar(None, pa.binary()))


def _as_text(values: pa.Array | None, count: int) -> pa.Array:
    return repeated(b"", count, pa.string()) if values is None else values.view(pa.string())


def repeated(value: bytes, count: int, kind: pa.DataType) -> pa.Array:
    """The same value `count` times."""
    offsets = np.arange(count + 1, dtype=np.int32) * np.int32(len(value))
    return pa.Array.from_buffers(kind, count, [None, pa.py_buffer(offsets), pa.py_buffer(value * count)])


def numbered(name: str, numbers: Positions) -> pa.Array:
    """The ids `name:number`; numbers ascend."""
    prefix = np.frombuffer(name.encode("utf-8", "surrogatepass") + b":", np.uint8)
    digits = np.searchsorted(10 ** np.arange(1, 19), numbers, "right") + 1
    parts, sizes = [], digits + len(prefix)
    for width in range(int(digits[0]), int(digits[-1]) + 1):
        part = numbers[digits == width]
        text = np.empty((len(part), len(prefix) + width), np.uint8)
        text[:, : len(prefix)] = prefix
        for place in range(width):
            text[:, len(prefix) + width - 1 - place] = part % 10 + 48
            part = part // 10
        parts.append(text.tobytes())
    offsets = np.zeros(len(numbers) + 1, np.int32)
    np.cumsum(sizes, out=offsets[1:])
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(b"".join(parts))]
    return pa.Array.from_buffers(pa.string(), len(numbers), buffers)


def rows_of(lines: Lines, places: Sequence[int] | Positions) -> Positions:
    """The rows of the lines in which these ascending places of the text lie."""
    return np.searchsorted(lines.starts, places, "right") - 1
