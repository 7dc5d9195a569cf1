"""Hits as columns: what local processes, Spark and streams write, defined once."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ruleforge.engine.batches import Matches
from ruleforge.rules.tree import Rule

MAX_TARGET = 300  # bytes of the target that a hit shows
MAX_TEXT = 200  # characters of texts that strangers wrote

HITS = pa.schema(
    [
        ("file", pa.string()),  # as it was named; empty where rows come from no file
        ("row", pa.int64()),  # ascends in a file; (file, row, rule) is unique
        ("request", pa.string()),  # id of the request
        ("source", pa.string()),
        ("rule", pa.string()),
        ("revision", pa.int32()),
        ("cves", pa.list_(pa.string())),
        ("severity", pa.string()),
        ("source_address", pa.string()),
        ("time", pa.string()),
        ("at", pa.timestamp("us", "UTC")),
        ("status", pa.int32()),
        ("method", pa.string()),
        ("target", pa.string()),  # at most 300 bytes of it; bytes that are no UTF-8 as \xHH
    ]
)
_SHOWN = ("id", "source", "source_address", "time", "at", "status", "method", "target")


class Labels:
    """What a hit says of its rule, as columns that are taken by position."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._columns = {
            "rule": pa.array([rule.id for rule in rules], pa.string()),
            "revision": pa.array([rule.revision for rule in rules], pa.int32()),
            "cves": pa.array([list(rule.cves) for rule in rules], pa.list_(pa.string())),
            "severity": pa.array([rule.severity for rule in rules], pa.string()),
        }

    def take(self, rules: pa.Array) -> dict[str, pa.Array]:
        """Return the columns for these positions."""
        return {name: column.take(rules) for name, column in self._columns.items()}


def hits_of(
    batch: pa.RecordBatch,
    matches: Matches,
    labels: Labels,
    file: str,
    rows: npt.NDArray[np.int64],
    naming: "Naming | None" = None,
) -> pa.RecordBatch:
    """Return the hits of one batch in its order.

    Args:
        batch: requests.
        matches: what the rules said of them.
        labels: of the rules that `matches` counts.
        file: where the requests are from.
        rows: number of each row of the batch in that file.
        naming: puts ids right that a reader made without knowing what comes before its piece.
    """
    taken = batch.select(_SHOWN).take(pa.array(matches.rows)).to_pydict()
    ids, sources = taken["id"], taken["source"]
    if naming is not None:
        ids, sources = [naming.place(text) for text in ids], [naming.name_of(text) for text in sources]
    columns = labels.take(pa.array(matches.rules)) | {
        "file": pa.repeat(pa.scalar(file), len(matches.rows)),
        "row": pa.array(rows[matches.rows], pa.int64()),
        "request": [_bounded(text) for text in ids],
        "source": [_bounded(text) for text in sources],
        "source_address": [_text(text) for text in taken["source_address"]],
        "time": [_bounded(text) for text in taken["time"]],
        "at": taken["at"],
        "status": taken["status"],
        "method": [_text(text) for text in taken["method"]],
        "target": [text[:MAX_TARGET].decode("utf-8", "backslashreplace") for text in taken["target"]],
    }
    arrays = [columns[field.name] for field in HITS]
    made = [
        array if isinstance(array, pa.Array) else pa.array(array, field.type)
        for array, field in zip(arrays, HITS, strict=True)
    ]
    return pa.RecordBatch.from_arrays(made, schema=HITS)


class Naming:
    """Ids of a piece that begins in the middle of a file: its reader counts lines from 1 and does not know better.

    The reader is told a name that begins with NUL, so that ids it makes differ from ids that stand in the rows.
    """

    def __init__(self, name: str, lines_before: int) -> None:
        self._name, self._lines_before = name, lines_before
        self.marked = f"\x00{name}"

    def place(self, text: str) -> str:
        """Return `name:line` with the line of the file; any other text as it is."""
        if not text.startswith(self.marked + ":"):
            return text
        line, colon, rest = text[len(self.marked) + 1 :].partition(":")
        is_line = line.isascii() and line.isdigit() and len(line) < 16
        return f"{self._name}:{int(line) + self._lines_before if is_line else line}{colon}{rest}"

    def name_of(self, text: str) -> str:
        """Return the name of the file where the reader put it for a source; any other text as it is."""
        return self._name if text == self.marked else text


def _text(value: bytes) -> str:
    return _bounded(value[: 4 * MAX_TEXT].decode("utf-8", "backslashreplace"))


def _bounded(text: str) -> str:
    return text[:MAX_TEXT].encode("utf-8", "backslashreplace").decode()
