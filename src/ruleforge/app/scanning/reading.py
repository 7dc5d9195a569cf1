"""Files of requests as batches: the one place where a scan reads.

`Source.batches` gives batches and, in their place, what could not be read. The order of both is the same at every
reading of the same bytes, which is what lets a checkpoint count them.
"""

import os
import select
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, TypeAlias

import pyarrow as pa

from ruleforge.app.scanning.whole_lines import beginning, unfinished
from ruleforge.errors import InputError, OutsideError, RuleForgeError, UsageError
from ruleforge.events.columns import BATCH_ROWS, to_batch
from ruleforge.events.event import Event
from ruleforge.events.formats import FORMATS, Format, detect_format, read_batches
from ruleforge.events.formats.bounded import DAMAGED, MAX_TOTAL_BYTES, buffered, open_file, remote_url, unpacked
from ruleforge.events.formats.event_logs import EVENT_FORMATS, detect_event_format
from ruleforge.events.formats.event_logs import HEAD_BYTES as EVENT_HEAD_BYTES
from ruleforge.events.request import Request

STDIN = Path("-")
ROWS = BATCH_ROWS
STREAM_ROWS = 256  # of a batch of standard input: what comes slowly shall not wait long for company
_HEAD_BYTES = 1 << 16

Item: TypeAlias = pa.RecordBatch | tuple[Event, ...] | InputError
Ready: TypeAlias = Callable[[], bool]


class Source:
    """One file, object in a store, or standard input, to read once from its beginning."""

    def __init__(
        self,
        path: Path,
        stdin: BinaryIO | None = None,
        form: Format | None = None,
        *,
        most: int = MAX_TOTAL_BYTES,
        holds_back: bool = False,
    ) -> None:
        """Name what to read.

        Args:
            path: a file, a place such as `s3://bucket/key`, or `-`.
            stdin: what `-` reads.
            form: how it is written; None: found out from its first bytes.
            most: decompressed bytes to read at most.
            holds_back: whether a last line without its end is left for another time.
        """
        self.holds_back, self.held = holds_back, 0  # bytes that were left
        self.path, self._stdin, self._form, self._most = path, stdin, form, most
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
        except (RuleForgeError, *DAMAGED) as problem:
            self.failed = True
            damaged = InputError(f"the file is damaged: {problem}", where=str(self.path), code="RF225")
            yield _as_input(problem) if isinstance(problem, RuleForgeError) else damaged

    def _read(self) -> Iterator[Item]:
        if self._stdin is not None and self.path == STDIN:
            yield from self._read_stdin(self._stdin)
        elif remote_url(self.path) is not None:
            yield from read_batches(self.path, self._form, rows=ROWS, most=self._most)
        elif not (self.path.is_file() and not self.size):  # a log rotated a moment ago is empty: no complaint
            with _open(self.path) as raw:  # opened here, so that its position can be told
                self._raw = raw
                name = self._event_format()
                stream = self._whole_lines(raw, name)
                if stream is None:
                    return
                if name is None:
                    yield from read_batches(stream, self._form, rows=ROWS, most=self._most, name=self.path.name)
                else:
                    until_us = self.path.stat().st_mtime_ns // 1_000
                    read = EVENT_FORMATS[name].read
                    plain = buffered(unpacked(buffered(stream)))
                    yield from in_groups(read(plain, self.path.name, self._most, until_us))

    def _whole_lines(self, raw: BinaryIO, event_format: str | None) -> BinaryIO | None:
        """Leave out a last line without its end; None where nothing else is there."""
        if not self.holds_back:
            return raw
        size = os.fstat(raw.fileno()).st_size
        self.held = unfinished(raw, event_format or self._form_name())
        return None if self.held >= size else beginning(raw, size - self.held) if self.held else raw

    def _form_name(self) -> str:
        if self._form is not None:
            return self._form.name
        try:
            with open_file(self.path) as stream:
                return detect_format(self.path, buffered(stream).peek(_HEAD_BYTES))
        except InputError:  # the reader will say so
            return ""

    def _event_format(self) -> str | None:
        """Look whether the file is a log of other events; its first bytes say so."""
        if self._form is not None or not self.path.is_file():  # a pipe cannot be looked at twice
            return None
        with open_file(self.path) as stream:
            return detect_event_format(buffered(stream).peek(EVENT_HEAD_BYTES))

    def _read_stdin(self, stdin: BinaryIO) -> Iterator[Item]:
        """One request after the other, so that what is there never waits for what is not: a pipe may be slow."""
        raw = buffered(stdin)
        if not raw.peek(1):
            return
        stream = buffered(unpacked(raw))
        head = stream.peek(_HEAD_BYTES)
        name = None if self._form is not None else detect_event_format(head)
        if name is not None:
            items = EVENT_FORMATS[name].read(stream, "stdin", self._most, time.time_ns() // 1_000)
            yield from in_groups(items, STREAM_ROWS, _readiness(raw))
            return
        form = self._form or FORMATS[detect_format(Path("stdin"), head)]
        yield from in_batches(form.read(stream, "stdin", self._most), STREAM_ROWS, _readiness(raw))


def _always() -> bool:
    return True


def in_groups(
    items: Iterator[Event | InputError], most: int = ROWS, ready: Ready = _always
) -> Iterator[tuple[Event, ...] | InputError]:
    """Join events to groups; an error comes after the events before it.

    Args:
        items: what a reader gives.
        most: events of a group.
        ready: as for `in_batches`.
    """
    kept: list[Event] = []
    for item in items:
        if isinstance(item, InputError):
            if kept:
                yield tuple(kept)
                kept = []
            yield item
            continue
        kept.append(item)
        if len(kept) >= most or not ready():
            yield tuple(kept)
            kept = []
    if kept:
        yield tuple(kept)


def _readiness(stream: BinaryIO) -> Ready:
    """Say how to find out whether a stream would keep its reader waiting."""
    try:
        number = stream.fileno()
    except (OSError, ValueError):
        return _always
    return lambda: bool(select.select([number], [], [], 0)[0])


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


def _open(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as error:
        raise OutsideError(f"cannot read the file: {error.strerror}", where=os.fspath(path), code="RF501") from error


def _as_input(problem: RuleForgeError) -> InputError:
    if isinstance(problem, InputError):
        return problem
    return InputError(problem.what, where=problem.where, hint=problem.hint, code=problem.code)
