"""Bytes that remember which of them are stand-ins, through concatenation, slicing and encoding."""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator

import msgspec

from ruleforge.errors import InputError

MAX_TEXT = 1024 * 1024  # bytes of one value
MAX_SPANS = 20_000

Span = tuple[int, int]  # start and end of a stand-in within `data`


class Text(msgspec.Struct, frozen=True):
    """A byte string, and the spans of it that stand for something random or known at run time only."""

    data: bytes = b""
    spans: tuple[Span, ...] = ()  # in order, not overlapping, not empty

    def pieces(self) -> Iterator[tuple[bytes, bool]]:
        """The text in order, cut where it changes between literal (False) and stand-in (True)."""
        position = 0
        for start, end in self.spans:
            if start > position:
                yield self.data[position:start], False
            yield self.data[start:end], True
            position = end
        if position < len(self.data):
            yield self.data[position:], False

    def cut(self, start: int, end: int | None = None) -> "Text":
        """The bytes from `start` up to `end` (both within the text), with their spans."""
        stop = len(self.data) if end is None else end
        if not self.spans:
            return Text(self.data[start:stop])
        first = bisect_left(self.spans, (start,))
        if first and self.spans[first - 1][1] > start:
            first -= 1
        inside = self.spans[first : bisect_left(self.spans, (stop,))]
        return Text(self.data[start:stop], tuple((max(a, start) - start, min(b, stop) - start) for a, b in inside))

    def touches(self, start: int, end: int) -> bool:
        """Whether a stand-in overlaps the bytes from `start` up to `end`."""
        return bool(self.cut(start, end).spans)

    def stripped(self, characters: bytes = b" \t\r\n") -> "Text":
        """Without leading and trailing `characters`."""
        kept = self.data.lstrip(characters)
        start = len(self.data) - len(kept)
        return self.cut(start, start + len(kept.rstrip(characters)))

    def each(self, change: Callable[[bytes], bytes]) -> "Text":
        """Change every piece by itself; right for encodings that work byte by byte."""
        if not self.spans:
            return bounded(Text(change(self.data)))
        return glue(Text(change(piece), whole(change(piece)) if marked else ()) for piece, marked in self.pieces())

    def whole(self, change: Callable[[bytes], bytes]) -> "Text":
        """Change the text as a whole; if any of it is a stand-in, then the whole result is."""
        data = change(self.data)
        return bounded(Text(data, whole(data) if self.spans else ()))

    def marked(self) -> "Text":
        """The same bytes, all of them a stand-in."""
        return Text(self.data, whole(self.data))

    def standins(self) -> tuple[bytes, ...]:
        """The stand-ins in it, in order, as they appear."""
        return tuple(self.data[start:end] for start, end in self.spans)


def whole(data: bytes) -> tuple[Span, ...]:
    """The one span that covers all of `data`, if there is any."""
    return ((0, len(data)),) if data else ()


def bounded(text: Text) -> Text:
    """Give `text` back.

    Raises:
        InputError: it is larger than 1 MiB, or cut into too many pieces (RF216).
    """
    if len(text.data) > MAX_TEXT or len(text.spans) > MAX_SPANS:
        raise InputError(f"a value grows beyond {MAX_TEXT} bytes", hint="shorten the expression", code="RF216")
    return text


def glue(texts: Iterable[Text]) -> Text:
    """All `texts` one after the other."""
    parts: list[bytes] = []
    spans: list[Span] = []
    length = 0
    for text in texts:
        parts.append(text.data)
        for start, end in text.spans:
            if spans and spans[-1][1] == start + length:
                spans[-1] = (spans[-1][0], end + length)
            else:
                spans.append((start + length, end + length))
        length += len(text.data)
        if length > MAX_TEXT:
            break
    return bounded(Text(b"".join(parts), tuple(spans)))
