"""Burp Suite's XML export of requests, read as a stream; declared entities are refused and nothing is fetched."""

import base64
import re
import zlib
from collections.abc import Iterator
from typing import BinaryIO, NoReturn
from xml.parsers import expat

import msgspec

from ruleforge.errors import InputError
from ruleforge.events.formats.bounded import MAX_LINE_BYTES, MAX_TOTAL_BYTES
from ruleforge.events.formats.raw_http import parse_raw_request
from ruleforge.events.request import Request

MAX_DEPTH = 16
MAX_FIELD = 2 * MAX_LINE_BYTES  # characters of one request, which may be base64
_CHUNK = 64 << 10
_LOOKS_LIKE_BURP = re.compile(rb"<items[ \t\r\n][^>]{0,400}burpVersion", re.IGNORECASE)
_KEPT = frozenset({"request", "status", "time"})


def is_burp(head: bytes) -> bool:
    """Whether the beginning of a file is that of an export."""
    return head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"<" and _LOOKS_LIKE_BURP.search(head) is not None


def read_burp(stream: BinaryIO, name: str, most: int = MAX_TOTAL_BYTES) -> Iterator[Request | InputError]:
    """Read the request of each item, in order; what is broken is given as an error and the rest goes on.

    Args:
        stream: decompressed bytes.
        name: of the file, for ids and places.
        most: bytes to read at most.
    """
    items = _Items()
    number, total, chunk = 0, 0, b""
    trouble: InputError | None = None
    while trouble is None:
        try:
            chunk = stream.read(_CHUNK)
            total += len(chunk)
            if total > most:
                trouble = InputError(f"more than {most} bytes", where=name, hint="export fewer items", code="RF222")
            else:
                items.feed(chunk)
        except (OSError, EOFError, zlib.error) as error:
            trouble = InputError(f"the file is damaged: {error}", where=name, code="RF225")
        except (expat.ExpatError, ValueError, LookupError, _RefusedError) as error:  # two for unknown encodings
            trouble = InputError(f"not an export of Burp: {error}", where=name, hint="export it again", code="RF223")
        for item in items.take():
            number += 1
            yield _read(item, f"{name}:{number}", name)
        if not chunk:
            break
    if trouble is not None:
        yield trouble
    elif not number:
        yield InputError("no item in the file", where=name, hint="export the requests again", code="RF224")


class _RefusedError(Exception):
    """The document has something that an export never has."""


class _Item(msgspec.Struct):
    """The texts of one `<item>`."""

    texts: dict[str, str]
    is_base64: bool = False
    too_long: bool = False


class _Items:
    """Collects finished items while the document is fed to the parser."""

    def __init__(self) -> None:
        self._parser = expat.ParserCreate()
        self._parser.buffer_text = True
        self._parser.StartElementHandler, self._parser.EndElementHandler = self._start, self._end
        self._parser.CharacterDataHandler = self._text
        self._parser.EntityDeclHandler = _refuse_entity  # the export declares elements, never entities
        self._path: list[str] = []
        self._item: _Item | None = None
        self._parts: list[str] | None = None
        self._length = 0
        self._done: list[_Item] = []

    def feed(self, chunk: bytes) -> None:
        """Parse what follows; an empty chunk is the end."""
        self._parser.Parse(chunk, not chunk)

    def take(self) -> list[_Item]:
        """The items finished since the last call."""
        done, self._done = self._done, []
        return done

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        self._path.append(tag)
        if len(self._path) > MAX_DEPTH:
            raise _RefusedError(f"nested deeper than {MAX_DEPTH} levels")
        if len(self._path) == 2 and tag == "item":
            self._item = _Item({})
        elif len(self._path) == 3 and self._item is not None and tag in _KEPT:
            self._parts, self._length = [], 0
            if tag == "request":
                self._item.is_base64 = attributes.get("base64") == "true"

    def _text(self, text: str) -> None:
        if self._parts is None or self._item is None:
            return
        self._length += len(text)
        if self._length > MAX_FIELD:
            self._item.too_long = True
        else:
            self._parts.append(text)

    def _end(self, tag: str) -> None:
        self._path.pop()
        if len(self._path) == 2 and self._parts is not None and self._item is not None:
            self._item.texts[tag] = "".join(self._parts)
            self._parts = None
        elif len(self._path) == 1 and self._item is not None:
            self._done.append(self._item)
            self._item = None


def _refuse_entity(*_: object) -> NoReturn:
    raise _RefusedError("it declares an entity")


def _read(item: _Item, where: str, name: str) -> Request | InputError:
    if item.too_long:
        return InputError(f"request of more than {MAX_FIELD} characters", where=where, code="RF222")
    text = item.texts.get("request", "")
    try:
        data = base64.b64decode("".join(text.split()), validate=True) if item.is_base64 else text.encode()
    except ValueError as error:
        return InputError(f"not a request: {error}", where=where, hint="export it again", code="RF223")
    if not data.strip():
        return InputError("the item has no request", where=where, hint="export it again", code="RF224")
    status = item.texts.get("status", "").strip()
    return msgspec.structs.replace(
        parse_raw_request(data, request_id=where, source=name),
        status=int(status) if status.isascii() and status.isdigit() and len(status) == 3 else None,
        time=item.texts.get("time", "").strip()[:100],
    )
