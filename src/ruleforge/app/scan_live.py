"""Growing files watched by rules, which may be replaced while that goes on."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec

from ruleforge.app.compiling import is_compiled
from ruleforge.app.scan_setup import Prepared, ScanOptions, prepare
from ruleforge.app.scanning.digest import Digest
from ruleforge.app.scanning.follow import Tail, follow, tails
from ruleforge.app.scanning.hits import Alert
from ruleforge.app.scanning.reading import STDIN
from ruleforge.app.scanning.run import Run
from ruleforge.errors import RuleForgeError, UsageError


class Replacing:
    """A compiled set whose file may be replaced: from the next batch on the new one is asked."""

    def __init__(self, path: Path, options: ScanOptions, note: Callable[[str], None]) -> None:
        """Watch the file that the rules of a scan came from.

        Args:
            path: of the compiled set; of anything else nothing is watched.
            options: of the scan, for the new set.
            note: told in one line what was found there.
        """
        self._path, self._options, self._note = path, options, note
        self._seen = self._identity() if is_compiled(path) else None
        self._failed: tuple[int, ...] = ()  # what could not be used, perhaps because it was still being written

    def refresh(self, run: Run) -> None:
        """Give the run the rules that are there now, where that changed; where they cannot be used it keeps its own."""
        if self._seen is None:
            return
        found = self._identity()
        if not found or found == self._seen:
            return
        try:
            prepared = prepare(self._path, self._engine(run), live=True)
        except (RuleForgeError, OSError) as problem:
            if found == self._failed:  # twice the same: nobody writes it any more
                self._seen = found
                self._note(f"the compiled set that was replaced is not used: {problem}")
            self._failed = found
            return
        self._seen = found
        self._take(run, prepared)

    def _take(self, run: Run, prepared: Prepared) -> None:
        report, new = run.report, prepared.report
        if new.rule_set == report.rule_set:
            return
        run.use(prepared.asker, prepared.others, prepared.correlator)
        report.rule_set, report.rules, report.rules_left_out = new.rule_set, new.rules, new.rules_left_out
        report.exclusion_notes = new.exclusion_notes
        report.rule_set_swaps += 1
        self._note(f"the compiled set was replaced: {new.rules:,} rules, set {new.rule_set[:12]}")

    def _engine(self, run: Run) -> ScanOptions:
        """Kernels that run already go on at once."""
        is_open = self._options.engine == "auto" and run.asker.is_fast
        return msgspec.structs.replace(self._options, engine="fast") if is_open else self._options

    def _identity(self) -> tuple[int, ...]:
        try:
            found = self._path.stat()
        except OSError:
            return ()  # between two sets
        return found.st_dev, found.st_ino, found.st_mtime_ns, found.st_size


def follow_files(
    prepared: Prepared,
    files: Sequence[Path],
    digest: Digest,
    *,
    from_start: bool = False,
    watch: Callable[[], bool],
    replacing: Replacing | None = None,
) -> Iterator[Alert]:
    """Watch growing files, from now on, and yield an alert for each new request that rules hold for.

    Args:
        prepared: rules and options, made with `live`; its report is kept up to date.
        files: logs of lines; those that are not there yet are waited for.
        digest: sums, kept up to date.
        from_start: read what the files hold already, too.
        watch: called when all files are quiet; False ends it.
        replacing: looks for a set that replaces the one in use.

    Raises:
        UsageError: standard input (RF149), or a format that cannot be followed (RF148).
    """
    if STDIN in files:
        raise UsageError("standard input is followed by itself", hint="leave --follow out", code="RF149")
    opened = tails(files, from_start=from_start)
    return _followed(opened, prepared, digest, watch, replacing)


def _followed(
    opened: Sequence[Tail], prepared: Prepared, digest: Digest, watch: Callable[[], bool], replacing: Replacing | None
) -> Iterator[Alert]:
    try:
        run = Run(
            prepared.asker,
            [],
            prepared.report,
            digest=digest,
            form=prepared.form,
            others=prepared.others,
            correlator=prepared.correlator,
        )

        def refresh() -> None:
            if replacing is not None:
                replacing.refresh(run)

        yield from follow(opened, run, wait=watch, refresh=refresh)
    finally:
        for tail in opened:
            tail.close()
