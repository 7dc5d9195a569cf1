"""The agent ends within its steps with a rule that passed, a question that is open, or a reason that is true.

Whatever the policy: the tools check for themselves.
"""

import json
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ruleforge.app.detections import load_detections
from ruleforge.engine.event_watch import ask_stream
from ruleforge.errors import OutsideError
from ruleforge.ingest.event_cases import parse_case, read_case
from ruleforge.pipeline.event_agent import RESERVED, STEPS_MOST, Limits, Replayed, Waiting, replay, run_case
from ruleforge.pipeline.event_bench import Bench
from ruleforge.pipeline.event_papers import read_trace, write_trace
from ruleforge.records.event_case import QUESTIONS, REASONS_TO_STOP, CaseRun, Choice, EventCase, Step

FOLDER = Path(__file__).resolve().parents[2] / "examples" / "events"
ENDS = {
    "auth-close-numbers": ("escalated", "close_count", "count"),
    "auth-guessing": ("rule", "", "count"),
    "auth-spraying": ("rule", "", "distinct"),
    "auth-success-after-failures": ("rule", "", "sequence"),
    "cloud-key-used": ("gave_up", "indistinguishable", ""),
    "cloud-opened-to-everybody": ("rule", "", "single"),
    "cloud-refused-calls": ("rule", "", "distinct"),
    "cloud-trail-stopped": ("rule", "", "single"),
    "dns-made-up-domains": ("rule", "", "distinct"),
    "dns-one-domain": ("escalated", "indicator_only", "indicator"),
    "dns-tunnel": ("rule", "", "distinct"),
    "process-discovery-burst": ("rule", "", "distinct"),
    "process-download-and-run": ("rule", "", "single"),
    "process-encoded-powershell": ("rule", "", "single"),
    "flow-port-scan": ("rule", "", "distinct"),
    "process-fetched-then-run": ("rule", "", "sequence"),
    "process-reverse-shell": ("rule", "", "single"),
    "process-shell-of-web-worker": ("rule", "", "single"),
    "process-tool-by-a-person": ("gave_up", "indistinguishable", ""),
    "request-traversal": ("rule", "", "request"),
}
QUICK = ("cloud-trail-stopped", "dns-one-domain", "process-tool-by-a-person")


def case_of(name: str) -> EventCase:
    return read_case(FOLDER / f"{name}.yaml")


def is_sound(run: CaseRun, bench: Bench) -> bool:
    """What must hold of any run, whoever chose."""
    outcome = run.outcome
    if outcome.outcome == "rule":
        assert run.rule is not None
        contender = next(one for one in bench.contenders.values() if one.rule == run.rule)
        assert contender.passed
        assert bench.open_questions(contender) == ()
        assert all(ask_stream(run.rule, one.items) is True for one in bench.case.malicious)
        assert not any(ask_stream(run.rule, one.items) is True for one in bench.case.benign)
    elif outcome.outcome == "escalated":
        assert outcome.reason in QUESTIONS
    else:
        assert outcome.outcome == "gave_up"
        assert outcome.reason in REASONS_TO_STOP
    return True


def test_every_example_case_has_an_end_written_down() -> None:
    assert len(ENDS) >= 18
    assert sorted(ENDS) == sorted(file.stem for file in FOLDER.glob("*.yaml"))


@pytest.mark.parametrize("name", ENDS)
def test_a_case_ends_as_it_should(name: str) -> None:
    bench = Bench(case_of(name))
    run = run_case(bench)
    assert (run.outcome.outcome, run.outcome.reason, run.outcome.strategy) == ENDS[name]
    assert is_sound(run, bench)
    assert len(run.steps) < RESERVED
    assert run.outcome.policy == "embedded"


@pytest.mark.parametrize("name", QUICK)
def test_a_trace_replays_to_the_same_outcome(name: str, tmp_path: Path) -> None:
    bench = Bench(case_of(name))
    run = run_case(bench)
    write_trace(run, bench, tmp_path)
    steps = read_trace(tmp_path / "trace.ndjson")
    assert [(step.choice, step.digest) for step in steps] == [(step.choice, step.digest) for step in run.steps]
    again, differ = replay(Bench(case_of(name)), steps)
    assert differ == ()
    assert msgspec.structs.replace(again.outcome, policy=run.outcome.policy) == run.outcome
    lines = [json.loads(line) for line in (tmp_path / "trace.ndjson").read_text().splitlines()]
    assert lines[0]["digest"] == bench.case.digest
    assert lines[-1]["outcome"]["outcome"] == run.outcome.outcome


def test_a_replay_says_where_the_case_is_another_one() -> None:
    run = run_case(Bench(case_of("cloud-trail-stopped")))
    other = msgspec.structs.replace(
        case_of("cloud-trail-stopped"), malicious=case_of("cloud-trail-stopped").malicious[:2]
    )
    _, differ = replay(Bench(other), run.steps)
    assert 1 in differ


IDS = st.sampled_from(["", "c1", "c2", "c9", "f00000000", "../x"])
CHOICES = st.builds(
    Choice,
    tool=st.sampled_from(["propose", "compose", "refine", "test", "similar", "escalate", "give_up", "finish"]),
    strategy=st.sampled_from(["", "single", "arms", "count", "indicator", "evil"]),
    facets=st.lists(IDS, max_size=3).map(tuple),
    candidate=IDS,
    question=st.sampled_from(["", *QUESTIONS]),
    reason=st.sampled_from(["", *REASONS_TO_STOP]),
)


class Wild:
    """Chooses whatever it was given, for as long as it is asked, and picks real facets now and then."""

    name = "wild"

    def __init__(self, choices: Sequence[Choice]) -> None:
        self.choices = choices

    def choose(self, bench: Bench, steps: Sequence[Step], _left: int) -> Choice:
        choice = self.choices[len(steps) % len(self.choices)]
        known = tuple(bench.facets())[: len(choice.facets)]
        return msgspec.structs.replace(choice, facets=known) if len(steps) % 3 == 0 and known else choice


@settings(max_examples=60)
@given(st.lists(CHOICES, min_size=1, max_size=12), st.integers(-3, 80), st.sampled_from(QUICK))
def test_whoever_chooses_the_steps_are_bounded_and_the_end_is_sound(
    choices: list[Choice], most: int, name: str
) -> None:
    bench = Bench(case_of(name))
    run = run_case(bench, Wild(choices), Limits(steps=most))
    assert len(run.steps) <= max(1, most)
    assert is_sound(run, bench)
    if most > RESERVED:
        assert run.outcome.outcome == ENDS[name][0]


def test_a_policy_that_wastes_all_its_steps_ends_where_none_would_have() -> None:
    wasted = Wild([Choice(tool="give_up", reason="no_candidate")])
    bench = Bench(case_of("cloud-trail-stopped"))
    run = run_case(bench, wasted, Limits(steps=40))
    assert run.outcome.outcome == "rule"
    assert [step.by for step in run.steps[:10]] == ["wild"] * 10
    assert not any(step.accepted for step in run.steps[:10])
    alone = run_case(Bench(case_of("cloud-trail-stopped")))
    assert run.rule == alone.rule


def test_no_bound_lets_more_steps_than_the_greatest() -> None:
    run = run_case(
        Bench(case_of("cloud-trail-stopped")), Wild([Choice(tool="similar", candidate="c9")]), Limits(steps=10**6)
    )
    assert len(run.steps) <= STEPS_MOST


def test_time_is_a_bound_too() -> None:
    ticks = iter(range(100))
    run = run_case(Bench(case_of("cloud-trail-stopped")), limits=Limits(seconds=2.5), clock=lambda: next(ticks))
    assert (run.outcome.outcome, run.outcome.reason) == ("gave_up", "out_of_steps")
    assert len(run.steps) == 2


def test_a_policy_that_fails_is_taken_over_from() -> None:
    class Broken:
        name = "broken"

        def choose(self, *_: object) -> Choice:
            raise OutsideError("the provider is gone", code="RF551")

    run = run_case(Bench(case_of("cloud-trail-stopped")), Broken())
    assert run.outcome.outcome == "rule"
    assert run.outcome.policy == "broken (RF551, then embedded)"


def test_a_policy_may_wait_and_nothing_is_made_up() -> None:
    class Slow:
        name = "slow"

        def choose(self, *_: object) -> Waiting:
            return Waiting("letters", "abc")

    run = run_case(Bench(case_of("cloud-trail-stopped")), Slow())
    assert (run.outcome.outcome, run.outcome.reason) == ("waiting", "abc")
    assert run.rule is None


def test_a_policy_that_has_nothing_to_say_is_followed_by_the_embedded_one() -> None:
    first = Replayed(
        (
            Step(
                number=1,
                by="person",
                choice=Choice(tool="propose", strategy="arms"),
                accepted=True,
                result={},
                digest="",
            ),
        )
    )
    run = run_case(Bench(case_of("cloud-trail-stopped")), first)
    assert [step.by for step in run.steps][:2] == ["person", "embedded"]
    assert run.outcome.outcome == "rule"


# --- questions and answers -----------------------------------------------------------------------------------------


def answered(name: str, **answers: bool) -> CaseRun:
    return run_case(Bench(msgspec.structs.replace(case_of(name), answers=answers)))


def test_an_answer_of_yes_makes_the_rule() -> None:
    run = answered("dns-one-domain", indicator_only=True)
    assert (run.outcome.outcome, run.outcome.strategy) == ("rule", "indicator")
    assert answered("auth-close-numbers", close_count=True).outcome.outcome == "rule"


def test_an_answer_of_no_ends_without_a_rule_and_says_why() -> None:
    for name, question in (("dns-one-domain", "indicator_only"), ("auth-close-numbers", "close_count")):
        outcome = answered(name, **{question: False}).outcome
        assert (outcome.outcome, outcome.reason) == ("gave_up", "declined")


def test_few_examples_are_a_question() -> None:
    case = case_of("cloud-trail-stopped")
    few = msgspec.structs.replace(case, benign=case.benign[:2])
    outcome = run_case(Bench(few)).outcome
    assert (outcome.outcome, outcome.reason) == ("escalated", "few_examples")


def test_a_rule_that_is_there_already_is_a_question() -> None:
    known = load_detections().rules
    outcome = run_case(Bench(case_of("auth-spraying"), known=known)).outcome
    assert (outcome.outcome, outcome.reason) == ("escalated", "duplicate")
    assert "RF-AUTH-PASSWORD-SPRAYING" in outcome.similar


def test_the_rule_of_the_same_case_is_no_duplicate() -> None:
    rule = run_case(Bench(case_of("cloud-trail-stopped"))).rule
    assert rule is not None
    assert run_case(Bench(case_of("cloud-trail-stopped"), known=[rule])).outcome.outcome == "rule"
    other = msgspec.structs.replace(rule, id="OTHER")
    assert run_case(Bench(case_of("cloud-trail-stopped"), known=[other])).outcome.reason == "duplicate"


def test_what_ordinary_logs_hold_is_kept_out_or_there_is_no_rule() -> None:
    case = case_of("process-shell-of-web-worker")
    plain = run_case(Bench(case))
    assert plain.rule is not None
    log = parse_case(
        b"""
case: 1
id: LOG
event: process
malicious:
  - fields: {process.name: cmd.exe, process.command_line: cmd.exe /c run.bat, parent.name: w3wp.exe}
""",
        "log",
    )
    assert ask_stream(plain.rule, log.malicious[0].items) is True
    bench = Bench(case, logs=[log.malicious[0].items])
    run = run_case(bench)
    assert run.rule is None or ask_stream(run.rule, log.malicious[0].items) is not True
    assert is_sound(run, bench)
