"""Readers of log and capture formats: each gives requests, and an error for what it could not read."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TypeAlias

import msgspec

from ruleforge._registry import Registry
from ruleforge.errors import InputError
from ruleforge.events.formats.batches import in_batches
from ruleforge.events.formats.bounded import MAX_TOTAL_BYTES, buffered, open_file, unpacked
from ruleforge.events.formats.burp import is_burp, read_burp
from ruleforge.events.formats.capture import is_capture, read_capture
from ruleforge.events.formats.combined import is_access_line, read_combined
from ruleforge.events.formats.har import is_har, read_har
from ruleforge.events.formats.jsonl import read_jsonl, request_to_json
from ruleforge.events.formats.raw_http import parse_raw_request, parse_request_line, read_raw_http
from ruleforge.events.formats.shown import request_to_text
from ruleforge.events.request import Request

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = [
    "FORMATS",
    "Format",
    "detect_format",
    "parse_raw_request",
    "parse_request_line",
    "read_batches",
    "read_requests",
    "request_to_json",
    "request_to_text",
]

Reader: TypeAlias = Callable[[BinaryIO, str, int], Iterator[Request | InputError]]
# Decompressed stream, name of the file, bytes at most, rows of a batch at most.
BatchReader: TypeAlias = Callable[[BinaryIO, str, int, int], "Iterator[pa.RecordBatch | InputError]"]
BATCH_ROWS = 8_192
_HEAD_BYTES = 64 << 10
_REQUEST_START = re.compile(rb"\s{0,8}[A-Z]{2,20} +[^\r\n]{1,8000} HTTP/[0-9]")


class Format(msgspec.Struct, frozen=True):
    """One way requests are written to files."""

    name: str
    meaning: str
    read: Reader  # decompressed stream, name of the file, bytes at most
    batches: BatchReader | None = None  # a quicker way to the same requests; None: they come from `read`
    event: str = "http.request"  # what kind of event it yields


FORMATS = Registry[Format]("format")
for _format in (
    Format("jsonl", "one JSON object a line", read_jsonl),
    Format("raw_http", "one HTTP/1 request as text", read_raw_http),
    Format("combined", "access log of Apache or nginx, common or combined", read_combined),
    Format("har", "what a browser recorded, one JSON document", read_har),
    Format("burp", "Burp Suite's XML export of requests", read_burp),
    Format("pcap", "packets with unencrypted HTTP/1, pcap or pcapng", read_capture),
):
    FORMATS.put(_format.name, _format)


def detect_format(path: Path, head: bytes) -> str:
    """Name the format of a file from its first (decompressed) bytes, else from its name.

    Raises:
        InputError: neither says (RF220).
    """
    if is_capture(head):
        return "pcap"
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    if start[:1] == b"{":
        return "har" if is_har(start) else "jsonl"
    if is_burp(head):
        return "burp"
    if is_access_line(start.partition(b"\n")[0]):
        return "combined"
    if _REQUEST_START.match(start):
        return "raw_http"
    suffixes = {suffix.lower() for suffix in path.suffixes}
    for name, known in _SUFFIXES.items():
        if suffixes & known:
            return name
    hint = "name it: " + ", ".join(FORMATS)
    raise InputError("the format of the file is not known", where=str(path), hint=hint, code="RF220")


_SUFFIXES = {
    "jsonl": {".jsonl", ".ndjson"},
    "raw_http": {".http", ".req", ".raw"},
    "combined": {".log"},
    "har": {".har"},
    "pcap": {".pcap", ".pcapng"},
}


def read_requests(
    path: Path, format_name: str | None = None, *, most: int = MAX_TOTAL_BYTES
) -> Iterator[Request | InputError]:
    """Read the requests of a plain or gzip file, one after the other.

    Args:
        path: the file.
        format_name: a key of FORMATS; None: found out from the first bytes.
        most: decompressed bytes to read at most; then the last item is an error.

    Raises:
        InputError: the format is not known (RF220).
        OutsideError: the file cannot be opened (RF501).
        UsageError: no such format (RF102).
    """
    with open_file(path) as stream:
        reader = FORMATS[format_name or detect_format(path, _peek(stream))]
        yield from reader.read(stream, path.name, most)


def read_batches(
    source: Path | BinaryIO,
    format_name: str | Format | None = None,
    *,
    rows: int = BATCH_ROWS,
    most: int = MAX_TOTAL_BYTES,
    name: str = "stdin",
) -> "Iterator[pa.RecordBatch | InputError]":
    """Read a file or stream as batches of `events.columns.SCHEMA`: the same requests as `read_requests` gives.

    Args:
        source: a path, or a stream of plain or compressed bytes that is read once from where it stands.
        format_name: a key of FORMATS, or a format of one's own; None: found out from the first bytes.
        rows: of a batch at most.
        most: decompressed bytes to read at most; then the last item is an error.
        name: of a stream, for ids and places; a path has its own.

    Returns:
        Requests in the order of the file. An error comes before the batch that holds the requests around it. The same
        bytes always give the same batches.

    Raises:
        InputError: the format is not known (RF220).
        OutsideError: the file cannot be opened (RF501).
        UsageError: no such format (RF102).
    """
    if isinstance(source, Path):
        with open_file(source) as stream:
            yield from _batches_of(stream, source.name, source, format_name, rows, most)
    else:
        yield from _batches_of(unpacked(buffered(source)), name, Path(name), format_name, rows, most)


def _batches_of(
    stream: BinaryIO, name: str, path: Path, format_name: str | Format | None, rows: int, most: int
) -> "Iterator[pa.RecordBatch | InputError]":
    if isinstance(format_name, Format):
        reader = format_name
    else:
        reader = FORMATS[format_name or detect_format(path, _peek(stream))]
    if reader.batches is not None:
        return reader.batches(stream, name, most, rows)
    return in_batches(reader.read(stream, name, most), rows)


def _peek(stream: BinaryIO) -> bytes:
    peek: Callable[[int], bytes] = stream.peek  # type: ignore[attr-defined]
    return peek(_HEAD_BYTES)
