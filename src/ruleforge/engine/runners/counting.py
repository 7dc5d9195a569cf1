"""Rules that count or order, over many processes: what pieces saw becomes rows; rows of one key come together again.

Keys do not touch each other, so that each shard of keys is counted by itself, in order of time, whoever does it. The
alerts are those of one process that saw everything.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple
from zlib import crc32

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from ruleforge.engine.correlation import Alert, Correlator, Observation, RuleHit
from ruleforge.engine.correlation import Tally as Counted
from ruleforge.rules.tree import Rule

SHARDS: Final = 64  # of keys; each fits the memory of one process
# One row for each rule and event that it holds for.
SEEN: Final = pa.schema(
    [
        ("shard", pa.int32()),
        ("time_us", pa.int64()),
        ("id", pa.string()),
        ("times", pa.int64()),
        ("rule", pa.int32()),
        ("steps", pa.int64()),
        ("key", pa.list_(pa.binary())),
        ("distinct", pa.list_(pa.binary())),
    ]
)
TOLD: Final = "kind string, data binary"  # what a shard gives on Spark: `alert` and `tally`, as MessagePack


class Reached(NamedTuple):
    """What counting came to."""

    alerts: list[Alert]  # in order of time
    tally: Counted


def seen_rows(observations: Iterable[Observation]) -> pa.RecordBatch:
    """Return the hits of observations as rows. Those without a time can be in no window: count them elsewhere."""
    rows: dict[str, list[object]] = {name: [] for name in SEEN.names}
    for one in observations:
        for hit in one.hits if one.time_us is not None else ():
            shard = crc32(b"\0".join((b"%d" % hit.rule, *hit.key))) % SHARDS
            row = (shard, one.time_us, one.id, one.times, hit.rule, hit.steps, list(hit.key), list(hit.distinct))
            for name, value in zip(SEEN.names, row, strict=True):
                rows[name].append(value)
    return pa.RecordBatch.from_pydict(rows, schema=SEEN)


def count_shard(rows: pa.Table, rules: Sequence[Rule]) -> Reached:
    """Count the events of one shard, or of several.

    Args:
        rows: with the columns of SEEN, in any order.
        rules: all that count or order, as the rows number them.
    """
    correlator = Correlator(rules, lateness_seconds=None)
    alerts: list[Alert] = []
    for batch in rows.sort_by([("time_us", "ascending"), ("id", "ascending")]).to_batches():
        alerts += correlator.feed(_observations(batch))
    alerts += correlator.close()
    return Reached(alerts, correlator.tally)


def _observations(batch: pa.RecordBatch) -> Iterator[Observation]:
    for row in batch.to_pylist():
        hit = RuleHit(row["rule"], row["steps"], tuple(row["key"]), tuple(row["distinct"]))
        yield Observation(row["time_us"], row["id"], row["times"], (hit,))


def count_files(files: Sequence[Path], rules: Sequence[Rule]) -> Reached:
    """Count what pieces left in files, one shard after the other.

    Raises:
        OSError: one cannot be read.
    """
    return gathered(
        count_shard(pq.read_table(list(map(str, files)), schema=SEEN, filters=[("shard", "==", shard)]), rules)
        for shard in (range(SHARDS) if files and rules else ())
    )


def gathered(shards: Iterable[Reached]) -> Reached:
    """Put the alerts and counts of shards together."""
    alerts: list[Alert] = []
    total = Counted()
    for shard in shards:
        alerts += shard.alerts
        for name in Counted.__struct_fields__:
            setattr(total, name, getattr(total, name) + getattr(shard.tally, name))
    return Reached(sorted(alerts, key=lambda alert: (alert.end_us, alert.rule, alert.key)), total)


def told(reached: Reached) -> pa.RecordBatch:
    """Return what a shard came to as rows of TOLD."""
    kinds = ["alert"] * len(reached.alerts) + ["tally"]
    data = [msgspec.msgpack.encode(each) for each in (*reached.alerts, reached.tally)]
    return pa.RecordBatch.from_pydict({"kind": kinds, "data": pa.array(data, pa.binary())})


def heard(rows: Iterable[tuple[str, bytes]]) -> Reached:
    """Read rows of TOLD, of any number of shards."""
    alerts, tallies = list[Alert](), list[Counted]()
    for kind, data in rows:
        if kind == "alert":
            alerts.append(msgspec.msgpack.decode(data, type=Alert))
        else:
            tallies.append(msgspec.msgpack.decode(data, type=Counted))
    return gathered([Reached(alerts, Counted()), *(Reached([], tally) for tally in tallies)])
