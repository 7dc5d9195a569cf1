"""Folders of rules: find them, load those that validated, and say which would not load."""

import json
from collections.abc import Iterator
from pathlib import Path

import msgspec

from ruleforge.errors import RuleError, UsageError
from ruleforge.events.kinds import HTTP
from ruleforge.rules.canonical import content_hash
from ruleforge.rules.parse import Parsed, load_rule
from ruleforge.rules.tree import Count, Rule, Sequence

MAX_EVIDENCE_BYTES = 16 << 20
_GOOD = ("validated", "approved", "released")


class Loaded(msgspec.Struct, frozen=True):
    """Rules of a folder, in order of their ids; what would not load, with the reason; what was not validated."""

    rules: tuple[Rule, ...]
    broken: tuple[RuleError, ...] = ()
    unvalidated: tuple[str, ...] = ()  # files left out because no evidence says that this very rule passed


def rule_files(path: Path) -> Iterator[Path]:
    """Yield the rule documents below `path` (or the one it is), in order.

    Raises:
        UsageError: there is no such path (RF110).
    """
    if path.is_dir():
        yield from sorted(file for file in path.rglob("rule.json") if file.is_file())
    elif path.exists():
        yield path
    else:
        hint = "rules are made with 'ruleforge forge PATH --out DIR'"
        raise UsageError("no such rule or folder of rules", where=str(path), hint=hint, code="RF110")


def load_rules(path: Path, *, unvalidated: bool = False) -> Loaded:
    """Load every validated rule below `path`; a rule that does not load is reported and the others go on.

    Args:
        path: a folder with `rule.json` files, or one such file (which is loaded whatever its evidence says).
        unvalidated: load rules without evidence too.
    """
    rules: list[Rule] = []
    broken: list[RuleError] = []
    left_out: list[str] = []
    trusting = unvalidated or not path.is_dir()
    for file in rule_files(path):
        try:
            rule = load_rule(file, source=str(file)).require()
        except RuleError as problem:
            broken.append(problem)  # whatever its evidence says: a file that cannot be read must not pass in silence
            continue
        if trusting or is_validated(rule, file.parent):
            rules.append(rule)
        else:
            left_out.append(str(file))
    return Loaded(tuple(sorted(rules, key=lambda rule: rule.id)), tuple(broken), tuple(left_out))


def load_one(path: Path) -> Rule:
    """Load the one rule that `path` names: a document, or a folder that holds exactly one.

    Raises:
        UsageError: no such path (RF110), or not exactly one rule below it (RF115).
        RuleError: it does not load.
    """
    return parse_one(path).require()


def parse_one(path: Path) -> Parsed:
    """Like `load_one`, with everything the parser has to say."""
    files = list(rule_files(path))
    if len(files) != 1:
        hint = "name one rule.json, or the folder around it"
        raise UsageError(f"{len(files)} rules there, one is needed", where=str(path), hint=hint, code="RF115")
    return load_rule(files[0], source=str(files[0]))


def is_validated(rule: Rule, folder: Path) -> bool:
    """Whether the evidence beside a rule says that this rule, as it stands, passed every gate."""
    evidence = read_evidence(folder)
    return evidence.get("status") in _GOOD and evidence.get("content_hash") == content_hash(rule)


def read_evidence(folder: Path) -> dict[str, object]:
    """Return what `evidence.json` of a folder says; empty when there is none or it cannot be read."""
    try:
        with (folder / "evidence.json").open("rb") as file:
            evidence = json.loads(file.read(MAX_EVIDENCE_BYTES))
    except (OSError, ValueError, RecursionError):
        return {}
    return evidence if isinstance(evidence, dict) else {}


def about_requests(loaded: Loaded) -> Loaded:
    """Move rules about other events to `broken`; those that count or order requests stay."""
    hint = "'ruleforge scan' asks it, on one process"
    why = {
        id(rule): RuleError(
            f"the rule is about {rule.event} and not about requests", where=rule.id, hint=hint, code="RF332"
        )
        for rule in loaded.rules
        if rule.event != HTTP
    }
    kept = tuple(rule for rule in loaded.rules if id(rule) not in why)
    return Loaded(kept, loaded.broken + tuple(why.values()), loaded.unvalidated)


def without_correlation(loaded: Loaded) -> Loaded:
    """Move rules that one request cannot answer to `broken`: those that count or order, those about other events."""
    why = {id(rule): problem for rule in loaded.rules if (problem := _not_single(rule)) is not None}
    single = tuple(rule for rule in loaded.rules if id(rule) not in why)
    return Loaded(single, loaded.broken + tuple(why.values()), loaded.unvalidated)


def _not_single(rule: Rule) -> RuleError | None:
    hint = "'ruleforge scan' asks it, on one process"
    if isinstance(rule.when, Count | Sequence):
        what = "the rule counts or orders events; a scan asks single requests"
        return RuleError(what, where=rule.id, hint=hint, code="RF330")
    if rule.event != HTTP:
        return RuleError(
            f"the rule is about {rule.event} and not about requests", where=rule.id, hint=hint, code="RF332"
        )
    return None
