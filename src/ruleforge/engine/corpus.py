"""An inverted index over recorded requests: which rows could a rule touch, in milliseconds.

Rows are indexed by the 4-grams of their folded zone texts (`engine.zones`). A rule's required literals narrow the
rows; only those are evaluated. Doubt means "maybe": a row whose zone text was cut is always a candidate.
"""

import json
import mmap
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from ruleforge.engine.literals import Clause, requirements
from ruleforge.engine.reference import compile_tree
from ruleforge.engine.workers import spread
from ruleforge.engine.zones import zone_text
from ruleforge.errors import OutsideError
from ruleforge.events.places import HttpView
from ruleforge.events.request import Request
from ruleforge.rules.classes import classes_of, latest_version
from ruleforge.rules.tree import AllOf, AnyOf, Condition, Some, Tree

GRAM_ZONES = ("target", "path", "args", "json")  # short texts: worth a posting list
FIND_ZONES = ("headers", "cookies", "body", "multipart", "xml")  # long texts, rarely asked: searched whole
ZONES = GRAM_ZONES + FIND_ZONES
BUCKET_BITS = 20
MAX_ZONE_BYTES = 64 * 1024  # of one row; a longer text is cut and its row stays a candidate for ever
CLASS_FIELDS = ("path.raw", "args", "headers", "cookies", "json", "multipart", "xml", "body")
CHUNK_ROWS = 1000
FORMAT = 5  # raise when zones, folding or files change: cached folders are then rebuilt

Rows = npt.NDArray[np.uint32]


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One recorded request with what is known of it."""

    request: Request
    kind: str  # "benign" | "sensor" | "mixed" | "exploit" | "setup" | "probe"
    owner: str = ""  # advisory id; empty for traffic
    product: str = ""  # canonical product of the owner; empty: not named


def _grams(text: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint32]:
    """Hash each 4-byte window to a bucket (Knuth's multiplicative constant)."""
    wide = text.astype(np.uint32)
    code = wide[:-3] | (wide[1:-2] << 8) | (wide[2:-1] << 16) | (wide[3:] << 24)
    buckets: npt.NDArray[np.uint32] = np.asarray(
        (code * np.uint32(2654435761)) >> np.uint32(32 - BUCKET_BITS), np.uint32
    )
    return buckets


def _postings(text: bytes, ends: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.int64], Rows]:
    """Return (starts per bucket, rows sorted by bucket), each (bucket, row) once. Windows over two rows are noise."""
    if len(text) < 4:
        return np.zeros((1 << BUCKET_BITS) + 1, np.int64), np.zeros(0, np.uint32)
    chunks = []
    array = np.frombuffer(text, np.uint8)
    step = 4 << 20
    for start in range(0, len(array) - 3, step):
        buckets = _grams(array[start : start + step + 3]).astype(np.uint64)
        rows = np.searchsorted(ends, np.arange(start, start + len(buckets)), side="right").astype(np.uint64)
        chunks.append(np.unique((buckets << np.uint64(32)) | rows))
    keys = np.unique(np.concatenate(chunks))
    starts = np.searchsorted(keys >> np.uint64(32), np.arange((1 << BUCKET_BITS) + 1, dtype=np.uint64))
    return starts.astype(np.int64), (keys & np.uint64(0xFFFFFFFF)).astype(np.uint32)


class _Chunk(msgspec.Struct):
    """The indexed form of some rows: encoded rows, zone texts, and which payload classes stand in which field."""

    rows: list[bytes]
    texts: dict[str, list[bytes]]
    classes: dict[str, list[int]]  # "args sql_injection" → ordinals within the chunk


def _index_chunk(encoded: bytes) -> _Chunk:
    rows = msgspec.msgpack.decode(encoded, type=list[Row])
    chunk = _Chunk([], {zone: [] for zone in ZONES}, {})
    for number, row in enumerate(rows):
        chunk.rows.append(msgspec.msgpack.encode(row))
        view = HttpView(row.request)
        for zone in ZONES:
            chunk.texts[zone].append(zone_text(view, zone))
        for field in CLASS_FIELDS:
            found = {name for element in view.read(field).elements for name in classes_of(element.value)}
            if field == "multipart":
                found |= {n for e in view.read(field).elements if e.filename for n in classes_of(e.filename)}
            for name in found:
                chunk.classes.setdefault(f"{field} {name}", []).append(number)
    return chunk


def _chunks(rows: Iterable[Row]) -> Iterator[bytes]:
    batch: list[Row] = []
    for row in rows:
        batch.append(row)
        if len(batch) >= CHUNK_ROWS:
            yield msgspec.msgpack.encode(batch)
            batch = []
    if batch:
        yield msgspec.msgpack.encode(batch)


def build_corpus(rows: Iterable[Row], folder: Path, *, name: str = "", jobs: int = 1) -> "Corpus":
    """Write the index of `rows` to `folder` (replacing what is there) and open it.

    Cost: about 0.5 ms of CPU a row, spread over `jobs` processes; all zone texts are held in memory once.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "corpus.json").unlink(missing_ok=True)  # an index that is half written must not look current
    if jobs > 1:
        size = _write(_indexed(list(_chunks(rows)), jobs), folder)
    else:
        size = _write(map(_index_chunk, _chunks(rows)), folder)
    (folder / "corpus.json").write_text(json.dumps({"format": FORMAT, "rows": size, "name": name}))
    return Corpus(folder)


def _indexed(chunks: list[bytes], jobs: int) -> Iterator[_Chunk]:
    for chunk in spread(_index_chunk, chunks, jobs, chunk=1):
        if chunk is None:  # a gap in evidence would pass silently: rather stop
            raise OutsideError("a process that built the index died", hint="is there enough memory?", code="RF510")
        yield chunk


def _write(chunks: Iterable[_Chunk], folder: Path) -> int:
    texts: dict[str, bytearray] = {zone: bytearray() for zone in ZONES}
    ends: dict[str, list[int]] = {zone: [] for zone in ZONES}
    cut: dict[str, list[int]] = {zone: [] for zone in ZONES}
    classes: dict[str, list[int]] = {}
    offsets, written = [0], 0
    with (folder / "rows.bin").open("wb") as file:
        for chunk in chunks:
            first = len(offsets) - 1
            for encoded in chunk.rows:
                file.write(encoded)
                written += len(encoded)
                offsets.append(written)
            for zone in ZONES:
                for number, text in enumerate(chunk.texts[zone], first):
                    if len(text) > MAX_ZONE_BYTES:
                        cut[zone].append(number)
                    texts[zone] += text[:MAX_ZONE_BYTES]
                    ends[zone].append(len(texts[zone]))
            for key, numbers in chunk.classes.items():
                classes.setdefault(key, []).extend(first + number for number in numbers)
    np.save(folder / "rows.offsets.npy", np.array(offsets, np.int64))
    np.savez(folder / "classes.npz", **{key: np.array(rows, np.uint32) for key, rows in classes.items()})  # type: ignore[arg-type]
    for zone in ZONES:
        _write_zone(folder, zone, bytes(texts.pop(zone)), ends[zone], cut[zone])
    return len(offsets) - 1


def _write_zone(folder: Path, zone: str, text: bytes, ends: list[int], cut: list[int]) -> None:
    end = np.array(ends, np.int64)
    np.save(folder / f"{zone}.ends.npy", end)
    np.save(folder / f"{zone}.cut.npy", np.array(cut, np.uint32))
    (folder / f"{zone}.txt").write_bytes(text or b"\0")
    if zone in GRAM_ZONES:
        starts, postings = _postings(text, end)
        np.save(folder / f"{zone}.starts.npy", starts)
        np.save(folder / f"{zone}.postings.npy", postings)


class Corpus:
    """Recorded requests on disk with their index, shared between processes through the page cache."""

    def __init__(self, folder: Path) -> None:
        about = json.loads((folder / "corpus.json").read_text())
        self.name: str = about["name"]
        self._size: int = about["rows"]
        self._offsets = np.load(folder / "rows.offsets.npy")
        self._rows = np.memmap(folder / "rows.bin", np.uint8, "r") if self._size else np.zeros(0, np.uint8)
        self._decoder = msgspec.msgpack.Decoder(Row)
        with np.load(folder / "classes.npz") as classes:
            self._classes: dict[str, Rows] = {key: classes[key] for key in classes.files}
        self._zones = {zone: _Zone(folder, zone) for zone in ZONES}
        self._known: dict[tuple[str, bytes], Rows] = {}
        self._row_cache: dict[int, tuple[Row, HttpView]] = {}
        self.asked: set[tuple[Clause, ...]] | None = None  # a set given by the caller collects what `hits` is asked

    @staticmethod
    def current(folder: Path, name: str) -> bool:
        """Whether `folder` holds an index of this format built under this name."""
        try:
            about = json.loads((folder / "corpus.json").read_text())
        except (OSError, ValueError):
            return False
        return bool(about.get("format") == FORMAT and about.get("name") == name)

    @staticmethod
    def readable(folder: Path) -> bool:
        """Whether `folder` holds an index of this format, under whatever name."""
        try:
            return bool(json.loads((folder / "corpus.json").read_text()).get("format") == FORMAT)
        except (OSError, ValueError):
            return False

    def encoded_rows(self) -> Iterator[bytes]:
        """Yield the rows as they are stored."""
        return (self._rows[int(self._offsets[n]) : int(self._offsets[n + 1])].tobytes() for n in range(self._size))

    def __len__(self) -> int:
        return self._size

    def row(self, number: int) -> Row:
        """Return row `number`."""
        return self._entry(number)[0]

    def _entry(self, number: int) -> tuple[Row, HttpView]:
        known = self._row_cache.get(number)
        if known is None:
            raw = self._rows[int(self._offsets[number]) : int(self._offsets[number + 1])]
            row = self._decoder.decode(raw.tobytes())
            known = (row, HttpView(row.request))
            if len(self._row_cache) > 20_000:
                self._row_cache.clear()
            self._row_cache[number] = known
        return known

    def rows_with(self, zone: str, literal: bytes) -> Rows | None:
        """Return the rows whose zone text holds `literal` (a superset where texts were cut); None: cannot narrow."""
        if zone not in self._zones or len(literal) < 3:
            return None
        known = self._known.get((zone, literal))
        if known is None:
            known = self._zones[zone].rows_with(literal)
            if len(self._known) > 50_000:
                self._known.clear()
            self._known[(zone, literal)] = known
        return known

    def candidates(self, clauses: Sequence[Clause]) -> Rows | None:
        """Return the rows that could satisfy every clause; None: the clauses do not narrow anything."""
        found: Rows | None = None
        for clause in clauses:
            parts = [self.rows_with(zone, literal) for zone, literal in clause]
            if any(part is None for part in parts):
                continue
            union = parts[0] if len(parts) == 1 else np.unique(np.concatenate([p for p in parts if p is not None]))
            assert union is not None
            found = union if found is None else np.intersect1d(found, union, assume_unique=True)
            if not len(found):
                break
        return found

    def hits(
        self, tree: Tree, classes: Mapping[str, int], *, limit: int = 10_000, skip: Callable[[Row], bool] | None = None
    ) -> list[int]:
        """Return the rows on which `tree` is true, in row order, at most `limit`, leaving out those `skip` names."""
        clauses = requirements(tree, classes)
        if self.asked is not None:
            self.asked.add(clauses)
        rows = _both(self.candidates(clauses), self._by_class(tree, classes))
        ask = compile_tree(tree, classes)
        found = []
        for number in range(self._size) if rows is None else rows.tolist():
            row, view = self._entry(number)
            if ask(view) is True and not (skip and skip(row)):
                found.append(number)
                if len(found) >= limit:
                    break
        return found

    def _by_class(self, tree: Tree, classes: Mapping[str, int]) -> Rows | None:
        """Narrow by payload classes: rows in which some value of the field satisfies the class, names left aside."""
        match tree:
            case AllOf(parts):
                found: Rows | None = None
                for part in parts:
                    found = _both(found, self._by_class(part, classes))
                return found
            case AnyOf(parts):
                each = [self._by_class(part, classes) for part in parts]
                known = [rows for rows in each if rows is not None]
                return np.unique(np.concatenate(known)) if len(known) == len(each) else None
            case Some(place, where):
                return self._by_class(_asked_of(place, where), classes)
            case Condition(field=field, op="is_class", value=bytes(value)):
                name = value.decode("latin-1")
                field = "args" if field in ("query_args", "form_args") else field
                if field not in CLASS_FIELDS or classes.get(name) != latest_version(name):
                    return None
                return self._classes.get(f"{field} {name}", np.zeros(0, np.uint32))
        return None

    def rate(self, zone: str, literal: bytes) -> float | None:
        """Return the share of rows whose zone text holds `literal`; None where the index cannot tell."""
        rows = self.rows_with(zone, literal)
        return None if rows is None or not self._size else len(rows) / self._size

    def __iter__(self) -> Iterator[Row]:
        return (self.row(number) for number in range(self._size))


def _both(left: Rows | None, right: Rows | None) -> Rows | None:
    if left is None or right is None:
        return right if left is None else left
    return np.intersect1d(left, right, assume_unique=True)


def _asked_of(place: str, where: Tree) -> Tree:
    """Ask of the whole place what `where` asks of one element's value; what else it asks is dropped."""
    match where:
        case AllOf(parts):
            asked = [_asked_of(place, part) for part in parts]
            kept = tuple(part for part in asked if not (isinstance(part, Condition) and part.op == "present"))
            return kept[0] if kept else asked[0]
        case Condition(field="value" | "filename", op="is_class", value=value):
            return Condition(place, "is_class", value)
    return Condition(place, "present")


class _Zone:
    """One zone's texts and, for short zones, posting lists."""

    def __init__(self, folder: Path, zone: str) -> None:
        self.ends = np.load(folder / f"{zone}.ends.npy")
        self.cut: Rows = np.load(folder / f"{zone}.cut.npy")
        with (folder / f"{zone}.txt").open("rb") as file:
            self.text = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self.grams: tuple[Any, Any] | None = None
        if zone in GRAM_ZONES:
            self.grams = (
                np.load(folder / f"{zone}.starts.npy"),
                np.load(folder / f"{zone}.postings.npy", mmap_mode="r"),
            )

    def rows_with(self, literal: bytes) -> Rows:
        rows = self._search(literal) if self.grams is None or len(literal) < 4 else self._lookup(literal)
        return np.union1d(rows, self.cut).astype(np.uint32) if len(self.cut) else rows

    def _lookup(self, literal: bytes) -> Rows:
        """Intersect the three shortest posting lists, then look at the texts."""
        assert self.grams is not None
        starts, postings = self.grams
        buckets = np.unique(_grams(np.frombuffer(literal, np.uint8)))
        order = np.argsort(starts[buckets + 1] - starts[buckets])[:3]
        found: Rows | None = None
        for bucket in buckets[order]:
            rows = postings[starts[bucket] : starts[bucket + 1]]
            found = np.asarray(rows) if found is None else np.intersect1d(found, rows, assume_unique=True)
        assert found is not None
        sure = [row for row in found.tolist() if self._holds(row, literal)]
        return np.array(sure, np.uint32)

    def _holds(self, row: int, literal: bytes) -> bool:
        start = int(self.ends[row - 1]) if row else 0
        return self.text.find(literal, start, int(self.ends[row])) >= 0

    def _search(self, literal: bytes) -> Rows:
        found, at = [], self.text.find(literal)
        while at >= 0:
            row = int(np.searchsorted(self.ends, at, side="right"))
            if row >= len(self.ends):
                break
            if at + len(literal) <= int(self.ends[row]):
                found.append(row)
                at = self.text.find(literal, int(self.ends[row]))
            else:
                at = self.text.find(literal, at + 1)
        return np.unique(np.array(found, np.uint32))
