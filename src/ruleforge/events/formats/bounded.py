"""Lines and bytes of a file that may be compressed, hostile or both: every size has a bound."""

import gzip
import io
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, cast

import msgspec

from ruleforge.errors import InputError, OutsideError

MAX_LINE_BYTES = 4 << 20
MAX_TOTAL_BYTES = 16 << 30  # after decompression; a day of a busy site's log
DAMAGED = (OSError, EOFError, zlib.error)  # what reading a damaged compressed file raises
_GZIP_MAGIC = b"\x1f\x8b"


class Line(msgspec.Struct, frozen=True):
    """One line of a file, without its line end."""

    number: int  # from 1
    text: bytes


class Block(msgspec.Struct, frozen=True):
    """Whole lines of a file as they stand in it, line ends and blank lines included."""

    number: int  # of the first line, from 1
    text: bytes  # the last line of a file may lack its line end


def open_file(path: Path) -> BinaryIO:
    """Open a plain or gzip file for reading; its first bytes decide, not its name.

    Raises:
        OutsideError: the file cannot be opened (RF501).
    """
    try:
        with path.open("rb") as file:
            is_gzip = file.read(2) == _GZIP_MAGIC
        return cast("BinaryIO", gzip.open(path)) if is_gzip else path.open("rb")
    except OSError as error:
        raise OutsideError(f"cannot read the file: {error.strerror}", where=str(path), code="RF501") from error


def buffered(stream: BinaryIO) -> io.BufferedReader:
    """Return a stream whose first bytes can be looked at."""
    return stream if isinstance(stream, io.BufferedReader) else io.BufferedReader(stream)  # type: ignore[arg-type]


def unpacked(stream: io.BufferedReader) -> BinaryIO:
    """Return a stream of the decompressed bytes; the first ones say whether it is gzip."""
    if stream.peek(2)[:2] != _GZIP_MAGIC:
        return stream
    return io.BufferedReader(gzip.GzipFile(fileobj=stream))  # type: ignore[type-var,arg-type,unused-ignore]


def read_lines(stream: BinaryIO, name: str, most: int = MAX_TOTAL_BYTES) -> Iterator[Line | InputError]:
    """Yield the lines that are not blank; a line too long is reported and skipped.

    A damaged file and one with more than `most` bytes end with an error as the last item.
    """
    number = total = 0
    while True:
        try:
            text = stream.readline(MAX_LINE_BYTES + 1)
            size = len(text)
            too_long = size > MAX_LINE_BYTES
            while too_long and text and not text.endswith(b"\n") and total + size <= most:
                text = stream.readline(MAX_LINE_BYTES)
                size += len(text)
        except DAMAGED as error:
            yield _damaged(name, number + 1, error)
            return
        number, total = number + 1, total + size
        if not size:
            return
        if total > most:
            yield _too_much(name, number, most)
            return
        if too_long:
            yield _too_long(name, number)
        elif line := text.rstrip(b"\r\n"):
            yield Line(number, line)


def read_blocks(
    stream: BinaryIO, name: str, most: int = MAX_TOTAL_BYTES, size: int = 1 << 20
) -> Iterator[Block | InputError]:
    """Yield the same lines as `read_lines`, many at once: about `size` bytes, cut at line ends.

    The errors are those of `read_lines`. Where blocks are cut depends on the bytes alone, not on how they come.
    """
    import numpy as np

    number, total, dropped, rest = 1, 0, 0, b""
    while True:
        data, problem = _read_exactly(stream, size)
        is_last = len(data) < size
        text = rest + data
        cut = len(text) if is_last and not problem else text.rfind(b"\n") + 1
        text, rest = text[:cut], text[cut:]
        first = text.find(b"\n") + 1 or len(text)
        if dropped + first > MAX_LINE_BYTES and (text or (is_last and not problem)):
            total, dropped = total + dropped + first, 0
            yield _too_much(name, number, most) if total > most else _too_long(name, number)
            if total > most:
                return
            number, text = number + 1, text[first:]
        fits = len(text) if total + len(text) <= most else text.rfind(b"\n", 0, most - total) + 1
        if fits:
            yield Block(number, text[:fits])
        total, number = total + fits, number + int(np.count_nonzero(np.frombuffer(text, np.uint8, fits) == 10))
        if len(rest) > MAX_LINE_BYTES:
            dropped, rest = dropped + len(rest), b""
        if fits < len(text) or total + dropped > most:
            yield _too_much(name, number, most)
            return
        if problem:
            yield _damaged(name, number, problem)
        if is_last:
            return


def _read_exactly(stream: BinaryIO, size: int) -> tuple[bytes, Exception | None]:
    """Read `size` bytes, fewer at the end; what came before a damaged place is kept."""
    read: Callable[[int], bytes] = getattr(stream, "read1", stream.read)
    parts, missing = [], size
    try:
        while missing and (part := read(missing)):
            parts.append(part)
            missing -= len(part)
    except DAMAGED as error:
        return b"".join(parts), error
    return b"".join(parts), None


def _too_much(name: str, number: int, most: int) -> InputError:
    hint = "split it, or raise the bound"
    return InputError(f"more than {most} bytes", where=f"{name}:{number}", hint=hint, code="RF222")


def _too_long(name: str, number: int) -> InputError:
    return InputError(f"line of more than {MAX_LINE_BYTES} bytes", where=f"{name}:{number}", code="RF221")


def _damaged(name: str, number: int, problem: Exception) -> InputError:
    return InputError(f"the file is damaged: {problem}", where=f"{name}:{number}", code="RF225")
