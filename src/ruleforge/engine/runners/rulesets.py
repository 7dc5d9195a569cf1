"""The rules of a run as they travel to processes, and made ready there once."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from ruleforge.engine.batches import BatchMatcher, Matches, make_batch_matcher
from ruleforge.engine.correlation import Observation, Plan
from ruleforge.engine.correlation.batches import observe_batch
from ruleforge.errors import RuleForgeError
from ruleforge.rules.canonical import canonical_json
from ruleforge.rules.dump import dump_rule
from ruleforge.rules.tree import Rule

if TYPE_CHECKING:
    import pyarrow as pa

    from ruleforge.engine.runners.hits import Labels


class RuleSet(msgspec.Struct, frozen=True):
    """Rules as they travel to processes, under a name that says what they are."""

    rules: tuple[Rule, ...]  # about single requests
    name: str
    counting: tuple[Rule, ...] = ()  # that count or order requests
    compiled: str = ""  # file that they were compiled to, where there is one; processes share it
    digest: str = ""  # of that file; another one that lies there by now is not used

    @classmethod
    def of(
        cls, rules: Sequence[Rule], counting: Sequence[Rule] = (), *, compiled: str = "", digest: str = ""
    ) -> "RuleSet":
        """Name rules by a hash of their documents."""
        name = hashlib.sha256()
        for rule in (*rules, *counting):
            name.update(canonical_json(dump_rule(rule)))
        return cls(tuple(rules), name.hexdigest(), tuple(counting), compiled, digest)


class Ready(NamedTuple):
    """Rules that are ready to be asked."""

    matcher: BatchMatcher  # of the rules about single requests, followed by the parts of the plan
    labels: "Labels"
    plan: Plan


_READY: dict[str, Ready] = {}  # of this process; one set, or two while rules are replaced
_READY_MOST = 2


def ready(ruleset: RuleSet) -> Ready:
    """Return the rules ready to be asked, once per process.

    Kernels are compiled, and tables made, by one process of a machine; the others wait for what it leaves in the
    user's cache and map that (`engine.fast.kept`), executors of a cluster like processes of one run.
    """
    found = _READY.get(ruleset.name)
    if found is None:
        from ruleforge.engine.runners.hits import Labels

        while len(_READY) >= _READY_MOST:
            _READY.pop(next(iter(_READY)))
        plan = Plan(ruleset.counting)
        matcher = _compiled(ruleset) or make_batch_matcher((*ruleset.rules, *plan.parts))
        found = _READY[ruleset.name] = Ready(matcher, Labels(ruleset.rules), plan)
    return found


def _compiled(ruleset: RuleSet) -> BatchMatcher | None:
    """Return the matcher of the file that the rules were compiled to; None where it cannot be used here."""
    if not ruleset.compiled:
        return None
    from ruleforge.settings import user_cache_folder

    try:
        from ruleforge.engine.sets.files import open_rules

        opened = open_rules(Path(ruleset.compiled), user_cache_folder() / "sets")
    except (ImportError, RuleForgeError):
        return None
    return opened.matcher() if opened.digest == ruleset.digest else None


def names_of(ruleset: RuleSet, plan: Plan, number: int) -> list[str]:
    """Return the ids of the rules behind a number of a matcher: several may share a part to count."""
    part = number - len(ruleset.rules)
    return [ruleset.rules[number].id] if part < 0 else [plan.rules[user].id for user in plan.users_of(part)]


def single_matches(matches: Matches, rules: int) -> Matches:
    """Return what is said about the first rules of a matcher."""
    kept = matches.rules < rules
    return Matches(matches.rows[kept], matches.rules[kept], matches.unknowns[:rules], matches.verified)


def observe_single(plan: Plan, rules: int, batch: "pa.RecordBatch", matches: Matches) -> list[Observation]:
    """Return what rules that count make of a batch; observations that only move time on are left out."""
    parts = [*[-1] * rules, *range(len(plan.parts))]
    return [one for one in observe_batch(plan, batch, matches, parts) if one.hits or one.unkeyed]
