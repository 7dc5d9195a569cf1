"""Which requests lie in the time that was asked for: bounds as people write them, and masks over batches."""

import re
from datetime import UTC, datetime, timedelta

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ruleforge.errors import UsageError
from ruleforge.events.origin import seconds_of, written

_RELATIVE = re.compile(r"(\d{1,6})([smhdw])")
_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_COMPACT = re.compile(r"\d{8}")
_MICRO = 1_000_000
_NO_TIME = np.iinfo(np.int64).min


class Window(msgspec.Struct, frozen=True):
    """From `since` on and before `until`, seconds since 1970 in UTC; None: open on that side."""

    since: float | None = None
    until: float | None = None
    keep_undated: bool = True  # ask rules about requests without a readable time, too

    @property
    def is_open(self) -> bool:
        """Whether every request lies in it."""
        return self.since is None and self.until is None


class Masked(msgspec.Struct, frozen=True):
    """Rows of a batch in a window, and why the others are not."""

    batch: pa.RecordBatch
    outside: int = 0
    undated: int = 0


def window(since: str, until: str, now: datetime, *, keep_undated: bool = True) -> Window:
    """Read the bounds of a window; empty texts leave it open.

    Args:
        since: RFC 3339, a date (from its beginning), or a time before now such as 7d, 12h, 30m, 2w.
        until: the same; a date means that this day still counts.
        now: what relative times are counted from.
        keep_undated: whether requests without a readable time count as inside.

    Raises:
        UsageError: not a time (RF127), or the end is not after the beginning (RF140).
    """
    first, last = _bound(since, now), _bound(until, now)
    if last is not None and _DATE.fullmatch(until.strip()):
        last += timedelta(days=1).total_seconds()
    if first is not None and last is not None and first >= last:
        where = f"{written(first)} to {written(last)}"
        raise UsageError("the window ends before it begins", where=where, hint="swap the two", code="RF140")
    return Window(first, last, keep_undated)


def _bound(text: str, now: datetime) -> float | None:
    text = text.strip()
    if not text:
        return None
    if found := _RELATIVE.fullmatch(text):
        return max(now.astimezone(UTC).timestamp() - int(found[1]) * _SECONDS[found[2]], 0.0)
    hint = "2099-01-31, 2099-01-31T13:00:00Z, or 7d, 12h, 30m before now"
    moment = None if _COMPACT.fullmatch(text) else seconds_of(text)
    if moment is None:
        raise UsageError("not a time", where=text, hint=hint, code="RF127")
    return moment


def inside(batch: pa.RecordBatch, asked: Window) -> Masked:
    """Return the rows of a batch that lie in a window. No work per row where the batch has instants."""
    if asked.is_open:
        return Masked(batch)
    instants = instants_of(batch)
    undated = instants == _NO_TIME
    keep = np.ones(batch.num_rows, np.bool_)
    if asked.since is not None:
        keep &= instants >= asked.since * _MICRO
    if asked.until is not None:
        keep &= instants < asked.until * _MICRO
    keep = (keep & ~undated) | (undated if asked.keep_undated else False)
    lost = int((~keep & ~undated).sum())
    return Masked(batch if keep.all() else batch.filter(pa.array(keep)), lost, int(undated.sum()))


def instants_of(batch: pa.RecordBatch) -> npt.NDArray[np.int64]:
    """Return microseconds since 1970 of every row; the smallest integer where there is no readable time."""
    column = batch.column("at")
    values: npt.NDArray[np.int64] = np.array(column.cast(pa.int64()).fill_null(_NO_TIME))
    if column.null_count:
        times = batch.column("time")
        for row in np.flatnonzero(values == _NO_TIME):
            seconds = seconds_of(times[int(row)].as_py() or "")
            if seconds is not None:
                values[row] = int(seconds * _MICRO)
    return values
