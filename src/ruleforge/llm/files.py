"""Small files of the door: written whole or not at all, read within bounds and never through a link."""

import contextlib
import os
import secrets
import stat
from pathlib import Path

from ruleforge.errors import OutsideError


def write_whole(file: Path, data: bytes) -> None:
    """Replace `file` at once: whoever looks sees the old one or the new one.

    Raises:
        OutsideError: the system refuses (RF542).
    """
    temporary = file.parent / f".{file.name}.{os.getpid()}.{secrets.token_hex(4)}"
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(data)
        temporary.replace(file)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise OutsideError(f"cannot write the file: {error.strerror}", where=str(file), code="RF542") from error


def read_bounded(file: Path, most: int) -> bytes | None:
    """Read a plain file, at most `most` bytes and one more; None where there is none, or where it is a link.

    Raises:
        OutsideError: the system refuses (RF501).
    """
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        if isinstance(error, FileNotFoundError) or file.is_symlink():
            return None
        raise OutsideError(f"cannot read the file: {error.strerror}", where=str(file), code="RF501") from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        return None
    with os.fdopen(descriptor, "rb") as stream:
        return stream.read(most + 1)
