"""Where a scan stopped: written whole or not at all, so that it can go on after any end, kill -9 included."""

import hashlib
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import msgspec

from ruleforge import __version__
from ruleforge.app.scanning.digest import Digest
from ruleforge.app.scanning.hits import ScanReport
from ruleforge.app.scanning.run import Mark
from ruleforge.app.scanning.times import Window
from ruleforge.engine.locks import held
from ruleforge.errors import InputError, OutsideError, UsageError

SCHEMA = 1
HEAD_BYTES = 4_096  # of each file, to tell it from another one of that name
MAX_BYTES = 1 << 30
_HEAD = re.compile(r"(?:[0-9]{1,9}:[0-9a-f]{64})?")


class Saved(msgspec.Struct, kw_only=True):
    """Everything a scan needs to go on."""

    schema: int = SCHEMA
    version: str = __version__
    key: str  # what was asked: rules, options, files
    started: str  # RFC 3339: what relative times were counted from
    window: Window
    marks: list[Mark]
    heads: list[str]  # sha256 of the first bytes of each file, with their number
    output_bytes: int = 0  # of the output that belong to what the marks say
    report: ScanReport
    digest: Digest
    correlation: bytes = b""  # what rules that count or order remember


def key_of(parts: Sequence[str]) -> str:
    """Name what a scan was asked for, so that another question cannot go on from its answer."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def head_of(path: Path, most: int = HEAD_BYTES) -> str:
    """Name the beginning of a file: "4096:ab12…"; empty where it cannot be read."""
    try:
        with path.open("rb") as file:
            data = file.read(most)
    except OSError:
        return ""
    return f"{len(data)}:{hashlib.sha256(data).hexdigest()}"


@contextmanager
def alone(path: Path | None) -> Iterator[None]:
    """Let no other scan work with this checkpoint and its output meanwhile; without one there is nothing to share.

    Raises:
        OutsideError: another scan does (RF561), or the folder cannot be written (RF502).
    """
    if path is None:
        yield
        return
    hint = "wait for it, or use another checkpoint"
    with ExitStack() as stack:
        try:
            lock = held(path.with_name(path.name + ".lock"), "another scan works with this", where=path, hint=hint)
            stack.enter_context(lock)
        except OSError as error:
            raise OutsideError(f"cannot write: {error.strerror}", where=str(path), code="RF502") from error
        yield


def save(path: Path, saved: Saved) -> None:
    """Write a checkpoint; a crash leaves the one before."""
    part = path.with_name(path.name + ".part")
    with part.open("wb") as file:
        file.write(msgspec.msgpack.encode(saved))
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


def load(path: Path) -> Saved | None:
    """Read a checkpoint; None where there is none yet.

    Raises:
        InputError: it cannot be read (RF287).
    """
    if not path.exists():
        return None
    hint = "remove it to begin anew"
    try:
        with path.open("rb") as file:
            saved = msgspec.msgpack.decode(file.read(MAX_BYTES), type=Saved)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise InputError(f"not a checkpoint of a scan: {error}", where=str(path), hint=hint, code="RF287") from None
    if len(saved.marks) != len(saved.heads) or not all(map(_HEAD.fullmatch, saved.heads)):
        raise InputError("not a checkpoint of a scan: its files do not agree", where=str(path), hint=hint, code="RF287")
    if saved.schema != SCHEMA or saved.version != __version__:
        what = f"a checkpoint of version {saved.version}, this is {__version__}"
        raise InputError(what, where=str(path), hint=hint, code="RF287")
    return saved


def check(saved: Saved, path: Path, key: str, files: Sequence[Path]) -> None:
    """Refuse to go on where the answer would be a mixture.

    Raises:
        UsageError: other rules, options or files (RF143), or a file that is not the one that was read (RF144).
    """
    if saved.key != key or len(saved.heads) != len(files):
        what = "the checkpoint is of a scan with other rules, options or files"
        raise UsageError(what, where=str(path), hint="use another checkpoint, or remove this one", code="RF143")
    for file, head, mark in zip(files, saved.heads, saved.marks, strict=True):
        begun = mark.rows or mark.problems or mark.done
        if begun and head and head_of(file, int(head.partition(":")[0])) != head:
            hint = "it was rotated or changed; scan it with another checkpoint"
            raise UsageError("not the file that was read before", where=str(file), hint=hint, code="RF144")
