"""Files of requests as batches: the one place where a scan reads.

`Source.batches` gives batches and, in their place, what could not be read. The order of both is the same at every
reading of the same bytes, which is what lets a checkpoint count them.
"""

import gzip
import io
import os
import select
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, TypeAlias

import pyarrow as pa

from ruleforge.errors import InputError, OutsideError, RuleForgeError, UsageError
from ruleforge.events.columns import to_batch
from ruleforge.events.formats import FORMATS, detect_format
from ruleforge.events.formats.bounded import MAX_TOTAL_BYTES
from ruleforge.events.request import Request

STDIN = Path("-")
ROWS = 2_048  # of a batch
STREAM_ROWS = 256  # of a batch of standard input: what comes slowly shall not wait long for company
_HEAD_BYTES = 1 << 16
_GZIP = b"\x1f\x8b"

Item: TypeAlias = pa.RecordBatch | InputError
Ready: TypeAlias = Callable[[], bool]


class Source:
    """One file, or standard input, to read once from its beginning."""

    def __init__(self, path: Path, stdin: BinaryIO | None = None, *, most: int = MAX_TOTAL_BYTES) -> None:
        self.path, self._stdin, self._most = path, stdin, most
        self.failed = False  # whether the file as a whole could not be read, or not to its end
        self._raw: BinaryIO | None = None

    @property
    def size(self) -> int:
        """Bytes on disk, compressed as they are; 0 where that is not known."""
        try:
            return self.path.stat().st_size if self.path != STDIN else 0
        except OSError:
            return 0

    @property
    def position(self) -> int:
        """Bytes read of `size`."""
        try:
            return self._raw.tell() if self._raw is not None and not self._raw.closed else 0
        except (OSError, ValueError):
            return 0

    def batches(self) -> Iterator[Item]:
        """Yield batches, and errors for what is no request; what stops the reading is the last item, and `failed`.

        Raises:
            UsageError: `-` without a standard input (RF116).
        """
        if self.path == STDIN and self._stdin is None:
            raise UsageError("there is no standard input to read", where="-", code="RF116")
        try:
            yield from self._read()
        except (RuleForgeError, OSError, EOFError, zlib.error) as problem:  # the last three: a damaged gzip file
            self.failed = True
            damaged = InputError(f"the file is damaged: {problem}", where=str(self.path), code="RF225")
            yield _as_input(problem) if isinstance(problem, RuleForgeError) else damaged

    def _read(self) -> Iterator[Item]:
        if self._stdin is not None and self.path == STDIN:
            stream = buffered(self._stdin)
            yield from read_batches(stream, Path("stdin"), self._most, STREAM_ROWS, _readiness(stream))
            return
        with _open(self.path) as raw:
            self._raw = raw
            yield from read_batches(raw, self.path, self._most, ROWS)


def _readiness(stream: io.BufferedReader) -> Ready:
    """Say how to find out whether a stream would keep its reader waiting."""
    try:
        number = stream.fileno()
    except (OSError, ValueError):
        return _always
    return lambda: bool(select.select([number], [], [], 0)[0])


def _always() -> bool:
    return True


def read_batches(stream: io.BufferedReader, path: Path, most: int, rows: int, ready: Ready = _always) -> Iterator[Item]:
    """Yield the requests of a plain or gzip stream as batches of at most `rows`, and errors in between."""
    if not stream.peek(1):
        return  # a log that was rotated a moment ago is empty: nothing to find, and nothing to complain about
    stream = unpacked(stream)
    reader = FORMATS[detect_format(path, stream.peek(_HEAD_BYTES))]
    yield from in_batches(reader.read(stream, path.name, most), rows, ready)


def in_batches(items: Iterator[Request | InputError], rows: int = ROWS, ready: Ready = _always) -> Iterator[Item]:
    """Join requests to batches; an error comes after the requests before it.

    Args:
        items: what a reader gives.
        rows: of a batch, at most.
        ready: whether more can be read without waiting; what is there does not wait for what is not.
    """
    kept: list[Request] = []
    while True:
        if kept and not ready():
            yield to_batch(kept)
            kept = []
        item = next(items, None)
        if kept and not (isinstance(item, Request) and len(kept) < rows and _alike(item, kept[0])):
            yield to_batch(kept)
            kept = []
        if item is None:
            return
        if isinstance(item, InputError):
            yield item
        else:
            kept.append(item)


def _alike(one: Request, other: Request) -> bool:
    return one.recorded_headers == other.recorded_headers


def buffered(stream: BinaryIO) -> io.BufferedReader:
    """Return a stream that can be peeked into."""
    return stream if isinstance(stream, io.BufferedReader) else io.BufferedReader(stream)  # type: ignore[arg-type]


def unpacked(stream: io.BufferedReader) -> io.BufferedReader:
    """Return a stream of the decompressed bytes; the first ones say whether it is gzip."""
    if stream.peek(2)[:2] != _GZIP:
        return stream
    return io.BufferedReader(gzip.GzipFile(fileobj=stream))


def _open(path: Path) -> io.BufferedReader:
    try:
        return path.open("rb")
    except OSError as error:
        raise OutsideError(f"cannot read the file: {error.strerror}", where=os.fspath(path), code="RF501") from error


def _as_input(problem: RuleForgeError) -> InputError:
    if isinstance(problem, InputError):
        return problem
    return InputError(problem.what, where=problem.where, hint=problem.hint, code=problem.code)
