"""Lines and bytes of a file that may be compressed, hostile or both: every size has a bound."""

import gzip
import io
import re
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, cast

import msgspec

from ruleforge.errors import InputError, OutsideError, UsageError

MAX_LINE_BYTES = 4 << 20
MAX_TOTAL_BYTES = 16 << 30  # after decompression; a day of a busy site's log
DAMAGED = (OSError, EOFError, zlib.error)  # what reading a damaged compressed file raises
_GZIP_MAGIC = b"\x1f\x8b"
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
COMPRESSED = (_GZIP_MAGIC, _ZSTD_MAGIC)  # how files begin that cannot be read from the middle
_REMOTE = re.compile(r"(s3|gs|gcs):/{1,2}(?!/)(.+)", re.DOTALL)
_REMOTE_BLOCK = 1 << 20
_PIECE = 1 << 16  # bytes decompressed at once


class Line(msgspec.Struct, frozen=True):
    """One line of a file, without its line end."""

    number: int  # from 1
    text: bytes


class Block(msgspec.Struct, frozen=True):
    """Whole lines of a file as they stand in it, line ends and blank lines included."""

    number: int  # of the first line, from 1
    text: bytes  # the last line of a file may lack its line end


def open_file(path: Path) -> BinaryIO:
    """Open a plain or compressed (gzip, zstd) file for reading; its first bytes decide, not its name.

    Args:
        path: a file, or a place such as `s3://bucket/key` or `gs://bucket/key`, for which fsspec is needed.

    Raises:
        OutsideError: the file cannot be opened (RF501).
        UsageError: fsspec, or its part for this kind of place, is not installed (RF172).
    """
    if (url := remote_url(path)) is not None:
        return unpacked(_open_remote(url))
    try:
        return unpacked(path.open("rb"))
    except OSError as error:
        raise OutsideError(f"cannot read the file: {error.strerror}", where=str(path), code="RF501") from error


def remote_url(path: Path | str) -> str | None:
    """The URL that a path stands for; `Path` makes one slash of two. None: it is a file of this machine."""
    found = _REMOTE.match(str(path))
    return None if found is None else f"{found[1]}://{found[2]}"


def _open_remote(url: str) -> io.BufferedReader:
    hint = "install ruleforge[s3], or for Google's storage the package gcsfs"
    try:
        import fsspec
    except ImportError as error:
        raise UsageError("reading from object storage needs fsspec", where=url, hint=hint, code="RF172") from error
    try:
        return io.BufferedReader(fsspec.open(url, "rb").open(), _REMOTE_BLOCK)
    except ImportError as error:
        raise UsageError(f"cannot read this kind of URL: {error}"[:200], where=url, hint=hint, code="RF172") from error
    except Exception as error:
        raise OutsideError(f"cannot read the file: {error}"[:300], where=url, code="RF501") from error


def buffered(stream: BinaryIO) -> io.BufferedReader:
    """Return a stream whose first bytes can be looked at."""
    return stream if isinstance(stream, io.BufferedReader) else io.BufferedReader(stream)  # type: ignore[arg-type]


def unpacked(stream: io.BufferedReader) -> BinaryIO:
    """Return a stream of the decompressed bytes; the first ones say whether it is gzip or zstd.

    Closing it closes `stream`. Nothing is decompressed ahead of what is read, so a bound on the bytes read holds.
    """
    start = stream.peek(4)[:4]
    if start[:2] == _GZIP_MAGIC:
        return cast("BinaryIO", io.BufferedReader(_Gzip(stream), _PIECE))  # type: ignore[arg-type,type-var,unused-ignore]
    if start == _ZSTD_MAGIC:
        import pyarrow as pa  # which brings zstd along; the standard library has it from Python 3.14 on

        return cast("BinaryIO", io.BufferedReader(pa.CompressedInputStream(stream, "zstd"), _PIECE))
    return stream


class _Gzip(gzip.GzipFile):
    """A gzip stream that closes what it reads from."""

    def __init__(self, stream: io.BufferedReader) -> None:
        super().__init__(fileobj=stream)
        self._stream = stream

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        """Read what one step of decompression gives: what came before a damaged place is not lost."""
        data = self.read1(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        super().close()
        self._stream.close()


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
        while missing and (part := read(min(missing, _PIECE))):
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
