"""Readers of log and capture formats: each gives requests, and an error for what it could not read."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TypeAlias

import msgspec

from ruleforge._registry import Registry
from ruleforge.errors import InputError, UsageError
from ruleforge.events.formats.aws import is_alb_line, is_waf, read_alb, read_waf
from ruleforge.events.formats.batches import in_batches
from ruleforge.events.formats.bounded import MAX_TOTAL_BYTES, buffered, open_file, unpacked
from ruleforge.events.formats.burp import is_burp, read_burp
from ruleforge.events.formats.capture import is_capture, read_capture
from ruleforge.events.formats.combined import combined_batches, is_access_line, read_combined
from ruleforge.events.formats.har import is_har, read_har
from ruleforge.events.formats.heads import HEAD_BYTES, Head, is_own_row, is_raw_request
from ruleforge.events.formats.honeypots import (
    is_crowdsec,
    is_crowdsec_list,
    is_galah,
    is_tanner,
    read_crowdsec,
    read_galah,
    read_tanner,
)
from ruleforge.events.formats.json_logs import NAMES, is_json_log, read_json_log
from ruleforge.events.formats.jsonl import read_jsonl, request_to_json
from ruleforge.events.formats.log_format import compile_log_format, log_format_batches, read_log_format
from ruleforge.events.formats.raw_http import parse_raw_request, parse_request_line, read_raw_http
from ruleforge.events.formats.shown import request_to_text
from ruleforge.events.formats.tables import is_arrow, is_parquet, read_table, table_batches
from ruleforge.events.formats.w3c import is_w3c, read_w3c
from ruleforge.events.formats.zeek import is_zeek, is_zeek_json, read_zeek, read_zeek_json
from ruleforge.events.request import Request

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = [
    "FORMATS",
    "Format",
    "detect_format",
    "format_from_names",
    "format_from_string",
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


class Format(msgspec.Struct, frozen=True):
    """One way requests are written to files."""

    name: str
    meaning: str
    read: Reader  # decompressed stream, name of the file, bytes at most
    batches: BatchReader | None = None  # a quicker way to the same requests; None: they come from `read`
    looks: Callable[[Head], bool] | None = None  # whether a file that begins so has the format; None: never found out
    event: str = "http.request"  # what kind of event it yields


FORMATS = Registry[Format]("format")
# The first whose beginning fits is taken: what is told by a magic number, then what has keys of its own, then the rest.
for _format in (
    Format(
        "jsonl",
        "one JSON object a line, with all parts of a request",
        read_jsonl,
        looks=lambda head: not is_har(head.start) and is_own_row(head),
    ),
    Format("raw_http", "one HTTP/1 request as text", read_raw_http, looks=is_raw_request),
    Format(
        "combined",
        "access log of Apache or nginx, common or combined",
        read_combined,
        combined_batches,
        lambda head: is_access_line(head.line),
    ),
    Format("har", "what a browser recorded, one JSON document", read_har, looks=lambda head: is_har(head.start)),
    Format("burp", "Burp Suite's XML export of requests", read_burp, looks=lambda head: is_burp(head.data)),
    Format(
        "pcap",
        "packets with unencrypted HTTP/1, pcap or pcapng",
        read_capture,
        looks=lambda head: is_capture(head.data),
    ),
    Format("parquet", "Parquet file", read_table, table_batches, lambda head: is_parquet(head.data)),
    Format("arrow", "Arrow IPC file or stream", read_table, table_batches, lambda head: is_arrow(head.data)),
    Format("w3c", "W3C extended log of IIS, log of CloudFront", read_w3c, looks=lambda head: is_w3c(head.start)),
    Format("zeek", "http.log of Zeek", read_zeek, looks=lambda head: is_zeek(head.start)),
    Format("zeek_json", "http.log of Zeek as JSON", read_zeek_json, looks=lambda head: is_zeek_json(head.entry)),
    Format("alb", "access log of an AWS load balancer", read_alb, looks=lambda head: is_alb_line(head.line)),
    Format("waf", "log of AWS WAF", read_waf, looks=lambda head: is_waf(head.entry)),
    Format("galah", "events of the honeypot galah", read_galah, looks=lambda head: is_galah(head.entry)),
    Format("tanner", "reports of the honeypot Tanner (T-Pot)", read_tanner, looks=lambda head: is_tanner(head.entry)),
    Format(
        "crowdsec",
        "alerts of CrowdSec",
        read_crowdsec,
        looks=lambda head: is_crowdsec(head.entry) or is_crowdsec_list(head.start),
    ),
    Format(
        "json_log",
        "access log as JSON: nginx, Caddy, Traefik, Envoy",
        read_json_log,
        looks=lambda head: is_json_log(head.entry),
    ),
):
    FORMATS.put(_format.name, _format)


def detect_format(path: Path, head: bytes) -> str:
    """Name the format of a file from its first (decompressed) bytes, else from its name.

    Raises:
        InputError: neither says (RF220).
    """
    beginning = Head(head)
    for name, form in FORMATS.items():
        if form.looks is not None and form.looks(beginning):
            return name
    if beginning.start[:1] == b"{":
        return "jsonl"
    suffixes = {suffix.lower() for suffix in path.suffixes}
    for name, known in _SUFFIXES.items():
        if suffixes & known:
            return name
    hint = "name it: " + ", ".join(FORMATS)
    raise InputError("the format of the file is not known", where=str(path), hint=hint, code="RF220")


def format_from_string(text: str) -> Format:
    """Make a format of what an nginx `log_format` or an Apache `LogFormat` says, with or without the directive itself.

    `#Fields: …` gives the fields of a log in W3C's or CloudFront's real-time format.

    Raises:
        UsageError: it is no such text (RF170), or it records no target (RF171).
    """
    if text.startswith("#Fields:"):
        fields = text.removeprefix("#Fields:").split()
        return Format("w3c", "log with the given fields", partial(read_w3c, fields=fields))
    form = compile_log_format(text)
    read, batches = partial(read_log_format, form), partial(log_format_batches, form)
    return Format("log_format", "access log of the given shape", read, batches)


def format_from_names(names: Mapping[str, str]) -> Format:
    """Make a format of JSON lines whose keys have other names than the usual ones.

    Args:
        names: the key for each part; a key with dots is a path. Parts: method, target, query, version, request (a whole
            request line), status, source_address, time, headers (all of them), body, `header:Name` for a single one.

    Raises:
        UsageError: a part that does not exist (RF170), or neither target nor request (RF171).
    """
    for part in names:
        if part not in NAMES and not (part.startswith("header:") and len(part) > len("header:")):
            raise UsageError(f"unknown part {part!r}", hint="known: header:Name, " + ", ".join(NAMES), code="RF170")
    if not names.keys() & {"target", "request"}:
        raise UsageError("the target of a request has no name", hint="name target or request", code="RF171")
    known = {part: (key,) for part, key in names.items()}
    return Format("json_log", "JSON lines with names of one's own", partial(read_json_log, names=known))


_SUFFIXES = {
    "jsonl": {".jsonl", ".ndjson"},
    "raw_http": {".http", ".req", ".raw"},
    "combined": {".log"},
    "har": {".har"},
    "pcap": {".pcap", ".pcapng"},
    "parquet": {".parquet"},
    "arrow": {".arrow", ".feather"},
}


def read_requests(
    path: Path, format_name: str | Format | None = None, *, most: int = MAX_TOTAL_BYTES
) -> Iterator[Request | InputError]:
    """Read the requests of a plain or gzip file, one after the other.

    Args:
        path: the file.
        format_name: a key of FORMATS, or a format of one's own; None: found out from the first bytes.
        most: decompressed bytes to read at most; then the last item is an error.

    Raises:
        InputError: the format is not known (RF220).
        OutsideError: the file cannot be opened (RF501).
        UsageError: no such format (RF102).
    """
    with open_file(path) as stream:
        yield from _reader_of(stream, path, format_name).read(stream, path.name, most)


def read_batches(
    source: Path | str | BinaryIO,
    format_name: str | Format | None = None,
    *,
    rows: int = BATCH_ROWS,
    most: int = MAX_TOTAL_BYTES,
    name: str = "stdin",
) -> "Iterator[pa.RecordBatch | InputError]":
    """Read a file or stream as batches of `events.columns.SCHEMA`: the same requests as `read_requests` gives.

    Args:
        source: a path (also `s3://bucket/key`), or a stream of plain or compressed bytes, read once from where it
            stands.
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
    if isinstance(source, Path | str):
        path = Path(source)
        with open_file(path) as stream:
            yield from _batches_of(stream, path.name, path, format_name, rows, most)
    else:
        yield from _batches_of(unpacked(buffered(source)), name, Path(name), format_name, rows, most)


def _reader_of(stream: BinaryIO, path: Path, given: str | Format | None) -> Format:
    return given if isinstance(given, Format) else FORMATS[given or detect_format(path, _peek(stream))]


def _batches_of(
    stream: BinaryIO, name: str, path: Path, format_name: str | Format | None, rows: int, most: int
) -> "Iterator[pa.RecordBatch | InputError]":
    reader = _reader_of(stream, path, format_name)
    if reader.batches is not None:
        return reader.batches(stream, name, most, rows)
    return in_batches(reader.read(stream, name, most), rows)


def _peek(stream: BinaryIO) -> bytes:
    peek: Callable[[int], bytes] = stream.peek  # type: ignore[attr-defined]
    return peek(HEAD_BYTES)
