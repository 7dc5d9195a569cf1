"""Files of exclusions: add to one, see what is in it, and check it against a folder of rules."""

import json
from datetime import date
from pathlib import Path

import msgspec

from ruleforge.app.rules import load_rules
from ruleforge.app.scanning.exclusions import (
    EVERY_RULE,
    KEYS,
    NEVER,
    Exclusion,
    is_expired,
    make_exclusion,
    parse_exclusions,
    read_exclusions,
)
from ruleforge.app.scanning.sinks import write_whole
from ruleforge.errors import InputError, UsageError

SOON_DAYS = 30
_HEAD = "# Hits that this site knows to be harmless. See 'ruleforge exclude --help'.\nexclusions:\n"


class Listed(msgspec.Struct, frozen=True, kw_only=True):
    """One exclusion and how it stands."""

    exclusion: Exclusion
    state: str  # "counts" | "ends soon" | "expired"
    unknown_rule: bool = False  # only where rules were looked at


def add_exclusion(path: Path, row: dict[str, str | list[str]]) -> Exclusion:
    """Add an exclusion to a file, which is made where there is none; what is in it stays as it was written.

    Raises:
        InputError: the file or the exclusion is wrong (RF280 to RF286), or an addition would not read back (RF288).
    """
    made = make_exclusion({key: value for key, value in row.items() if value}, "")
    before = read_exclusions(path) if path.exists() else ()
    if made in before:
        return made
    old = path.read_text("utf-8") if path.exists() else ""
    text = _toml_with(old, made) if path.suffix.lower() == ".toml" else _yaml_with(old, made)
    _check_reads_back(path, text, (*before, made))
    write_whole(path, text.encode())
    return made


def _yaml_with(old: str, made: Exclusion) -> str:
    head = old if old.strip() else _HEAD
    head = head if head.endswith("\n") else head + "\n"
    if head.rstrip().endswith("exclusions: []"):
        head = head.rstrip().removesuffix(" []") + "\n"
    rows = [f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in _pairs(made)]
    indent = _indent_of(head)
    return head + f"{indent}- {rows[0]}\n" + "".join(f"{indent}  {row}\n" for row in rows[1:])


def _indent_of(text: str) -> str:
    """The indentation of the list that is there."""
    for line in text.splitlines():
        if line.lstrip(" ").startswith("- "):
            return line[: len(line) - len(line.lstrip(" "))]
    return ""


def _toml_with(old: str, made: Exclusion) -> str:
    head = old if not old or old.endswith("\n") else old + "\n"
    rows = "".join(f"{key} = {json.dumps(value, ensure_ascii=False)}\n" for key, value in _pairs(made))
    return head + ("\n" if head else "") + f"[[exclusions]]\n{rows}"


def _pairs(made: Exclusion) -> list[tuple[str, str | tuple[str, ...]]]:
    return [(key, value) for key in KEYS if (value := getattr(made, key))]


def _check_reads_back(path: Path, text: str, expected: tuple[Exclusion, ...]) -> None:
    try:
        found = parse_exclusions(text.encode(), path)
    except InputError:
        found = ()
    if found != expected:
        hint = "add it by hand, at the end of the list `exclusions`"
        raise InputError(
            "the file is written in a way that cannot be added to", where=str(path), hint=hint, code="RF288"
        )


def list_exclusions(path: Path, today: date, rules: Path | None = None) -> list[Listed]:
    """Return the exclusions of a file with how they stand.

    Args:
        path: the file.
        today: the day that expiry is measured against.
        rules: a folder; then exclusions of rules that are not in it are marked.

    Raises:
        UsageError: no such file (RF146), no such folder (RF110).
        InputError: it cannot be read (RF280 to RF286).
    """
    if not path.exists():
        hint = "make it with 'ruleforge exclude add'"
        raise UsageError("no such file of exclusions", where=str(path), hint=hint, code="RF146")
    known = None if rules is None else {rule.id for rule in load_rules(rules, unvalidated=True).rules} | {EVERY_RULE}
    return [
        Listed(exclusion=entry, state=_state(entry, today), unknown_rule=known is not None and entry.rule not in known)
        for entry in read_exclusions(path)
    ]


def _state(entry: Exclusion, today: date) -> str:
    if is_expired(entry, today):
        return "expired"
    if entry.expires != NEVER and (date.fromisoformat(entry.expires) - today).days < SOON_DAYS:
        return "ends soon"
    return "counts"
