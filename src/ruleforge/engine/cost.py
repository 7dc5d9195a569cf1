"""What a rule costs: how many of 1,000 benign requests it has to be decided for, why, and what would make it cheap."""

import msgspec

from ruleforge.engine.compiled import clause_share
from ruleforge.engine.literals import Clause, requirements
from ruleforge.engine.rarity import Rarity, background_rarity
from ruleforge.engine.zones import NAME_EDGE, OWN_ZONE, VALUE_EDGE
from ruleforge.rules.proofs import Finding
from ruleforge.rules.tree import AllOf, AnyOf, Condition, Not, Rule, Some

CODES = {"RF643": "costly: ordinary requests have what the rule is found by"}
LIMIT_PER_1000 = 1.0  # 0.1 %: rules above it took most of the time when thousands were measured together
_SHOWN = 3  # literals named in a message


class Cost(msgspec.Struct, frozen=True):
    """The cost of one rule."""

    per_1000: float  # benign requests it is expected to be decided for
    found_by: tuple[tuple[str, bytes], ...]  # (place, literal) it is searched for by, the most common first


def cost_of(rule: Rule, rarity: Rarity | None = None) -> Cost:
    """Return the cost of a rule about single requests, by the rarest set of literals of which it needs one."""
    tree = rule.when
    known = rarity or background_rarity()
    clauses: tuple[Clause, ...] = ()
    if isinstance(tree, AllOf | AnyOf | Not | Some | Condition):
        clauses = requirements(tree, dict(rule.classes), OWN_ZONE)
    if not clauses:
        return Cost(1_000.0, ())
    best = min(clauses, key=lambda clause: clause_share(clause, known))
    ordered = sorted(best, key=lambda literal: (-known(*literal), literal))
    return Cost(1_000 * clause_share(best, known), tuple((zone, text) for zone, text in ordered))


def cost_finding(rule: Rule) -> Finding | None:
    """Say why a rule is costly; None where it is not, or has no literal at all, which RF637 says."""
    if not isinstance(rule.when, AllOf | AnyOf | Not | Some | Condition):
        return None
    cost = cost_of(rule)
    if not cost.found_by or cost.per_1000 <= LIMIT_PER_1000:
        return None
    common = ", ".join(f"{_shown(text)} in {zone}" for zone, text in cost.found_by[:_SHOWN])
    more = f" and {len(cost.found_by) - _SHOWN} more" if len(cost.found_by) > _SHOWN else ""
    return Finding(
        "RF643",
        "when",
        f"about {_spoken(cost.per_1000)} of 1,000 ordinary requests must be looked at: they have {common}{more}",
        "require a rarer text too: more of the path, a parameter's name with its value; a payload class alone is found "
        "by single signs",
        "warning",
    )


def _shown(text: bytes) -> str:
    """Return a literal as a person wrote it, without the edges of values."""
    return repr(text.strip(NAME_EDGE + VALUE_EDGE).replace(VALUE_EDGE, b"=").decode("utf-8", "backslashreplace"))


def _spoken(number: float) -> str:
    """Three digits are enough, and no exponent: "3.74", "400", "1,000"."""
    return f"{number:,.0f}" if number >= 100 else f"{number:.3g}"
