"""Files of intelligence, plain or gzip, read whole within a bound."""

import re
import zlib
from datetime import date
from pathlib import Path

from ruleforge.errors import InputError
from ruleforge.events.formats.bounded import open_file

MAX_BYTES = 128 << 20  # after decompression; the largest, EPSS, has about 10 MiB

CVE = re.compile(r"CVE-\d{4}-\d{4,8}")


def read_bounded(file: Path, most: int = MAX_BYTES) -> bytes:
    """Read a file, decompressed where it is gzip.

    Raises:
        InputError: more than `most` bytes (RF222), or damaged (RF225).
        OutsideError: it cannot be opened (RF501).
    """
    with open_file(file) as stream:
        try:
            data = stream.read(most + 1)
        except (OSError, EOFError, zlib.error) as error:
            raise InputError(f"the file is damaged: {error}", where=str(file), code="RF225") from None
    if len(data) > most:
        raise InputError(f"more than {most} bytes", where=str(file), hint="is it the right file?", code="RF222")
    return data


def day(text: str) -> str:
    """Return the date "2026-08-16" that `text` begins with, or "" where it begins with none."""
    try:
        return date.fromisoformat(text[:10]).isoformat()
    except ValueError:
        return ""
