"""What changed between two runs of the table."""

import json
import re
from pathlib import Path

import msgspec

from ruleforge.app.bench.ground import read_text
from ruleforge.errors import InputError
from ruleforge.records.quality import Quality, Rate

_CVE = re.compile(r"CVE-\d{4}-\d{4,19}")


class Moved(msgspec.Struct, frozen=True, kw_only=True):
    """One row that differs."""

    key: str
    title: str
    before: Rate | None
    after: Rate | None
    better: bool | None  # None: measured in one run only, or the same share of another number
    gained: tuple[str, ...] = ()  # CVEs of the half that may be read
    lost: tuple[str, ...] = ()


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """What an earlier run had and this one has not, and the other way round."""

    rules_gained: tuple[str, ...]  # CVEs (or rule ids, where they name none)
    rules_lost: tuple[str, ...]
    moved: tuple[Moved, ...]


def read_quality(file: Path) -> Quality:
    """Read what `bench quality --json` wrote.

    Raises:
        InputError: it is no such file (RF244).
        OutsideError: it cannot be opened (RF501).
    """
    try:
        return msgspec.convert(json.loads(read_text(file)), Quality)
    except (ValueError, RecursionError) as error:
        hint = "write one with 'ruleforge bench quality RULES --json FILE'"
        raise InputError(f"no earlier run: {error}", where=str(file), hint=hint, code="RF244") from error


def compare(before: Quality, after: Quality) -> Comparison:
    """Say what changed from `before` to `after`; rows that are the same are left out."""
    had, has = set(map(_subject, before.rules)), set(map(_subject, after.rules))
    return Comparison(
        rules_gained=tuple(sorted(has - had)), rules_lost=tuple(sorted(had - has)), moved=_moved(before, after)
    )


def _subject(rule: str) -> str:
    found = _CVE.search(rule)
    return found[0] if found else rule


def _moved(before: Quality, after: Quality) -> tuple[Moved, ...]:
    old = {row.key: row for row in before.rows}
    new = {row.key: row for row in after.rows}
    moved = []
    for key in [*new, *(key for key in old if key not in new)]:
        first, second = old.get(key), new.get(key)
        row = second or first
        assert row is not None
        was, now = first.rate if first else None, second.rate if second else None
        gained = set(second.hit if second else ()) - set(first.hit if first else ())
        lost = set(first.hit if first else ()) - set(second.hit if second else ())
        if was == now and not gained and not lost:
            continue
        better = _is_better(was, now, row.wanted)
        names = (tuple(sorted(gained)), tuple(sorted(lost)))
        moved.append(
            Moved(key=key, title=row.title, before=was, after=now, better=better, gained=names[0], lost=names[1])
        )
    return tuple(moved)


def _is_better(before: Rate | None, after: Rate | None, wanted: str) -> bool | None:
    was = before.share if before else None
    now = after.share if after else None
    if was is None or now is None or was == now:
        return None
    return (now > was) == (wanted == "high")
