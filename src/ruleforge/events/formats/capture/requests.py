"""The HTTP/1 requests of a capture, with the addresses, times and response codes that the packets tell."""

import zlib
from collections import Counter, OrderedDict
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import BinaryIO, TypeAlias

import msgspec

from ruleforge.errors import InputError
from ruleforge.events.formats.bounded import MAX_TOTAL_BYTES
from ruleforge.events.formats.capture.files import read_frames
from ruleforge.events.formats.capture.messages import Message, find_requests, find_statuses
from ruleforge.events.formats.capture.packets import LINKS, Fragment, Segment, address_text, segment_of
from ruleforge.events.formats.capture.streams import Run, Stream
from ruleforge.events.request import Request

MAX_HELD_BYTES = 256 << 20  # of all open connections; beyond, the one that was quiet longest is read as it is
MAX_CONNECTIONS = 50_000

End: TypeAlias = tuple[bytes, int]  # packed address, port
Ends: TypeAlias = tuple[End, End]  # the lower one first


class _Found(msgspec.Struct, frozen=True):
    time_ns: int
    request: Request


class _Connection:
    """Both directions between two ends."""

    __slots__ = ("streams",)

    def __init__(self, ends: Ends) -> None:
        self.streams: dict[End, Stream] = {ends[0]: Stream(), ends[1]: Stream()}

    @property
    def size(self) -> int:
        return sum(stream.size for stream in self.streams.values())


def read_capture(stream: BinaryIO, name: str, most: int = MAX_TOTAL_BYTES) -> Iterator[Request | InputError]:
    """Read the HTTP/1 requests of a pcap or pcapng file, in the order their first bytes were sent.

    `source_address` is the client's, `status` the response's. A body or headers that the capture has only in part are
    `unrecorded`. Connections are read at the end of the file; in a capture that holds more than 256 MiB of them, those
    that were quiet longest are read earlier. At the end, one error per kind of trouble says how often it was met.

    Args:
        stream: decompressed bytes.
        name: of the file, for ids and places.
        most: bytes to read at most.
    """
    table = _Table()
    number = 0
    trouble: InputError | None = None
    try:
        for frame in read_frames(stream, name, most):
            table.take(frame.link, frame.data, frame.time_ns)
            for found in table.overflow():
                number += 1
                yield _numbered(found, name, number)
    except InputError as error:
        trouble = error
    except (OSError, EOFError, zlib.error) as error:
        trouble = InputError(f"the file is damaged: {error}", where=name, code="RF225")
    for found in table.rest():
        number += 1
        yield _numbered(found, name, number)
    if trouble is not None:
        yield trouble
    yield from (InputError(f"{what}: {count}", where=name, code="RF224") for what, count in table.troubles.items())
    if not number and trouble is None and not table.troubles:
        yield InputError("no HTTP/1 request in the capture", where=name, code="RF224")


def _numbered(found: _Found, name: str, number: int) -> Request:
    return msgspec.structs.replace(found.request, id=f"{name}:{number}", source=name, time=_time(found.time_ns))


def _time(time_ns: int) -> str:
    if not time_ns:
        return ""
    try:
        return datetime.fromtimestamp(time_ns // 1000 / 1e6, UTC).isoformat()
    except (ValueError, OverflowError, OSError):
        return ""


class _Table:
    """The connections that are open, the one used last at the end."""

    def __init__(self) -> None:
        self.troubles: Counter[str] = Counter()
        self._open: OrderedDict[Ends, _Connection] = OrderedDict()
        self._closed: list[_Connection] = []
        self._held = 0

    def take(self, link: int, data: bytes, time_ns: int) -> None:
        """Take one frame."""
        if link not in LINKS:
            self.troubles[f"frames of link type {link}, which is not read"] += 1
            return
        segment = segment_of(link, data)
        if isinstance(segment, Fragment):
            self.troubles["fragments of packets, which are not put together"] += 1
        elif segment is not None:
            self._segment(segment, time_ns)

    def _segment(self, segment: Segment, time_ns: int) -> None:
        ends = (min(segment.source, segment.target), max(segment.source, segment.target))
        connection = self._open.get(ends)
        if connection is not None and connection.streams[segment.source].opens_anew(segment):
            self._closed.append(self._open.pop(ends))
            connection = None
        if connection is None:
            connection = self._open[ends] = _Connection(ends)
        self._open.move_to_end(ends)
        stream = connection.streams[segment.source]
        before = stream.size
        stream.add(segment, time_ns)
        self._held += stream.size - before

    def overflow(self) -> list[_Found]:
        """What must be read now to stay within the bounds."""
        if self._held <= MAX_HELD_BYTES and len(self._open) + len(self._closed) <= MAX_CONNECTIONS:
            return []
        chosen, self._closed = self._closed, []
        held = self._held - sum(each.size for each in chosen)
        while self._open and (held > MAX_HELD_BYTES // 2 or len(self._open) > MAX_CONNECTIONS // 2):
            _, connection = self._open.popitem(last=False)
            held -= connection.size
            chosen.append(connection)
        return self._read(chosen)

    def rest(self) -> list[_Found]:
        """What is left at the end of the file."""
        chosen = [*self._closed, *self._open.values()]
        self._closed, self._open = [], OrderedDict()
        return self._read(chosen)

    def _read(self, connections: list[_Connection]) -> list[_Found]:
        found: list[_Found] = []
        for connection in connections:
            self._held -= connection.size
            found += self._read_connection(connection)
        return sorted(found, key=lambda each: each.time_ns)

    def _read_connection(self, connection: _Connection) -> list[_Found]:
        found: list[_Found] = []
        sides = list(connection.streams.items())
        for (end, stream), (_, answers) in ((sides[0], sides[-1]), (sides[-1], sides[0]))[: len(sides)]:
            messages = self._messages(stream)
            if messages:
                found += _answered(messages, end[0], answers.runs())
        if not found and connection.size:
            self.troubles["connections without an HTTP/1 request, encrypted or of another protocol"] += 1
        return found

    def _messages(self, stream: Stream) -> list[tuple[int, Message]]:
        """(time, request) of one direction."""
        messages: list[tuple[int, Message]] = []
        latest = 0  # what was sent again later must not come before what follows it in the stream
        for run in stream.runs():
            for message in find_requests(run.data, whole=run.ends_stream):
                latest = max(latest, run.time_at(message.offset))
                messages.append((latest, message))
                self.troubles["requests whose end was not captured"] += message.cut
        if messages:
            self.troubles["segments that repeat bytes with other contents"] += stream.conflicts
            self.troubles["segments beyond the bound of one connection"] += stream.dropped
        self.troubles = +self.troubles
        return messages


def _answered(messages: list[tuple[int, Message]], client: bytes, answers: list[Run]) -> list[_Found]:
    methods = [message.request.method for _, message in messages]
    data = answers[0].data if answers and answers[0].start == 0 else b""
    statuses: list[int | None] = [*find_statuses(data, methods)]
    statuses += [None] * (len(messages) - len(statuses))
    address = address_text(client)
    return [
        _Found(time_ns, msgspec.structs.replace(message.request, source_address=address, status=status))
        for (time_ns, message), status in zip(messages, statuses, strict=True)
    ]
