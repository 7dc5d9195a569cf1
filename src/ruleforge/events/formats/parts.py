"""A request put together from what a log entry shows of it."""

import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any, BinaryIO, TypeAlias

import msgspec

from ruleforge.errors import InputError
from ruleforge.events.formats.bounded import Line, read_lines
from ruleforge.events.formats.raw_http import parse_request_line
from ruleforge.events.formats.time_texts import epoch_text
from ruleforge.events.request import Header, Request

MAX_DEPTH = 60  # of JSON that msgspec cannot read
# Headers of ordinary requests. Where a source keeps all headers but a few, the others of these are known.
USUAL_HEADERS = frozenset(
    b"""accept accept-charset accept-encoding accept-language authorization cache-control connection content-disposition
    content-encoding content-length content-type cookie date dnt expect forwarded from host if-match if-modified-since
    if-none-match if-range if-unmodified-since origin pragma proxy-authorization proxy-connection range referer
    soapaction te transfer-encoding upgrade upgrade-insecure-requests user-agent via x-api-key x-api-version
    x-csrf-token x-forwarded-for x-forwarded-host x-forwarded-proto x-http-method-override x-original-url x-real-ip
    x-requested-with x-rewrite-url""".split()
)


class Parts(msgspec.Struct, kw_only=True):
    """What an entry shows. None: the source does not record the place."""

    method: bytes | None = None
    target: bytes | None = None
    version: bytes | None = None
    headers: tuple[Header, ...] | None = None
    recorded: frozenset[bytes] | None = None  # see Request.recorded_headers
    body: bytes | None = None
    is_body_known: bool = False  # then a `body` of None says that none was sent
    source_address: bytes = b""
    status: int | None = None
    time: str = ""


class NoRequestError(ValueError):
    """An entry that may be in order but is about no request."""


Make: TypeAlias = Callable[[Any], Parts]


def request_of(parts: Parts, where: str, name: str) -> Request:
    """Put a request together.

    Raises:
        NoRequestError: neither method nor target is there.
    """
    if parts.method is None and parts.target is None:
        raise NoRequestError("neither method nor target")
    gaps = {
        "method": parts.method is None,
        "target": parts.target is None,
        "version": parts.version is None,
        "headers": parts.headers is None,
        "body": parts.body is None and not parts.is_body_known,
    }
    return Request(
        method=parts.method or b"",
        target=parts.target or b"",
        version=parts.version or b"",
        headers=parts.headers or (),
        body=parts.body,
        id=where,
        source=name,
        source_address=parts.source_address,
        status=parts.status,
        time=parts.time,
        unrecorded=frozenset(place for place, is_lost in gaps.items() if is_lost),
        recorded_headers=None if parts.headers is None else parts.recorded,
    )


def read_json_entries(
    stream: BinaryIO, name: str, most: int, make: Callable[[Any], Iterable[Parts]], hint: str
) -> Iterator[Request | InputError]:
    """Read the requests of JSON lines, one value a line; what cannot be read is given as an error.

    Args:
        stream: decompressed bytes.
        name: of the file.
        most: bytes to read at most.
        make: gives the requests of one value; raises ValueError for one that it does not understand.
        hint: what a line should be.
    """
    for line in read_lines(stream, name, most):
        if isinstance(line, InputError):
            yield line
            continue
        where = f"{name}:{line.number}"
        try:
            found = list(make(decode_json(line)))
            for number, parts in enumerate(found, 1):
                yield request_of(parts, where if len(found) == 1 else f"{where}.{number}", name)
        except (msgspec.DecodeError, ValueError, RecursionError, TypeError, OverflowError) as error:
            code = "RF224" if isinstance(error, NoRequestError) else "RF223"
            yield InputError(f"not a request: {error}"[:300], where=where, hint=hint, code=code)


def decode_json(line: Line) -> Any:  # noqa: ANN401 - JSON
    """Decode one line; lone surrogates, which msgspec refuses, stay as they are."""
    try:
        return msgspec.json.decode(line.text)
    except msgspec.DecodeError:
        if b"\\u" not in line.text:
            raise
        return json.loads(line.text)


def as_bytes(value: object) -> bytes:
    """A text or number of JSON as bytes; nothing else is one.

    Raises:
        ValueError: it is a list, an object or a truth value.
    """
    if isinstance(value, str):
        return value.encode("utf-8", "surrogatepass")
    if isinstance(value, bytes):
        return value
    if value is None:
        return b""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value).encode()
    raise ValueError("a text was expected")


def as_status(value: object) -> int | None:
    """A status of three digits, given as number or text."""
    text = str(value)
    return int(text) if len(text) == 3 and text.isascii() and text.isdigit() else None


def as_time(value: object) -> str:
    """A time as text; seconds (or milliseconds …) since 1970 become RFC 3339."""
    if value is None or isinstance(value, bool | list | dict):
        return ""
    text = f"{value:.6f}" if isinstance(value, float) else str(value)
    return epoch_text(text)[:100]


def without_port(address: bytes) -> bytes:
    """An address without the port behind it: `192.0.2.1:80`, `[2001:db8::1]:80`."""
    if address.startswith(b"["):
        return address[1:].partition(b"]")[0]
    host, mark, port = address.rpartition(b":")
    return host if mark and port.isdigit() and b":" not in host else address


def first_line(text: bytes) -> Parts:
    """The parts of a request line."""
    line = parse_request_line(text)
    return Parts(method=line.method, target=line.target, version=line.version)


def header_pairs(value: object) -> tuple[Header, ...]:
    """Headers given as an object of texts or lists, as pairs, or as objects with `name` and `value`."""
    pairs: list[tuple[object, object]] = []
    if isinstance(value, dict):
        for name, values in value.items():
            pairs += [(name, one) for one in (values if isinstance(values, list) else [values])]
    elif isinstance(value, list):
        for item in value:
            if isinstance(item, dict):
                pairs.append((item.get("name", item.get("key")), item.get("value")))
            elif isinstance(item, list) and len(item) == 2:
                pairs.append((item[0], item[1]))
            else:
                raise ValueError("a header is a name and a value")
    else:
        raise TypeError("headers are an object or a list")
    return tuple([(as_bytes(name).strip(), as_bytes(one).strip(b" \t\r\n")) for name, one in pairs])
