"""When hits came: counts per span of time, in bounded memory whatever the span of a log is."""

import msgspec

# Widths that people read easily: a minute up to some weeks; beyond that the last one is doubled.
WIDTHS = (60, 300, 900, 3_600, 10_800, 21_600, 43_200, 86_400, 604_800)
MAX_BUCKETS = 2_000


class Histogram(msgspec.Struct):
    """Counts per bucket of `width` seconds; a bucket is named by its beginning, seconds since 1970."""

    width: int = WIDTHS[0]
    counts: dict[int, int] = msgspec.field(default_factory=dict)

    def add(self, seconds: float, by: int = 1) -> None:
        """Count something at a time."""
        start = int(seconds // self.width) * self.width
        self.counts[start] = self.counts.get(start, 0) + by
        while len(self.counts) > MAX_BUCKETS:
            self._widen()

    def _widen(self) -> None:
        self.width = next((width for width in WIDTHS if width > self.width), self.width * 2)
        self.counts = _regrouped(self.counts, self.width)

    def bars(self, most: int) -> "Bars":
        """Return at most `most` bars without holes, from the first to the last count."""
        if not self.counts:
            return Bars(0, self.width, ())
        width = self.width
        first, last = min(self.counts), max(self.counts)
        while (last // width) - (first // width) + 1 > most:
            width = next((wider for wider in WIDTHS if wider > width), width * 2)
        grouped = _regrouped(self.counts, width)
        start = first // width * width
        return Bars(start, width, tuple(grouped.get(at, 0) for at in range(start, last + 1, width)))


class Bars(msgspec.Struct, frozen=True):
    """Counts of spans of time that follow each other."""

    start: int  # seconds since 1970 of the first
    width: int  # seconds
    counts: tuple[int, ...]


def _regrouped(counts: dict[int, int], width: int) -> dict[int, int]:
    made: dict[int, int] = {}
    for at, count in counts.items():
        start = at // width * width
        made[start] = made.get(start, 0) + count
    return made


def width_words(seconds: int) -> str:
    """Name a width: "15 minutes", "1 day"."""
    for size, noun in ((604_800, "week"), (86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds >= size and seconds % size == 0:
            return f"{seconds // size} {noun}" + ("s" if seconds != size else "")
    return f"{seconds} seconds"
