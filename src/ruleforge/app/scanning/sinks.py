"""Where hits go while a scan runs: a file that can be cut back to a checkpoint, or a stream."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

import msgspec

from ruleforge.app.scanning.hits import ScanHit
from ruleforge.errors import UsageError


class LineFile:
    """Lines appended to a file. What lies behind `keep` bytes is cut off when it is opened."""

    def __init__(self, path: Path, keep: int = 0) -> None:
        """Open the file.

        Raises:
            UsageError: it is shorter than what a checkpoint says was written (RF145).
            OSError: it cannot be written.
        """
        size = path.stat().st_size if path.exists() else 0
        if size < keep:
            what = f"{size} bytes there, and the checkpoint says {keep} were written"
            raise UsageError(what, where=str(path), hint="remove the checkpoint to begin anew", code="RF145")
        self._file: BinaryIO = path.open("r+b" if path.exists() else "w+b")
        self._file.truncate(keep)
        self._file.seek(keep)
        self.path = path

    def write(self, lines: Iterable[bytes]) -> None:
        """Append lines."""
        for line in lines:
            self._file.write(line + b"\n")

    def sync(self) -> int:
        """Bring everything to the disk; return the length of the file in bytes."""
        self._file.flush()
        os.fsync(self._file.fileno())
        return self._file.tell()

    def flush(self) -> None:
        """Hand everything to the system, so that who follows the file sees it."""
        self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def encode_hit(hit: ScanHit) -> bytes:
    """Write a hit as a line of a spool."""
    return msgspec.json.encode(hit)


def read_hits(path: Path) -> Iterable[ScanHit]:
    """Read the hits of a spool, one after the other."""
    decoder = msgspec.json.Decoder(ScanHit)
    with path.open("rb") as file:
        for line in file:
            yield decoder.decode(line)


def write_whole(path: Path, data: bytes) -> None:
    """Write a file wholly or not at all."""
    part = path.with_name(path.name + ".part")
    with part.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
