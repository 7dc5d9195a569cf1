r"""Access logs of any shape: an nginx `log_format` or an Apache `LogFormat` compiled to a reader of its lines.

Only what stands in the log as it was sent counts as recorded: `$uri` and `%U` are decoded and rewritten paths, so they
are no target; values that touch each other without a character between cannot be told apart and are not recorded.
Sources: nginx.org ngx_http_log_module, httpd.apache.org mod_log_config.
"""

import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, BinaryIO

import msgspec

from ruleforge.errors import InputError, UsageError
from ruleforge.events.formats.bounded import MAX_TOTAL_BYTES, Line, read_lines
from ruleforge.events.formats.escapes import UNESCAPE
from ruleforge.events.formats.raw_http import parse_request_line
from ruleforge.events.formats.time_texts import epoch_text
from ruleforge.events.request import Header, Request

if TYPE_CHECKING:
    import pyarrow as pa

MAX_FORMAT_BYTES = 16_384
MAX_PARTS = 200

_NGINX = re.compile(r"\$(?:\{([a-z0-9_]{1,100})\}|([a-z0-9_]{1,100}))", re.IGNORECASE)
_NGINX_DIRECTIVE = re.compile(r"\s*log_format\s+[^\s'\";]{1,200}\s+(?:escape=(default|json|none)\s+)?", re.IGNORECASE)
_NGINX_STRING = re.compile(r"""\s*(?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)"|([^\s;'"]+))\s*;?""", re.DOTALL)
_APACHE = re.compile(r"%([!0-9,]{0,100})[<>]?(?:\{([^}]{0,200})\})?(\^ti|\^to|\^FU|\^FB|[A-Za-z%])")
_APACHE_DIRECTIVE = re.compile(r'\s*LogFormat\s+"((?:[^"\\]|\\.)*)"(?:\s+\S{1,200})?\s*', re.IGNORECASE | re.DOTALL)
_NGINX_COLUMNS = {
    "remote_addr": "source_address",
    "time_local": "time",
    "time_iso8601": "time",
    "msec": "epoch",
    "request": "request",
    "request_method": "method",
    "request_uri": "target",
    "server_protocol": "version",
    "status": "status",
    "request_body": "body",
    "content_type": "header:Content-Type",
    "content_length": "header:Content-Length",
}
_APACHE_COLUMNS = {
    "h": "source_address",
    "a": "source_address",
    "t": "time",
    "r": "request",
    "m": "method",
    "H": "version",
    "s": "status",
}
_REQUEST = ("method", "target", "version")


class Part(msgspec.Struct, frozen=True):
    """One value of a line and the text that ends it."""

    column: str  # of SCHEMA, "request", "epoch", "header:Name"; "" for what is not kept
    until: bytes  # empty: the line's end
    is_quoted: bool  # whether it ends at the first quote that is not escaped


class LogFormat(msgspec.Struct, frozen=True):
    """A compiled format string."""

    begin: bytes  # what every line begins with
    parts: tuple[Part, ...]
    escape: str  # a key of UNESCAPE

    @property
    def columns(self) -> frozenset[str]:
        """What a line records."""
        kept = {part.column for part in self.parts} - {""}
        return frozenset(kept | set(_REQUEST) if "request" in kept else kept)

    @property
    def recorded(self) -> frozenset[bytes] | None:
        """The only headers that are recorded; None where none are."""
        names = (column.removeprefix("header:") for column in self.columns if column.startswith("header:"))
        return frozenset(name.lower().encode() for name in names) or None

    @property
    def unrecorded(self) -> frozenset[str]:
        """The places that no line records."""
        lost = {place for place in (*_REQUEST, "body") if place not in self.columns}
        return frozenset(lost | ({"headers"} if self.recorded is None else set()))

    def is_absent(self, value: bytes) -> bool:
        """Whether a value stands for one that was not sent."""
        return value == b"-" or (not value and self.escape in ("json", "none"))


def compile_log_format(text: str) -> LogFormat:
    """Compile a format string, or the whole directive of a configuration file.

    Raises:
        UsageError: it is too long, has no variable (RF170), or records no target (RF171).
    """
    if len(text) > MAX_FORMAT_BYTES:
        raise UsageError(f"a log format of more than {MAX_FORMAT_BYTES} characters", code="RF170")
    if (directive := _APACHE_DIRECTIVE.fullmatch(text)) is not None:
        return _checked(_apache_parts(_apache_text(directive[1])), "apache")
    if (found := _NGINX_DIRECTIVE.match(text)) is not None:
        return _checked(_nginx_parts(_nginx_text(text[found.end() :])), (found[1] or "default").lower())
    if _NGINX.search(text):
        return _checked(_nginx_parts(text), "default")
    return _checked(_apache_parts(_apache_text(text)), "apache")


def read_log_format(
    form: LogFormat, stream: BinaryIO, name: str, most: int = MAX_TOTAL_BYTES
) -> Iterator[Request | InputError]:
    """Read one request a line; a line of another shape is given as an error and the rest goes on."""
    read = line_reader(form)
    for line in read_lines(stream, name, most):
        yield read(line, name) if isinstance(line, Line) else line


def log_format_batches(
    form: LogFormat, stream: BinaryIO, name: str, most: int, rows: int
) -> "Iterator[pa.RecordBatch | InputError]":
    """Read what `read_log_format` reads, as batches and many lines at once."""
    from ruleforge.events.formats.log_format_columns import log_format_slicer
    from ruleforge.events.formats.slices import read_sliced

    return read_sliced(stream, name, most, rows, slicer=log_format_slicer(form), read_line=line_reader(form))


def line_reader(form: LogFormat) -> Callable[[Line, str], Request | InputError]:
    """Return the reader of one line."""
    unescape, recorded, unrecorded = UNESCAPE[form.escape], form.recorded, form.unrecorded
    without_body = unrecorded | {"body"}

    def read(line: Line, name: str) -> Request | InputError:
        where = f"{name}:{line.number}"
        found = _split(form, line.text)
        if found is None:
            hint = "each line must have the shape of the given log format"
            return InputError("not a line of this log format", where=where, hint=hint, code="RF224")
        values = {column: unescape(value) for column, value in found.items() if not form.is_absent(value)}
        method, target, version = _first_line(form, values)
        body = values.get("body")
        return Request(
            method=method,
            target=target,
            version=version,
            headers=_headers(form, values),
            body=body,
            id=where,
            source=name,
            source_address=values.get("source_address", b""),
            status=_status(values.get("status", b"")),
            time=_time(values),
            unrecorded=unrecorded if body is not None else without_body,
            recorded_headers=recorded,
        )

    return read


def _first_line(form: LogFormat, values: dict[str, bytes]) -> tuple[bytes, bytes, bytes]:
    if "request" not in {part.column for part in form.parts}:
        return values.get("method", b""), values.get("target", b""), values.get("version", b"")
    first = parse_request_line(values.get("request", b"-"))
    return first.method, first.target, first.version


def _headers(form: LogFormat, values: dict[str, bytes]) -> tuple[Header, ...]:
    columns = [part.column for part in form.parts if part.column.startswith("header:") and part.column in values]
    return tuple([(column.removeprefix("header:").encode(), values[column].strip()) for column in columns])


def _status(value: bytes) -> int | None:
    return int(value) if value.isdigit() and len(value) == 3 else None


def _time(values: dict[str, bytes]) -> str:
    if "epoch" in values and "time" not in values:
        return epoch_text(values["epoch"].decode("utf-8", "replace"))
    return values.get("time", b"").decode("utf-8", "replace")


def _split(form: LogFormat, text: bytes) -> dict[str, bytes] | None:
    """The values of a line as they stand there; None where it has another shape."""
    if not text.startswith(form.begin):
        return None
    place, values = len(form.begin), {}
    for part in form.parts:
        if not part.until:
            end = len(text)
        elif part.is_quoted:
            end = _quote_after(text, place)
            if not text.startswith(part.until, max(end, 0)):
                return None
        else:
            end = text.find(part.until, place)
        if end < 0:
            return None
        if part.column:
            values[part.column] = text[place:end]
        place = end + len(part.until)
    return values


def _quote_after(text: bytes, place: int) -> int:
    """The first quote from `place` on that no backslash stands before; -1 without one."""
    while (end := text.find(b'"', place)) >= 0:
        start = end
        while start > place and text[start - 1] == 92:
            start -= 1
        if (end - start) % 2 == 0:
            return end
        place = end + 1
    return -1


def _checked(pieces: list[str | tuple[str]], escape: str) -> LogFormat:
    """Join texts and variables to parts. A variable is a tuple of its column."""
    begin, parts, seen = "", [], set()
    column: str | None = None
    for piece in [*pieces, ("end",)]:
        if isinstance(piece, tuple):
            if piece == ("end",) and (pieces and isinstance(pieces[-1], str)):
                continue
            if column is not None and piece != ("end",):
                column = ""  # two that touch
                continue
            if column is not None:
                parts.append((column, ""))
            column = piece[0]
        elif column is None:
            begin += piece
        else:
            parts.append((column, piece))
            column = None
    made: list[Part] = []
    before = begin
    for name, until in parts:
        kept = "" if name in seen else name
        seen.add(name)
        is_quoted = before.endswith('"') and until.startswith('"') and escape != "none"
        made.append(Part(kept, until.encode(), is_quoted))
        before = until
    form = LogFormat(begin.encode(), tuple(made[:MAX_PARTS]), escape)
    if not parts or len(parts) > MAX_PARTS:
        hint = "give the text of nginx's log_format or of Apache's LogFormat"
        raise UsageError("not a log format: it has no variable, or too many", hint=hint, code="RF170")
    if "target" not in form.columns:
        hint = "log $request or $request_uri (nginx), %r (Apache), apart from other values"
        raise UsageError("the log format does not record the target of a request", hint=hint, code="RF171")
    return form


def _nginx_text(text: str) -> str:
    """The strings of a directive, joined as nginx joins them."""
    joined, place = [], 0
    while (found := _NGINX_STRING.match(text, place)) is not None:
        joined.append(re.sub(r"\\(.)", r"\1", found[1] or found[2] or "") or found[3] or "")
        place = found.end()
    return "".join(joined)


def _nginx_parts(text: str) -> list[str | tuple[str]]:
    pieces: list[str | tuple[str]] = []
    place = 0
    for found in _NGINX.finditer(text):
        if found.start() > place:
            pieces.append(text[place : found.start()])
        pieces.append((_nginx_column((found[1] or found[2]).lower()),))
        place = found.end()
    return [*pieces, text[place:]] if text[place:] else pieces


def _nginx_column(variable: str) -> str:
    if variable.startswith("http_"):
        return "header:" + "-".join(word.capitalize() for word in variable[5:].split("_"))
    return _NGINX_COLUMNS.get(variable, "")


def _apache_text(text: str) -> str:
    return text.replace('\\"', '"').replace("\\t", "\t").replace("\\\\", "\\").removesuffix("\\n")


def _apache_parts(text: str) -> list[str | tuple[str]]:
    pieces: list[str | tuple[str]] = []
    place, pending = 0, ""
    for found in _APACHE.finditer(text):
        pending += text[place : found.start()]
        place = found.end()
        if found[3] == "%":
            pending += "%"
            continue
        column = _apache_column(found[1], found[2], found[3])
        after = ""
        if found[3] == "t" and found[2] is None:
            pending, after = pending + "[", "]"
        if pending:
            pieces.append(pending)
        pieces.append((column,))
        pending = after
    pending += text[place:]
    return [*pieces, pending] if pending else pieces


def _apache_column(condition: str, argument: str | None, letter: str) -> str:
    """The column of a directive; one that is logged for some statuses only is not kept."""
    if condition:
        return ""
    if letter == "i" and argument:
        return f"header:{argument}"
    if argument is not None and not (letter == "a" and argument == "c"):
        return ""
    return _APACHE_COLUMNS.get(letter, "")
