"""Which rules of a folder a scan runs."""

from collections.abc import Sequence

import msgspec

from ruleforge.app.rules import Loaded
from ruleforge.app.scanning.digest import SEVERITIES, rank_of
from ruleforge.errors import UsageError
from ruleforge.rules.tree import Rule


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """What the user asked for; everything empty: all rules."""

    min_severity: str = ""  # "high" also means critical; rules of unknown severity are left out, then
    cves: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()  # ids

    @property
    def is_open(self) -> bool:
        """Whether all rules are asked for."""
        return not (self.min_severity or self.cves or self.rules)


def choose(loaded: Loaded, choice: Choice) -> Loaded:
    """Keep the rules that were asked for.

    Raises:
        UsageError: no such severity (RF102), an id or CVE that no rule has (RF141), or nothing is left (RF142).
    """
    if choice.is_open:
        return loaded
    if choice.min_severity and choice.min_severity not in SEVERITIES:
        hint = f"known: {', '.join(SEVERITIES)}"
        raise UsageError(f"unknown severity {choice.min_severity!r}", hint=hint, code="RF102")
    _check_known(loaded.rules, choice)
    kept = tuple(rule for rule in loaded.rules if _is_asked(rule, choice))
    if not kept:
        what = f"none of {len(loaded.rules)} rules is left by what was asked for"
        raise UsageError(what, hint="ask for less with --min-severity, --cve or --rule", code="RF142")
    return msgspec.structs.replace(loaded, rules=kept)


def _is_asked(rule: Rule, choice: Choice) -> bool:
    wanted_cves = {cve.upper() for cve in choice.cves}
    named = not (choice.cves or choice.rules) or rule.id in choice.rules or bool(wanted_cves & set(rule.cves))
    return named and (not choice.min_severity or rank_of(rule.severity) <= rank_of(choice.min_severity))


def _check_known(rules: Sequence[Rule], choice: Choice) -> None:
    ids, cves = {rule.id for rule in rules}, {cve for rule in rules for cve in rule.cves}
    unknown = [name for name in choice.rules if name not in ids] + [c for c in choice.cves if c.upper() not in cves]
    if unknown:
        what = f"no rule for {', '.join(unknown[:10])}"
        raise UsageError(what, hint="'ruleforge lint DIR' lists what is there", code="RF141")
