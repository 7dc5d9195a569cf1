"""A document as lines and fences, without losing a byte or a line number."""

import re
from collections.abc import Iterator, Sequence

import msgspec

MAX_LINES = 100_000
MAX_FENCES = 2_000

_FENCE = re.compile(r"[ \t>]{0,12}(`{3,}|~{3,})[ \t]*([\w+#.-]{0,20})[^`\n]{0,200}$")


class Chunk(msgspec.Struct, frozen=True):
    """Consecutive lines of one kind."""

    lines: tuple[str, ...]  # without line ends
    first: int  # line number of the first of them, counted from 1
    fenced: bool = False
    language: str = ""  # as the fence names it, lower case

    @property
    def text(self) -> str:
        """The lines, joined by LF."""
        return "\n".join(self.lines)


def to_text(data: bytes) -> str:
    """Decode, so that `to_bytes` gives the same bytes back whatever the document's encoding is."""
    return data.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "surrogateescape")


def to_bytes(text: str) -> bytes:
    """Encode what `to_text` decoded; single surrogates that came otherwise become `?`."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace")


def shown(text: str) -> str:
    """The text as a person reads it: valid Unicode, bytes of an old encoding read as Latin-1."""
    data = to_bytes(text)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def cut_in_chunks(text: str, *, markdown: bool) -> list[Chunk]:
    """Cut a document at its fences; a fence that is never closed reaches to the end.

    Args:
        text: the document.
        markdown: tildes fence as well (in plain text they only decorate).
    """
    lines = [line.removesuffix("\r") for line in text.split("\n", MAX_LINES)][:MAX_LINES]
    chunks: list[Chunk] = []
    start, mark, language = 0, "", ""
    for index, line in enumerate(lines):
        found = _FENCE.match(line[:300])
        if found is None or (found[1][0] == "~" and not markdown) or len(chunks) >= 2 * MAX_FENCES:
            continue
        if not mark:
            chunks.append(Chunk(tuple(lines[start:index]), start + 1))
            start, mark, language = index + 1, found[1], found[2].lower()
        elif found[1].startswith(mark) and not found[2]:
            chunks.append(Chunk(tuple(lines[start:index]), start + 1, fenced=True, language=language))
            start, mark = index + 1, ""
    chunks.append(Chunk(tuple(lines[start:]), start + 1, fenced=bool(mark), language=language if mark else ""))
    return [chunk for chunk in chunks if chunk.lines]


def spans_of(lines: Sequence[str], consumed: set[int], first: int) -> Iterator[tuple[int, str]]:
    """Yield (line number, line) of the lines whose number is not in `consumed`."""
    for number, line in enumerate(lines, first):
        if number not in consumed:
            yield number, line
