"""Files that grow while a scan watches them: new lines, half lines, rotation by renaming, truncation in place."""

import io
import os
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import msgspec

from ruleforge.app.scanning.hits import PROBLEMS_KEPT, Alert, ScanReport
from ruleforge.app.scanning.reading import Item, in_batches, in_groups
from ruleforge.app.scanning.run import Run
from ruleforge.errors import InputError, UsageError
from ruleforge.events.formats import FORMATS, Format, detect_format
from ruleforge.events.formats.bounded import MAX_LINE_BYTES
from ruleforge.events.formats.event_logs import EVENT_FORMATS, EventFormat, detect_event_format
from ruleforge.events.formats.event_logs import HEAD_BYTES as EVENT_HEAD_BYTES

WAIT_SECONDS = 0.2  # between two looks at quiet files
READ_BYTES = 4 << 20  # taken of one file before the others get their turn
HEAD_LINES = 64  # lines beginning with `#` at the top of a file that a reader may need (W3C, Zeek)
# Documents as a whole, which cannot be read line by line.
WHOLE = frozenset({"har", "burp", "pcap", "raw_http", "parquet", "arrow"})


class Chunk(msgspec.Struct, frozen=True):
    """Whole new lines of a file."""

    path: Path
    data: bytes
    lines_before: int  # lines of the file before `data`


class Tail:
    """One file that is followed by its name, as `tail -F` does."""

    def __init__(self, path: Path, *, from_start: bool) -> None:
        self.path = path
        self._file: BinaryIO | None = None
        self._identity = (0, 0)
        self._half = b""  # a last line without its end
        self._skipping = False  # inside a line that is too long
        self._lines = 0
        self.head: list[bytes] = []  # lines beginning with `#` at the top
        self.too_long = 0
        self._open(from_start=from_start)

    def _open(self, *, from_start: bool) -> bool:
        try:
            self._file = self.path.open("rb")
        except OSError:
            self._file = None
            return False
        status = os.fstat(self._file.fileno())
        self._identity = (status.st_dev, status.st_ino)
        self._begin()
        if not from_start:
            self._skip_to_end()
        return True

    def _begin(self) -> None:
        self._half, self._skipping, self._lines, self.head = b"", False, 0, []

    def _skip_to_end(self) -> None:
        """Count the lines that are there; the end may be in the middle of a line, which then counts as new."""
        assert self._file is not None
        while chunk := self._file.read(READ_BYTES):
            if self._lines < HEAD_LINES:
                self._keep_head(chunk)
            self._lines += chunk.count(b"\n")
            self._half = chunk.rpartition(b"\n")[2] if b"\n" in chunk else (self._half + chunk)[-MAX_LINE_BYTES:]

    def read(self) -> Chunk | None:
        """Return new whole lines, at most 4 MiB; None where there are none. Looks for a rotation when it is quiet."""
        if self._file is None and not self._open(from_start=True):
            return None  # not there yet, or renamed away: what comes under this name is read from its start
        chunk = self._more()
        if chunk is None and self._is_other():
            return self._turn()
        return chunk

    def _more(self) -> Chunk | None:
        assert self._file is not None
        if os.fstat(self._file.fileno()).st_size < self._file.tell():  # truncated in place: copytruncate
            self._file.seek(0)
            self._begin()
        return self._whole_lines(self._file.read(READ_BYTES))

    def _whole_lines(self, new: bytes) -> Chunk | None:
        whole, end, half = (self._half + new).rpartition(b"\n") if new else (b"", b"", self._half)
        self._half = half
        if len(self._half) > MAX_LINE_BYTES:
            self.too_long += not self._skipping
            self._half, self._skipping = b"", True
        if not end:
            return None
        data, before = whole + end, self._lines
        if self._skipping:  # the rest of a line that was too long
            data = data.partition(b"\n")[2]
            self._skipping, before = False, before + 1
        if before < HEAD_LINES:
            self._keep_head(data)
        self._lines = before + data.count(b"\n")
        return Chunk(self.path, data, before) if data else None

    def take_too_long(self) -> int:
        """Return how many lines were too long since the last call."""
        count, self.too_long = self.too_long, 0
        return count

    def _keep_head(self, data: bytes) -> None:
        if self._lines == len(self.head):
            for line in data.split(b"\n", HEAD_LINES)[:HEAD_LINES]:
                if not line.startswith(b"#"):
                    break
                self.head.append(line)

    def _is_other(self) -> bool:
        try:
            status = self.path.stat()
        except OSError:
            return False  # renamed, and the new one is not there yet
        return (status.st_dev, status.st_ino) != self._identity

    def _turn(self) -> Chunk | None:
        """The name now belongs to another file: take the last line of the old one, then open the new one."""
        assert self._file is not None
        late = self._more()
        if late is not None:
            return late
        rest, before = self._half, self._lines
        self._file.close()
        self._file = None
        if rest.strip():
            return Chunk(self.path, rest + b"\n", before)  # a last line that never got its end
        return self._more() if self._open(from_start=True) else None

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()


def tails(files: Sequence[Path], *, from_start: bool = False) -> list[Tail]:
    """Open every file; one that is not there yet is read from its start once it comes."""
    return [Tail(path, from_start=from_start or not path.exists()) for path in files]


def follow(
    opened: Sequence[Tail],
    run: Run,
    *,
    wait: Callable[[], bool] | None = None,
    refresh: Callable[[], None] = lambda: None,
) -> Iterator[Alert]:
    """Yield alerts as the lines come, until `wait` says that it is enough.

    Args:
        opened: what to follow.
        run: rules with everything that decides which hits count; its report and digest are up to date after each
            alert.
        wait: called when all files are quiet; False ends it. By default it sleeps for 0.2 s.
        refresh: called before each look at the files: it may give the run other rules.

    Raises:
        UsageError: a file whose format cannot be followed (RF148).
    """
    wait = wait or _sleep
    formats: dict[Path, Format | EventFormat] = {} if run.form is None else {tail.path: run.form for tail in opened}
    run.report.files = len(opened)
    while True:
        quiet = True
        refresh()
        for tail in opened:
            chunk = tail.read()
            for _ in range(tail.take_too_long()):
                what = f"line of more than {MAX_LINE_BYTES} bytes"
                _note(InputError(what, where=str(tail.path), code="RF221"), run.report)
            if chunk is not None:
                quiet = False
                yield from _ask(chunk, tail, formats, run)
        if quiet:
            yield from run.close()  # everything was read: no event need wait for an earlier one
            if not wait():
                return


def _sleep() -> bool:
    time.sleep(WAIT_SECONDS)
    return True


def _ask(chunk: Chunk, tail: Tail, formats: dict[Path, Format | EventFormat], run: Run) -> Iterator[Alert]:
    head = b"".join(line + b"\n" for line in tail.head[: chunk.lines_before])
    try:
        form = formats.get(chunk.path) or _format(chunk.path, head + chunk.data)
    except InputError as problem:
        _note(problem, run.report)
        return
    formats[chunk.path] = form
    stream, shift = io.BytesIO(head + chunk.data), chunk.lines_before - head.count(b"\n")
    items: Iterator[Item]
    if isinstance(form, EventFormat):
        items = in_groups(form.read(stream, chunk.path.name, 1 << 40, time.time_ns() // 1_000))
    else:
        items = in_batches(form.read(stream, chunk.path.name, 1 << 40))
    for item in items:
        if isinstance(item, InputError):
            _note(item, run.report)
        else:
            asker = run.others if isinstance(item, tuple) else run.asker
            yield from run.count(asker.ask(item, chunk.path, lines_before=shift), str(chunk.path))


def _format(path: Path, data: bytes) -> Format | EventFormat:
    event_format = detect_event_format(data[:EVENT_HEAD_BYTES])
    if event_format is not None:
        return EVENT_FORMATS[event_format]
    name = detect_format(path, data[: 1 << 16])
    if name in WHOLE:
        hint = "lines can be followed; scan such a file when it is complete"
        raise UsageError(f"a file of the format {name} cannot be followed", where=str(path), hint=hint, code="RF148")
    return FORMATS[name]


def _note(problem: InputError, report: ScanReport) -> None:
    report.unreadable += 1
    if len(report.problems) < PROBLEMS_KEPT:
        report.problems.append(str(problem))
