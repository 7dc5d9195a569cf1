"""From an advisory's exploit requests to first drafts: every request is covered by some arm."""

from collections.abc import Mapping, Sequence

import msgspec

from ruleforge.background.table import Background
from ruleforge.cases.anatomy import Anatomy
from ruleforge.engine.reference import compile_tree
from ruleforge.events.places import HttpView
from ruleforge.generate.draft import Arm, Draft, arm_tree
from ruleforge.generate.facet import Facet
from ruleforge.generate.facets import facets_of
from ruleforge.generate.strategies import GENERATORS, Strategy
from ruleforge.records.advisory import Advisory

MAX_ARMS = 16
FALLBACKS = ("endpoint_payload", "endpoint_literal", "magic_parameter", "endpoint_structure")


class Material(msgspec.Struct, frozen=True):
    """What the strategies work with, read once per advisory."""

    advisory: Advisory
    exploits: tuple[Anatomy, ...]
    facets: tuple[tuple[Facet, ...], ...]  # one tuple per exploit request
    free: tuple[bool, ...]  # per exploit request: the vulnerability has no endpoint
    classes: Mapping[str, int]


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
    return Material(advisory, tuple(exploits), tuple(found), tuple(free), classes)


def propose(material: Material) -> list[Draft]:
    """Write first drafts, one per strategy that applies, without duplicates, the strategies in their order."""
    drafts: list[Draft] = []
    for name, strategy in GENERATORS.items():
        arms = _cover(material, strategy)
        if arms and not any({a.facets for a in arms} == {a.facets for a in d.arms} for d in drafts):
            drafts.append(Draft(name, arms))
    return drafts


def _cover(material: Material, strategy: Strategy) -> tuple[Arm, ...]:
    """Cover the exploit requests greedily, in order; where `strategy` has nothing to say, a fallback speaks."""
    views = [HttpView(anatomy.poc.request) for anatomy in material.exploits]
    open_pocs = list(range(len(views)))
    arms: list[Arm] = []
    applied = False
    while open_pocs and len(arms) < MAX_ARMS:
        poc = open_pocs[0]
        facets = strategy(material.facets[poc], material.free[poc])
        applied = applied or facets is not None
        for fallback in FALLBACKS:
            facets = facets or GENERATORS[fallback](material.facets[poc], material.free[poc])
        if not facets:
            open_pocs.pop(0)
            continue
        arm = Arm(poc, facets)
        ask = compile_tree(arm_tree(arm), material.classes)
        if ask(views[poc]) is not True:  # the strategy read the payload elsewhere than it asks for it
            open_pocs.pop(0)
            continue
        open_pocs = [other for other in open_pocs[1:] if ask(views[other]) is not True]
        arms.append(arm)
    return tuple(arms) if applied else ()
