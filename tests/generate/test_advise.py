"""A draft is changed as the judge asks: a condition goes or comes, and a rule stays as surprising as it has to be."""

import pytest

from ruleforge.background.table import default_background
from ruleforge.cases.anatomy import dissect
from ruleforge.events.request import Request
from ruleforge.generate.advise import advised
from ruleforge.generate.draft import Arm, Draft, arm_tree, enough_bits
from ruleforge.generate.propose import Material, gather, propose
from ruleforge.ingest.roles import assign_roles
from ruleforge.records.advisory import Advisory, PocRequest
from ruleforge.records.forging import Advice
from ruleforge.rules.classes import CLASSES, latest_version
from ruleforge.rules.tree import conditions_of

TARGET = b"/orchard/press/show_crate.php?mode=pressview&crate=../../../etc/shadow"


@pytest.fixture(scope="module")
def material() -> Material:
    poc = PocRequest(request=Request(method=b"GET", target=TARGET, headers=((b"Host", b"press.example"),)))
    advisory = assign_roles(Advisory(id="CVE-2099-0009", sources=("x.yaml",), cwes=("CWE-22",), requests=(poc,)))
    exploits = [dissect(poc) for poc in advisory.requests]
    classes = {name: latest_version(name) for name in CLASSES}
    return gather(advisory, exploits, [False], default_background(), classes)


def arm_with(material: Material, *kinds: str) -> Arm:
    facets = [next(facet for facet in material.facets[0] if facet.kind == kind) for kind in kinds]
    return Arm(0, tuple(facets))


def kinds_of(draft: Draft | None) -> list[str]:
    assert draft is not None
    return sorted(facet.kind for facet in draft.arms[0].facets)


def test_a_condition_the_judge_minds_is_dropped_and_the_change_is_recorded(material: Material) -> None:
    arm = arm_with(material, "endpoint", "payload", "selector")
    minded = next(facet for facet in arm.facets if facet.kind == "selector")
    advice = Advice(action="drop", code="idle_condition", conditions=tuple(conditions_of(minded.tree)))
    changed = advised(Draft("s", (arm,)), advice, material)
    assert kinds_of(changed) == ["endpoint", "payload"]
    assert changed is not None
    assert changed.round == 1
    assert "dropped" in changed.changes[0]
    assert "because the judge said: a condition keeps out no harmless request" in changed.changes[0]


def test_a_payload_condition_is_added_where_none_is(material: Material) -> None:
    arm = arm_with(material, "endpoint")
    changed = advised(Draft("s", (arm,)), Advice(action="add_payload", code="fires_without_payload"), material)
    assert "payload" in kinds_of(changed) or "anywhere" in kinds_of(changed)


def test_an_endpoint_is_added_where_none_is(material: Material) -> None:
    arm = arm_with(material, "payload")
    changed = advised(Draft("s", (arm,)), Advice(action="add_endpoint", code="no_endpoint"), material)
    assert kinds_of(changed) == ["endpoint", "payload"]


@pytest.mark.parametrize("kind", ["endpoint", "payload"])
def test_the_endpoint_and_the_only_payload_are_never_dropped_for_nothing(material: Material, kind: str) -> None:
    arm = arm_with(material, "endpoint", "payload")
    minded = next(facet for facet in arm.facets if facet.kind == kind)
    advice = Advice(action="drop", code="misses_variant", conditions=tuple(conditions_of(minded.tree)))
    changed = advised(Draft("s", (arm,)), advice, material)
    assert changed is None or {"endpoint"} < set(kinds_of(changed))


def test_whatever_is_advised_every_arm_stays_surprising(material: Material) -> None:
    for draft in propose(material):
        asked = tuple(conditions_of(arm_tree(draft.arms[0])))
        advices = [Advice(action="drop", code="exact_value", conditions=(one,)) for one in asked]
        advices += [Advice(action="add_payload", code="fires_on_near_miss")]
        advices += [Advice(action="add_endpoint", code="not_surprising")]
        for advice in advices:
            changed = advised(draft, advice, material)
            for arm in changed.arms if changed is not None else ():
                assert arm.bits >= enough_bits(arm, endpoint_free=False)
