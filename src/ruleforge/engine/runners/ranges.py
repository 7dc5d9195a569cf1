"""A range of a file as a stream of its own."""

import io
from pathlib import Path
from typing import TYPE_CHECKING

from ruleforge.errors import OutsideError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_BUFFER_BYTES = 1 << 20


def open_range(path: Path, start: int, stop: int) -> io.BufferedReader:
    """Open the bytes from `start` to before `stop`.

    Raises:
        OutsideError: the file cannot be opened (RF501).
    """
    try:
        return io.BufferedReader(_Range(path, start, stop), _BUFFER_BYTES)
    except OSError as error:
        raise OutsideError(f"cannot read the file: {error.strerror}", where=str(path), code="RF501") from error


class _Range(io.RawIOBase):
    def __init__(self, path: Path, start: int, stop: int) -> None:
        self._file = path.open("rb", buffering=0)
        self._file.seek(start)
        self._left = stop - start

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        view = memoryview(buffer)[: self._left]
        count = self._file.readinto(view) or 0
        self._left -= count
        return count

    def close(self) -> None:
        self._file.close()
        super().close()
