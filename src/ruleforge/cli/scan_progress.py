"""Progress of a scan: bytes of all, requests a second, hits, time left; on a terminal only."""

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ruleforge.cli import terminal as term

if TYPE_CHECKING:
    from ruleforge.app.scanning.run import Standing

EVERY_SECONDS = 0.1


@contextmanager
def scan_progress(*, quiet: bool = False) -> "Iterator[Callable[[Standing], None]]":
    """Show one line on standard error while a scan runs; nothing where that is no terminal, or when `quiet`."""
    if quiet or not sys.stderr.isatty() or os.environ.get("TERM") == "dumb":
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn
    from rich.table import Column

    line = Column(no_wrap=True, overflow="ellipsis")
    parts = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False, table_column=line.copy()),
        BarColumn(14),
        TextColumn("{task.fields[share]}", markup=False, table_column=line.copy()),
        TextColumn("{task.fields[counts]}", markup=False, table_column=line.copy()),
        TimeRemainingColumn(compact=True),
    )
    with Progress(*parts, console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task("scan", total=None, counts="", share="")
        meter = _Meter()

        def show(standing: "Standing") -> None:
            if meter.is_due():
                name = term.visible(term.shorten(standing.file.rpartition("/")[2], 18))
                whole, read = standing.bytes_total or None, standing.bytes_read
                share = f"{100 * read / whole:.0f} %" if whole else ""
                words = meter.words(standing)
                bars.update(task, description=name, completed=read, total=whole, counts=words, share=share)

        yield show


class _Meter:
    """Requests a second, and not more lines than an eye can see."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self.started, self.last, self.before = clock(), 0.0, -1

    def is_due(self) -> bool:
        now = self.clock()
        due = now - self.last >= EVERY_SECONDS
        self.last = now if due else self.last
        return due

    def words(self, standing: "Standing") -> str:
        if self.before < 0:  # of an earlier run that this one goes on from
            self.before = standing.requests
            return f"{standing.requests:,}, {term.plural(standing.hits, 'hit')}"
        rate = (standing.requests - self.before) / max(self.clock() - self.started, 0.001)
        return f"{standing.requests:,} at {rate:,.0f}/s, {term.plural(standing.hits, 'hit')}"
