"""Leave one condition out: why each condition of a rule stands there, for its evidence."""

from collections.abc import Mapping, Sequence

import msgspec

from ruleforge.cases.evidence import Case, Evidence
from ruleforge.engine.reference import compile_tree
from ruleforge.generate.draft import Arm, Shape, Slot, enough_bits, shapes_of, shapes_tree
from ruleforge.generate.propose import Material
from ruleforge.pipeline.loop import Attempt
from ruleforge.records.forging import Needed
from ruleforge.rules.render import render_sentence
from ruleforge.rules.tree import AllOf, AnyOf, Root, Rule, Tree
from ruleforge.validate.checks import CHECKS

# In growing cost. Each hands back what the rule would fire on.
SILENCING = ("siblings", "near_misses", "other_products", "benign_traffic")
BY_DESIGN = {
    "endpoint": "it says where the vulnerability is; no request tried here needs it",
    "payload": "it says what the attack is; no request tried here needs it",
    "anywhere": "it says what the attack is; no request tried here needs it",
    "selector": "it says which function of the endpoint is meant; no request tried here needs it",
}


def conditions_needed(best: Attempt, material: Material, evidence: Evidence, judging: Evidence) -> tuple[Needed, ...]:
    """Say for each condition of an accepted rule which request it keeps silent, or what it supplies.

    Where the conditions of several alternatives are the same, they are told once for each. Cost: a check of the rule
    for each condition that no cheap case explains.
    """
    if best.draft is None:
        return _of_tree(best, evidence, judging)
    shapes = shapes_of(best.draft)
    rule = best.candidate.rule
    now = {result.check: result.failed for result in best.trial.results}
    told: list[Needed] = []
    for number, shape in enumerate(shapes):
        if len(shapes) > 1:
            others = [*shapes[:number], *shapes[number + 1 :]]
            why = _lost(shapes_tree(others), evidence) or "without it fewer variants are hit"
            told.append(_needed(f"alternative {number + 1}: {_clause((shape,))}", why))
        for at, slot in enumerate(shape):
            rest = (*shape[:at], *shape[at + 1 :])
            less = [*shapes[:number], rest, *shapes[number + 1 :]]
            arms = [arm for arm in best.draft.arms if _is_of(arm, shape)]
            why = (
                (
                    _fires(shapes_tree(less), rule, evidence, now)
                    or _too_plain(slot, arms, material)
                    or _judged(shapes_tree(less), judging)
                )
                if rest
                else "it is all that is asked"
            )
            told.append(_needed(_clause(((slot,),)), why or BY_DESIGN.get(slot[0].kind, "")))
            told += _alternatives(shapes, number, at, evidence)
    return tuple(told)


def _of_tree(best: Attempt, evidence: Evidence, judging: Evidence) -> tuple[Needed, ...]:
    """The same for a rule that was not made of facets: each part of each alternative left out in turn."""
    rule = best.candidate.rule
    now = {result.check: result.failed for result in best.trial.results}
    arms = rule.when.parts if isinstance(rule.when, AnyOf) else (rule.when,)
    told = []
    for number, arm in enumerate(arms):
        others = (*arms[:number], *arms[number + 1 :])
        if others:
            why = _lost(AnyOf(others), evidence) or "without it fewer variants are hit"
            told.append(_needed(f"alternative {number + 1}: {_said(arm)}", why))
        parts = arm.parts if isinstance(arm, AllOf) else (arm,)
        for at, part in enumerate(parts):
            rest = (*parts[:at], *parts[at + 1 :])
            if not rest:
                told.append(_needed(_said(part), "it is all that is asked"))
                continue
            less = AnyOf((*others, AllOf(rest)))
            why = _fires(less, rule, evidence, now) or _judged(less, judging)
            told.append(_needed(_said(part), why or "a model asked for it; no request tried here needs it"))
    return tuple(told)


def _needed(condition: str, why: str) -> Needed:
    return Needed(condition=condition[:600], needed_because=why or "a check failed without it")


def _clause(shapes: Sequence[Shape]) -> str:
    return _said(shapes_tree(shapes))


def _said(tree: Root) -> str:
    said = render_sentence(tree).removesuffix(".")
    return said[:1].lower() + said[1:]


def _is_of(arm: Arm, shape: Shape) -> bool:
    """Whether the merged arm `shape` was made of `arm` (among others)."""
    return all(any(facet in slot for facet in arm.facets) for slot in shape)


def _alternatives(shapes: Sequence[Shape], number: int, at: int, evidence: Evidence) -> list[Needed]:
    """Why each alternative of one slot stands there; none where there is but one."""
    shape, slot = shapes[number], shapes[number][at]
    told = []
    for facet in slot if len(slot) > 1 else ():
        fewer: Slot = tuple(other for other in slot if other != facet)
        less = [*shapes[:number], (*shape[:at], fewer, *shape[at + 1 :]), *shapes[number + 1 :]]
        why = _lost(shapes_tree(less), evidence) or "without it fewer variants are hit"
        told.append(_needed(f"or {_clause((((facet,),),))}", why))
    return told


def _lost(tree: Tree, evidence: Evidence) -> str:
    """The exploit requests that a rule of `tree` misses."""
    ask = compile_tree(tree, evidence.classes)
    lost = [case.view.request.id or str(case.poc + 1) for case in evidence.exploits if ask(case.view) is not True]
    return f"without it the rule misses exploit request {', '.join(lost[:5])}" if lost else ""


def _fires(tree: Tree, rule: Rule, evidence: Evidence, now: Mapping[str, int]) -> str:
    """What a rule of `tree` fires on beyond what the rule fires on now (by check); "" where there is nothing."""
    wider = msgspec.structs.replace(rule, when=tree)
    asked = compile_tree(tree, evidence.classes)

    def ask(case: Case) -> bool:
        return asked(case.view) is True

    for name in SILENCING:
        finding = CHECKS[name](wider, ask, evidence)
        count = len(finding.hit)
        if count > now.get(name, 0):
            what = _told(finding.hit[-1])
            return f"without it the rule fires on {count} of {finding.result.tried} ({name}), such as: {what}"[:400]
    return ""


def _told(case: Case) -> str:
    said = case.note or case.view.request.id
    return case.kind.replace("_", " ") + (f": {said}" if said else "")


def _too_plain(slot: Slot, arms: Sequence[Arm], material: Material) -> str:
    """How many bits the slot supplies, where an arm is not surprising enough without it."""
    for arm in arms:
        facet = next((facet for facet in arm.facets if facet in slot), None)
        if facet is None:
            continue
        less = arm.without(facet)
        least = enough_bits(less, endpoint_free=material.free[arm.poc])
        if less.bits < least:
            return f"it supplies {arm.bits - less.bits:.1f} bits: {less.bits:.1f} remain, {least:g} are needed"
    return ""


def _judged(tree: Tree, judging: Evidence) -> str:
    """What only the judge's cases show."""
    ask = compile_tree(tree, judging.classes)
    for case in (*judging.siblings, *judging.near_misses):
        if ask(case.view) is True:
            return f"without it the rule fires on what only the judge saw: {_told(case)}"
    return ""
