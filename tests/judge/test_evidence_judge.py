"""The judge's two probabilities follow the evidence, and its reasons name what they come from."""

import inspect
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ruleforge.background.table import default_background
from ruleforge.cases.evidence import Case
from ruleforge.judge.evidence_judge import bounded, judge_rule, mode_of
from ruleforge.judge.model import shipped_model
from ruleforge.pipeline.judging import Surroundings, judging_of
from ruleforge.records.forging import Opinion
from ruleforge.rules.tree import AllOf, AnyOf, Condition, Name, Rule, Tree

PAGE = Condition("path", "path_suffix", b"/press/show.php")
TRAVERSAL = Condition("args", "is_class", b"traversal", Name(b"file"))
TIGHT = AllOf((PAGE, TRAVERSAL))
EXACT = AllOf((PAGE, Condition("args", "equals", b"../../etc/shadow", Name(b"file"))))


@pytest.fixture(scope="session")
def variants(press: SimpleNamespace) -> Any:
    """So many variants that are hit, and so many that are missed."""

    def make(hit: int, missed: int) -> tuple[Case, ...]:
        kept = [press.sent(press.hit, "kept") for _ in range(hit)]
        return (*kept, *[press.sent(press.miss, "other_encoding") for _ in range(missed)])

    return make


def reasons(opinion: Opinion, question: str) -> str:
    return "\n".join(reason for reason in opinion.reasons if reason.startswith(f"{question}:"))


def test_the_judge_is_told_nothing_of_the_author() -> None:
    """Neither strategy nor rationale can persuade it: there is no way to hand them in."""
    assert set(inspect.signature(judge_rule).parameters) == {"rule", "evidence", "model", "without", "reasons"}


def test_the_prose_of_a_rule_changes_nothing(press: SimpleNamespace) -> None:
    plain = press.rule_of(TIGHT)
    told = Rule(
        id="RF-Y-1", when=TIGHT, classes=plain.classes, title="A perfect rule", author="a very good author",
        description="It never misses.", false_positives=("none whatever",),
    )  # fmt: skip
    shown = press.disclosed(press.hit)
    assert judge_rule(plain, shown) == judge_rule(told, shown)


def test_an_opinion_names_its_judge_and_what_was_measured(press: SimpleNamespace) -> None:
    found = judge_rule(press.rule_of(TIGHT), press.disclosed(press.hit))
    assert found.judge == shipped_model().judge
    assert found.features["replay_missed"] == 0.0
    assert "benign_hit" not in found.features  # no traffic was given: the fit without it answered


def test_an_opinion_survives_being_written_and_read(press: SimpleNamespace) -> None:
    found = judge_rule(press.rule_of(EXACT), press.disclosed(press.hit))
    assert msgspec.json.decode(msgspec.json.encode(found), type=Opinion) == found


# --- p_miss -----------------------------------------------------------------------------------------------------------


@given(st.lists(st.integers(0, 20), min_size=2, max_size=5, unique=True))
def test_the_more_variants_are_missed_the_more_probable_is_a_miss(
    press: SimpleNamespace, variants: Any, missed: list[int]
) -> None:
    rule = press.rule_of(TIGHT)
    found = [judge_rule(rule, press.evidence(variants=variants(20 - n, n))).p_miss for n in sorted(missed)]
    assert all(one is not None and two is not None and one <= two for one, two in pairwise(found))
    assert found[0] != found[-1]


def test_reasons_count_what_was_missed_and_name_the_way(press: SimpleNamespace, variants: Any) -> None:
    said = reasons(judge_rule(press.rule_of(TIGHT), press.evidence(variants=variants(5, 3))), "p_miss")
    assert "does not hold for 3 of 8" in said
    assert "other encoding" in said
    assert press.miss in said


def test_without_any_exploit_misses_cannot_be_judged(press: SimpleNamespace) -> None:
    found = judge_rule(press.rule_of(TIGHT), press.evidence(exploits=()))
    assert found.p_miss is None
    assert found.p_defect is None
    assert found.mode == "review"
    assert "cannot be judged" in reasons(found, "p_miss")


def test_a_rule_that_misses_its_own_exploit_is_likelier_to_miss_others(press: SimpleNamespace) -> None:
    other = AllOf((Condition("path", "path_suffix", b"/press/else.php"), TRAVERSAL))
    one, two = (judge_rule(press.rule_of(t), press.disclosed(press.hit)).p_miss for t in (TIGHT, other))
    assert one is not None
    assert two is not None
    assert two > one + 0.2


def test_a_value_the_attacker_could_change_makes_a_miss_more_probable(press: SimpleNamespace) -> None:
    one, two = (judge_rule(press.rule_of(t), press.disclosed(press.hit)).p_miss for t in (TIGHT, EXACT))
    assert one is not None
    assert two is not None
    assert two > one


# --- p_off_target -----------------------------------------------------------------------------------------------------


def test_firing_on_an_exploit_without_its_payload_is_off_target(press: SimpleNamespace) -> None:
    tight, loose = (judge_rule(press.rule_of(t), press.disclosed(press.hit)) for t in (TIGHT, PAGE))
    assert tight.p_off_target is not None
    assert loose.p_off_target is not None
    assert loose.p_off_target >= 0.5
    assert tight.p_off_target <= 0.1
    assert "1 of 1 exploits whose payload was replaced" in reasons(loose, "p_off_target")
    assert "silent on the one exploit with" in reasons(tight, "p_off_target")


@pytest.mark.parametrize("share", [1, 3, 6])
def test_every_near_miss_that_is_hit_counts_and_is_told(press: SimpleNamespace, share: int) -> None:
    def near(hit: int) -> tuple[Case, ...]:
        return tuple(press.sent(press.hit if n < hit else press.ordinary, "ordinary_values") for n in range(10))

    rule = press.rule_of(TIGHT)
    more, less = (judge_rule(rule, press.evidence(near_misses=near(hit))) for hit in (share, share - 1))
    assert more.p_off_target is not None
    assert less.p_off_target is not None
    assert more.p_off_target > less.p_off_target
    assert f"fires on {share} of 10 harmless look-alikes (ordinary values)" in reasons(more, "p_off_target")


def test_a_rule_that_reads_no_payload_says_so(press: SimpleNamespace) -> None:
    found, tight = (judge_rule(press.rule_of(t), press.disclosed(press.hit)) for t in (PAGE, TIGHT))
    assert "no condition reads what makes the request an attack" in reasons(found, "p_off_target")
    assert "no condition reads" not in reasons(tight, "p_off_target").lower()
    assert found.mode != "block"
    assert (found.unread, tight.unread) == ("no condition reads what makes the request an attack", "")
    assert not found.thin  # it is known well what such a rule does


def test_without_any_harmless_request_correlation_cannot_be_judged(press: SimpleNamespace) -> None:
    found = judge_rule(press.rule_of(TIGHT), press.evidence(variants=(press.sent(press.hit, "kept"),)))
    assert found.p_off_target is None
    assert found.mode == "count"
    assert "cannot be judged" in reasons(found, "p_off_target")
    assert found.thin


def test_what_is_withheld_is_neither_measured_nor_used(press: SimpleNamespace) -> None:
    shown = press.disclosed(press.hit)
    whole = judge_rule(press.rule_of(PAGE), shown)
    less = judge_rule(press.rule_of(PAGE), shown, without=("near", "neutral", "cross", "benign"))
    assert "neutral_hit" in whole.features
    assert not {"neutral_hit", "near_hit", "guard"} & set(less.features)
    assert whole.p_off_target != less.p_off_target


# --- modes ------------------------------------------------------------------------------------------------------------

LIMITS = shipped_model().thresholds
MISS, COUNT, BLOCK = LIMITS["count"]["miss"], LIMITS["count"]["off"], LIMITS["block"]["off"]


@pytest.mark.parametrize(
    ("p_miss", "p_off", "thin", "mode"),
    [
        (0.0, 0.0, "", "block"),
        (MISS, BLOCK, "", "block"),
        (0.0, 0.0, "little is known", "count"),
        (0.0, COUNT, "", "count"),
        (0.0, COUNT + 0.01, "", "review"),
        (MISS + 0.01, COUNT, "", "review"),
        (None, 0.0, "", "review"),
        (MISS + 0.01, 0.0, "", "review"),
        (None, COUNT, "", "review"),
        (0.0, None, "", "count"),
        (MISS + 0.01, None, "", "review"),
        (None, None, "", "review"),
    ],
)
def test_the_mode_is_the_strictest_whose_gate_is_passed(
    p_miss: float | None, p_off: float | None, thin: str, mode: str
) -> None:
    assert mode_of(p_miss, p_off, thin, shipped_model()) == mode


@pytest.mark.parametrize(("tree", "blocks"), [(TIGHT, True), (PAGE, False), (EXACT, False)])
def test_a_bad_rule_may_not_block(press: SimpleNamespace, tree: Tree, blocks: bool) -> None:
    assert (judge_rule(press.rule_of(tree), press.disclosed(press.hit)).mode == "block") is blocks


def test_without_reasons_the_answers_are_the_same(press: SimpleNamespace) -> None:
    for tree in (TIGHT, PAGE, EXACT):
        full, short = (
            judge_rule(press.rule_of(tree), press.disclosed(press.hit), reasons=wanted) for wanted in (True, False)
        )
        bare = msgspec.structs.replace(full, reasons=(), chain=(), features={})
        assert short == bare


# --- both -------------------------------------------------------------------------------------------------------------


@given(
    st.lists(st.lists(st.integers(0, 3), max_size=6), min_size=4, max_size=4),
    st.sampled_from((TIGHT, PAGE, AnyOf((PAGE, TRAVERSAL)), Condition("args", "equals", b"x", Name(b"file")))),
)
def test_both_answers_are_probabilities_or_unknown_with_a_reason(
    press: SimpleNamespace, given_cases: list[list[int]], tree: Tree
) -> None:
    targets = (press.hit, press.miss, press.ordinary, "/")
    exploits, variants, near, neutral = (tuple(press.sent(targets[n], "kind") for n in each) for each in given_cases)
    shown = press.evidence(exploits=exploits, variants=variants, near_misses=near, siblings=neutral)
    found = judge_rule(press.rule_of(tree), shown)
    for question, answer in (("p_miss", found.p_miss), ("p_off_target", found.p_off_target)):
        assert answer is None or 0.0 <= answer <= 1.0
        assert answer is not None or reasons(found, question), question
    assert found.reasons
    assert judge_rule(press.rule_of(tree), shown) == found


probability = st.floats(0, 1)


@given(probability, st.none() | probability, st.none() | probability)
def test_either_defect_is_as_probable_as_its_parts_allow(
    p_any: float, p_miss: float | None, p_off: float | None
) -> None:
    found = bounded(p_any, p_miss, p_off)
    known = [p for p in (p_miss, p_off) if p is not None]
    assert found is not None
    assert found >= max(known, default=0.0) - 1e-4
    if len(known) == 2:
        assert found <= min(1.0, sum(known)) + 1e-4
    assert bounded(None, p_miss, p_off) is None


def test_an_exploit_that_also_carries_a_session_is_no_harmless_request_where_nothing_says_that_it_needs_none(
    press: SimpleNamespace,
) -> None:
    advisory = press.disclosed("/press/show.php?fruit=pear").disclosure
    lacking = msgspec.structs.replace(advisory, cwes=("CWE-306",))
    for one, counted in ((msgspec.structs.replace(advisory, cwes=("CWE-1",)), False), (lacking, True)):
        shown = judging_of(one, Surroundings(default_background()))
        kinds = {case.kind for case in (*shown.near_misses, *shown.seen_near)}
        assert ("signed_in" in kinds) is counted
