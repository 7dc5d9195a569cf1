"""One piece of work: read it, ask the rules, and put the part file with its hits in place."""

import hashlib
import os
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from ruleforge.engine.adaptive import BYTES_PER_ROW, AdaptiveMatcher
from ruleforge.engine.batches import Matches
from ruleforge.engine.correlation import Observation
from ruleforge.engine.runners.pieces import Piece
from ruleforge.engine.runners.ranges import open_range
from ruleforge.engine.runners.rulesets import RuleSet, names_of, observe_single, ready, single_matches
from ruleforge.errors import InputError, RuleForgeError
from ruleforge.events.formats import read_batches
from ruleforge.events.formats.bounded import MAX_TOTAL_BYTES, open_file

if TYPE_CHECKING:
    import pyarrow as pa

    from ruleforge.engine.runners.hits import Naming

BATCH_ROWS = 8_192
PROBLEMS_KEPT = 20  # of a piece; all are counted
SEEN_FOLDER = "seen"  # beside that of the parts
TALLY_KEY = b"ruleforge.tally"  # in the metadata of a part file


class Tally(msgspec.Struct, frozen=True, kw_only=True):
    """Counts of one piece."""

    requests: int = 0
    requests_hit: int = 0
    hits: int = 0
    verified: int = 0  # pairs of request and rule that were evaluated
    unreadable: int = 0  # lines, or the whole piece
    unreadable_files: int = 0  # 1: the piece could not be opened or not be read to its end
    problems: tuple[str, ...] = ()
    by_rule: dict[str, int] = {}
    undecidable: dict[str, int] = {}  # rule → requests that it could not decide
    untimed: int = 0  # requests that a rule wanted to count, without a time
    unkeyed: int = 0  # times that a rule wanted to count one without a value for its key


class Outcome(NamedTuple):
    """What became of a piece."""

    piece: Piece
    tally: Tally | None  # None: it was not done
    problems: tuple[str, ...] = ()  # processes that died on it; why it was not done


class Work(msgspec.Struct, frozen=True):
    """What all pieces of a run share."""

    ruleset: RuleSet
    folder: str  # of the part files
    key: str  # of the run; part files of another are not mistaken for its own

    def part(self, piece: Piece) -> Path:
        """Where the hits of a piece go."""
        return Path(self.folder) / f"part-{self._name(piece)}"

    def seen(self, piece: Piece) -> Path:
        """Where goes what rules that count saw in a piece; it is there when the part is."""
        return Path(self.folder).with_name(SEEN_FOLDER) / f"seen-{self._name(piece)}"

    def _name(self, piece: Piece) -> str:
        mark = hashlib.sha256(self.key.encode() + msgspec.json.encode(piece)).hexdigest()[:16]
        return f"{piece.number:08d}-{mark}.parquet"


def do_piece(work: Work, piece: Piece) -> Tally:
    """Scan a piece; when this returns, its part file is in place, whole, with the counts inside.

    The part is written under another name, made durable, then renamed: who finds it can rely on it. Doing a piece
    twice gives the same part.

    Raises:
        OSError: the part cannot be written.
    """
    import pyarrow.parquet as pq

    from ruleforge.engine.runners.hits import HITS

    part = work.part(piece)
    unfinished = part.with_name(f".{part.name}.{os.getpid()}.tmp")
    counting = _Counting(work.ruleset, work.seen(piece) if work.ruleset.counting else None)
    try:
        with pq.ParquetWriter(unfinished, HITS, compression="zstd") as writer:
            for hits in counting.scan(piece):
                if hits.num_rows:
                    writer.write_batch(hits)
            tally = counting.tally()
            writer.add_key_value_metadata({TALLY_KEY: msgspec.json.encode(tally)})
        counting.settle_seen()  # first: who finds the part finds this, too
        settle(unfinished, part)
    finally:
        unfinished.unlink(missing_ok=True)
        counting.forget_seen()
    return tally


def settle(unfinished: Path, final: Path) -> None:
    """Rename a file so that it survives a loss of power: whole under its name, or not there."""
    with unfinished.open("rb") as file:
        os.fsync(file.fileno())
    unfinished.rename(final)
    folder = os.open(final.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


class _Counting:
    """The scan of one piece, counted as it goes."""

    def __init__(self, ruleset: RuleSet, seen: Path | None) -> None:
        self._ruleset = ruleset
        self._matcher, self._labels, self._plan = ready(ruleset)
        self._seen, self._writer = seen, None if seen is None else SeenFile(seen)
        self._untimed = self._unkeyed = 0
        self._requests = self._requests_hit = self._hits = self._verified = 0
        self._unreadable = self._broken = 0
        self._problems: list[str] = []
        self._per_rule = np.zeros((2, len(ruleset.rules) + len(self._plan.parts)), np.int64)  # hits, unknowns

    def scan(self, piece: Piece) -> Iterator["pa.RecordBatch"]:
        """Yield the hits of each batch; what cannot be read is counted, and ends the piece when nothing follows."""
        import pyarrow as pa

        naming = naming_of(piece)
        if isinstance(self._matcher, AdaptiveMatcher) and piece.kind in ("lines", "whole"):
            self._matcher.expect((piece.stop - piece.start) // BYTES_PER_ROW)
        try:
            for item in batches_of(piece, naming):
                if isinstance(item, InputError):
                    self._complain(_placed(item, naming))
                else:
                    yield self._hits_of(item, piece, naming)
        except (RuleForgeError, OSError, EOFError, zlib.error, pa.ArrowException) as problem:
            damaged = InputError(f"the file is damaged: {problem}"[:300], where=piece.file, code="RF225")
            self._complain(str(problem if isinstance(problem, RuleForgeError) else damaged))
            self._broken = 1

    def _complain(self, problem: str) -> None:
        self._unreadable += 1
        if len(self._problems) < PROBLEMS_KEPT:
            self._problems.append(problem)

    def _hits_of(self, batch: "pa.RecordBatch", piece: Piece, naming: "Naming | None") -> "pa.RecordBatch":
        from ruleforge.engine.runners.hits import hits_of

        everything = self._matcher.match(batch)
        self._see(batch, everything, naming)
        matches = single_matches(everything, len(self._ruleset.rules))
        rows = np.arange(batch.num_rows) + (piece.first + self._requests)
        self._requests += batch.num_rows
        self._hits += len(matches.rows)
        self._requests_hit += len(np.unique(matches.rows))
        self._verified += matches.verified
        self._per_rule += np.bincount(matches.rules, minlength=self._per_rule.shape[1]), everything.unknowns
        return hits_of(batch, matches, self._labels, piece.file, rows, naming)

    def _see(self, batch: "pa.RecordBatch", matches: Matches, naming: "Naming | None") -> None:
        if self._writer is None:
            return
        found = observe_single(self._plan, len(self._ruleset.rules), batch, matches)
        self._untimed += sum(bool(one.hits) and one.time_us is None for one in found)
        self._unkeyed += sum(len(one.unkeyed) for one in found)
        if naming is not None:
            found = [msgspec.structs.replace(one, id=naming.place(one.id)) for one in found]
        self._writer.write(found)

    def settle_seen(self) -> None:
        """Put in place what rules that count saw."""
        if self._writer is not None:
            self._writer.settle()

    def forget_seen(self) -> None:
        """Take away what was not put in place."""
        if self._writer is not None:
            self._writer.forget()

    def tally(self) -> Tally:
        """Return what was counted."""
        by_rule, undecidable = (self._named(counts) for counts in self._per_rule)
        return Tally(
            requests=self._requests,
            requests_hit=self._requests_hit,
            hits=self._hits,
            verified=self._verified,
            unreadable=self._unreadable,
            unreadable_files=self._broken,
            problems=tuple(self._problems),
            by_rule=by_rule,
            undecidable=undecidable,
            untimed=self._untimed,
            unkeyed=self._unkeyed,
        )

    def _named(self, counts: npt.NDArray[np.int64]) -> dict[str, int]:
        found: Counter[str] = Counter()
        for index in np.flatnonzero(counts).tolist():
            for name in names_of(self._ruleset, self._plan, index):
                found[name] += int(counts[index])
        return dict(found)


class SeenFile:
    """A file of what rules that count saw, which appears whole or not at all."""

    def __init__(self, path: Path) -> None:
        import pyarrow.parquet as pq

        from ruleforge.engine.runners.counting import SEEN

        path.parent.mkdir(exist_ok=True)
        self._path, self._unfinished = path, path.with_name(f".{path.name}.{os.getpid()}.tmp")
        self._writer = pq.ParquetWriter(self._unfinished, SEEN, compression="zstd")

    def write(self, observations: Sequence[Observation]) -> None:
        """Add rows."""
        from ruleforge.engine.runners.counting import seen_rows

        rows = seen_rows(observations)
        if rows.num_rows:
            self._writer.write_batch(rows)

    def settle(self) -> None:
        """Put it in place."""
        self._writer.close()
        settle(self._unfinished, self._path)

    def forget(self) -> None:
        """Take away what was not put in place."""
        self._writer.close()
        self._unfinished.unlink(missing_ok=True)


def _placed(problem: InputError, naming: "Naming | None") -> str:
    where = naming.place(problem.where) if naming else problem.where
    return str(InputError(problem.what, where=where, hint=problem.hint, code=problem.code))


def naming_of(piece: Piece) -> "Naming | None":
    """How ids of a piece of lines are put right."""
    from ruleforge.engine.runners.hits import Naming

    return Naming(Path(piece.file).name, piece.first) if piece.kind == "lines" else None


def batches_of(piece: Piece, naming: "Naming | None" = None) -> Iterator["pa.RecordBatch | InputError"]:
    """Read the requests of a piece.

    Raises:
        InputError: the format is not known (RF220), or a table has other columns (RF260, RF261).
        OutsideError: the file cannot be opened (RF501).
    """
    match piece.kind:
        case "lines":
            assert naming is not None
            with open_range(Path(piece.file), piece.start, piece.stop) as stream:
                yield from read_batches(stream, piece.format, rows=BATCH_ROWS, name=naming.marked)
        case "whole":
            if piece.stop:  # a log that was rotated a moment ago is empty: nothing to find
                yield from read_batches(Path(piece.file), piece.format or None, rows=BATCH_ROWS, most=MAX_TOTAL_BYTES)
            else:
                open_file(Path(piece.file)).close()
        case "parquet":
            yield from _parquet(piece)
        case "arrow":
            yield from _arrow(piece)


def _parquet(piece: Piece) -> Iterator["pa.RecordBatch"]:
    from ruleforge.engine.runners.tables import conform
    from ruleforge.events.formats.tables import parquet_batches

    for batch in parquet_batches(piece.file, BATCH_ROWS, range(piece.start, piece.stop), use_threads=False):
        yield conform(batch, piece.file)


def _arrow(piece: Piece) -> Iterator["pa.RecordBatch"]:
    import pyarrow as pa

    from ruleforge.engine.runners.tables import conform

    with pa.memory_map(piece.file) as source, pa.ipc.open_file(source) as table:
        for index in range(piece.start, piece.stop):
            batch = table.get_batch(index)
            for start in range(0, batch.num_rows, BATCH_ROWS):
                yield conform(batch.slice(start, BATCH_ROWS), piece.file)
