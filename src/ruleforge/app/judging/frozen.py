"""The test part is frozen: its rows and labels have a fingerprint, and whoever opens it does so on record."""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from ruleforge.app.judging.pairs import Pair
from ruleforge.errors import InputError, OutsideError, PolicyError

RECORD_BYTES_MOST = 64 << 20
OPENINGS_KEPT = 1_000


class Frozen(msgspec.Struct, frozen=True, kw_only=True):
    """What was frozen: the fingerprint of the test part, and its counts."""

    sha256: str
    pairs: int
    advisories: int = 0


class Opening(msgspec.Struct, frozen=True, kw_only=True):
    """One time the test part was opened."""

    at: str  # RFC 3339, UTC
    sha256: str  # of the part that was opened
    frozen: bool | None  # whether it was the frozen one; None: there was no record to compare with
    judge: str = ""


class FrozenCheck(msgspec.Struct, frozen=True, kw_only=True):
    """How the test part compares with the record: `same` None where there is no record; `words` say it."""

    same: bool | None
    sha256: str
    words: str


def fingerprint(pairs: Iterable[Pair]) -> str:
    """Return the SHA-256 over the sorted lines `["pair", miss, off]` of the test part, one line feed between two."""
    test = (pair for pair in pairs if pair.part == "test")
    lines = sorted(json.dumps([pair.pair, pair.miss.label, pair.off.label]) for pair in test)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def check_frozen(pairs: Iterable[Pair], file: Path | None) -> FrozenCheck:
    """Compare the test part with the record in `file`.

    Raises:
        InputError: the file is no such record (RF294).
        OutsideError: it cannot be opened (RF501).
    """
    found = fingerprint(pairs)
    if file is None:
        return FrozenCheck(same=None, sha256=found, words="no record of a frozen test part was given to compare with")
    wanted = _record(file)
    if wanted.sha256 == found:
        return FrozenCheck(same=True, sha256=found, words=f"the test part is the frozen one ({found[:16]})")
    words = (
        f"THE TEST PART IS NOT THE FROZEN ONE: {found[:16]} instead of {wanted.sha256[:16]} ({wanted.pairs:,} pairs). "
        "Its figures are not those of the frozen part."
    )
    return FrozenCheck(same=False, sha256=found, words=words)


def _record(file: Path) -> Frozen:
    try:
        return msgspec.convert(json.loads(_bytes(file)), Frozen)
    except (ValueError, RecursionError) as problem:
        hint = "bench/judge/make_pairs.py writes one"
        raise InputError(
            f"no record of a frozen part: {problem}", where=str(file), hint=hint, code="RF294"
        ) from problem


def record_opening(report: Path | None, opening: Opening) -> tuple[Opening, ...]:
    """Write `opening` into the report, after those it holds, before anything is measured; return them all.

    A run that is broken off has opened the test part, too, and a report that is written again forgets no opening.

    Raises:
        PolicyError: there is no report to write it into (RF420).
        InputError: there is a file, and it is no report (RF295).
        OutsideError: it cannot be read (RF501) or written (RF502).
    """
    if report is None:
        hint = "give --json FILE; each opening leaves a dated line there"
        raise PolicyError("the test part is opened on record only", hint=hint, code="RF420")
    data = _report(report) if report.exists() else {}
    found = (*msgspec.convert(data.get("openings", ()), tuple[Opening, ...]), opening)[-OPENINGS_KEPT:]
    write_whole(report, data | {"openings": msgspec.to_builtins(found)})
    return found


def write_whole(file: Path, data: dict[str, Any]) -> None:
    """Write a report, whole or not at all.

    Raises:
        OutsideError: the file cannot be written (RF502).
    """
    part = file.with_name(file.name + ".part")
    try:
        part.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
        part.replace(file)
    except OSError as problem:
        raise OutsideError(f"cannot write the report: {problem.strerror}", where=str(file), code="RF502") from problem


def _report(file: Path) -> dict[str, Any]:
    try:
        found: Any = json.loads(_bytes(file))
        msgspec.convert(found.get("openings", ()), tuple[Opening, ...])
    except (ValueError, RecursionError, AttributeError) as problem:
        hint = "give a new file, or the report of an earlier run"
        raise InputError(
            f"no report of a judge bench: {problem}", where=str(file), hint=hint, code="RF295"
        ) from problem
    return dict(found)


def _bytes(file: Path) -> bytes:
    try:
        with file.open("rb") as stream:
            data = stream.read(RECORD_BYTES_MOST + 1)
    except OSError as problem:
        raise OutsideError(f"cannot read the file: {problem.strerror}", where=str(file), code="RF501") from problem
    if len(data) > RECORD_BYTES_MOST:
        raise InputError(f"more than {RECORD_BYTES_MOST} bytes", where=str(file), code="RF222")
    return data
