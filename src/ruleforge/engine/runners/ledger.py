"""The folder of a run: what it is about, which pieces are done, and a lock so that two runs do not share it."""

import hashlib
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import msgspec

from ruleforge.engine.locks import held
from ruleforge.engine.runners.pieces import PIECE_BYTES, Piece, Pinned, check_unchanged, cut, pin
from ruleforge.engine.runners.rulesets import RuleSet
from ruleforge.engine.runners.work import TALLY_KEY, Tally, Work, settle
from ruleforge.errors import OutsideError, UsageError

LAYOUT = 1  # of the folder; raised when pieces or parts change their meaning
RUN_FILE, PARTS, LOCK_FILE = "run.json", "hits", ".lock"


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """What a run is about: written before its first piece, and never again."""

    layout: int = LAYOUT
    rules: str  # name of the set
    piece_bytes: int
    inputs: tuple[Pinned, ...]


class Ledger:
    """A run and its folder. A piece is done when its part is there; there is no other record to disagree with."""

    def __init__(self, folder: Path, run: Run, ruleset: RuleSet) -> None:
        self.folder, self.run = folder, run
        key = hashlib.sha256(msgspec.json.encode(run)).hexdigest()
        self.work = Work(ruleset, str(folder / PARTS), key)

    def pieces(self) -> Iterator[Piece]:
        """Yield all pieces in order."""
        return cut(self.run.inputs, self.run.piece_bytes)

    def tally_of(self, piece: Piece) -> Tally | None:
        """Return the counts of a piece that is done; None: it is not."""
        return read_tally(self.work.part(piece))


def read_tally(part: Path) -> Tally | None:
    """Return the counts that a part file holds; None where there is none, or it is damaged."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not part.exists():
        return None
    try:
        return msgspec.json.decode((pq.read_metadata(part).metadata or {})[TALLY_KEY], type=Tally)
    except (OSError, KeyError, pa.ArrowException, msgspec.DecodeError):
        return None


@contextmanager
def open_ledger(
    folder: Path, ruleset: RuleSet, files: Sequence[Path], *, resume: bool, piece_bytes: int = PIECE_BYTES
) -> Iterator[Ledger]:
    """Begin a run in `folder`, or go on with the one that is there; no other process can do so at the same time.

    Args:
        folder: made where it is missing.
        ruleset: the rules to scan with.
        files: what to scan, in order.
        resume: go on where the folder holds a run; else a folder that holds one is refused.
        piece_bytes: how large pieces should be; a run that goes on keeps what it began with.

    Raises:
        UsageError: the folder holds a run already (RF163), another run (RF164), or its files changed (RF162).
        OutsideError: another process works in it (RF561), or it cannot be written (RF502).
    """
    with ExitStack() as stack:
        try:
            (folder / PARTS).mkdir(parents=True, exist_ok=True)
            hint = "wait for it, or scan into another folder"
            lock = held(folder / LOCK_FILE, "another run works in this folder", where=folder, hint=hint)
            stack.enter_context(lock)
            run = _begin(folder, ruleset, files, resume=resume, piece_bytes=piece_bytes)
            _clear(folder / PARTS)
        except OSError as error:
            raise OutsideError(f"cannot write: {error.strerror}", where=str(folder), code="RF502") from error
        yield Ledger(folder, run, ruleset)


def _begin(folder: Path, ruleset: RuleSet, files: Sequence[Path], *, resume: bool, piece_bytes: int) -> Run:
    before = _read_run(folder)
    if before is None:
        run = Run(rules=ruleset.name, piece_bytes=piece_bytes, inputs=tuple(pin(file) for file in files))
        _write_run(folder, run)
        return run
    if not resume:
        hint = "go on with --resume, or name another folder"
        raise UsageError("the folder holds a run already", where=str(folder), hint=hint, code="RF163")
    same_files = [each.file for each in before.inputs] == [str(file) for file in files]
    if before.layout != LAYOUT or before.rules != ruleset.name or not same_files:
        what = "files" if not same_files else "rules" if before.layout == LAYOUT else "a version of the program"
        hint = "scan into another folder"
        raise UsageError(f"the folder holds a run with other {what}", where=str(folder), hint=hint, code="RF164")
    for file in before.inputs:
        check_unchanged(file)
    return before


def _read_run(folder: Path) -> Run | None:
    try:
        return msgspec.json.decode((folder / RUN_FILE).read_bytes(), type=Run)
    except FileNotFoundError:
        return None
    except msgspec.DecodeError as error:
        hint = "scan into another folder"
        raise UsageError(f"the run is damaged: {error}", where=str(folder), hint=hint, code="RF164") from error


def _write_run(folder: Path, run: Run) -> None:
    unfinished = folder / f".{RUN_FILE}.{os.getpid()}.tmp"
    unfinished.write_bytes(msgspec.json.format(msgspec.json.encode(run)))
    settle(unfinished, folder / RUN_FILE)


def _clear(parts: Path) -> None:
    """Take away what a run that was killed left unfinished."""
    for unfinished in parts.glob(".*.tmp"):
        with suppress(FileNotFoundError):
            unfinished.unlink()
