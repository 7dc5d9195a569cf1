"""Earlier revisions of a rule: kept in the folder `history` beside it, never deleted.

`history/3-rule.json` and `history/3-evidence.json` are the papers of revision 3 as they were. Only a rule with other
content supersedes a rule; the same content, forged again, keeps its revision. A `rule.json` that cannot be loaded is
no revision: it is kept as `history/unreadable-<hash>.json`.
"""

import hashlib
import re
from pathlib import Path
from typing import Any

import msgspec

from ruleforge.errors import RuleForgeError
from ruleforge.rules.canonical import content_hash
from ruleforge.rules.diff import diff_rules
from ruleforge.rules.parse import load_rule
from ruleforge.rules.tree import Rule

HISTORY = "history"
KEPT = ("rule.json", "evidence.json")
_NAME = re.compile(r"([1-9][0-9]{0,8})-rule\.json")


class Revised(msgspec.Struct, frozen=True):
    """A rule with its revision, and what it supersedes."""

    rule: Rule
    before: Rule | None = None  # the revision before it; None: it is the first
    changes: tuple[str, ...] = ()  # from `before` to `rule`, in sentences
    lost: tuple[str, ...] = ()  # what stood in its place and could not be read, in sentences; no part of the evidence


def revise(rule: Rule, folder: Path) -> Revised:
    """Give `rule` its revision among those in `folder`, and keep the papers it supersedes."""
    lost = keep_unreadable(folder)
    return msgspec.structs.replace(_revised(rule, folder), lost=lost)


def _revised(rule: Rule, folder: Path) -> Revised:
    current = read_revision(folder / "rule.json")
    kept = revisions(folder)
    if current is not None and content_hash(current) == content_hash(rule):
        return _after(msgspec.structs.replace(rule, revision=current.revision), folder)
    if current is not None:
        keep(folder)
        kept = sorted({*kept, current.revision})
    elif kept:  # it was refused for a while; is it what it was before?
        last = read_revision(_kept(folder, kept[-1]))
        if last is not None and content_hash(last) == content_hash(rule):
            return _after(msgspec.structs.replace(rule, revision=last.revision), folder)
    return _after(msgspec.structs.replace(rule, revision=kept[-1] + 1 if kept else 1), folder)


def keep(folder: Path) -> int | None:
    """Copy the papers of the current revision to the history; return its number, None where there is no rule."""
    current = read_revision(folder / "rule.json")
    if current is None:
        keep_unreadable(folder)
        return None
    place = folder / HISTORY
    place.mkdir(parents=True, exist_ok=True)
    for name in KEPT:
        if (folder / name).is_file():
            put(place / f"{current.revision}-{name}", (folder / name).read_bytes())
    return current.revision


def keep_unreadable(folder: Path) -> tuple[str, ...]:
    """Copy a `rule.json` that cannot be loaded to the history, and say so; nothing where it can be, or is not there."""
    file = folder / "rule.json"
    if not file.is_file() or read_revision(file) is not None:
        return ()
    data = file.read_bytes()
    name = f"unreadable-{hashlib.sha256(data).hexdigest()[:8]}.json"
    (folder / HISTORY).mkdir(parents=True, exist_ok=True)
    put(folder / HISTORY / name, data)
    return (f"the rule before could not be read; it is kept as {HISTORY}/{name}",)


def revisions(folder: Path) -> list[int]:
    """Number the revisions in the history of a rule's folder, in order."""
    place = folder / HISTORY
    if not place.is_dir():
        return []
    return sorted(int(found[1]) for file in place.iterdir() if (found := _NAME.fullmatch(file.name)))


def read_kept(folder: Path, revision: int) -> Rule | None:
    """Load a revision from the history; None where it is not there or cannot be read."""
    return read_revision(_kept(folder, revision))


def read_revision(file: Path) -> Rule | None:
    """Load a rule; None where there is none, or none that can be read."""
    if not file.is_file():
        return None
    try:
        return load_rule(file).require()
    except RuleForgeError:
        return None


def supersedes(revised: Revised) -> dict[str, Any]:
    """Tell for `evidence.json` which revision a rule supersedes, and how it differs; empty for a first revision."""
    if revised.before is None:
        return {}
    told = {"revision": revised.before.revision, "content_hash": content_hash(revised.before)}
    return {"supersedes": told | {"changes": list(revised.changes)}}


def gave_up(revision: int | None) -> tuple[str, ...]:
    """Say that a rule is gone from its place, where there was one."""
    return () if revision is None else (f"there is no rule any more; revision {revision} is kept in {HISTORY}",)


def put(path: Path, data: bytes) -> None:
    """Write a file so that it appears whole or not at all."""
    part = path.with_name(f".{path.name}.part")
    part.write_bytes(data)
    part.replace(path)


def _kept(folder: Path, revision: int) -> Path:
    return folder / HISTORY / f"{revision}-rule.json"


def _after(rule: Rule, folder: Path) -> Revised:
    earlier = [number for number in revisions(folder) if number < rule.revision]
    before = read_kept(folder, earlier[-1]) if earlier else None
    return Revised(rule) if before is None else Revised(rule, before, diff_rules(before, rule))
