"""What a day has cost, in a file: counted over processes and restarts, under a lock."""

import fcntl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path

import msgspec

from ruleforge.errors import OutsideError
from ruleforge.llm.budget import Limits, Spent, check
from ruleforge.llm.files import read_bounded, write_whole

LOCK_SECONDS = 10.0
LOOK_SECONDS = 0.02
FILE_MOST = 4_096  # bytes


def today() -> date:
    """The day that calls are counted to, in universal time."""
    return datetime.now(UTC).date()


class FileLedger:
    """One file a day below a folder: `spent-2099-12-31.json`."""

    def __init__(self, folder: Path, day: Callable[[], date] = today) -> None:
        self._folder, self._day = folder, day

    def add(self, more: Spent, limits: Limits) -> str:
        """Count this to today and return the day.

        Raises:
            BudgetError: it does not fit; nothing is counted.
            OutsideError: the ledger is damaged (RF541), or others hold its lock too long (RF545).
        """
        day = self._day().isoformat()
        with self._locked():
            spent = self._read(day)
            check(spent, more, limits, "day")
            self._write(day, spent.plus(more))
        return day

    def give_back(self, day: str, held: Spent, used: Spent) -> None:
        """Put what was used in the place of what was held, on that day; raises OutsideError like `add`."""
        with self._locked():
            self._write(day, self._read(day).plus(used).less(held))

    def spent(self) -> Spent:
        """What today has cost so far."""
        return self._read(self._day().isoformat())

    def _file(self, day: str) -> Path:
        return self._folder / f"spent-{day}.json"

    def _read(self, day: str) -> Spent:
        file = self._file(day)
        data = read_bounded(file, FILE_MOST)
        if data is None:
            return Spent()
        try:
            return msgspec.json.decode(data, type=Spent)
        except msgspec.MsgspecError as error:
            hint = "what was spent today is not known; delete the file to begin the day anew"
            raise OutsideError("the ledger is damaged", where=str(file), hint=hint, code="RF541") from error

    def _write(self, day: str, spent: Spent) -> None:
        write_whole(self._file(day), msgspec.json.encode(spent))

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self._folder.mkdir(parents=True, exist_ok=True)
        end = time.monotonic() + LOCK_SECONDS
        with (self._folder / "spent.lock").open("a") as file:
            while True:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > end:
                        what = "another process holds the ledger"
                        raise OutsideError(what, where=str(self._folder), hint="try again", code="RF545") from None
                    time.sleep(LOOK_SECONDS)
            yield
