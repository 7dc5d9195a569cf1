"""Lines of JSON, and documents that hold a list of records: bounded, and one broken line does not end the rest."""

from collections.abc import Iterator
from typing import Any, BinaryIO

import msgspec

from ruleforge.errors import InputError
from ruleforge.events.formats.bounded import Line, read_lines

MAX_DOCUMENT_BYTES = 64 << 20  # of one document, which is held whole
MAX_RECORDS = 1_000_000  # of one document
MAX_LEAVES = 1_000  # of one record
MAX_DEPTH = 32


class Row(msgspec.Struct, frozen=True):
    """One JSON object and where it was."""

    where: str
    data: dict[str, Any]


def read_rows(stream: BinaryIO, name: str, most: int, first: int = 1) -> Iterator[Row | InputError]:
    """Yield the object of every line; a line that is none is an error, and the rest goes on.

    `first` is the number of the first line that the stream still has.
    """
    for line in read_lines(stream, name, most):
        yield decode_row(line.text, f"{name}:{line.number + first - 1}") if isinstance(line, Line) else line


def decode_row(text: bytes, where: str) -> Row | InputError:
    """Decode one object."""
    try:
        data = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return InputError(f"not a JSON object: {str(error)[:200]}", where=where, code="RF250")
    if not isinstance(data, dict):
        return InputError("not a JSON object", where=where, code="RF250")
    return Row(where, data)


def read_records(stream: BinaryIO, name: str, most: int, key: str) -> Iterator[Row | InputError]:
    """Yield the records of one document `{key: [...]}`, or of lines of records or of such documents."""
    for row in _rows_or_document(stream, name, most):
        if isinstance(row, Row) and isinstance(row.data.get(key), list):
            yield from _listed(row, key)
        else:
            yield row


def _rows_or_document(stream: BinaryIO, name: str, most: int) -> Iterator[Row | InputError]:
    """Read lines where the first line is an object, else the whole as one object, else lines, one error each."""
    limit = min(most, MAX_DOCUMENT_BYTES)
    first = stream.readline(limit + 1)
    row = decode_row(first, f"{name}:1")
    if isinstance(row, Row):
        yield row
        yield from read_rows(stream, name, most - len(first), 2)
        return
    document = first + stream.read(max(limit + 1 - len(first), 0))
    if len(document) > limit:
        yield InputError(f"a document of more than {limit} bytes", where=name, hint="split it", code="RF222")
        return
    whole = decode_row(document, name)
    if isinstance(whole, Row):
        yield whole
    else:
        lines = enumerate(document.splitlines(), 1)
        yield from (decode_row(line, f"{name}:{number}") for number, line in lines if line.strip())


def _listed(row: Row, key: str) -> Iterator[Row | InputError]:
    for number, record in enumerate(row.data[key], 1):
        where = f"{row.where} {key}:{number}"
        if number > MAX_RECORDS:
            yield InputError(f"more than {MAX_RECORDS} records", where=where, hint="split it", code="RF222")
            return
        known = isinstance(record, dict)
        yield Row(where, record) if known else InputError("the record is no object", where=where, code="RF250")


def text_of(value: object) -> str | None:
    """Return a scalar as text; None for what is no scalar, and for null."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int | float) else None


def leaves(value: object) -> dict[str, bytes]:
    """Name every scalar below a value by RFC 6901 pointer; at most 1,000 of them, at most 32 levels deep."""
    found: dict[str, bytes] = {}
    _walk(value, "", found, 0)
    return found


def _walk(value: object, pointer: str, found: dict[str, bytes], depth: int) -> None:
    if len(found) > MAX_LEAVES or depth > MAX_DEPTH:
        return
    if isinstance(value, dict):
        for key, part in value.items():
            if len(found) > MAX_LEAVES:
                return
            _walk(part, f"{pointer}/{str(key).replace('~', '~0').replace('/', '~1')}", found, depth + 1)
    elif isinstance(value, list):
        for number, part in enumerate(value):
            if len(found) > MAX_LEAVES:
                return
            _walk(part, f"{pointer}/{number}", found, depth + 1)
    elif (text := text_of(value)) is not None:
        found[pointer] = text.encode("utf-8", "surrogatepass")


def at(data: object, *path: str) -> object:
    """Follow keys down; None where one is missing."""
    for key in path:
        data = data.get(key) if isinstance(data, dict) else None
    return data
