"""A model is asked each question several times, must cite what exists, and may be silent or wrong."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from ruleforge.cases.evidence import Evidence
from ruleforge.errors import OutsideError
from ruleforge.judge.llm_judge import LlmOpinion, LlmPending, ask_llm_judge
from ruleforge.llm.budget import Budget, Limits, Meter
from ruleforge.llm.door import Door
from ruleforge.llm.mailbox import Mailbox, letter_ids, put_answer, read_letter
from ruleforge.llm.provider import Ground, Reply
from ruleforge.records.advisory import Advisory
from ruleforge.rules.tree import Condition, Count, Rule


@pytest.fixture
def ask(rule: Rule, advisory: Advisory, evidence: Evidence) -> Any:
    """Ask about the rule of the fixtures through a door."""
    return lambda door, k=1, **more: ask_llm_judge(rule, advisory, evidence, door, k, **more)


def test_both_questions_are_asked_as_often_as_wanted(ask: Any, door_of: Any, says: Any, side_of: Any) -> None:
    values = iter([0.2, 0.4, 0.9, 0.1, 0.1, 0.3])
    door = door_of(lambda _call: says(next(values)))
    opinion = ask(door, 3)
    assert [side_of(call) for call in door.provider.asked] == ["miss"] * 3 + ["off_target"] * 3
    assert (opinion.miss.probability, opinion.miss.spread) == (0.4, 0.7)
    assert (opinion.off_target.probability, opinion.off_target.spread) == (0.1, 0.2)
    assert opinion.miss.samples == (0.2, 0.4, 0.9)
    assert len({call.id for call in door.provider.asked}) == 6
    assert opinion.calls == 6


def test_reasons_come_with_what_they_cite(ask: Any, door_of: Any, says: Any) -> None:
    opinion = ask(door_of([says(0.2, request="r2"), says(0.1)]))
    (reason,) = opinion.miss.reasons
    assert opinion.conditions[reason.condition] == 'the path ends with "/press/show.php"'
    assert opinion.requests[f"miss {reason.request}"] == "GET /press/print.php?file=../../etc/shadow"


@pytest.mark.parametrize(
    ("wrong", "right"), [('"r1"', '"r99"'), ('"c1"', '"c3"'), ("another page is not asked for", " " * 20)]
)
def test_what_cites_nothing_that_exists_is_asked_again(
    ask: Any, door_of: Any, says: Any, wrong: str, right: str
) -> None:
    door = door_of([says(0.9).replace(wrong, right), says(0.2), says(0.1)])
    opinion = ask(door)
    assert opinion.miss.probability == 0.2
    assert len(door.provider.asked) == 3
    assert "An earlier answer to this was refused" in door.provider.asked[1].written(bytes(32)).user


def test_a_model_may_say_that_it_cannot_tell(ask: Any, door_of: Any, says: Any) -> None:
    opinion = ask(door_of([says(None), says(None), says(0.4), says(0.1), says(None), says(0.3)]), 3)
    assert opinion.miss.probability is None  # most could not
    assert opinion.off_target.probability == 0.2


def test_a_failure_is_told_and_the_other_question_goes_on(ask: Any, door_of: Any, says: Any) -> None:
    opinion = ask(door_of([OutsideError("the server is busy", code="RF540"), says(0.3)]))
    assert opinion.miss.probability is None
    assert "the server is busy" in opinion.miss.problems[0]
    assert opinion.off_target.probability == 0.3


def test_what_the_budget_does_not_cover_is_told_so(
    rule: Rule, advisory: Advisory, evidence: Evidence, door_of: Any, says: Any
) -> None:
    door = Door(door_of([says(0.5)] * 9).provider, ground=Ground(bytes(32)), meter=Meter(Budget(run=Limits(calls=1))))
    opinion = ask_llm_judge(rule, advisory, evidence, door, 1)
    assert isinstance(opinion, LlmOpinion)
    assert (opinion.miss.probability, opinion.off_target.probability) == (0.5, None)
    assert "RF430" in opinion.off_target.problems[0]


def test_one_family_for_author_and_judge_is_warned_of(ask: Any, door_of: Any, says: Any) -> None:
    both = [says(0.1), says(0.1)]
    assert "same family" in ask(door_of(both, model="claude-9-small"), generator="claude-8-large").warnings[0]
    assert "not known" in ask(door_of(both, model="pear-1"), generator="claude-8-large").warnings[0]
    assert ask(door_of(both, model="gpt-9"), generator="claude-8-large").warnings == ()
    assert ask(door_of(both, model="claude-9-small")).warnings == ()  # the embedded generator is no model


def test_who_really_answered_counts(ask: Any, door_of: Any, says: Any) -> None:
    replies = [Reply(text=says(0.1), model="claude-9-small", tokens_in=5, tokens_out=2)] * 2
    opinion = ask(door_of(replies, model="router"), generator="claude-8-large")
    assert opinion.models == ("claude-9-small",)
    assert "same family" in opinion.warnings[0]
    assert opinion.tokens == 14


def test_a_rule_without_requests_is_not_put_to_a_model(
    rule: Rule, advisory: Advisory, evidence: Evidence, door_of: Any
) -> None:
    door = door_of([])
    for other, seen in [
        (rule, msgspec.structs.replace(evidence, exploits=())),
        (msgspec.structs.replace(rule, when=Count(Condition("path", "present"), ("source.address",), 60, 5)), evidence),
        (msgspec.structs.replace(rule, event="dns"), evidence),
    ]:
        opinion = ask_llm_judge(other, advisory, seen, door, 1)
        assert isinstance(opinion, LlmOpinion)
        assert opinion.miss.probability is None
        assert opinion.miss.problems
    assert door.provider.asked == []


def test_through_the_mailbox_an_opinion_is_pending_until_all_is_answered(ask: Any, says: Any, tmp_path: Path) -> None:
    ground = Ground(bytes(32))

    def door() -> Door:
        return Door(Mailbox(tmp_path, ground, now=lambda: 4e9), ground=ground)

    pending = ask(door(), 2)
    assert isinstance(pending, LlmPending)
    assert (len(pending.ids), pending.answered) == (4, 0)
    assert sorted(pending.ids) == letter_ids(tmp_path)
    for id_ in pending.ids[:3]:
        assert put_answer(tmp_path, id_, says(0.25).encode()) == ()
    (tmp_path / f"{pending.ids[3]}.answer.json").write_text(says(0.25, request="r77"))
    still = ask(door(), 2)
    assert (still.ids, still.answered) == (pending.ids[3:], 3)
    assert 'reasons[0].request is one of: r1, r2, r3, none; found "r77"' in still.problems
    assert put_answer(tmp_path, still.ids[0], says(0.75).encode()) == ()
    opinion = ask(door(), 2)
    assert (opinion.off_target.probability, opinion.off_target.spread) == (0.5, 0.5)
    assert {read_letter(tmp_path, id_).subject for id_ in letter_ids(tmp_path)} == {"CVE-2099-0001"}
