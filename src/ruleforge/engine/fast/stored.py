"""Compiled sets as files: written once, named by what is in them, mapped into memory by every process that uses them.

A file is a line of magic, the length of its header, the header as JSON, then arrays at multiples of 64 bytes. The
arrays are those of `Tables`, one group per kind of gaps; the rules are canonical JSON that is parsed when it is first
needed. What reads the file changes none of it: its pages are shared.
"""

import hashlib
import json
import mmap
import os
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, overload

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ruleforge.engine.batches import Matches
from ruleforge.engine.fast.build import make_tables
from ruleforge.engine.fast.gaps import Gaps
from ruleforge.engine.fast.layout import Tables
from ruleforge.engine.fast.matcher import FastMatcher
from ruleforge.engine.fast.native import sources_stamp
from ruleforge.engine.rarity import background_rarity
from ruleforge.errors import InputError, RuleForgeError
from ruleforge.rules.canonical import canonical_json
from ruleforge.rules.classes import classes_digest
from ruleforge.rules.dump import dump_rule
from ruleforge.rules.parse import parse_rule
from ruleforge.rules.tree import Rule

FORMAT = 2
SUFFIX = ".rfset"
_MAGIC = b"ruleforge compiled set\n"
_ALIGNED = 64
_MAX_HEADER = 16 << 20
_CHUNK = 1 << 20  # bytes
# What sources mostly do not tell: nothing, bodies, both (common log), all but two headers (combined log).
USUAL_GAPS = (
    Gaps(),
    Gaps(frozenset({"body"})),
    Gaps(frozenset({"body", "headers"})),
    Gaps(frozenset({"body"}), frozenset({b"referer", b"user-agent"})),
)


class _Array(msgspec.Struct, frozen=True):
    """Where an array lies behind the header."""

    name: str
    kind: str  # of numpy
    begin: int  # bytes
    length: int  # items


class _Group(msgspec.Struct, frozen=True):
    """The tables for one kind of gaps."""

    unrecorded: tuple[str, ...]
    recorded_headers: tuple[str, ...] | None  # Latin-1
    arrays: tuple[_Array, ...]


class _Header(msgspec.Struct, frozen=True):
    """What a file says of itself."""

    format: int
    engine: int  # of whose tables these are; others are not read
    classes: str  # digest of the payload classes that literals were derived from
    digest: str
    groups: tuple[_Group, ...]
    rules: tuple[_Array, _Array]  # where each begins, and all of them
    sum: int  # CRC-32 of all arrays: kernels trust them, so that a damaged file must not reach them


class StoredRules(Sequence[Rule]):
    """The rules of a stored set, each parsed when it is first asked for."""

    def __init__(self, at: npt.NDArray[np.int64], texts: npt.NDArray[np.uint8]) -> None:
        self._at, self._texts = at, texts
        self._known: dict[int, Rule] = {}

    def __len__(self) -> int:
        return len(self._at) - 1

    @overload
    def __getitem__(self, index: int) -> Rule: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Rule]: ...
    def __getitem__(self, index: int | slice) -> Rule | Sequence[Rule]:
        if isinstance(index, slice):
            return [self[each] for each in range(*index.indices(len(self)))]
        if not -len(self) <= index < len(self):
            raise IndexError(index)
        index %= len(self)
        rule = self._known.get(index)
        if rule is None:
            rule = self._known[index] = self._parse(index)
        return rule

    def __iter__(self) -> Iterator[Rule]:
        return (self[index] for index in range(len(self)))

    def texts(self) -> list[bytes]:
        """Return the documents of all rules, which nobody may have parsed yet.

        Raises:
            ValueError: they do not lie one behind the other.
        """
        at, texts = self._at, self._texts.tobytes()
        if at.dtype != np.int64 or not len(at) or at[0] or at[-1] != len(texts) or (at[1:] < at[:-1]).any():
            raise ValueError("its rules are not one behind the other")
        return [texts[begin:end] for begin, end in pairwise(at.tolist())]

    def _parse(self, index: int) -> Rule:
        try:
            rule = parse_rule(json.loads(self._texts[self._at[index] : self._at[index + 1]].tobytes())).rule
        except (ValueError, RecursionError):
            rule = None
        if rule is None:
            raise InputError("a rule of the compiled set does not load", where=f"rule {index}", code="RF290")
        return rule


def write_set(rules: Sequence[Rule], folder: Path, *, gaps: Iterable[Gaps] = USUAL_GAPS) -> Path:
    """Compile rules to a file in `folder`, named by its content; one that is there already is left as it is.

    The file appears whole or not at all. It is read by the version of the program that wrote it; others say so.

    Raises:
        RuleError: RF330 a rule counts or orders events.
    """
    path = set_path(rules, folder)
    if path.exists():
        return path
    rarity = background_rarity()
    put_set(path, rules, {kind: make_tables(rules, kind, rarity) for kind in gaps})
    return path


def set_path(rules: Sequence[Rule], folder: Path) -> Path:
    """Return where the set of these rules lies in `folder`, if it is there."""
    return folder / (_digest(_texts(rules))[:32] + SUFFIX)


def put_set(path: Path, rules: Sequence[Rule], groups: Mapping[Gaps, Tables]) -> None:
    """Write tables that were made of `rules` to `path`; what is there is replaced, and who uses it keeps it.

    Raises:
        OSError: it cannot be written.
    """
    texts = _texts(rules)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    unfinished = path.with_suffix(f".{os.getpid()}.part")
    try:
        unfinished.write_bytes(b"".join(_parts(texts, _digest(texts), groups)))
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def _texts(rules: Sequence[Rule]) -> list[bytes]:
    return [canonical_json(dump_rule(rule)) for rule in rules]


def open_set(path: Path) -> FastMatcher:
    """Map a compiled set: read once to see that it is whole, then only where it is needed.

    Raises:
        InputError: RF290 it is no compiled set, is damaged, or was made by another version.
    """
    tables, rules = read_set(path)
    return FastMatcher(rules, tables=tables)


def read_set(path: Path) -> tuple[dict[Gaps, Tables], StoredRules]:
    """Map the tables and the rules of a compiled set.

    Raises:
        InputError: RF290 as `open_set` does.
    """
    try:
        with path.open("rb") as file:
            memory = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
            header, start = _read_header(memory, path)
            file.seek(start)
            if _sum_of(iter(lambda: file.read(_CHUNK), b"")) != header.sum:
                raise InputError("a damaged compiled set", where=str(path), code="RF290")
    except (OSError, ValueError) as error:
        raise InputError(f"not a compiled set: {error}", where=str(path), code="RF290") from None
    try:
        tables = {_gaps(group): Tables(**{one.name: _array(memory, start, one) for one in group.arrays})
                  for group in header.groups}  # fmt: skip
        return tables, StoredRules(*(_array(memory, start, one) for one in header.rules))
    except (TypeError, ValueError) as error:
        raise InputError(f"a damaged compiled set: {error}", where=str(path), code="RF290") from None


class WatchedSet:
    """A compiled set at a path that is replaced while in use: batches in work end with the set they began with."""

    def __init__(self, path: Path) -> None:
        """Open the set at `path`, which may be a link to it.

        Raises:
            InputError: RF290 there is none.
        """
        self._path = path
        self._seen = _identity(path)
        self._matcher = open_set(path)
        self.swaps = 0
        self.problem: RuleForgeError | None = None  # why what is there now is not used

    @property
    def matcher(self) -> FastMatcher:
        """The set in use."""
        return self._matcher

    def match(self, batch: pa.RecordBatch) -> Matches:
        """Match with the newest set that could be read."""
        self.refresh()
        return self._matcher.match(batch)

    def refresh(self) -> bool:
        """Use what is at the path now; False where it is the same or cannot be used, as `problem` then says."""
        found = _identity(self._path)
        if found == self._seen:
            return False
        self._seen = found
        try:
            self._matcher = open_set(self._path)
        except RuleForgeError as error:
            self.problem = error
            return False
        self.problem = None
        self.swaps += 1
        return True


def _identity(path: Path) -> tuple[int, ...]:
    try:
        found = path.stat()
    except OSError:
        return ()
    return (found.st_dev, found.st_ino, found.st_mtime_ns, found.st_size)


def _digest(texts: Iterable[bytes]) -> str:
    """Hash all that a set is made of."""
    digest = hashlib.sha256(f"{FORMAT} {sources_stamp()} {classes_digest()}\n".encode())
    for text in texts:
        digest.update(text + b"\n")
    return digest.hexdigest()


def _parts(texts: Sequence[bytes], digest: str, groups: Mapping[Gaps, Tables]) -> Iterator[bytes]:
    """Yield the bytes of a file."""
    at = np.zeros(len(texts) + 1, np.int64)
    np.cumsum([len(text) for text in texts], out=at[1:])
    laid = _Laid()
    rules = (laid.add("at", at), laid.add("texts", np.frombuffer(b"".join(texts), np.uint8)))
    listed = tuple(
        _Group(
            tuple(sorted(gaps.unrecorded)),
            None if gaps.recorded_headers is None else tuple(sorted(map(_latin, gaps.recorded_headers))),
            tuple(laid.add(name, array) for name, array in tables._asdict().items()),
        )
        for gaps, tables in groups.items()
    )
    total = _sum_of(laid.parts)
    header = msgspec.json.encode(_Header(FORMAT, sources_stamp(), classes_digest(), digest, listed, rules, total))
    head = _MAGIC + len(header).to_bytes(8, "little") + header
    yield head + bytes(-len(head) % _ALIGNED)
    yield from laid.parts


class _Laid:
    """Arrays laid end to end, each at a multiple of 64 bytes."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self._size = 0

    def add(self, name: str, array: npt.NDArray[np.generic]) -> _Array:
        """Append an array and say where it lies."""
        data = array.tobytes()
        placed = _Array(name, array.dtype.str, self._size, len(array))
        self.parts.append(data + bytes(-len(data) % _ALIGNED))
        self._size += len(self.parts[-1])
        return placed


def _read_header(memory: mmap.mmap, path: Path) -> tuple[_Header, int]:
    """Return the header and where the arrays begin."""
    start = len(_MAGIC) + 8
    size = int.from_bytes(memory[len(_MAGIC) : start], "little")
    if memory[: len(_MAGIC)] != _MAGIC or size > min(_MAX_HEADER, len(memory)):
        raise InputError("not a compiled set", where=str(path), code="RF290")
    try:
        header = msgspec.json.decode(memory[start : start + size], type=_Header)
    except msgspec.MsgspecError as error:
        raise InputError(f"a damaged compiled set: {error}", where=str(path), code="RF290") from None
    if (header.format, header.engine, header.classes) != (FORMAT, sources_stamp(), classes_digest()):
        hint = "compile the rules again"
        raise InputError("made by another version of the program", where=str(path), hint=hint, code="RF290")
    begin = start + size + -(start + size) % _ALIGNED
    return header, begin


def _sum_of(parts: Iterable[bytes]) -> int:
    """Return the CRC-32 of all parts; of a file they are read, not mapped, so that no page counts that is not used."""
    total = 0
    for part in parts:
        total = zlib.crc32(part, total)
    return total


def _array(memory: mmap.mmap, start: int, placed: _Array) -> npt.NDArray[Any]:
    return np.frombuffer(memory, np.dtype(placed.kind), placed.length, start + placed.begin)


def _gaps(group: _Group) -> Gaps:
    headers = group.recorded_headers
    return Gaps(
        frozenset(group.unrecorded),
        None if headers is None else frozenset(name.encode("latin-1") for name in headers),
    )


def _latin(name: bytes) -> str:
    return name.decode("latin-1")
