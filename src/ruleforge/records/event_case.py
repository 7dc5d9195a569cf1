"""A case: what an attack looks like in events, beside ordinary ones, and how the agent dealt with it."""

from collections.abc import Mapping
from typing import Literal, TypeAlias

import msgspec

from ruleforge.events.event import Event
from ruleforge.events.kinds import HTTP
from ruleforge.events.request import Request
from ruleforge.rules.tree import Rule

Item: TypeAlias = Event | Request
Ending = Literal["rule", "escalated", "gave_up", "waiting", "failed"]
Tool = Literal["propose", "compose", "refine", "test", "similar", "escalate", "give_up", "finish"]


class Example(msgspec.Struct, frozen=True):
    """Events that belong together, in order: one, or a stream that shows the attack (or is harmless) as a whole."""

    name: str
    items: tuple[Item, ...]


class EventCase(msgspec.Struct, frozen=True, kw_only=True):
    """One document about one attack. Everything in it was written by strangers."""

    id: str  # as the id of a rule may be
    event: str  # a key of EVENTS
    malicious: tuple[Example, ...]  # at least one; a rule has to hit every one of them
    benign: tuple[Example, ...] = ()  # a rule must not hit any
    title: str = ""
    description: str = ""
    severity: str = "unknown"
    attack: tuple[str, ...] = ()  # ATT&CK technique ids
    cves: tuple[str, ...] = ()
    references: tuple[str, ...] = ()
    false_positives: tuple[str, ...] = ()
    by: tuple[str, ...] = ()  # fields that say what belongs together, where the author knows
    answers: Mapping[str, bool] = {}  # to questions, a key of QUESTIONS each; of a case's own only a no counts
    digest: str = ""  # sha256 of the document
    source: str = ""  # its file

    @property
    def is_stream(self) -> bool:
        """Whether some example of the attack takes several events."""
        return self.event != HTTP and any(len(example.items) > 1 for example in self.malicious)


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """One call of one tool, as a policy wants it. Only what the tool needs is read."""

    tool: Tool
    strategy: str = ""  # propose
    facets: tuple[str, ...] = ()  # compose: what to ask for; refine: what to leave out
    candidate: str = ""  # refine, test, similar, escalate, finish
    question: str = ""  # escalate: a key of QUESTIONS
    reason: str = ""  # give_up: a key of REASONS_TO_STOP


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a trace. There is no clock in it: the same choices give the same lines."""

    number: int  # from 1
    by: str  # name of the policy that chose
    choice: Choice
    accepted: bool  # False: the tool refused, and nothing changed
    result: Mapping[str, object]
    digest: str  # of the result, so that a replay can be compared


class CaseOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """How one case ended."""

    case: str
    event: str
    source: str
    outcome: Ending
    reason: str = ""  # a key of QUESTIONS for "escalated", of REASONS_TO_STOP for "gave_up", a code for "failed"
    detail: str = ""
    rule: str = ""  # id of the rule; also of the one that waits for a person's answer
    strategy: str = ""
    sentence: str = ""  # what the rule says, for people
    steps: int = 0
    candidates: int = 0
    similar: tuple[str, ...] = ()  # ids of rules that ask alike
    policy: str = ""


class CaseRun(msgspec.Struct, frozen=True, kw_only=True):
    """An outcome with the rule and the steps that led to it."""

    outcome: CaseOutcome
    steps: tuple[Step, ...] = ()
    rule: Rule | None = None


QUESTIONS: dict[str, str] = {
    "indicator_only": "Only a name that the attacker picked tells these events from ordinary ones; it will change. "
    "Is a rule on that name wanted?",
    "few_examples": "There are too few examples to know what is ordinary: fewer than two of the attack or three of "
    "ordinary use. Do the examples show what matters?",
    "duplicate": "A rule that is there already hits every example of the attack and none of ordinary use. "
    "Is another one wanted?",
    "close_count": "Ordinary use comes within half of the number that the attack reaches. Is that number right?",
}

REASONS_TO_STOP: dict[str, str] = {
    "indistinguishable": "An example of the attack says the same as an example of ordinary use.",
    "no_candidate": "Nothing that all examples of the attack share keeps out all ordinary events.",
    "no_candidate_passed": "Every rule that was proposed failed a check.",
    "untimed": "The attack shows only in several events, and they have no times.",
    "declined": "A person said no to the question.",
    "out_of_steps": "The steps, or the time, did not suffice.",
}
