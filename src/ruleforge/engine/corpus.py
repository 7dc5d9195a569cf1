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
from ruleforge.engine.zones import zone_text
from ruleforge.events.places import HttpView
from ruleforge.events.request import Request
from ruleforge.rules.tree import Tree

GRAM_ZONES = ("target", "path", "args", "json")  # short texts: worth a posting list
FIND_ZONES = ("headers", "cookies", "body", "multipart", "xml")  # long texts, rarely asked: searched whole
ZONES = GRAM_ZONES + FIND_ZONES
BUCKET_BITS = 20
MAX_ZONE_BYTES = 64 * 1024  # of one row; a longer text is cut and its row stays a candidate for ever
FORMAT = 3  # raise when zones, folding or files change: cached folders are then rebuilt

Rows = npt.NDArray[np.uint32]


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One recorded request with what is known of it."""

    request: Request
    kind: str  # "benign" | "exploit" | "setup" | "probe"
    owner: str = ""  # advisory id; empty for traffic
    product: str = ""  # canonical product of the owner; empty: not named


def _grams(text: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint32]:
    """Hash each 4-byte window to a bucket (Knuth's multiplicative constant)."""
    wide = text.astype(np.uint32)
    code = wide[:-3] | (wide[1:-2] << 8) | (wide[2:-1] << 16) | (wide[3:] << 24)
    return (code * np.uint32(2654435761)) >> np.uint32(32 - BUCKET_BITS)


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


def build_corpus(rows: Iterable[Row], folder: Path, *, name: str = "") -> "Corpus":
    """Write the index of `rows` to `folder` (replacing what is there) and open it.

    Cost: about 1 ms of CPU a row; one zone's texts are held in memory at a time with its postings.
    """
    folder.mkdir(parents=True, exist_ok=True)
    encoder = msgspec.msgpack.Encoder()
    texts: dict[str, bytearray] = {zone: bytearray() for zone in ZONES}
    ends: dict[str, list[int]] = {zone: [] for zone in ZONES}
    cut: dict[str, list[int]] = {zone: [] for zone in ZONES}
    offsets, blob = [0], bytearray()
    for number, row in enumerate(rows):
        blob += encoder.encode(row)
        offsets.append(len(blob))
        view = HttpView(row.request)
        for zone in ZONES:
            text = zone_text(view, zone)
            if len(text) > MAX_ZONE_BYTES:
                text = text[:MAX_ZONE_BYTES]
                cut[zone].append(number)
            texts[zone] += text
            ends[zone].append(len(texts[zone]))
    (folder / "rows.bin").write_bytes(bytes(blob))
    np.save(folder / "rows.offsets.npy", np.array(offsets, np.int64))
    for zone in ZONES:
        end = np.array(ends[zone], np.int64)
        np.save(folder / f"{zone}.ends.npy", end)
        np.save(folder / f"{zone}.cut.npy", np.array(cut[zone], np.uint32))
        (folder / f"{zone}.txt").write_bytes(bytes(texts[zone]) or b"\0")
        if zone in GRAM_ZONES:
            starts, postings = _postings(bytes(texts[zone]), end)
            np.save(folder / f"{zone}.starts.npy", starts)
            np.save(folder / f"{zone}.postings.npy", postings)
        texts[zone] = bytearray()
    (folder / "corpus.json").write_text(json.dumps({"format": FORMAT, "rows": len(offsets) - 1, "name": name}))
    return Corpus(folder)


class Corpus:
    """Recorded requests on disk with their index, shared between processes through the page cache."""

    def __init__(self, folder: Path) -> None:
        about = json.loads((folder / "corpus.json").read_text())
        self.name: str = about["name"]
        self._size: int = about["rows"]
        self._offsets = np.load(folder / "rows.offsets.npy")
        self._rows = np.memmap(folder / "rows.bin", np.uint8, "r") if self._size else np.zeros(0, np.uint8)
        self._decoder = msgspec.msgpack.Decoder(Row)
        self._zones = {zone: _Zone(folder, zone) for zone in ZONES}
        self._known: dict[tuple[str, bytes], Rows] = {}
        self._row_cache: dict[int, tuple[Row, HttpView]] = {}

    @staticmethod
    def current(folder: Path, name: str) -> bool:
        """Whether `folder` holds an index of this format built under this name."""
        try:
            about = json.loads((folder / "corpus.json").read_text())
        except (OSError, ValueError):
            return False
        return bool(about.get("format") == FORMAT and about.get("name") == name)

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
        if zone not in self._zones or len(literal) < (4 if zone in GRAM_ZONES else 3):
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
        rows = self.candidates(requirements(tree, classes))
        ask = compile_tree(tree, classes)
        found = []
        for number in range(self._size) if rows is None else rows.tolist():
            row, view = self._entry(number)
            if ask(view) is True and not (skip and skip(row)):
                found.append(number)
                if len(found) >= limit:
                    break
        return found

    def rate(self, zone: str, literal: bytes) -> float | None:
        """Return the share of rows whose zone text holds `literal`; None where the index cannot tell."""
        rows = self.rows_with(zone, literal)
        return None if rows is None or not self._size else len(rows) / self._size

    def __iter__(self) -> Iterator[Row]:
        return (self.row(number) for number in range(self._size))


class _Zone:
    """One zone's texts and, for short zones, posting lists."""

    def __init__(self, folder: Path, zone: str) -> None:
        self.ends = np.load(folder / f"{zone}.ends.npy")
        self.cut: Rows = np.load(folder / f"{zone}.cut.npy")
        with (folder / f"{zone}.txt").open("rb") as file:
            self.text = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self.grams: tuple[Any, Any] | None = None
        if zone in GRAM_ZONES:
            self.grams = (np.load(folder / f"{zone}.starts.npy"), np.load(folder / f"{zone}.postings.npy", mmap_mode="r"))

    def rows_with(self, literal: bytes) -> Rows:
        rows = self._search(literal) if self.grams is None else self._lookup(literal)
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
