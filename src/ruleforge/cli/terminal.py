"""What every command needs of a terminal: colours where they are wanted, safe text, tables, progress."""

import json
import os
import shlex
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ruleforge.app.visible import visible as visible  # for who imports this module

Progress = Callable[[str, int, int], None]
LINE_EVERY_SECONDS = 30.0  # of progress, where stderr is no terminal
_STYLES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36", "mark": "1;31"}
_PLAIN: list[bool] = []  # blocks that paint nothing
SEVERITY_STYLES = {"critical": "mark", "high": "red", "medium": "yellow", "low": "cyan"}


def out(text: str) -> None:
    """Write a line to standard output, at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def note(text: str) -> None:
    """Write a line for people to standard error; control and bidirectional characters come out escaped."""
    sys.stderr.write(visible(text) + "\n")
    sys.stderr.flush()


def out_json(data: object, *, indent: int | None = None) -> None:
    """Write JSON in ASCII, so that nothing in it can act on a terminal."""
    out(json.dumps(data, ensure_ascii=True, indent=indent))


def paint(text: str, style: str) -> str:
    """Colour `text` where standard output is a terminal and NO_COLOR is not set."""
    return f"\x1b[{_STYLES[style]}m{text}\x1b[0m" if style and colourful() else text


@contextmanager
def plain() -> Iterator[None]:
    """Paint nothing within the block: its text goes to a file."""
    _PLAIN.append(True)
    try:
        yield
    finally:
        _PLAIN.pop()


def colourful() -> bool:
    """Whether standard output shows colours."""
    return not _PLAIN and sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def width() -> int:
    """Columns of text; 100 where standard output is no terminal."""
    return max(60, shutil.get_terminal_size((100, 24)).columns) if sys.stdout.isatty() else 100


def shorten(text: str, most: int) -> str:
    """Cut `text` to at most `most` characters."""
    return text if len(text) <= most else text[: max(most - 1, 0)] + "…"


def columns(rows: Sequence[Sequence[str]], *, indent: str = "  ", right: Iterable[int] = ()) -> list[str]:
    """Align `rows` in columns; the columns numbered in `right` are aligned at their right edge."""
    if not rows:
        return []
    numbers = set(right)
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [cell.rjust(widths[at]) if at in numbers else cell.ljust(widths[at]) for at, cell in enumerate(row)]
        lines.append((indent + "  ".join(cells)).rstrip())
    return lines


def program() -> str:
    """How the user can call this program again: by its name where that finds it, else by its path."""
    called = Path(sys.argv[0])
    if called.name == "__main__.py":
        return f"{shlex.quote(near(sys.executable))} -m ruleforge.cli"
    found = shutil.which("ruleforge")
    if called.name != "ruleforge" or (found and called.exists() and Path(found).samefile(called)):
        return "ruleforge"
    return shlex.quote(near(str(called)))


def near(path: str) -> str:
    """Write a path relative to the current folder where it lies below it."""
    place, here = os.path.abspath(path), os.getcwd()  # noqa: PTH100, PTH109 - links must stay as they are
    return os.path.relpath(place, here) if place.startswith(here.rstrip(os.sep) + os.sep) else path


def plural(count: int, noun: str) -> str:
    """Count with its noun: "1 rule", "2,000 rules", "3 advisories"."""
    many = noun[:-1] + "ies" if noun.endswith("y") and noun[-2:-1] not in "aeiou" else noun + "s"
    return f"{count:,} {noun if count == 1 else many}"


def note_unused(*, unreadable: int, unvalidated: int, shown: int) -> None:
    """Say how many lines beyond those shown could not be read, and how many rules had no evidence."""
    if unreadable > shown:
        note(f"ruleforge: {unreadable - shown:,} more lines could not be read")
    if unvalidated:
        note(f"ruleforge: {plural(unvalidated, 'rule')} left out: no evidence that they passed validation")


def percent(part: float, whole: float) -> str:
    """Share in percent; a dash where there is no whole."""
    return f"{100 * part / whole:.1f} %" if whole else "–"


@contextmanager
def progress(*, quiet: bool = False) -> Iterator[Progress]:
    """Show progress on standard error: bars on a terminal, else a line now and then; nothing when `quiet`."""
    if quiet:
        yield lambda *_: None
    elif sys.stderr.isatty() and os.environ.get("TERM") != "dumb":
        with _bars() as show:
            yield show
    else:
        yield _Lines().show


class _Lines:
    """Progress for logs: at most one line in 30 seconds, so that a short run says nothing."""

    def __init__(self) -> None:
        self.started = self.last = time.monotonic()

    def show(self, stage: str, done: int, of: int) -> None:
        now = time.monotonic()
        if now - self.last >= LINE_EVERY_SECONDS:
            self.last = now
            note(f"{stage}: {done:,}{f' of {of:,}' if of else ''} after {now - self.started:.0f} s")


@contextmanager
def _bars() -> Iterator[Progress]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn, Task, TextColumn, TimeRemainingColumn
    from rich.text import Text

    class Speed(ProgressColumn):
        def render(self, task: Task) -> Text:
            speed = task.finished_speed or task.speed
            return Text("" if not speed else f"{speed:,.0f}/s" if speed >= 10 else f"{speed:.1f}/s")

    class Counted(ProgressColumn):
        def render(self, task: Task) -> Text:
            whole = f" / {int(task.total):,}" if task.total else ""
            return Text(f"{int(task.completed):,}{whole}")

    stages: dict[str, Any] = {}
    words = TextColumn("{task.description}")
    parts = (SpinnerColumn(), words, BarColumn(28), Counted(), Speed(), TimeRemainingColumn())
    with Progress(*parts, console=Console(stderr=True), transient=True) as bars:

        def show(stage: str, done: int, of: int) -> None:
            if stage not in stages:
                stages[stage] = bars.add_task(shorten(visible(stage), 40), total=of or None)
            bars.update(stages[stage], completed=done, total=of or None)

        yield show
