"""Which outcomes still stand when sources come, go or change: those whose rules were never near the difference.

Forging one advisory is a function of the advisory, the ground that all share, and the answers of the corpus to the
trees that were tried. Every tree asked is remembered by its required literals. When no request that came or went holds
the literals of any of them, each answer is what it was, and so is the outcome; it need not be made again.
See docs/decisions/0009-incremental-runs.md.
"""

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from ruleforge.engine.corpus import Corpus, Row
from ruleforge.engine.literals import Clause, Literal, clause_holds
from ruleforge.engine.zones import ZONES, zone_text
from ruleforge.events.places import HttpView
from ruleforge.pipeline.history import put

ROWS_MOST = 3_000  # requests that came or went; with more, forging everything is as quick
STEPS_MOST = 20  # runs that were broken off, one after the other
JOURNAL = "difference.msgpack"

Asked = frozenset[tuple[Clause, ...]]


class Key(msgspec.Struct, frozen=True):
    """What an outcome was made from; `text` is how the state stores it."""

    base: str  # program, background, traffic
    corpus: str  # requests of all sources
    advisory: str

    @property
    def text(self) -> str:
        """The key as one word."""
        return f"{self.base}|{self.corpus}|{self.advisory}"

    @classmethod
    def of(cls, base: str, corpus: str, advisory: str) -> "Key":
        """Hash the three parts."""
        return cls(*(hashlib.sha256(part.encode()).hexdigest()[:24] for part in (base, corpus, advisory)))

    @classmethod
    def read(cls, text: str) -> "Key | None":
        """Read a stored key; None for one of another version of the program."""
        parts = text.split("|")
        return cls(*parts) if len(parts) == 3 else None


class Step(msgspec.Struct, frozen=True):
    """How the corpus changed between two runs: the requests that are in one of the two only."""

    before: str  # Key.corpus
    after: str
    rows: tuple[Row, ...]


def write_asked(asked: Iterable[tuple[Clause, ...]]) -> bytes:
    """Write the clauses of the trees that were asked, the same bytes for the same trees."""
    plain = [sorted(sorted((literal.zone, literal.text) for literal in clause) for clause in tree) for tree in asked]
    return msgspec.msgpack.encode(sorted(plain))


def read_asked(data: bytes) -> Asked:
    """Read what `write_asked` wrote."""
    plain = msgspec.msgpack.decode(data, type=list[list[list[tuple[str, bytes]]]])
    return frozenset(tuple(frozenset(Literal(*each) for each in clause) for clause in tree) for tree in plain)


def note_step(cache: Path, folder: Path, name: str, rows: Iterable[Row]) -> None:
    """Write down how the corpus of `folder` will differ from `rows`, before it is replaced by their index.

    Steps of runs that were broken off stay until a run ends; one that leads nowhere any more is dropped.
    """
    if not Corpus.readable(folder):
        return
    old = Corpus(folder)
    if old.name == name:
        return
    before, after = set(old.encoded_rows()), {msgspec.msgpack.encode(row) for row in rows}
    differing = sorted(before ^ after)
    if len(differing) > ROWS_MOST:
        clear_steps(cache)
        return
    step = Step(_name(old.name), _name(name), tuple(msgspec.msgpack.decode(each, type=Row) for each in differing))
    steps = [*read_steps(cache), step][-STEPS_MOST:]
    put(cache / JOURNAL, msgspec.msgpack.encode(steps))


def read_steps(cache: Path) -> list[Step]:
    """Read the steps of this run and of those broken off before it; none where they cannot be read."""
    try:
        return msgspec.msgpack.decode((cache / JOURNAL).read_bytes(), type=list[Step])
    except (OSError, msgspec.DecodeError):
        return []


def clear_steps(cache: Path) -> None:
    """Forget the steps: all outcomes are of the present corpus."""
    (cache / JOURNAL).unlink(missing_ok=True)


def _name(corpus: str) -> str:
    return Key.of("", corpus, "").corpus


def _texts(row: Row) -> dict[str, bytes]:
    view = HttpView(row.request)
    return {zone: zone_text(view, zone) for zone in ZONES}


class Increment:
    """Says of stored outcomes whether they are what would be made now."""

    def __init__(self, steps: Sequence[Step]) -> None:
        self._steps = steps
        self._texts = [[_texts(row) for row in step.rows] for step in steps]

    def stands(self, old: Key, new: Key, asked: bytes | None) -> bool:
        """Whether an outcome made under `old`, whose rules asked for `asked`, is the outcome under `new`, too."""
        if (old.base, old.advisory) != (new.base, new.advisory) or asked is None:
            return False
        numbers = self._path(old.corpus, new.corpus)
        if numbers is None:
            return False
        texts = [text for number in numbers for text in self._texts[number]]
        trees = read_asked(asked)
        return not any(all(clause_holds(clause, text) for clause in tree) for tree in trees for text in texts)

    def _path(self, before: str, after: str) -> list[int] | None:
        """Number the steps that lead from one corpus to another; None where none do."""
        numbers: list[int] = []
        for number, step in enumerate(self._steps):
            if before != after and step.before == before:
                numbers.append(number)
                before = step.after
        return numbers if before == after else None
