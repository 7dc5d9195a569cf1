"""Files cut into pieces of work: lines of a log, row groups of Parquet, batches of Arrow, or the file as a whole."""

import hashlib
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, Literal

import msgspec

from ruleforge.errors import RuleForgeError, UsageError
from ruleforge.events.formats import detect_format
from ruleforge.events.formats.bounded import COMPRESSED

PIECE_BYTES = 32 << 20  # long beside the cost of handing a piece over, short beside a run
LINE_FORMATS = frozenset({"combined", "jsonl"})  # each line can be read without those before it
PARQUET_MAGIC, ARROW_MAGIC = b"PAR1", b"ARROW1"
_HEAD_BYTES = 64 << 10
_STEP_BYTES = 1 << 20


class Pinned(msgspec.Struct, frozen=True):
    """A file as it was when the run began; lines that are appended later belong to another run."""

    file: str
    size: int  # bytes
    changed_ns: int  # time of the last change
    head: str  # SHA-256 of the first 64 KiB


class Piece(msgspec.Struct, frozen=True):
    """Part of a file that one process reads by itself."""

    number: int  # position in the run: order of files, then of rows
    file: str
    kind: Literal["lines", "whole", "parquet", "arrow"]
    start: int  # byte, row group or batch
    stop: int  # the first one that is not in it
    first: int  # rows before it: of a log the lines, so that rows ascend although some lines are no request
    format: str = ""  # a key of FORMATS; empty: a table, or to be found out


def pin(file: Path) -> Pinned:
    """Say what a file is now; one that cannot be opened has size -1 and is reported when its piece is read."""
    try:
        facts = file.stat()
        if not stat.S_ISREG(facts.st_mode):
            return Pinned(str(file), -1, 0, "")
        with file.open("rb") as stream:
            head = stream.read(_HEAD_BYTES)
        return Pinned(str(file), facts.st_size, facts.st_mtime_ns, hashlib.sha256(head).hexdigest())
    except OSError:
        return Pinned(str(file), -1, 0, "")


def check_unchanged(was: Pinned) -> None:
    """Make sure that the bytes which a run began with are still there. A log may have grown.

    Raises:
        UsageError: the file was changed, cut or replaced (RF162).
    """
    now = pin(Path(was.file))
    if now != was and not (now.size > was.size > 0 and _is_log(Path(was.file)) and _same_head(was)):
        hint = "scan into another folder, or without --resume"
        raise UsageError("the file changed since the run began", where=was.file, hint=hint, code="RF162")


def _is_log(path: Path) -> bool:
    try:
        return _kind(path)[0] == "lines"
    except RuleForgeError:
        return False


def _same_head(was: Pinned) -> bool:
    with Path(was.file).open("rb") as stream:
        return hashlib.sha256(stream.read(min(was.size, _HEAD_BYTES))).hexdigest() == was.head


def cut(files: Sequence[Pinned], piece_bytes: int = PIECE_BYTES) -> Iterator[Piece]:
    """Yield the pieces of `files` in order; the same files give the same pieces.

    Cutting a log reads it once, to count its lines, ahead of who reads them for good.
    """
    number = 0
    for file in files:
        for piece in _pieces_of(file, piece_bytes):
            yield msgspec.structs.replace(piece, number=number)
            number += 1


def _pieces_of(file: Pinned, piece_bytes: int) -> Iterator[Piece]:
    whole = Piece(0, file.file, "whole", 0, max(file.size, 0), 0)
    if file.size <= 0:
        return iter((whole,))
    try:
        kind, name = _kind(Path(file.file))
        if kind == "lines":
            return _line_pieces(file, name, piece_bytes)
        if kind != "whole":
            return iter(list(_table_pieces(file, kind, piece_bytes)))
    except (RuleForgeError, OSError, ValueError):  # the last two: Arrow about a damaged table
        name = ""
    return iter((msgspec.structs.replace(whole, format=name),))  # what is wrong is said where it is read


def _kind(path: Path) -> tuple[Literal["lines", "whole", "parquet", "arrow"], str]:
    with path.open("rb") as stream:
        head = stream.read(_HEAD_BYTES)
    if head.startswith(PARQUET_MAGIC):
        return "parquet", ""
    if head.startswith(ARROW_MAGIC):
        return "arrow", ""
    if head.startswith(COMPRESSED):
        return "whole", ""
    name = detect_format(path, head)
    return ("lines" if name in LINE_FORMATS else "whole"), name


def _line_pieces(file: Pinned, name: str, piece_bytes: int) -> Iterator[Piece]:
    with Path(file.file).open("rb") as stream:
        start = lines = 0
        while start < file.size:
            stop, count = _next_cut(stream, start, min(start + piece_bytes, file.size), file.size)
            yield Piece(0, file.file, "lines", start, stop, lines, name)
            start, lines = stop, lines + count


def _next_cut(stream: BinaryIO, start: int, target: int, size: int) -> tuple[int, int]:
    """Return where the line ends that the byte before `target` is in, and how many lines end from `start` to there."""
    stream.seek(start)
    at, lines = start, 0
    while at < size:
        before_target = at < target - 1
        wanted = min(_STEP_BYTES, (target - 1 if before_target else size) - at)
        text = stream.read(wanted)
        if not text:
            break
        if not before_target and (end := text.find(b"\n")) >= 0:
            return at + end + 1, lines + 1
        lines += text.count(b"\n")
        at += len(text)
    return size, lines


def _table_pieces(file: Pinned, kind: Literal["parquet", "arrow"], piece_bytes: int) -> Iterator[Piece]:
    sizes = _parquet_sizes(file.file) if kind == "parquet" else _arrow_sizes(file.file)
    start = first = rows = held = 0
    for index, (count, size) in enumerate(sizes):
        if held and held + size > piece_bytes:
            yield Piece(0, file.file, kind, start, index, first)
            start, first, rows, held = index, first + rows, 0, 0
        rows, held = rows + count, held + size
    if held or not sizes:
        yield Piece(0, file.file, kind, start, len(sizes), first)


def _parquet_sizes(file: str) -> list[tuple[int, int]]:
    import pyarrow.parquet as pq

    with pq.ParquetFile(file) as table:
        groups = [table.metadata.row_group(index) for index in range(table.num_row_groups)]
        return [(group.num_rows, max(group.total_byte_size, 1)) for group in groups]


def _arrow_sizes(file: str) -> list[tuple[int, int]]:
    import pyarrow as pa

    with pa.memory_map(file) as source, pa.ipc.open_file(source) as table:
        batches = (table.get_batch(index) for index in range(table.num_record_batches))
        return [(batch.num_rows, max(batch.nbytes, 1)) for batch in batches]
