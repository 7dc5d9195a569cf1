"""Which time a stream has reached, when some of its clocks may be wrong.

The middle of the last events' times is hardly moved by a few that are wrong. An event that lies further ahead of it
than the bound does not move time on; it waits. When the others follow, as after a pause, the middle follows too, and
time moves on to it: nothing is lost. When they do not, and it lies ahead of the clock as well, its clock is wrong.
"""

import heapq
from bisect import insort
from collections import deque
from collections.abc import Callable

LAST = 31  # events whose middle counts
LEAST = 5  # events before time moves on by their middle
MOST_HELD = 1_000  # times that wait
_SECOND_US = 1_000_000


class Ahead:
    """Times of a stream, in the order in which they come."""

    def __init__(self, skew_us: int, clock: Callable[[], float]) -> None:
        self._skew_us, self._clock = skew_us, clock
        self._recent: deque[int] = deque(maxlen=LAST)
        self._sorted: list[int] = []
        self._held: list[int] = []  # a heap of times that lie ahead of the middle

    @property
    def recent(self) -> tuple[int, ...]:
        """The last times, in their order."""
        return tuple(self._recent)

    def restore(self, recent: tuple[int, ...]) -> None:
        """Take up the last times of before."""
        self._recent, self._held = deque(recent, maxlen=LAST), []
        self._sorted = sorted(self._recent)

    def newest(self, time_us: int) -> int | None:
        """Take in the time of an event; return the latest time that is reached by now, None where none is."""
        if len(self._recent) == LAST:
            self._sorted.remove(self._recent[0])
        self._recent.append(time_us)
        insort(self._sorted, time_us)
        if len(self._held) < MOST_HELD:
            heapq.heappush(self._held, time_us)
        bound, newest = self._bound(), None
        while self._held and bound is not None and self._held[0] <= bound:
            newest = heapq.heappop(self._held)
        return newest

    def is_wrong(self, time_us: int) -> bool:
        """Whether a time lies too far ahead of the others and of the clock."""
        middle = self._sorted[(len(self._sorted) - 1) // 2] if self._sorted else time_us
        return time_us > middle + self._skew_us and time_us > round(self._clock() * _SECOND_US) + self._skew_us

    def _bound(self) -> int | None:
        """The latest time that may be reached: by the middle, or before there is one by the clock."""
        if len(self._sorted) < LEAST:
            return round(self._clock() * _SECOND_US) + self._skew_us
        return self._sorted[len(self._sorted) // 2] + self._skew_us
