"""The exploit prediction scores of FIRST (EPSS), in all layouts in which they are handed round."""

import math
import re
from pathlib import Path

import msgspec

from ruleforge.errors import InputError
from ruleforge.triage.bounded import CVE, day, read_bounded

MAX_ROWS = 5_000_000

_DATE_OF_COMMENT = re.compile(r"score_date:(\d{4}-\d{2}-\d{2})")
_DATE_OF_NAME = re.compile(r"(\d{4}-\d{2}-\d{2})")
_HEADER = re.compile(rb'"?cve"?[,;]', re.IGNORECASE)
_NUMBER = re.compile(rb"\d{0,3}(?:\.\d{1,20})?(?:[eE]-?\d{1,3})?")


class EpssScore(msgspec.Struct, frozen=True):
    """What is predicted for one CVE."""

    probability: float  # of exploitation within 30 days, 0 to 1
    percentile: float | None  # share of all CVEs with at most this probability, 0 to 1


class Epss(msgspec.Struct, frozen=True, kw_only=True):
    """All scores of one day."""

    scores: dict[str, EpssScore]
    date: str  # of the comment in the file, else of the file's name; empty: neither says
    origin: str  # the file
    problems: int = 0  # lines that could not be read


def read_epss(file: Path) -> Epss:
    """Read scores: with or without the comment line, with or without a header, with `,` or `;`, plain or gzip.

    Raises:
        InputError: no line with a score (RF271); too large (RF222); damaged (RF225).
        OutsideError: the file cannot be opened (RF501).
    """
    scores: dict[str, EpssScore] = {}
    problems, date = 0, ""
    for line in read_bounded(file).removeprefix(b"\xef\xbb\xbf").splitlines():
        if line.startswith(b"#"):
            found = _DATE_OF_COMMENT.search(line[:500].decode("ascii", "replace"))
            date = date or (day(found[1]) if found else "")
            continue
        read = _score(line) if len(scores) < MAX_ROWS else None
        if read is not None:
            scores[read[0]] = read[1]
        elif line.strip() and not _HEADER.match(line[:20]):
            problems += 1
    if not scores:
        hint = "a line reads 'CVE-2099-0001,0.123,0.9'"
        raise InputError("no line with an EPSS score", where=str(file), hint=hint, code="RF271")
    named = _DATE_OF_NAME.search(file.name)
    date = date or (day(named[1]) if named else "")
    return Epss(scores=scores, date=date, origin=str(file), problems=problems)


def _score(line: bytes) -> tuple[str, EpssScore] | None:
    if len(line) > 200:
        return None
    cells = [cell.strip(b' "\t') for cell in line.split(b";" if b";" in line else b",")]
    cve = cells[0].decode("ascii", "replace").upper()
    if len(cells) < 2 or not CVE.fullmatch(cve):
        return None
    probability = _share(cells[1])
    percentile = _share(cells[2]) if len(cells) > 2 and cells[2] else None
    return None if probability is None else (cve, EpssScore(probability, percentile))


def _share(cell: bytes) -> float | None:
    if not cell or not _NUMBER.fullmatch(cell):
        return None
    try:
        value = float(cell)
    except ValueError:
        return None
    return value if math.isfinite(value) and 0 <= value <= 1 else None
