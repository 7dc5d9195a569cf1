r"""Zeek's `http.log`, as tables with `#fields` or as JSON lines.

Of the headers it shows Host, Referer, User-Agent and, where the field list has it, Origin; no body. Bytes that are not
printable are written `\xHH` in both forms.
Source: docs.zeek.org, "http.log" and base/protocols/http/main.zeek.
"""

from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO

from ruleforge.errors import InputError
from ruleforge.events.formats.bounded import MAX_TOTAL_BYTES, Line, read_lines
from ruleforge.events.formats.escapes import unescape_text
from ruleforge.events.formats.parts import (
    NoRequestError,
    Parts,
    as_bytes,
    as_status,
    as_time,
    read_json_entries,
    request_of,
)
from ruleforge.events.request import Request

MAX_FIELDS = 1_000
_HEADERS = {b"host": b"Host", b"referrer": b"Referer", b"user_agent": b"User-Agent", b"origin": b"Origin"}
_ALWAYS = (b"host", b"referrer", b"user_agent")  # in every http.log; JSON leaves out what is not set
_WANTED = frozenset((*_HEADERS, b"ts", b"id.orig_h", b"method", b"uri", b"version", b"status_code"))
_HINT = "expected a line of Zeek's http.log"


def is_zeek(start: bytes) -> bool:
    """Whether a file that begins so is an http.log as a table."""
    fields = start.partition(b"\n#fields")[2].partition(b"\n")[0].split()
    return start.startswith(b"#separator ") and b"uri" in fields and b"method" in fields


def is_zeek_json(entry: dict[str, Any]) -> bool:
    """Whether an object is a line of an http.log."""
    return "id.orig_h" in entry and "uid" in entry and ("uri" in entry or "method" in entry)


def read_zeek_json(stream: BinaryIO, name: str, most: int = MAX_TOTAL_BYTES) -> Iterator[Request | InputError]:
    """Read one request a line of an http.log as JSON."""
    return read_json_entries(stream, name, most, _json_parts, _HINT)


def read_zeek(stream: BinaryIO, name: str, most: int = MAX_TOTAL_BYTES) -> Iterator[Request | InputError]:
    """Read one request a line of an http.log as a table."""
    table = _Table()
    for line in read_lines(stream, name, most):
        if isinstance(line, InputError):
            yield line
        elif line.text.startswith(b"#"):
            table.note(line.text)
        else:
            yield _request(table, line, name)


class _Table:
    """What the lines that begin with `#` say of the others."""

    def __init__(self) -> None:
        self.separator, self.unset, self.empty = b"\t", b"-", b"(empty)"
        self.fields: list[bytes] = []
        self.wanted: list[tuple[bytes, int]] = []

    def note(self, text: bytes) -> None:
        if text.startswith(b"#separator "):
            self.separator = unescape_text(text[11:].strip())[:8] or b"\t"
            return
        key, _, rest = text[1:].partition(self.separator)
        if key == b"fields":
            self.fields = rest.split(self.separator)[:MAX_FIELDS]
            self.wanted = [(field, place) for place, field in enumerate(self.fields) if field in _WANTED]
        elif key == b"unset_field":
            self.unset = rest
        elif key == b"empty_field":
            self.empty = rest

    def entry(self, text: bytes) -> dict[bytes, bytes | None]:
        """The values by field; None: not set.

        Raises:
            ValueError: the line has more or fewer values than there are fields.
        """
        values = text.split(self.separator)
        if not self.fields or len(values) != len(self.fields):
            raise NoRequestError(f"{len(values)} values for {len(self.fields)} fields")
        return {key: self._value(values[place]) for key, place in self.wanted}

    def _value(self, value: bytes) -> bytes | None:
        return None if value == self.unset else b"" if value == self.empty else unescape_text(value)


def _request(table: _Table, line: Line, name: str) -> Request | InputError:
    where = f"{name}:{line.number}"
    try:
        return request_of(_parts(table.entry(line.text), tuple(table.fields)), where, name)
    except ValueError as error:
        return InputError(f"not a request: {error}", where=where, hint=_HINT, code="RF224")


def _parts(entry: dict[bytes, bytes | None], fields: Iterable[bytes]) -> Parts:
    names = [field for field in fields if field in _HEADERS]
    headers = [(_HEADERS[field], value.strip()) for field in names if (value := entry.get(field)) is not None]
    method, target, version = (entry.get(key) for key in (b"method", b"uri", b"version"))
    if method is None and target is None:
        raise NoRequestError("an answer without a request")
    return Parts(
        method=method or b"",
        target=target or b"",
        version=None if not version else version if version.startswith(b"HTTP") else b"HTTP/" + version,
        headers=tuple(headers) if names else None,
        recorded=frozenset(_HEADERS[field].lower() for field in names),
        source_address=entry.get(b"id.orig_h") or b"",
        status=as_status((entry.get(b"status_code") or b"").decode("latin-1")),
        time=as_time((entry.get(b"ts") or b"").decode("utf-8", "replace")),
    )


def _json_parts(entry: Any) -> Iterable[Parts]:  # noqa: ANN401 - JSON
    if not isinstance(entry, dict):
        raise TypeError("an object was expected")
    keys = [*_HEADERS, b"method", b"uri", b"version", b"id.orig_h", b"status_code"]
    found = {key: unescape_text(as_bytes(entry[key.decode()])) for key in keys if key.decode() in entry}
    parts = _parts(dict(found), [*_ALWAYS, *([b"origin"] if "origin" in entry else [])])
    parts.time = as_time(entry.get("ts"))
    yield parts
