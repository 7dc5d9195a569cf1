"""A model as policy of the agent: it picks one typed tool call from a schema, and nothing else comes of what it says.

It sees sentences of ours with literals of the examples in them, framed as text of strangers. It writes no rule: it
names facets, candidates and strategies by ids that are enumerated, and every tool checks for itself.
"""

from collections.abc import Sequence
from typing import Annotated, Literal

import msgspec

from ruleforge.llm.door import Door, Pending, Question
from ruleforge.llm.prompt import Prompt, fixed, particular, untrusted
from ruleforge.llm.provider import Tuning
from ruleforge.pipeline.event_agent import Waiting
from ruleforge.pipeline.event_bench import COMPOSED_MOST, Bench
from ruleforge.records.event_case import QUESTIONS, REASONS_TO_STOP, Choice, EventCase, Step, Tool

FACETS_SHOWN = 60
SHOWN_STEPS = 12
TEXT_MOST = 2_000  # characters of the description
ANSWER_TOKENS = 400
NONE = ""  # an id that is not needed

TASK = """You make a detection rule for events of a machine or a cloud from examples, by calling one tool at a time. A
rule must hit every example of the attack, written in other ways, too, and no example of ordinary use. Prefer what the
attack cannot do without to what this attacker happened to choose."""

TOOLS = f"""The tools:
- propose: a candidate by one of the strategies that are listed as not tried.
- compose: a candidate that asks for 1 to {COMPOSED_MOST} of the listed facets together (single events only).
- refine: the candidate without the facets named.
- test: run every check on a candidate. `blame` names the facets that variants of the attack contradict.
- similar: rules that are there already and ask alike.
- escalate: put an open question about a candidate that passed to a person.
- give_up: only where there can be no rule, with the reason.
- finish: the candidate, which must have passed, becomes the rule.
A tool that does not fit refuses, and the step is gone. Answer with one JSON document that satisfies the schema. Leave
what the tool does not need empty."""

_Why = Literal["", "indistinguishable", "no_candidate", "no_candidate_passed", "untimed", "declined", "out_of_steps"]
_Asked = Literal["", "indicator_only", "few_examples", "duplicate", "close_count"]


class Picked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The answer: one call."""

    tool: Tool
    strategy: Annotated[str, msgspec.Meta(extra_json_schema={"x-ids": "strategy"})]
    facets: Annotated[
        tuple[Annotated[str, msgspec.Meta(extra_json_schema={"x-ids": "facet"})], ...], msgspec.Meta(max_length=8)
    ]
    candidate: Annotated[str, msgspec.Meta(extra_json_schema={"x-ids": "candidate"})]
    question: _Asked
    reason: _Why


class LlmPolicy:
    """Asks a model which tool to call next."""

    def __init__(self, door: Door) -> None:
        self._door = door
        self.name = f"llm {door.provider.url.partition(':')[0]}"
        self.calls = 0

    def choose(self, bench: Bench, steps: Sequence[Step], left: int) -> Choice | Waiting | None:
        """Ask for the next call.

        Raises:
            BudgetError: it would cost more than is left (RF430).
            OutsideError: the provider failed, or gave no valid answer (RF540).
        """
        answer = self._door.ask(question_of(bench, steps, left))
        if isinstance(answer, Pending):
            return Waiting(answer.where, answer.id)
        self.calls += answer.usage.calls
        picked = answer.value
        return Choice(
            tool=picked.tool,
            strategy=picked.strategy,
            facets=picked.facets,
            candidate=picked.candidate,
            question=picked.question,
            reason=picked.reason,
        )


def question_of(bench: Bench, steps: Sequence[Step], left: int) -> Question[Picked]:
    """Write down where the work on a case stands, and ask for the next call."""
    facets = dict(list(bench.facets().items())[:FACETS_SHOWN])
    case = bench.case
    parts = [
        fixed(TASK),
        fixed(TOOLS),
        particular(_about(bench, left)),
        untrusted("case", _told(case)),
        untrusted("facets", "\n".join(f"{name}: {facet.said}" for name, facet in facets.items()) or "none"),
        untrusted("candidates", "\n".join(_candidate(bench, name) for name in bench.contenders) or "none yet"),
        untrusted("last steps", "\n".join(map(_step, steps[-SHOWN_STEPS:])) or "none yet"),
    ]
    ids = {
        "strategy": (NONE, *(s for s in bench.strategies if s not in bench.proposed)),
        "facet": tuple(facets),
        "candidate": (NONE, *bench.contenders),
    }
    return Question(
        role="generate",
        subject=case.id[:80],
        prompt=Prompt(tuple(parts)),
        output=Picked,
        ids=ids,
        tuning=Tuning(output_most=ANSWER_TOKENS),
    )


def _about(bench: Bench, left: int) -> str:
    case = bench.case
    tried = ", ".join(s for s in bench.strategies if s in bench.proposed) or "none"
    untried = ", ".join(s for s in bench.strategies if s not in bench.proposed) or "none"
    questions = "\n".join(f"- {code}: {text}" for code, text in QUESTIONS.items())
    reasons = "\n".join(f"- {code}: {text}" for code, text in REASONS_TO_STOP.items())
    return (
        f"Events: {case.event}. Examples of the attack: {len(case.malicious)}; of ordinary use: {len(case.benign)}. "
        f"{'An example is a stream of events. ' if case.is_stream else ''}Steps left: {left}.\n"
        f"Strategies tried: {tried}. Not tried: {untried}.\nQuestions for a person:\n{questions}\n"
        f"Reasons to give up:\n{reasons}"
    )


def _told(case: EventCase) -> str:
    return f"{case.title}\n{case.description[:TEXT_MOST]}"


def _candidate(bench: Bench, name: str) -> str:
    contender = bench.contenders[name]
    state = "not tested" if contender.trial is None else "passed" if contender.passed else "failed"
    asks = [] if contender.draft is None else [f"{facet.id}: {facet.said}" for facet in contender.draft.facets]
    return f"{name} ({contender.strategy}, {state}): {'; '.join(asks)}"


def _step(step: Step) -> str:
    call = {key: value for key, value in msgspec.to_builtins(step.choice).items() if value}
    result = msgspec.json.encode(step.result, order="sorted").decode()[:1_500]
    return f"{step.number}. {call} {'' if step.accepted else 'REFUSED '}{result}"
