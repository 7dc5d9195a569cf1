"""From an advisory's exploit requests to first drafts: every request is covered by some arm."""

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from ruleforge.background.table import Background
from ruleforge.cases.anatomy import Anatomy
from ruleforge.engine.reference import compile_tree
from ruleforge.events.places import HttpView
from ruleforge.generate.common import common_facets
from ruleforge.generate.draft import Arm, Draft, arm_tree, enough_bits
from ruleforge.generate.facet import Facet
from ruleforge.generate.facets import facets_of
from ruleforge.generate.strategies import ENDPOINT_BITS, GENERATORS, Strategy
from ruleforge.records.advisory import Advisory
from ruleforge.rules.tree import Condition

MAX_ARMS = 16
COMPARED_MOST = 24  # requests an arm may be made for together with its first
FALLBACKS = ("endpoint_payload", "endpoint_literal", "magic_parameter", "endpoint_structure")


def _closest(facets: Iterable[Facet]) -> tuple[Facet, ...]:
    """Leave out a mere piece of the path where a pattern says all that two paths share."""
    kept = tuple(facets)
    patterns = any(facet.kind == "endpoint" and _op(facet) == "regex" for facet in kept)
    return tuple(f for f in kept if not (patterns and f.kind == "endpoint" and _op(f) == "path_segments"))


def _op(facet: Facet) -> str:
    return facet.tree.op if isinstance(facet.tree, Condition) else ""


class Material(msgspec.Struct, frozen=True):
    """What the strategies work with, read once per advisory."""

    advisory: Advisory
    exploits: tuple[Anatomy, ...]
    facets: tuple[tuple[Facet, ...], ...]  # one tuple per exploit request
    free: tuple[bool, ...]  # per exploit request: the vulnerability has no endpoint
    classes: Mapping[str, int]
    alone: tuple[tuple[Facet, ...], ...] = ()  # those of `facets` that a request offers without the others

    @property
    def documents(self) -> int:
        """How many documents the exploit requests come from."""
        return len({anatomy.poc.source for anatomy in self.exploits})

    def own(self, poc: int) -> tuple[Facet, ...]:
        """What a request offers by itself."""
        return self.alone[poc] if self.alone else self.facets[poc]

    def of_all(self, pocs: Sequence[int]) -> tuple[Facet, ...]:
        """What the first of these requests offers and all others satisfy, too."""
        views = [HttpView(self.exploits[poc].poc.request) for poc in pocs[1:]]
        if not views:
            return self.facets[pocs[0]]
        asks = [(facet, compile_tree(facet.tree, self.classes)) for facet in self.facets[pocs[0]]]
        return tuple(facet for facet, ask in asks if all(ask(view) is True for view in views))

    def placed(self, poc: int) -> tuple[Facet, ...]:
        """What a request offers by itself, its endpoint as other documents have it where one names it well enough."""
        others = [a for a in self.exploits[:COMPARED_MOST] if a.poc.source != self.exploits[poc].poc.source]
        views = [HttpView(anatomy.poc.request) for anatomy in others]
        places = [f for f in self.facets[poc] if f.kind == "endpoint" and f.bits >= ENDPOINT_BITS]
        asks = [(facet, compile_tree(facet.tree, self.classes)) for facet in places]
        known = [facet for facet, ask in asks if any(ask(view) is True for view in views)]
        if not known:
            return self.own(poc)
        return _closest((*known, *(facet for facet in self.own(poc) if facet.kind != "endpoint")))


def gather(
    advisory: Advisory,
    exploits: Sequence[Anatomy],
    free: Sequence[bool],
    background: Background,
    classes: Mapping[str, int],
) -> Material:
    """Read the facets of every exploit request and keep those that hold on it."""
    found = []
    for anatomy in exploits:
        view = HttpView(anatomy.poc.request)
        offered = facets_of(anatomy, advisory, background)
        found.append(tuple(facet for facet in offered if compile_tree(facet.tree, classes)(view) is True))
    shared = common_facets(exploits, found, background, classes)
    together = tuple(_joined(own, extra) for own, extra in zip(found, shared, strict=True))
    return Material(advisory, tuple(exploits), together, tuple(free), classes, tuple(found))


def _joined(own: tuple[Facet, ...], extra: tuple[Facet, ...]) -> tuple[Facet, ...]:
    """What is shared is more general: first, but for endpoints, where the whole path stands first."""
    places = tuple(facet for facet in extra if facet.kind == "endpoint")
    return (*(facet for facet in extra if facet.kind != "endpoint"), *own, *places)


def propose(material: Material) -> list[Draft]:
    """Write first drafts, one per strategy that applies, without duplicates, the strategies in their order.

    Of several documents each strategy writes two: from what they have in common, and from each request by itself.
    """
    drafts: list[Draft] = []
    for name, strategy in GENERATORS.items():
        for together in (True, False) if material.documents > 1 else (False,):
            arms = _cover(material, strategy, together=together)
            if arms and not any({a.facets for a in arms} == {a.facets for a in d.arms} for d in drafts):
                drafts.append(Draft(name, arms, changes=tuple(_learned(arm) for arm in arms if arm.others)))
    return drafts


def _learned(arm: Arm) -> str:
    requests = ", ".join(str(poc + 1) for poc in arm.made_for)
    return f"round 0: from what exploit requests {requests} have in common"


def _cover(material: Material, strategy: Strategy, *, together: bool) -> tuple[Arm, ...]:
    """Cover the exploit requests greedily, in order; where `strategy` has nothing to say, a fallback speaks."""
    views = [HttpView(anatomy.poc.request) for anatomy in material.exploits]
    open_pocs = list(range(len(views)))
    arms: list[Arm] = []
    applied = False
    while open_pocs and len(arms) < MAX_ARMS:
        poc = open_pocs[0]
        arm = _common_arm(material, strategy, open_pocs, views) if together else None
        offered = material.placed(poc) if together else material.own(poc)
        facets = arm.facets if arm else strategy(offered, material.free[poc])
        applied = applied or facets is not None
        for fallback in FALLBACKS:
            facets = facets or GENERATORS[fallback](offered, material.free[poc])
        if not facets:
            open_pocs.pop(0)
            continue
        arm = arm or Arm(poc, facets)
        ask = compile_tree(arm_tree(arm), material.classes)
        if ask(views[poc]) is not True:  # the strategy read the payload elsewhere than it asks for it
            open_pocs.pop(0)
            continue
        open_pocs = [other for other in open_pocs[1:] if ask(views[other]) is not True]
        arms.append(arm)
    return tuple(arms) if applied else ()


def _common_arm(material: Material, strategy: Strategy, open_pocs: list[int], views: Sequence[HttpView]) -> Arm | None:
    """Write one arm for the first open request and as many of other documents as still give a surprising one."""
    poc = open_pocs[0]
    shared = material.facets[poc]
    best: Arm | None = None
    for other in open_pocs[1 : COMPARED_MOST + 1]:
        if material.exploits[other].poc.source == material.exploits[poc].poc.source:
            continue
        left = _closest(f for f in shared if compile_tree(f.tree, material.classes)(views[other]) is True)
        free = material.free[poc] and material.free[other]
        facets = strategy(left, free)
        if not facets:
            continue
        arm = Arm(poc, facets, (*(best.others if best else ()), other))
        holds = compile_tree(arm_tree(arm), material.classes)
        if arm.bits < enough_bits(arm, endpoint_free=free) or holds(views[poc]) is not True:
            continue
        if holds(views[other]) is True:
            best, shared = arm, left
    return best
