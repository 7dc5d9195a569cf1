"""Tables that outlive the process: kept in the user's cache, made once for all processes that ask for them."""

import fcntl
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from ruleforge.engine.fast.gaps import Gaps
from ruleforge.engine.fast.layout import Tables
from ruleforge.engine.fast.matcher import FastMatcher
from ruleforge.engine.fast.stored import SUFFIX, put_set, read_set, set_path
from ruleforge.errors import InputError
from ruleforge.rules.tree import Rule

LEAST_RULES = 100  # tables of fewer are made in less than a tenth of a second (1.2 ms a rule and kind of gaps)
MOST_KINDS = 16  # of gaps in one file; sources have a handful
MOST_SETS = 8
MOST_BYTES = 512 << 20  # of all sets; one of 2,749 rules with four kinds of gaps has 7.4 MB


class KeptMatcher(FastMatcher):
    """A matcher that finds its tables in a folder, and leaves there what it had to make.

    A file holds the kinds of gaps that were met so far. Who makes tables holds a lock, so that others that need them
    wait and then find them. A folder that cannot be written, or a file that is damaged, costs time and nothing else.
    """

    def __init__(self, rules: Sequence[Rule], folder: Path, note: Callable[[str], None] = lambda _: None) -> None:
        """Open what is kept of these rules.

        Args:
            rules: as of FastMatcher.
            folder: of the cache.
            note: told when a file had to be thrown away.
        """
        super().__init__(rules)
        self._path = set_path(rules, folder) if len(rules) >= LEAST_RULES else None
        self._note = note
        self._take()

    def _plan(self, gaps: Gaps) -> Tables:
        if gaps not in self._tables and not gaps.bounded and self._path is not None:
            self._obtain(gaps, self._path)
        return super()._plan(gaps)

    def _obtain(self, gaps: Gaps, path: Path) -> None:
        """Find the tables with those of others, or make and leave them."""
        try:
            with locked(path.with_suffix(".lock")):
                self._take()
                if gaps not in self._tables:
                    super()._plan(gaps)
                    put_set(path, self.rules, self._lasting())
                    prune(path.parent, keep=path)
        except OSError as problem:
            self._path = None  # once is enough
            self._note(f"compiled rules cannot be kept: {problem.strerror}")

    def _lasting(self) -> dict[Gaps, Tables]:
        kinds = [gaps for gaps in self._tables if not gaps.bounded]
        return {gaps: self._tables[gaps] for gaps in kinds[-MOST_KINDS:]}

    def _take(self) -> None:
        if self._path is None or not self._path.exists():
            return
        try:
            tables, rules = read_set(self._path)
        except InputError as problem:
            self._note(f"compiled rules are made anew: {problem.what}")
            return
        if len(rules) == len(self.rules):
            self._tables = tables | self._tables
            touch(self._path)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock that ends with the process, however it ends.

    Raises:
        OSError: the file cannot be made.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def touch(path: Path) -> None:
    """Say that a set was used; not where that is not allowed, as in an image that is read only."""
    try:
        os.utime(path)
    except OSError:
        return


def prune(folder: Path, *, keep: Path) -> None:
    """Remove the sets that were not used for longest, until number and size are within bounds."""
    found = sorted(((path.stat(), path) for path in folder.glob(f"*{SUFFIX}")), key=lambda one: -one[0].st_mtime_ns)
    size = 0
    for number, (state, path) in enumerate(found, 1):
        size += state.st_size
        if path != keep and (number > MOST_SETS or size > MOST_BYTES):
            path.unlink(missing_ok=True)
            path.with_suffix(".lock").unlink(missing_ok=True)
