"""`ruleforge scan --follow`: alerts as they come, and the counts of the scan in a file."""

import time
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from ruleforge.cli import terminal as term
from ruleforge.cli.interrupts import disarm
from ruleforge.cli.scan import complain, exit_code, printer

if TYPE_CHECKING:
    from ruleforge.app.scan import Prepared, Replacing, ScanReport

WAIT_SECONDS = 0.2
COUNTS_SECONDS = 10.0


def write_counts(path: Path, report: "ScanReport") -> None:
    """Write all counts of a scan as JSON; the file appears whole or not at all."""
    import msgspec

    from ruleforge.app.scanning.sinks import write_whole

    write_whole(path, msgspec.json.format(msgspec.json.encode(report)) + b"\n")


def follow_live(
    prepared: "Prepared",
    files: list[Path],
    format: str,
    replacing: "Replacing",
    counts: Path | None,
    *,
    from_start: bool,
) -> None:
    """Print alerts as they come; Ctrl-C ends it, with a summary for people."""
    from ruleforge.app.reports.rows import lines_for
    from ruleforge.app.scan import follow_files
    from ruleforge.app.scanning.digest import Digest
    from ruleforge.cli.scan_text import alert_line, report_text

    digest, lines = Digest(), lines_for(format, prepared.started)
    keeper = _Counts(counts, prepared.report)
    emit = printer(lines)
    count = term.plural(prepared.report.rules, "rule")

    def wait() -> bool:
        keeper.write()
        time.sleep(WAIT_SECONDS)
        return True

    alerts = follow_files(prepared, files, digest, from_start=from_start, watch=wait, replacing=replacing)
    try:
        term.note(f"following {term.plural(len(files), 'file')} with {count}; Ctrl-C ends it")
        for alert in alerts:
            if format == "text":
                term.out(alert_line(alert.first))
            else:
                emit(alert)
            keeper.write()
    except KeyboardInterrupt:
        disarm()
    if format == "text":
        term.out("\n" + "\n".join(report_text(digest, prepared.report)))
    keeper.write(last=True)
    complain(prepared.report)
    raise typer.Exit(exit_code(prepared.report))


class _Counts:
    """The counts of files that are followed, in a file that is replaced now and then."""

    def __init__(self, path: Path | None, report: "ScanReport") -> None:
        self._path, self._report, self._last = path, report, time.monotonic()

    def write(self, *, last: bool = False) -> None:
        """Write them, where that is the last time or some time has passed."""
        if self._path is not None and (last or time.monotonic() - self._last >= COUNTS_SECONDS):
            write_counts(self._path, self._report)
            self._last = time.monotonic()
