"""From the matches of a batch of requests to what correlation needs of them, for scans in batches and on clusters."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ruleforge.engine.batches import Matches
from ruleforge.engine.correlation.observation import Observation
from ruleforge.engine.correlation.plan import Plan, Spared
from ruleforge.events.columns import request_at
from ruleforge.events.origin import seconds_of
from ruleforge.events.places import HttpView


def observe_batch(
    plan: Plan, batch: pa.RecordBatch, matches: Matches, parts: Sequence[int], spared: Spared | None = None
) -> list[Observation]:
    """Observe the rows of a batch that some part holds for; the last observations only move time on.

    Args:
        plan: the rules that count or order requests.
        batch: of `events.columns.SCHEMA`.
        matches: what a set says of the batch, whose rules are the parts of the plan, perhaps among others.
        parts: for each rule of that set its position in `plan.parts`; below 0 for others.
        spared: as of `Plan.observe`.
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
        found.append(plan.observe(HttpView(request), hits, time_us=time_us, id=request.id, spared=spared))
    return [*found, *(Observation(time_us, "") for time_us in _reached(batch))]


def instant_us(time: str) -> int | None:
    """Read a recorded time as microseconds since 1970."""
    seconds = seconds_of(time)
    return None if seconds is None else round(seconds * 1_000_000)


def _reached(batch: pa.RecordBatch) -> list[int]:
    """Return the middle and the latest time of a batch; where none is known as an instant, that of its last row.

    The middle, too, because the latest may be that of a clock which is wrong.
    """
    if not batch.num_rows:
        return []
    instants = batch.column("at").drop_null().cast(pa.int64())
    if len(instants):
        middle = pc.array_sort_indices(instants)[len(instants) // 2].as_py()
        return [instants[middle].as_py(), pc.max(instants).as_py()]
    last = instant_us(batch.column("time")[batch.num_rows - 1].as_py())
    return [] if last is None else [last]
