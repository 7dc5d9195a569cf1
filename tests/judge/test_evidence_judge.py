"""The judge's two probabilities follow the evidence, and its reasons name what they come from."""

import inspect
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ruleforge.cases.evidence import Case, Evidence, case
from ruleforge.events.request import Request
from ruleforge.judge.evidence_judge import VERSION, judge_rule
from ruleforge.records.forging import Opinion
from ruleforge.rules.classes import CLASSES, latest_version
from ruleforge.rules.tree import AllOf, AnyOf, Condition, Name, Rule, Tree

HIT, MISS = "/press/show.php?file=../../etc/shadow", "/press/print.php?file=../../etc/shadow"
ORDINARY = "/press/show.php?file=pears.txt"
PAGE = Condition("path", "path_suffix", b"/press/show.php")
TIGHT = AllOf((PAGE, Condition("args", "is_class", b"traversal", Name(b"file"))))
BROAD = AllOf((Condition("path", "present"), Condition("args", "is_class", b"traversal", Name(b"file"))))


def rule_of(tree: Tree) -> Rule:
    return Rule(id="RF-X-1", when=tree, classes=(("traversal", latest_version("traversal")),))


def sent(target: str, kind: str) -> Case:
    return case(Request(method=b"GET", target=target.encode()), kind, 0)


def evidence(**parts: Any) -> Evidence:
    whole: dict[str, Any] = {
        "advisory": "X",
        "product": "",
        "exploits": (sent(HIT, "exploit"),),
        "classes": {name: latest_version(name) for name in CLASSES},
    }
    return Evidence(**(whole | parts))


def variants(hit: int, missed: int, kind: str = "other_encoding") -> tuple[Case, ...]:
    return (*[sent(HIT, "kept") for _ in range(hit)], *[sent(MISS, kind) for _ in range(missed)])


def reasons(opinion: Opinion, question: str) -> str:
    return "\n".join(reason for reason in opinion.reasons if reason.startswith(f"{question}:"))


def test_the_judge_sees_the_rule_and_the_evidence_and_no_author() -> None:
    """Neither strategy nor rationale can persuade it: it is not told."""
    assert list(inspect.signature(judge_rule).parameters) == ["rule", "evidence"]
    assert judge_rule.__annotations__["rule"] in (Rule, "Rule")


def test_the_prose_of_a_rule_changes_nothing() -> None:
    plain = rule_of(TIGHT)
    told = Rule(
        id="RF-Y-1", when=TIGHT, classes=plain.classes, title="A perfect rule", author="a very good author",
        description="It never misses.", false_positives=("none whatever",),
    )  # fmt: skip
    given_evidence = evidence(variants=variants(3, 1), siblings=(sent(ORDINARY, "neutralised"),))
    assert judge_rule(plain, given_evidence) == judge_rule(told, given_evidence)


def test_an_opinion_names_its_judge() -> None:
    assert judge_rule(rule_of(TIGHT), evidence()).judge == VERSION


# --- p_miss -----------------------------------------------------------------------------------------------------------


@given(st.lists(st.integers(0, 20), min_size=2, max_size=5, unique=True))
def test_the_more_variants_are_missed_the_more_probable_is_a_miss(missed: list[int]) -> None:
    found = [judge_rule(rule_of(TIGHT), evidence(variants=variants(20 - n, n))).p_miss for n in sorted(missed)]
    numbers = [p for p in found if p is not None]
    assert len(numbers) == len(missed)
    assert all(one < two for one, two in pairwise(numbers))


def test_reasons_name_the_mutators_that_were_missed() -> None:
    found = judge_rule(
        rule_of(TIGHT), evidence(variants=(*variants(5, 2, "other_depth"), *variants(0, 1, "other_case")))
    )
    said = reasons(found, "p_miss")
    assert "other_depth 2" in said
    assert "other_case 1" in said
    assert "kept" not in said
    assert "3 of 8" in said


def test_more_unseen_variants_that_are_hit_make_the_judge_surer() -> None:
    few, many = (judge_rule(rule_of(TIGHT), evidence(variants=variants(n, 0))).p_miss for n in (1, 30))
    assert few is not None
    assert many is not None
    assert many < few


def test_without_any_exploit_misses_cannot_be_judged() -> None:
    found = judge_rule(rule_of(TIGHT), evidence(exploits=()))
    assert found.p_miss is None
    assert reasons(found, "p_miss")


def test_a_value_the_attacker_could_change_makes_a_miss_more_probable() -> None:
    exact = AllOf((PAGE, Condition("args", "equals", b"../../etc/shadow", Name(b"file"))))
    given_evidence = evidence(variants=variants(4, 0))
    one, two = judge_rule(rule_of(TIGHT), given_evidence).p_miss, judge_rule(rule_of(exact), given_evidence).p_miss
    assert one is not None
    assert two is not None
    assert two > one


# --- p_off_target -----------------------------------------------------------------------------------------------------


def test_firing_on_an_exploit_without_its_payload_is_off_target() -> None:
    given_evidence = evidence(siblings=(sent(ORDINARY, "neutralised"),))
    tight, loose = judge_rule(rule_of(TIGHT), given_evidence), judge_rule(rule_of(PAGE), given_evidence)
    assert tight.p_off_target is not None
    assert loose.p_off_target is not None
    assert loose.p_off_target > tight.p_off_target
    assert loose.p_off_target >= 0.5
    assert tight.p_off_target <= 0.1
    assert "1 of 1" in reasons(loose, "p_off_target")
    assert "silent" in reasons(tight, "p_off_target")


def test_firing_on_unseen_near_misses_is_off_target_and_they_are_named() -> None:
    near = (sent("/shop/basket?file=../../etc/shadow", "payload_elsewhere"), sent(ORDINARY, "ordinary_values"))
    tight, broad = (judge_rule(rule_of(tree), evidence(near_misses=near)) for tree in (TIGHT, BROAD))
    assert tight.p_off_target is not None
    assert broad.p_off_target is not None
    assert broad.p_off_target > tight.p_off_target
    assert "payload_elsewhere" in reasons(broad, "p_off_target")
    assert "ordinary_values" not in reasons(broad, "p_off_target")


@pytest.mark.parametrize("share", [1, 3, 6])
def test_the_share_of_near_misses_that_are_hit_counts(share: int) -> None:
    near = tuple(sent(HIT if n < share else ORDINARY, "near") for n in range(10))
    fewer = tuple(sent(HIT if n < share - 1 else ORDINARY, "near") for n in range(10))
    more, less = (judge_rule(rule_of(TIGHT), evidence(near_misses=n)).p_off_target for n in (near, fewer))
    assert more is not None
    assert less is not None
    assert more > less


def test_a_rule_that_reads_no_payload_says_so() -> None:
    found = judge_rule(rule_of(PAGE), evidence(near_misses=(sent("/", "page"),)))
    with_payload = judge_rule(rule_of(TIGHT), evidence(near_misses=(sent("/", "page"),)))
    assert found.p_off_target is not None
    assert with_payload.p_off_target is not None
    assert found.p_off_target > with_payload.p_off_target
    assert "payload" in reasons(found, "p_off_target")


def test_without_any_near_miss_correlation_cannot_be_judged() -> None:
    found = judge_rule(rule_of(TIGHT), evidence())
    assert found.p_off_target is None
    assert reasons(found, "p_off_target")


# --- both -------------------------------------------------------------------------------------------------------------

cases = st.lists(st.sampled_from((HIT, MISS, ORDINARY, "/")).map(lambda target: sent(target, "some_kind")), max_size=6)
some_evidence = st.builds(
    lambda exploits, variants, near, siblings: evidence(
        exploits=tuple(exploits), variants=tuple(variants), near_misses=tuple(near), siblings=tuple(siblings)
    ),
    cases,
    cases,
    cases,
    cases,
)


@given(some_evidence, st.sampled_from((TIGHT, PAGE, BROAD, Condition("args", "equals", b"x", Name(b"file")))))
def test_both_answers_are_probabilities_or_unknown_with_a_reason(given_evidence: Evidence, tree: Tree) -> None:
    found = judge_rule(rule_of(tree), given_evidence)
    for question, answer in (("p_miss", found.p_miss), ("p_off_target", found.p_off_target)):
        assert answer is None or 0.0 <= answer <= 1.0
        assert answer is not None or reasons(found, question), question
    assert found.reasons
    assert judge_rule(rule_of(tree), given_evidence) == found


SHOW, PRINT = (
    Condition("path", "path_suffix", b"/press/show.php"),
    Condition("path", "path_suffix", b"/press/print.php"),
)
TWO = {"exploits": (sent(HIT, "exploit"), sent(MISS, "exploit")), "documents": (0, 1)}


def test_a_list_of_what_each_author_showed_is_likelier_to_miss_the_next() -> None:
    listed = judge_rule(rule_of(AnyOf((SHOW, PRINT))), evidence(**TWO))
    shared = judge_rule(rule_of(Condition("args", "is_class", b"traversal", Name(b"file"))), evidence(**TWO))
    assert listed.p_miss is not None
    assert shared.p_miss is not None
    assert listed.p_miss > shared.p_miss + 0.2
    assert "2 of 2 documents are hit by an alternative of their own only" in reasons(listed, "p_miss")
    assert "documents" not in reasons(shared, "p_miss")


def test_one_author_may_list_shapes() -> None:
    listed = judge_rule(rule_of(AnyOf((SHOW, PRINT))), evidence(exploits=TWO["exploits"], documents=(0, 0)))
    assert "documents" not in reasons(listed, "p_miss")


@pytest.mark.parametrize(("value", "less"), [(b"../../etc/shadow", True), (b"../../etc/shadow" * 4, False)])
def test_agreement_on_a_short_value_speaks_for_a_rule_without_payload_class(value: bytes, less: bool) -> None:
    target = f"/press/show.php?file={value.decode()}"
    exploits = (sent(target, "exploit"), sent(target + "&page=2", "exploit"))
    rule = rule_of(AllOf((SHOW, Condition("args", "equals", value, Name(b"file")))))
    near = {"exploits": exploits, "near_misses": (sent(ORDINARY, "ordinary_values"),)}
    alone = judge_rule(rule, evidence(**near, documents=(0, 0))).p_off_target
    agreed = judge_rule(rule, evidence(**near, documents=(0, 1))).p_off_target
    assert alone is not None
    assert agreed is not None
    assert (agreed < alone) is less
