"""What of an opinion the next round can use: which condition to drop, or what kind of condition to add."""

import re

from ruleforge.records.forging import Advice, Opinion
from ruleforge.rules.tree import AllOf, AnyOf, Root, Rule, conditions_of

ADVICE_MOST = 6
_STEP = re.compile(r"\.(?:all|any)\[(\d+)\]")
_DROP = frozenset(
    (
        "misses_exploit",
        "misses_variant",
        "loses_free_choice",
        "copied_from_attack",
        "made_up_bytes",
        "exact_value",
        "raw_place",
        "fixed_path",
    )
)
_DROP_IDLE = "idle_condition"
_PAYLOAD = frozenset(("fires_without_payload", "fires_on_near_miss", "no_payload_condition", "fires_on_step"))
_ENDPOINT = frozenset(("no_endpoint", "place_of_others", "not_surprising", "fires_on_stranger", "fires_on_traffic"))


def advice_of(opinion: Opinion, rule: Rule) -> tuple[Advice, ...]:
    """Turn the reasons into advice, the weightiest first; requests stay behind."""
    found: list[Advice] = []
    for code, place in ((code, reason.condition) for reason in opinion.chain for code in (reason.code, *reason.also)):
        if code in _DROP or code == _DROP_IDLE:
            tree = tree_at(rule.when, place)
            asked = tuple(conditions_of(tree)) if tree is not None and tree is not rule.when else ()
            if asked and not any(one.action == "drop" and one.conditions == asked for one in found):
                found.append(Advice(action="drop", code=code, conditions=asked))
        elif code in _PAYLOAD:
            found.append(Advice(action="add_payload", code=code))
        elif code in _ENDPOINT:
            found.append(Advice(action="add_endpoint", code=code))
    return tuple(dict.fromkeys(found))[:ADVICE_MOST]


def tree_at(root: Root, path: str) -> Root | None:
    """Return the part of a rule at a place such as "when.any[0].all[2]"; None where there is none."""
    tree: Root = root
    for step in _STEP.findall(path):
        if not isinstance(tree, AllOf | AnyOf) or int(step) >= len(tree.parts):
            return None
        tree = tree.parts[int(step)]
    return tree
