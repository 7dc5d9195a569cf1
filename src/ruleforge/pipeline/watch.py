"""Keep a folder of rules up to date with a folder of sources: forge what changed, and say what became of it.

Files are looked at, not listened for: a file is read when its size and time stayed the same for one interval, so that
half of a file is never forged. What was forged is in the state beside the rules; a watch that is killed goes on from
there, and a rule whose source is gone is kept.
"""

import hashlib
import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec

from ruleforge.errors import InputError
from ruleforge.pipeline.history import read_revision
from ruleforge.pipeline.run import Progress, Read, RunOptions, forge_read, read_sources
from ruleforge.records.advisory import Advisory
from ruleforge.records.forging import Outcome
from ruleforge.store.state import State

ListFiles = Callable[[], Sequence[Path]]
Clock = Callable[[], float]  # seconds since 1970


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a watch: what happened to a source, or to a rule because of other sources."""

    what: str  # "new" | "changed" | "gone" | "unreadable" | "touched" (by what came or went beside it)
    sources: tuple[str, ...]
    advisory: str = ""  # also the name of the rule's folder
    outcome: str = ""  # "rule" | "refused" | "failed"; empty: nothing was forged
    reason: str = ""
    detail: str = ""
    revision: int = 0  # of the rule that stands now; 0: none
    changes: tuple[str, ...] = ()  # in sentences, against the revision before


class Stamp(msgspec.Struct, frozen=True):
    """How a file looks from outside."""

    size: int
    mtime_ns: int


class _Known(msgspec.Struct, frozen=True):
    """A file as it was read last."""

    stamp: Stamp
    digest: str
    found: Advisory | InputError


class Watch:
    """Sees what changed between one look and the next, and forges it."""

    def __init__(self, list_files: ListFiles, options: RunOptions, *, interval: float, clock: Clock) -> None:
        """Prepare to look at what `list_files` names.

        Args:
            list_files: names the files to look at, anew each time.
            options: of the runs; they are incremental.
            interval: seconds for which a file must stay the same before it is read.
            clock: seconds since 1970, as the times of files are.
        """
        self._list_files, self._interval, self._clock = list_files, interval, clock
        self._options = msgspec.structs.replace(options, incremental=True)
        self._jobs = options.jobs or multiprocessing.cpu_count()
        self._last: dict[Path, Stamp] = {}
        self._known: dict[Path, _Known] = {}
        self._forged: dict[Path, Stamp] | None = None  # files of the last run; None: there was none yet
        self.waiting = 0  # files that are still being written
        self.outcomes: tuple[Outcome, ...] = ()  # of the last run, all of them

    def look(self, progress: Progress = lambda *_: None) -> Iterator[Change]:
        """Look once; forge if something changed, and yield what became of it."""
        now = {file: stamp for file in self._list_files() if (stamp := _stamp(file))}
        ready = [file for file, stamp in now.items() if self._is_stable(file, stamp)]
        self._last = now
        fresh = [file for file in ready if file not in self._known or self._known[file].stamp != now[file]]
        self._read(fresh, now, progress)
        self._known = {file: self._known[file] for file in now if file in self._known}
        self.waiting = sum(file not in self._known or self._known[file].stamp != now[file] for file in now)
        present = {file: known.stamp for file, known in self._known.items()}
        if present != self._forged:
            yield from self._forge(progress)
            self._forged = present

    def _is_stable(self, file: Path, stamp: Stamp) -> bool:
        age = self._clock() - stamp.mtime_ns / 1e9
        return self._last.get(file) == stamp or age >= self._interval

    def _read(self, files: Sequence[Path], now: dict[Path, Stamp], progress: Progress) -> None:
        digests = {file: _digest(file) for file in files}
        same = [file for file in files if file in self._known and self._known[file].digest == digests[file]]
        for file in same:
            self._known[file] = msgspec.structs.replace(self._known[file], stamp=now[file])
        others = [file for file in files if file not in same]
        for file, (_, found) in zip(others, read_sources(others, self._jobs, progress), strict=True):
            # Written to while it was read: it counts as not read, and the next look takes it.
            if _stamp(file) == now[file]:
                self._known[file] = _Known(now[file], digests[file], found)

    def _forge(self, progress: Progress) -> Iterator[Change]:
        read: Read = [(str(file), known.found) for file, known in self._known.items()]
        state = State.beside(self._options.out)
        try:
            files, before = state.files(), state.known()
            outcomes: list[Outcome] = []
            placed: dict[str, str] = {}
            for outcome in forge_read(read, self._options, progress):
                outcomes.append(outcome)
                placed |= dict.fromkeys(outcome.sources, outcome.advisory)
                change = self._change(outcome, files, before.get(outcome.advisory, ("", {}))[1])
                if change is not None:
                    yield change
            self.outcomes = tuple(outcomes)
            yield from self._gone(files, placed)
            state.put_files({**self._unseen(files), **self._seen(placed, files)})
        finally:
            state.close()

    def _seen(self, placed: dict[str, str], files: dict[str, tuple[str, str]]) -> dict[str, tuple[str, str]]:
        """Digest and folder of each file; one that cannot be read any more keeps the folder of its rule."""
        return {
            str(file): (known.digest, placed.get(str(file)) or files.get(str(file), ("", ""))[1])
            for file, known in self._known.items()
        }

    def _unseen(self, files: dict[str, tuple[str, str]]) -> dict[str, tuple[str, str]]:
        """Keep what is known of files that are there and were not read yet."""
        return {name: entry for name, entry in files.items() if Path(name) in self._last}

    def _change(self, outcome: Outcome, files: dict[str, tuple[str, str]], before: dict[str, object]) -> Change | None:
        if outcome.outcome == "skipped":
            return None
        digests = {name: known.digest for name in outcome.sources if (known := self._known.get(Path(name)))}
        seen = any(name in files for name in digests)
        if not seen and not before:
            what = "new"
        elif not seen and tuple(before.get("sources") or ()) != outcome.sources:  # type: ignore[arg-type]
            what = "changed"
        elif not seen:  # forged by a run that was no watch
            what = "changed" if outcome.changes or before.get("outcome") != outcome.outcome else ""
        elif any(files.get(name, ("", ""))[0] != digest for name, digest in digests.items()):
            what = "changed"
        elif outcome.changes or (before and before.get("outcome") != outcome.outcome):
            what = "touched"
        else:
            what = ""
        if not what:
            return None
        folder = outcome.advisory
        if not folder:
            what, folder = "unreadable", next((files[name][1] for name in digests if name in files), "")
        return Change(
            what=what, sources=outcome.sources, advisory=folder, outcome=outcome.outcome, reason=outcome.reason,
            detail=outcome.detail, revision=self._revision(folder), changes=outcome.changes,
        )  # fmt: skip

    def _gone(self, files: dict[str, tuple[str, str]], placed: dict[str, str]) -> Iterator[Change]:
        """Report files that were forged and are not there any more, where no other source took their place."""
        for name, (_, folder) in files.items():
            if Path(name) not in self._last and folder:
                kept = self._revision(folder)
                moved = folder in placed.values()
                told = "its rule comes from other sources now" if moved else "its rule is kept" if kept else ""
                yield Change(what="gone", sources=(name,), advisory=folder, revision=kept, detail=told)

    def _revision(self, folder: str) -> int:
        rule = read_revision(self._options.out / folder / "rule.json") if folder else None
        return 0 if rule is None else rule.revision


def _stamp(file: Path) -> Stamp | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return Stamp(found.st_size, found.st_mtime_ns)


def _digest(file: Path) -> str:
    try:
        with file.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError:
        return ""
