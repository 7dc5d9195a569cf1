r"""Access logs of Apache and nginx: the common and the combined format, with `\xHH` escapes in the request."""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, BinaryIO

from ruleforge.errors import InputError
from ruleforge.events.formats.bounded import MAX_TOTAL_BYTES, Line, read_lines
from ruleforge.events.formats.escapes import unescape_text
from ruleforge.events.formats.raw_http import parse_request_line
from ruleforge.events.request import Header, Request

if TYPE_CHECKING:
    import pyarrow as pa

_QUOTED = rb'"((?:[^"\\]++|\\.)*)"'
_PREFIX = rb"([^\[]*+)\[([^\]]*+)\] "
_LINE = re.compile(_PREFIX + _QUOTED + rb" ([0-9]{3}|-) ([0-9]+|-)(?: " + _QUOTED + rb" " + _QUOTED + rb")?", re.DOTALL)
# Old servers did not escape quotes: then the request runs to the last quote before a status.
_UNESCAPED = re.compile(_PREFIX + rb'"(.*)" ([0-9]{3}|-) ([0-9]+|-)(?: "([^"]*+)" "([^"]*+)")?', re.DOTALL)
_ADDRESS = re.compile(rb"[0-9a-fA-F:.]{2,45}")
_COMMON = frozenset({"body", "headers"})
_COMBINED = frozenset({"body"})
_COMBINED_HEADERS = frozenset({b"referer", b"user-agent"})


def read_combined(stream: BinaryIO, name: str, most: int = MAX_TOTAL_BYTES) -> Iterator[Request | InputError]:
    """Read one request a line; a line of another shape is given as an error and the rest goes on.

    The body is not recorded, and of the headers only Referer and User-Agent. A broken request line is kept, with an
    empty method and the whole line as its target. Columns after the user agent are ignored.
    """
    for line in read_lines(stream, name, most):
        yield _read(line, name) if isinstance(line, Line) else line


def combined_batches(stream: BinaryIO, name: str, most: int, rows: int) -> "Iterator[pa.RecordBatch | InputError]":
    """Read what `read_combined` reads, as batches and many lines at once."""
    from ruleforge.events.formats.access_columns import slice_access
    from ruleforge.events.formats.slices import read_sliced

    return read_sliced(stream, name, most, rows, slicer=slice_access, read_line=_read, restore=_restore)


def is_access_line(text: bytes) -> bool:
    """Whether a line has the shape of a common or combined log."""
    return bool(_LINE.match(text) or _UNESCAPED.match(text))


def _read(line: Line, name: str) -> Request | InputError:
    where = f"{name}:{line.number}"
    found = _LINE.match(line.text) or _UNESCAPED.match(line.text)
    if found is None:
        hint = 'expected: address - user [time] "request" status size'
        return InputError("not a line of an access log", where=where, hint=hint, code="RF224")
    first = parse_request_line(unescape_text(found[3]))
    is_combined = found[7] is not None
    return Request(
        method=first.method,
        target=first.target,
        version=first.version,
        headers=_headers(found[6], found[7]) if is_combined else (),
        id=where,
        source=name,
        source_address=_address(found[1]),
        status=int(found[4]) if found[4] != b"-" else None,
        time=found[2].decode("utf-8", "replace"),
        unrecorded=_COMBINED if is_combined else _COMMON,
        recorded_headers=_COMBINED_HEADERS if is_combined else None,
    )


def _restore(column: str, text: bytes) -> bytes | None:
    """Undo the escapes of a value as `_read` does; None where the value may then belong to another column."""
    value = unescape_text(text)
    if column != "target":
        return value.strip()
    value = value.strip(b" \t")
    return value if value.strip() else None


def _headers(referer: bytes, agent: bytes) -> tuple[Header, ...]:
    """A lone `-` stands for a header that was not sent."""
    pairs = ((b"Referer", referer), (b"User-Agent", agent))
    return tuple([(name, unescape_text(value).strip()) for name, value in pairs if value != b"-"])


def _address(prefix: bytes) -> bytes:
    """The client column: the first, or the second where a virtual host comes first."""
    columns = prefix.split()
    if len(columns) > 3 and _ADDRESS.fullmatch(columns[1]):
        return columns[1]
    return columns[0] if columns and columns[0] != b"-" else b""
