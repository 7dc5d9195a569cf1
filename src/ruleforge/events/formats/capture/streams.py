"""One direction of a TCP connection put together: any order, repeats and overlaps; gaps stay gaps."""

from bisect import bisect_right

import msgspec

from ruleforge.events.formats.capture.packets import Segment

MAX_STREAM_BYTES = 16 << 20
MAX_SEGMENTS = 100_000  # of one direction
OVERHEAD = 250  # bytes of memory that a segment takes beside its payload
_WRAP = 1 << 32


class Run(msgspec.Struct, frozen=True):
    """Bytes without a gap, and when each part of them was seen."""

    start: int  # offset in the stream
    data: bytes
    starts: tuple[int, ...]  # offsets within `data` where a segment begins
    times: tuple[int, ...]  # of these segments, in nanoseconds
    ends_stream: bool  # the sender closed its direction right after

    def time_at(self, offset: int) -> int:
        """When the byte at `offset` of `data` was seen."""
        return self.times[bisect_right(self.starts, offset) - 1] if self.times else 0


class Stream:
    """Collects the segments of one direction."""

    __slots__ = ("_base", "_first", "_pieces", "conflicts", "dropped", "fin", "size")

    def __init__(self) -> None:
        self._base: int | None = None  # sequence number of the first byte, where the opening was seen
        self._first: int | None = None  # sequence number met first: all others are told by their distance from it
        self._pieces: list[tuple[int, int, int, bytes]] = []  # distance, arrival, time, bytes
        self.size = 0  # bytes held, with the overhead of each segment
        self.fin: int | None = None  # distance at which the sender closed
        self.dropped = 0  # segments beyond the bounds
        self.conflicts = 0  # segments that repeat bytes with other contents

    def opens_anew(self, segment: Segment) -> bool:
        """Whether the segment begins another connection between the same two ends."""
        return segment.syn and self._base is not None and self._base != (segment.number + 1) % _WRAP

    def add(self, segment: Segment, time_ns: int) -> None:
        """Take one segment."""
        number = (segment.number + segment.syn) % _WRAP
        if segment.syn:
            self._base = number
        if self._first is None:
            self._first = number
        distance = _distance(self._first, number)
        if segment.fin:
            self.fin = distance + len(segment.payload)
        if not segment.payload:
            return
        size = len(segment.payload) + OVERHEAD
        if self.size + size > MAX_STREAM_BYTES or len(self._pieces) >= MAX_SEGMENTS:
            self.dropped += 1
            return
        self.size += size
        self._pieces.append((distance, len(self._pieces), time_ns, segment.payload))

    def runs(self) -> list[Run]:
        """Put together what there is.

        Of two segments that overlap, the one that begins earlier counts; of two that begin at the same byte, the one
        that came first.
        """
        if self._first is None:
            return []
        pieces = sorted(self._pieces, key=lambda piece: piece[:2])
        base = min((piece[0] for piece in pieces), default=0)
        if self._base is not None:
            base = _distance(self._first, self._base)
        return self._joined(pieces, base)

    def _joined(self, pieces: list[tuple[int, int, int, bytes]], base: int) -> list[Run]:
        runs: list[Run] = []
        run = _Open(base)
        self.conflicts = 0  # however often it is put together
        for distance, _, time_ns, payload in pieces:
            if distance > run.end:
                self._close(run, runs, base)
                run = _Open(distance)
            self.conflicts += run.add(distance, time_ns, payload)
        self._close(run, runs, base)
        return runs

    def _close(self, run: "_Open", runs: list[Run], base: int) -> None:
        if run.data:
            ends = self.fin is not None and run.end >= self.fin
            runs.append(Run(run.start - base, bytes(run.data), tuple(run.starts), tuple(run.times), ends))


class _Open:
    """A run that may still grow."""

    def __init__(self, start: int) -> None:
        self.start = start
        self.data = bytearray()
        self.starts: list[int] = []
        self.times: list[int] = []

    @property
    def end(self) -> int:
        return self.start + len(self.data)

    def add(self, distance: int, time_ns: int, payload: bytes) -> bool:
        """Append what is new in a segment that begins no later than the run ends; True when it contradicts the run."""
        known = self.end - distance  # bytes of it that are there already, or lie before the stream
        skipped = max(0, self.start - distance)
        place = distance + skipped - self.start
        before = self.data[place : place + max(0, len(payload) - skipped)]
        contradicts = before != payload[skipped : skipped + len(before)]
        if len(payload) > known:
            self.starts.append(len(self.data))
            self.times.append(time_ns)
            self.data += payload[known:]
        return contradicts


def _distance(first: int, number: int) -> int:
    """How far `number` lies after `first`, -2^31 … 2^31-1: sequence numbers wrap."""
    distance = (number - first) % _WRAP
    return distance - _WRAP if distance >= _WRAP >> 1 else distance
