"""Rules compiled to one file, opened in milliseconds: rules of every kind, and tables for those about requests.

The file is one of `engine.fast.stored`. Its rules are first those about single requests, then all others; its tables
are of the first and of the parts of those that count or order requests. Where it comes from is not known, so that what
it says is checked (`bounds`). It is used from a copy in the user's cache, named by its content: what others do to the
file cannot reach pages that are mapped, and all processes of a user map the same ones.
"""

import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, overload

import msgspec

from ruleforge.engine.batches import BatchMatcher, Engine, make_batch_matcher
from ruleforge.engine.correlation import Plan, is_correlation
from ruleforge.engine.fast.build import make_tables
from ruleforge.engine.fast.gaps import Gaps
from ruleforge.engine.fast.kept import prune, touch
from ruleforge.engine.fast.layout import Tables
from ruleforge.engine.fast.matcher import FastMatcher
from ruleforge.engine.fast.stored import SUFFIX, USUAL_GAPS, StoredRules, put_set, read_set
from ruleforge.engine.rarity import background_rarity
from ruleforge.engine.sets.bounds import check_tables
from ruleforge.errors import InputError
from ruleforge.events.kinds import HTTP
from ruleforge.rules.tree import Rule

MOST_BYTES: Final = 1 << 30  # of a file; 5,000 rules with four kinds of gaps have some 14 MB
MOST_RULE_BYTES: Final = 4 << 20  # of one rule
MOST_KINDS: Final = 64  # of gaps
_HINT: Final = "make it again with 'ruleforge compile', with this version of the program"


class Heading(msgspec.Struct, frozen=True):
    """What is read of a rule before it is parsed."""

    id: str
    when: dict[str, msgspec.Raw]
    event: str = HTTP

    @property
    def is_single_request(self) -> bool:
        """Whether the rule asks about one request."""
        return self.event == HTTP and "count" not in self.when and "sequence" not in self.when


_HEADINGS: Final = msgspec.json.Decoder(Heading)


class SomeRules(Sequence[Rule]):
    """Rules of two sequences, one behind the other, each parsed when it is first asked for."""

    def __init__(self, first: Sequence[Rule], count: int, then: Sequence[Rule] = ()) -> None:
        """Take the first `count` of the one, then all of the other."""
        self._first, self._count, self._then = first, count, then

    def __len__(self) -> int:
        return self._count + len(self._then)

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
        return self._first[index] if index < self._count else self._then[index - self._count]

    def __iter__(self) -> Iterator[Rule]:
        return (self[index] for index in range(len(self)))


class CompiledRules:
    """A compiled set that is open. Rules about single requests are parsed when they are needed, the others at once."""

    def __init__(self, path: Path, digest: str, stored: StoredRules, tables: Mapping[Gaps, Tables]) -> None:
        """Take what was read; see `open_rules`.

        Raises:
            InputError: RF292 it does not hold together.
        """
        self.path, self.digest, self._tables = path, digest, dict(tables)
        headings = [_heading(text, path) for text in stored.texts()]
        single = [heading.is_single_request for heading in headings]
        singles = sum(single)
        self.ids = tuple(heading.id for heading in headings)
        self.requests: Sequence[Rule] = SomeRules(stored, singles)  # about single requests
        self.others: tuple[Rule, ...] = tuple(stored[number] for number in range(singles, len(stored)))
        plan = Plan([rule for rule in self.others if is_correlation(rule)])
        parts = [part for part in plan.parts if part.event == HTTP]
        self._asked = SomeRules(stored, singles, parts)  # what the tables are of
        if not all(single[:singles]) or len(self._tables) > MOST_KINDS:
            raise InputError("a compiled set in another order", where=str(path), hint=_HINT, code="RF292")
        for table in self._tables.values():
            check_tables(table, len(self._asked), str(path))

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def rules(self) -> tuple[Rule, ...]:
        """All rules, parsed, in order of their ids.

        Raises:
            InputError: RF290 one of them does not load.
        """
        return tuple(sorted((*self.requests, *self.others), key=lambda rule: rule.id))

    def matcher(self, engine: Engine = "auto", note: Callable[[str], None] = lambda _: None) -> BatchMatcher:
        """Return what matches requests with `requests` and the parts of those that count, as the tables are of them.

        Args:
            engine: as of `make_batch_matcher`; "portable" has no use for the tables.
            note: told in one line when something takes long.
        """
        from ruleforge.engine.adaptive import AdaptiveMatcher
        from ruleforge.engine.fast.warm import kernels_are_kept

        if engine == "portable":
            return make_batch_matcher(self._asked, engine=engine)
        if engine == "fast":
            return self._fast()
        return AdaptiveMatcher(self._asked, self._fast, are_kernels_kept=kernels_are_kept, note=note)

    def _fast(self) -> FastMatcher:
        return FastMatcher(self._asked, tables=self._tables)


def _heading(text: bytes, path: Path) -> Heading:
    if len(text) <= MOST_RULE_BYTES:
        try:
            return _HEADINGS.decode(text)
        except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
            pass
    raise InputError("a rule of the compiled set is no rule", where=str(path), hint=_HINT, code="RF292")


def write_rules(
    rules: Sequence[Rule],
    path: Path,
    *,
    gaps: Sequence[Gaps] = USUAL_GAPS,
    progress: Callable[[int, int], None] = lambda *_: None,
) -> str:
    """Compile rules to a file; it appears whole or not at all, and who uses the one before keeps that.

    Args:
        rules: of any kind.
        path: of the file. The same rules and the same program make the same bytes.
        gaps: kinds of sources that tables are made for; for others they are made when they are met.
        progress: told how many kinds are done, and of how many.

    Returns:
        The digest of its content.

    Raises:
        OSError: it cannot be written.
    """
    ordered = sorted(rules, key=lambda rule: rule.id)
    singles = [rule for rule in ordered if rule.event == HTTP and not is_correlation(rule)]
    others = [rule for rule in ordered if rule.event != HTTP or is_correlation(rule)]
    plan = Plan([rule for rule in others if is_correlation(rule)])
    asked = [*singles, *(part for part in plan.parts if part.event == HTTP)]
    rarity, made = background_rarity(), dict[Gaps, Tables]()
    for number, kind in enumerate(gaps):
        progress(number, len(gaps))
        made[kind] = make_tables(asked, kind, rarity)
    progress(len(gaps), len(gaps))
    put_set(path, [*singles, *others], made)
    return digest_of(path.read_bytes())


def digest_of(content: bytes) -> str:
    """Return the digest that a compiled set is told apart by: 32 hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()[:32]


def open_rules(path: Path, cache: Path) -> CompiledRules:
    """Open a compiled set.

    Args:
        path: of the file, by whoever made it.
        cache: folder for the copies that processes share; where it cannot be written, this process has its own.

    Raises:
        InputError: RF290 it is no compiled set, damaged, or of another version; RF291 it is too large; RF292 it is
            whole but cannot be right.
    """
    content = _read(path)
    digest = digest_of(content)
    copy = cache / f"shared-{digest}{SUFFIX}"
    try:
        if not copy.exists():
            opened = _open_new(path, digest, content, copy)
            prune(cache, keep=copy)
            return opened
        touch(copy)
        return _open(copy, path, digest)
    except (OSError, InputError):  # the copy is damaged, or none can be made
        with tempfile.TemporaryDirectory() as folder:  # what is mapped stays when its name goes
            return _open_new(path, digest, content, Path(folder) / copy.name)


def _open_new(path: Path, digest: str, content: bytes, copy: Path) -> CompiledRules:
    """Put a copy in place once it was found to be good."""
    copy.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    unfinished = copy.with_suffix(f".{os.getpid()}.part")
    try:
        unfinished.write_bytes(content)
        opened = _open(unfinished, path, digest)
        unfinished.replace(copy)
    finally:
        unfinished.unlink(missing_ok=True)
    return opened


def _open(copy: Path, path: Path, digest: str) -> CompiledRules:
    try:
        tables, stored = read_set(copy)
        return CompiledRules(path, digest, stored, tables)
    except InputError as problem:
        raise InputError(problem.what, where=str(path), hint=problem.hint or _HINT, code=problem.code) from None
    except (ArithmeticError, LookupError, MemoryError, SyntaxError, AttributeError, TypeError, ValueError) as problem:
        what = f"a damaged compiled set: {problem or type(problem).__name__}"[:300]
        raise InputError(what, where=str(path), hint=_HINT, code="RF290") from None


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
    except OSError as problem:
        raise InputError(f"not a compiled set: {problem.strerror}", where=str(path), code="RF290") from None
    if len(content) > MOST_BYTES:
        raise InputError(f"a compiled set of more than {MOST_BYTES >> 20} MiB", where=str(path), code="RF291")
    return content
