"""A last line without its end: the writer of a live log may not be done with it."""

import io
import os
from typing import BinaryIO, cast

from ruleforge.events.formats.bounded import COMPRESSED, MAX_LINE_BYTES

_PIECE = 1 << 16
# Formats with a record a line. The others are documents, of which every byte belongs to what was there.
_LINE_FORMATS = frozenset(
    ("jsonl", "combined", "log_format", "w3c", "zeek", "zeek_json", "alb", "waf", "galah", "tanner", "json_log")
) | frozenset(("auth_log", "cowrie", "vpc_flow", "auditd", "process_json", "bind", "dnsmasq", "zeek_dns", "events"))


def unfinished(file: BinaryIO, format_name: str) -> int:
    """Return how many bytes stand behind the last line end of a plain file; 0 where that means nothing.

    Args:
        file: stands at its beginning, and does again afterwards.
        format_name: of FORMATS or EVENT_FORMATS.
    """
    if format_name not in _LINE_FORMATS or file.read(4).startswith(COMPRESSED):
        file.seek(0)
        return 0
    size = end = file.seek(0, os.SEEK_END)
    found = -1
    while found < 0 and end and size - end <= MAX_LINE_BYTES:
        start = max(0, end - _PIECE)
        file.seek(start)
        found, end = file.read(end - start).rfind(b"\n"), start
    file.seek(0)
    if found >= 0:
        return size - (end + found + 1)
    return size if not end else 0  # longer than a line can be: read, and told of


class Beginning(io.RawIOBase):
    """The first bytes of a file and no more, even where it grows meanwhile."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file, self._left = file, size

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        """Read what fits and is left."""
        data = self._file.read(min(len(buffer), self._left))
        buffer[: len(data)] = data
        self._left -= len(data)
        return len(data)


def beginning(file: BinaryIO, size: int) -> BinaryIO:
    """Return a stream of the first `size` bytes of a file that stands at its beginning."""
    return cast("BinaryIO", io.BufferedReader(Beginning(file, size), _PIECE))
