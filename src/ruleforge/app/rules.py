"""Folders of rules: find them, load those that validated, and say which would not load."""

import json
from collections.abc import Iterator
from pathlib import Path

import msgspec

from ruleforge.errors import RuleForgeError, UsageError
from ruleforge.rules.parse import load_rule
from ruleforge.rules.tree import Rule


class Loaded(msgspec.Struct, frozen=True):
    """Rules of a folder, in order of their ids; what would not load, with the reason; what was not validated."""

    rules: tuple[Rule, ...]
    broken: tuple[RuleForgeError, ...] = ()
    unvalidated: tuple[str, ...] = ()  # files left out because no evidence says that they passed


def rule_files(path: Path) -> Iterator[Path]:
    """Yield the rule documents below `path` (or the one it is), in order."""
    if path.is_file():
        yield path
    elif path.is_dir():
        yield from sorted(path.rglob("rule.json"))
    else:
        raise UsageError("no such rule or folder of rules", where=str(path), code="RF110")


def load_rules(path: Path, *, unvalidated: bool = False) -> Loaded:
    """Load every validated rule below `path`; a rule that does not load is reported and the others go on.

    Args:
        path: a folder with `rule.json` files, or one such file (which is loaded whatever its evidence says).
        unvalidated: load rules without evidence too.
    """
    rules: list[Rule] = []
    broken: list[RuleForgeError] = []
    left_out: list[str] = []
    for file in rule_files(path):
        if not unvalidated and path.is_dir() and not validated(file.parent):
            left_out.append(str(file))
            continue
        try:
            rules.append(load_rule(file))
        except RuleForgeError as problem:
            broken.append(problem)
    return Loaded(tuple(sorted(rules, key=lambda rule: rule.id)), tuple(broken), tuple(left_out))


def validated(folder: Path) -> bool:
    """Whether the evidence beside a rule says that it passed every gate."""
    try:
        evidence = json.loads((folder / "evidence.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(evidence, dict) and evidence.get("status") in ("validated", "approved", "released")
