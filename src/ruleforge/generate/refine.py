"""Refinement by counterexample: each wrongly missed or wrongly hit request changes the arms that erred on it."""

from collections.abc import Sequence

import msgspec

from ruleforge.engine.reference import compile_tree
from ruleforge.events.places import HttpView
from ruleforge.generate.draft import Arm, Draft, arm_tree
from ruleforge.generate.facet import Facet
from ruleforge.generate.propose import Material

# What to add first when an arm fires where it must not.
ADD_ORDER = ("payload", "endpoint", "selector", "header", "anywhere", "present", "literal", "method", "session")
LEAST_BITS = 16.0  # generalising never goes below this


class Wrong(msgspec.Struct, frozen=True):
    """A request a draft answered wrongly."""

    view: HttpView
    missed: bool  # True: should have fired; False: should have stayed silent
    why: str  # one sentence for the record
    poc: int = -1  # the exploit request a missed variant was made from


def refine(draft: Draft, wrongs: Sequence[Wrong], material: Material, must: Sequence[Wrong]) -> Draft | None:
    """Return a changed draft that answers `wrongs` as it should, or None when no facet can.

    `must` are all requests known so far that have to be hit. Generalising never loses one of them; silencing a false
    hit may, where no facet does better (the next round then works on what was lost).
    """
    arms, changes = list(draft.arms), list(draft.changes)
    hits = [wrong for wrong in wrongs if not wrong.missed]
    missed = [wrong for wrong in wrongs if wrong.missed]
    for index, arm in enumerate(arms):
        mine = [w for w in hits if _fires(arm, w.view, material)]
        if mine:
            better = _narrow(arm, mine, material, must)
            if better is None:
                return None
            changes.append(f"round {draft.round + 1}: {difference(arm, better)}, because of {mine[0].why}")
            arms[index] = better
    for wrong in missed:
        if any(_fires(arm, wrong.view, material) for arm in arms):
            continue
        for index, arm in enumerate(arms):
            better = _widen(arm, wrong, material, hits) if wrong.poc in arm.made_for else None
            if better is not None and not _loses(arm, better, arms, must, material):
                changes.append(f"round {draft.round + 1}: {difference(arm, better)}, because of {wrong.why}")
                arms[index] = better
                break
    if tuple(arms) == draft.arms:
        return None
    return Draft(draft.strategy, tuple(arms), draft.round + 1, tuple(changes))


def _loses(old: Arm, new: Arm, arms: Sequence[Arm], must: Sequence[Wrong], material: Material) -> bool:
    """Whether some request that had to be hit, and was, would be missed with `new` in the place of `old`."""
    others = [arm for arm in arms if arm is not old]
    return any(
        _fires(old, wrong.view, material)
        and not _fires(new, wrong.view, material)
        and not any(_fires(arm, wrong.view, material) for arm in others)
        for wrong in must
    )


def _fires(arm: Arm, view: HttpView, material: Material) -> bool:
    return compile_tree(arm_tree(arm), material.classes)(view) is True


def _narrow(arm: Arm, hits: Sequence[Wrong], material: Material, must: Sequence[Wrong]) -> Arm | None:
    """Add the facet that silences most of `hits`, until none is left."""
    pool = [facet for facet in material.of_all(arm.made_for) if facet not in arm.facets]
    keep = [w.view for w in must if w.poc in arm.made_for and _fires(arm, w.view, material)]
    left = list(hits)
    for _ in range(4):
        best: tuple[tuple[float, ...], Facet] | None = None
        for facet in pool:
            if facet.kind == "endpoint" and any(f.kind == "endpoint" and f.depth >= facet.depth for f in arm.facets):
                continue
            ask = compile_tree(facet.tree, material.classes)
            silenced = sum(1 for wrong in left if ask(wrong.view) is not True)
            if not silenced:
                continue
            lost = sum(1 for view in keep if ask(view) is not True)
            score = (silenced == len(left), -lost, silenced, -float(ADD_ORDER.index(facet.kind)), facet.bits)
            if best is None or score > best[0]:
                best = (score, facet)
        if best is None:
            return None
        arm = arm.with_facet(best[1])
        left = [wrong for wrong in left if _fires(arm, wrong.view, material)]
        if not left:
            return arm
        pool = [facet for facet in pool if facet not in arm.facets]
    return None


def _widen(arm: Arm, wrong: Wrong, material: Material, hits: Sequence[Wrong]) -> Arm | None:
    """Replace or drop each facet that is false on the missed request."""
    for facet in arm.facets:
        if compile_tree(facet.tree, material.classes)(wrong.view) is True:
            continue
        swaps = [
            other
            for other in material.facets[arm.poc]
            if other.kind in (facet.kind, "anywhere" if facet.kind == "payload" else facet.kind)
            and other not in arm.facets
            and compile_tree(other.tree, material.classes)(wrong.view) is True
        ]
        best = max(swaps, key=lambda other: other.bits, default=None)
        wider = arm.without(facet)
        if best is not None:
            wider = wider.with_facet(best)
        if not wider.facets or wider.bits < LEAST_BITS:
            return None
        arm = wider
    if not _fires(arm, wrong.view, material) or any(_fires(arm, hit.view, material) for hit in hits):
        return None
    return arm


def difference(old: Arm, new: Arm) -> str:
    """Say what a change of an arm added and dropped."""
    added = [facet.label for facet in new.facets if facet not in old.facets]
    gone = [facet.label for facet in old.facets if facet not in new.facets]
    parts = ([f"added {'; '.join(added)}"] if added else []) + ([f"dropped {'; '.join(gone)}"] if gone else [])
    return " and ".join(parts) or "reordered"
