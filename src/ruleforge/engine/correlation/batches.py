"""From the matches of a batch of requests to what correlation needs of them, for scans in batches and on clusters."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ruleforge.engine.batches import Matches
from ruleforge.engine.correlation.observation import Observation
from ruleforge.engine.correlation.plan import Plan
from ruleforge.events.columns import request_at
from ruleforge.events.origin import seconds_of
from ruleforge.events.places import HttpView

_EPOCH = datetime.fromisoformat("1970-01-01T00:00:00+00:00")


def observe_batch(plan: Plan, batch: pa.RecordBatch, matches: Matches, parts: Sequence[int]) -> list[Observation]:
    """Observe the rows of a batch that some part holds for; the last observation only moves time on.

    Args:
        plan: the rules that count or order requests.
        batch: of `events.columns.SCHEMA`.
        matches: what a set says of the batch, whose rules are the parts of the plan, perhaps among others.
        parts: for each rule of that set its position in `plan.parts`; below 0 for others.
    """
    wanted = np.asarray(parts, np.int64)[matches.rules] if len(matches.rules) else np.empty(0, np.int64)
    kept = wanted >= 0
    rows, wanted = matches.rows[kept], wanted[kept]
    found = []
    for row in np.unique(rows).tolist():
        request = request_at(batch, row)
        time_us = instant_us(request.time)
        first, last = np.searchsorted(rows, [row, row + 1])  # rows are ascending
        hits = wanted[first:last].tolist()
        found.append(plan.observe(HttpView(request), hits, time_us=time_us, id=request.id))
    newest = _newest(batch)
    return [*found, Observation(newest, "")] if newest is not None else found


def instant_us(time: str) -> int | None:
    """Read a recorded time as microseconds since 1970."""
    seconds = seconds_of(time)
    return None if seconds is None else round(seconds * 1_000_000)


def _newest(batch: pa.RecordBatch) -> int | None:
    """Return the latest time of a batch; where none is known as an instant, that of its last row."""
    if not batch.num_rows:
        return None
    latest = pc.max(batch.column("at")).as_py()
    if latest is not None:
        return int((latest - _EPOCH) // timedelta(microseconds=1))
    return instant_us(batch.column("time")[batch.num_rows - 1].as_py())
