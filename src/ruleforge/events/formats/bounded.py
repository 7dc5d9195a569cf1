"""Lines and bytes of a file that may be compressed, hostile or both: every size has a bound."""

import gzip
import io
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast

import msgspec

from ruleforge.errors import InputError, OutsideError

MAX_LINE_BYTES = 4 << 20
MAX_TOTAL_BYTES = 16 << 30  # after decompression; a day of a busy site's log
_GZIP_MAGIC = b"\x1f\x8b"


class Line(msgspec.Struct, frozen=True):
    """One line of a file, without its line end."""

    number: int  # from 1
    text: bytes


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
        except (OSError, EOFError, zlib.error) as error:
            yield InputError(f"the file is damaged: {error}", where=f"{name}:{number + 1}", code="RF225")
            return
        number, total = number + 1, total + size
        if not size:
            return
        if total > most:
            hint = "split it, or raise the bound"
            yield InputError(f"more than {most} bytes", where=f"{name}:{number}", hint=hint, code="RF222")
            return
        if too_long:
            yield InputError(f"line of more than {MAX_LINE_BYTES} bytes", where=f"{name}:{number}", code="RF221")
        elif line := text.rstrip(b"\r\n"):
            yield Line(number, line)
