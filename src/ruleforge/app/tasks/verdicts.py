"""Judge tasks: the questions of the model judge, put to agents instead of to a model.

The queue stands behind the door to models as a provider: a question that nobody has answered becomes a task, an answer
that was accepted is the reply. So prompt, schema, checks and the way opinions are combined are those of any model.
"""

import msgspec

from ruleforge.app.tasks.desk import Desk, Known
from ruleforge.judge.combine import Combined, combine, combined_opinion
from ruleforge.judge.evidence_judge import judge_rule
from ruleforge.judge.llm_judge import LlmOpinion, LlmPending, SideAnswer, ask_llm_judge
from ruleforge.judge.llm_prompt import ASKED, Side
from ruleforge.llm.answers import parse_answer
from ruleforge.llm.door import Door
from ruleforge.llm.prompt import fixed
from ruleforge.llm.provider import Call, Ground, Reply, Waiting
from ruleforge.records.forging import Opinion
from ruleforge.rules.canonical import content_hash
from ruleforge.rules.dump import render_json
from ruleforge.rules.tree import Rule
from ruleforge.store.tasks import Task, digest_of

SAMPLES_MOST = 5


class About(msgspec.Struct, frozen=True, kw_only=True):
    """A rule that is judged, and where it comes from."""

    rule: Rule
    advisory: str
    subject: str
    ground: str
    origin: str  # "rule.json" or "proposals/….json"
    author: str = ""
    model: str = ""  # of the author


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """What is thought of one rule: by the evidence, by agents, and by both together."""

    evidence: Opinion
    agents: LlmOpinion | LlmPending
    combined: Combined | None = None  # None: not all questions are answered
    opinion: Opinion | None = None


class QueueProvider:
    """Answers calls from what agents handed in; what nobody answered becomes a task."""

    url = "agents:queue"
    model = "agents"

    def __init__(self, desk: Desk, about: About) -> None:
        self._desk, self._about = desk, about
        self.wanted: list[Task] = []  # tasks for calls that nobody has answered

    def holds(self, _call: Call) -> bool:
        """Asking an agent costs nothing here."""
        return True

    def send(self, call: Call) -> Reply | Waiting:
        """Look for an accepted answer."""
        task = self._task(call)
        for given in reversed(self._desk.store.submissions(task.id)):
            if given.accepted:
                return Reply(text=given.payload, model=given.model or given.agent)
        self.wanted.append(task)
        return Waiting(call.id, str(self._desk.place))

    def refuse(self, call: Call, _problems: tuple[str, ...]) -> bool:
        """Open the task again: the checks have become stricter since the answer was accepted."""
        self._desk.store.reopen(self._task(call).id)
        return True

    def _task(self, call: Call) -> Task:
        about, written = self._about, call.written(self._desk.frame_key)
        side: Side = "miss" if fixed(ASKED["miss"]) in call.prompt.parts else "off_target"
        rule_hash = content_hash(about.rule)
        return Task(
            id=digest_of(f"judge {about.advisory} {about.ground} {about.origin} {call.id}")[:16],
            role="judge",
            advisory=about.advisory,
            subject=f"{about.subject} {side}",
            ground=about.ground,
            rule=render_json(about.rule),
            rule_hash=rule_hash,
            origin=about.origin,
            author=about.author,
            question=f"{about.advisory} {rule_hash} {side}",
            call=call.id,
            system=written.system,
            prompt=written.user,
            schema=call.schema,
            evidence=_ids(call),
            created=self._desk.clock(),
        )


def _ids(call: Call) -> tuple[str, ...]:
    """The ids that an answer may cite, as the schema lists them."""
    found: dict[str, None] = {}

    def walk(node: object) -> None:
        if isinstance(node, dict):
            if isinstance(node.get("enum"), list):
                found.update(dict.fromkeys(map(str, node["enum"])))
            for value in node.values():
                walk(value)
        elif isinstance(node, list):
            for value in node:
                walk(value)

    walk(call.schema)
    return tuple(found)


def judge_tasks(desk: Desk, about: About, known: Known, samples: int) -> tuple[list[Task], tuple[str, ...]]:
    """The questions about a rule that no agent has answered, and why it cannot be put to a reader at all."""
    provider = QueueProvider(desk, about)
    answer = _ask(desk, provider, about, known, samples)
    barred = isinstance(answer, LlmOpinion) and not answer.models
    return provider.wanted, answer.miss.problems if barred and isinstance(answer, LlmOpinion) else ()


def judged(desk: Desk, about: About, known: Known, samples: int) -> Judged:
    """What evidence and agents think of a rule. Nothing is added to the queue."""
    with desk.lock:
        evidence = judge_rule(about.rule, known.judging)
    answer = _ask(desk, QueueProvider(desk, about), about, known, samples)
    if isinstance(answer, LlmPending):
        return Judged(evidence=evidence, agents=answer)
    return Judged(
        evidence=evidence,
        agents=answer,
        combined=combine(evidence, answer),
        opinion=combined_opinion(evidence, answer),
    )


def _ask(desk: Desk, provider: QueueProvider, about: About, known: Known, samples: int) -> LlmOpinion | LlmPending:
    door = Door(provider, ground=Ground(desk.frame_key))
    return ask_llm_judge(about.rule, known.advisory, known.judging, door, samples, generator=about.model)


def verdict_problems(payload: str, task: Task) -> tuple[str, ...]:
    """What is wrong with a verdict: against the schema of its question, ids included, and reasons that say nothing."""
    parsed = parse_answer(payload, SideAnswer, task.schema)
    if parsed.value is None:
        return parsed.problems
    blank = [at for at, reason in enumerate(parsed.value.reasons) if not reason.claim.strip()]
    return tuple(f"reasons[{at}].claim says nothing" for at in blank)
