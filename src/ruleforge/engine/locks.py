"""One at a time: a lock on a file that the system takes back when its process ends, however it ends."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ruleforge.errors import OutsideError


@contextmanager
def held(lock: Path, what: str, *, where: Path, hint: str) -> Iterator[None]:
    """Hold the lock in the file `lock`, which stays behind empty.

    Raises:
        OutsideError: another process holds it (RF561), told as `what`.
    """
    with lock.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise OutsideError(what, where=str(where), hint=hint, code="RF561") from None
        yield
