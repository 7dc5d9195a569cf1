"""The beginning of a file, as the tests for formats look at it."""

import re
from functools import cached_property
from typing import Any

import msgspec

HEAD_BYTES = 64 << 10
_REQUEST_START = re.compile(rb"\s{0,8}[A-Z]{2,20} +[^\r\n]{1,8000} HTTP/[0-9]")


class Head:
    """The first (decompressed) bytes of a file."""

    def __init__(self, data: bytes) -> None:
        self.data = data[:HEAD_BYTES]
        self.start = self.data.lstrip(b"\xef\xbb\xbf \t\r\n")
        self.line = self.start.partition(b"\n")[0].rstrip(b"\r")

    @cached_property
    def entry(self) -> dict[str, Any]:
        """The object that the first line is; empty where it is none."""
        if self.line[:1] != b"{":
            return {}
        try:
            found = msgspec.json.decode(self.line)
        except (msgspec.DecodeError, RecursionError):
            return {}
        return found if isinstance(found, dict) else {}


def is_raw_request(head: Head) -> bool:
    """Whether a file begins with a request line."""
    return _REQUEST_START.match(head.start) is not None


def is_own_row(head: Head) -> bool:
    """Whether the first line is a row as our own JSON lines have it."""
    return "target" in head.entry or (
        head.entry.keys() >= {"method", "headers"}
        and not head.entry.keys() & {*("uri", "url", "path", "request", "request_uri", "status", "peer")}
    )
