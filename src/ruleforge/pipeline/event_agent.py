"""The agent for events: a policy picks one typed tool after the other, within a bound, and every step is written down.

The embedded policy needs no model. Another one may go first; what it leaves undone the embedded one does with the steps
that are kept for it, so a policy that is talked into something ends where no policy would have.
"""

import time
from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec

from ruleforge.errors import RuleForgeError
from ruleforge.pipeline.event_bench import Bench, Contender, digest_of
from ruleforge.records.event_case import REASONS_TO_STOP, CaseOutcome, CaseRun, Choice, Step
from ruleforge.rules.render import render_sentence
from ruleforge.validate.event_checks import survival

STEPS_MOST = 200
STEPS = 60  # of one case
RESERVED = 30  # of these, for the embedded policy: more than it ever needs
SECONDS = 120.0
REFINED_MOST = 4  # times for one strategy
EMBEDDED = "embedded"


class Waiting(msgspec.Struct, frozen=True):
    """A policy has asked somebody who has not answered yet."""

    where: str
    id: str = ""


class Policy(Protocol):
    """Who picks the next tool."""

    name: str

    def choose(self, bench: Bench, steps: Sequence[Step], left: int) -> Choice | Waiting | None:
        """Pick the next call; None: nothing more to say, the embedded policy goes on.

        Args:
            bench: for looking only.
            steps: what was done so far, with results.
            left: steps that this policy still has.
        """
        ...


class Limits(msgspec.Struct, frozen=True):
    """Bounds of one case."""

    steps: int = STEPS
    seconds: float = SECONDS


def run_case(
    bench: Bench,
    policy: Policy | None = None,
    limits: Limits | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> CaseRun:
    """Work on one case until there is a rule, a question for a person, or a reason to stop.

    Args:
        bench: the case with its tools.
        policy: who goes first; None: the embedded policy alone.
        limits: steps (all policies together), and seconds, which each policy has for itself; checked before each step.
        clock: seconds.
    """
    limits = limits or Limits()
    most, end = min(max(limits.steps, 1), STEPS_MOST), clock() + limits.seconds
    own = Embedded()
    first_most = max(0, most - RESERVED) if policy is not None else 0
    steps: list[Step] = []
    told = "" if policy is None else policy.name
    current: Policy = own if policy is None or not first_most else policy
    while len(steps) < most:
        is_late = clock() >= end
        if current is own and is_late:
            break
        if current is not own and (is_late or len(steps) >= first_most):
            current, end = own, clock() + limits.seconds  # an answer that took long must not cost the rule
        try:
            choice = current.choose(bench, steps, (first_most if current is not own else most) - len(steps))
        except RuleForgeError as problem:
            if current is own:
                raise
            told, current = f"{told} ({problem.code}, then {EMBEDDED})", own
            end = clock() + limits.seconds
            continue
        if isinstance(choice, Waiting):
            return _ended(bench, steps, "waiting", choice.id, f"an answer is looked for in {choice.where}", told)
        if choice is None:
            if current is own:
                break
            current, end = own, clock() + limits.seconds
            continue
        accepted, result = bench.call(choice)
        steps.append(
            Step(
                number=len(steps) + 1,
                by=current.name,
                choice=choice,
                accepted=accepted,
                result=result,
                digest=digest_of(result),
            )
        )
        if accepted and choice.tool in _ENDS:
            return _finished(bench, steps, choice, told or own.name)
    return _ended(bench, steps, "gave_up", "out_of_steps", REASONS_TO_STOP["out_of_steps"], told or own.name)


_ENDS = ("finish", "escalate", "give_up")


def _finished(bench: Bench, steps: Sequence[Step], choice: Choice, policy: str) -> CaseRun:
    result = steps[-1].result
    contender = bench.contenders.get(choice.candidate)
    if choice.tool == "finish":
        return _ended(bench, steps, "rule", "", "", policy, contender)
    if choice.tool == "escalate":
        return _ended(bench, steps, "escalated", choice.question, str(result["text"]), policy, contender)
    detail = ". ".join(filter(None, (str(result["text"]).rstrip("."), str(result["detail"]))))
    return _ended(bench, steps, "gave_up", choice.reason, detail, policy)


def _ended(
    bench: Bench,
    steps: Sequence[Step],
    how: str,
    reason: str,
    detail: str,
    policy: str,
    contender: Contender | None = None,
) -> CaseRun:
    outcome = CaseOutcome(
        case=bench.case.id,
        event=bench.case.event,
        source=bench.case.source,
        outcome=how,  # type: ignore[arg-type]  # the words of this module
        reason=reason,
        detail=detail,
        rule=contender.rule.id if contender else "",
        strategy=contender.strategy if contender else "",
        sentence=render_sentence(contender.rule) if contender else "",
        steps=len(steps),
        candidates=len(bench.contenders),
        similar=tuple(one.rule for one in (contender.similar or ())) if contender else (),
        policy=policy,
    )
    return CaseRun(outcome=outcome, steps=tuple(steps), rule=contender.rule if contender else None)


class Embedded:
    """The policy without a model: every strategy in order, each refined by what it missed; the best that passed."""

    name = EMBEDDED

    def choose(self, bench: Bench, steps: Sequence[Step], left: int) -> Choice | None:
        """Pick the next call by what is known; it looks at the bench alone, so it can take over at any step."""
        if bench.indistinguishable:
            return Choice(tool="give_up", reason="indistinguishable")
        untested = next((c.id for c in bench.contenders.values() if c.trial is None), None)
        if untested is not None:
            return Choice(tool="test", candidate=untested)
        best = self._best(bench)
        if best is not None and survival(best.trial) == 1.0 if best and best.trial else False:
            assert best is not None
            return self._end_with(bench, best)
        again = self._refinement(bench, steps)
        if again is not None and left > 2:
            return again
        strategy = next((s for s in bench.strategies if s not in bench.proposed), None)
        if strategy is not None and not (strategy == "indicator" and best is not None):
            return Choice(tool="propose", strategy=strategy)
        if best is not None:
            return self._end_with(bench, best)
        return Choice(tool="give_up", reason=bench.reason_to_stop())

    def _best(self, bench: Bench) -> Contender | None:
        """The candidate that passed with most variants hit; of equals the one of the earlier strategy."""
        passed = [c for c in bench.contenders.values() if c.passed and not bench.declined(c)]
        order = (*bench.strategies, "composed")

        def worth(contender: Contender) -> tuple[bool, float, int]:
            is_name = contender.draft is not None and contender.draft.is_indicator
            return (is_name, -survival(contender.trial) if contender.trial else 0.0, order.index(contender.strategy))

        return min(passed, key=worth, default=None)

    def _end_with(self, bench: Bench, best: Contender) -> Choice:
        if best.similar is None:
            return Choice(tool="similar", candidate=best.id)
        asked = bench.open_questions(best)
        if asked:
            return Choice(tool="escalate", candidate=best.id, question=asked[0])
        return Choice(tool="finish", candidate=best.id)

    def _refinement(self, bench: Bench, steps: Sequence[Step]) -> Choice | None:
        """Leave out the facet that most variants contradict, of the last candidate of a strategy that missed some."""
        refined = {s.choice.candidate for s in steps if s.choice.tool == "refine"}
        count: dict[str, int] = {}
        for step in steps:
            if step.choice.tool == "refine" and step.choice.candidate in bench.contenders:
                strategy = bench.contenders[step.choice.candidate].strategy
                count[strategy] = count.get(strategy, 0) + 1
        for step in reversed(steps):
            contender = bench.contenders.get(step.choice.candidate)
            if step.choice.tool != "test" or contender is None or contender.id in refined:
                continue
            blame = step.result.get("blame")
            refinable = contender.strategy in bench.strategies and contender.draft is not None
            if blame and isinstance(blame, list) and refinable and count.get(contender.strategy, 0) < REFINED_MOST:
                return Choice(tool="refine", candidate=contender.id, facets=(str(blame[0]),))
        return None


class Replayed:
    """A policy that repeats the choices of a trace."""

    def __init__(self, steps: Sequence[Step], name: str = "") -> None:
        self.name = name or (steps[0].by if steps else EMBEDDED)
        self._steps = tuple(steps)

    def choose(self, _bench: Bench, steps: Sequence[Step], _left: int) -> Choice | None:
        """The choice at this place of the trace; None behind its end."""
        return self._steps[len(steps)].choice if len(steps) < len(self._steps) else None


def replay(bench: Bench, steps: Sequence[Step]) -> tuple[CaseRun, tuple[int, ...]]:
    """Repeat a trace on a fresh bench.

    Returns:
        The run, and the numbers of the steps whose results differ from those in the trace.
    """
    made: list[Step] = []
    for step in steps:
        accepted, result = bench.call(step.choice)
        made.append(msgspec.structs.replace(step, accepted=accepted, result=result, digest=digest_of(result)))
    differ = tuple(new.number for new, old in zip(made, steps, strict=True) if new.digest != old.digest)
    last = made[-1] if made else None
    if last is not None and last.accepted and last.choice.tool in _ENDS:
        return _finished(bench, made, last.choice, ""), differ
    return _ended(bench, made, "gave_up", "out_of_steps", REASONS_TO_STOP["out_of_steps"], ""), differ
