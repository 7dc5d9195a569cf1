"""Streams of Spark to files: each request's hits are written once, whatever is killed in between."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from ruleforge.errors import InputError

if TYPE_CHECKING:
    from pyspark.sql import DataFrame
    from pyspark.sql.streaming import StreamingQuery

_LOG = "_spark_metadata"
_MAX_LOG_BYTES = 256 << 20


def start_stream(
    results: "DataFrame", out: str, checkpoint: str, *, every: str = "10 seconds", once: bool = False
) -> "StreamingQuery":
    """Write the results of a streaming scan to Parquet in `out`, and go on from `checkpoint` where there is one.

    Spark notes in the checkpoint what a batch reads before it runs, and in `out/_spark_metadata` which files it wrote
    when it is done. A batch that was cut off is run again over the same input, and files it left are not in that log:
    read `out` with Spark or `committed_files`, not by listing the folder.

    Args:
        results: of `scan_frame` or `scan_lines` over a stream.
        out: a folder (or URL) that this stream alone writes to.
        checkpoint: another one; it belongs to `out`, and to the query: move or delete both together.
        every: time between batches.
        once: take all that is there, then end.
    """
    writer = results.writeStream.format("parquet").outputMode("append").option("path", out)
    writer = writer.option("checkpointLocation", checkpoint)
    return (writer.trigger(availableNow=True) if once else writer.trigger(processingTime=every)).start()


def committed_files(out: Path) -> list[Path]:
    """Return the files of a folder that a stream wrote and finished, in the order of its log.

    Raises:
        InputError: the log cannot be read (RF262).
    """
    try:
        found = dict(_entries(out / _LOG))  # what is said last of a file holds
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"the log of the stream cannot be read: {error}", where=str(out), code="RF262") from error
    return [Path(unquote(urlsplit(path).path)) for path, is_added in found.items() if is_added]


def _entries(log: Path) -> Iterator[tuple[str, bool]]:
    """Yield (path, added) of the last compacted file of the log and those after it."""
    numbered = {int(name.partition(".")[0]): name for name in _names(log)}
    compacted = [number for number, name in numbered.items() if name.endswith(".compact")]
    first = max(compacted, default=-1)
    for number in sorted(number for number in numbered if number >= first):
        with (log / numbered[number]).open("rb") as file:
            _version, *lines = file.read(_MAX_LOG_BYTES).decode().splitlines()
        for line in lines:
            entry = json.loads(line)
            yield entry["path"], entry["action"] == "add"


def _names(log: Path) -> list[str]:
    names = [file.name for file in log.iterdir()] if log.is_dir() else []
    parts = [(name, *name.partition(".")[::2]) for name in names]
    return sorted(name for name, number, kind in parts if number.isdigit() and kind in {"", "compact"})
