"""What an agent can do: take the next task, hand something in, give a task back. Nothing else changes anything.

What is handed in is checked like the answer of any model, and kept word for word with who gave it and when.
"""

from datetime import UTC, datetime
from typing import Any

import msgspec

from ruleforge.app.tasks.adding import follow_up
from ruleforge.app.tasks.candidates import candidate_prompt, check_candidate, feedback_text, propose_rule
from ruleforge.app.tasks.desk import Desk
from ruleforge.app.tasks.review import review_problems
from ruleforge.app.tasks.texts import payload_of
from ruleforge.app.tasks.verdicts import verdict_problems
from ruleforge.errors import InputError, PolicyError
from ruleforge.llm.answers import ANSWER_MOST
from ruleforge.store.tasks import ROUNDS_MOST, SIDES, Agent, Lease, Left, Role, Task, TaskState

LEASE_SECONDS = 1_800.0
LEASE_SECONDS_MOST = 86_400.0
REASON_MOST = 600  # characters of why a task is given back
SUBMIT: dict[Role, str] = {
    "generate": "submit_candidate",
    "judge": "submit_verdict",
    "review_help": "submit_review_help",
}


class Handed(msgspec.Struct, frozen=True, kw_only=True):
    """A task as an agent gets it."""

    task_id: str
    lease_id: str
    role: Role
    about: str  # "CVE-2099-0001"
    prompt: str  # text of strangers stands in frames
    evidence_ids: tuple[str, ...]
    output_schema: dict[str, Any]
    submit_with: str  # the tool that takes the answer
    deadline: str  # RFC 3339
    rounds_left: int


class Nothing(msgspec.Struct, frozen=True, kw_only=True):
    """There is no task for this agent now."""

    role: Role
    why: str


class Received(msgspec.Struct, frozen=True, kw_only=True):
    """What became of something that was handed in."""

    task_id: str
    accepted: bool
    state: TaskState
    rounds_left: int  # 0 where the task takes nothing more
    text: str  # for the agent; what quotes strangers stands in frames
    made: str = ""  # the file that was written, below the folder of rules


def next_task(desk: Desk, agent: Agent, role: str = "", *, seconds: float = LEASE_SECONDS) -> Handed | Nothing:
    """Hand out the oldest task that this agent may work on.

    Args:
        desk: the queue.
        agent: who asks.
        role: what it wants to work as; only its own role is given.
        seconds: how long the task is its own.

    Raises:
        PolicyError: another role than its own (RF460).
    """
    if role and role != agent.role:
        hint = "each role needs an agent of its own"
        raise PolicyError(f"you work as {agent.role} and not as {role[:40]}", hint=hint, code="RF460")
    found = desk.store.lease(agent, desk.clock(), min(max(seconds, 1.0), LEASE_SECONDS_MOST))
    if isinstance(found, Left):
        return Nothing(role=agent.role, why=_why(found, agent.role))
    return _handed(desk, found)


def _handed(desk: Desk, lease: Lease) -> Handed:
    task = lease.task
    system, prompt = task.system, task.prompt
    if task.role == "generate":
        written = candidate_prompt(desk, task, desk.known(task.advisory, task.ground))
        system, prompt = written.system, written.user
    tool = SUBMIT[task.role]
    last = f"Hand the fields of that document in as the arguments of {tool}, with lease_id {lease.id}."
    if task.rule:
        last += f" The look-ups explain and get_rule know the rule of this task by the name {task.id}."
    return Handed(
        task_id=task.id,
        lease_id=lease.id,
        role=task.role,
        about=task.subject,
        prompt=f"{system}\n\n{prompt}\n\n{last}",
        evidence_ids=task.evidence,
        output_schema=task.schema,
        submit_with=tool,
        deadline=when(lease.ends),
        rounds_left=ROUNDS_MOST - task.rounds,
    )


def _why(left: Left, role: Role) -> str:
    if not left.open:
        return f"no task of the role {role} is open"
    told = [f"{left.open} open, but none is free for you"]
    if left.leased:
        told.append(f"{left.leased} in the hands of other agents until their leases end")
    if left.barred:
        side = "who wrote rules for an advisory may not judge them"
        if SIDES[role] == "author":
            side = "who judged rules for an advisory may not write one"
        told.append(f"{left.barred} not for you: {side}")
    if left.answered:
        told.append(f"{left.answered} given back or answered by you")
    return "; ".join(told)


def submit_candidate(desk: Desk, agent: Agent, lease_id: str, answer: dict[str, Any]) -> Received:
    """Check a candidate as the pipeline checks its own; one that passes becomes a proposal beside the rules.

    Args:
        desk: the queue.
        agent: who hands it in.
        lease_id: of its lease.
        answer: the fields of the answer that the task's schema asks for.

    Raises:
        PolicyError: no such lease of this agent (RF462), or a task that takes nothing more (RF463).
        InputError: the answer is too large (RF278).
    """
    lease, payload = _lease(desk, agent, lease_id, "generate"), payload_of(answer, ANSWER_MOST)
    known = desk.known(lease.task.advisory, lease.task.ground)
    checked = check_candidate(desk, payload, known)
    if checked.no_rule:
        task = _record(desk, lease, agent, payload, accepted=True, state="done")
        return _received(task, True, 'Recorded: "no safe rule", with your reason. The task is done.')
    if checked.rule is None:
        task = _record(desk, lease, agent, payload, accepted=False, feedback=checked.problems)
        return _received(task, False, f"{_rounds(task)}\n\n{feedback_text(desk, checked)}")
    with desk.lock:  # an agent that hands in twice at once leaves no proposal that the queue does not know
        lease = desk.store.held(lease_id, agent, desk.clock())
        about, same = propose_rule(desk, lease.task, agent, checked, payload)
        made = f"{lease.task.advisory}/{about.origin}"
        task = _record(desk, lease, agent, payload, accepted=True, state="done", made=made)
    told = "It passed every check and is kept as a proposal. It is not released: a person decides. The task is done."
    if same:
        told += " The very same rule was there already."
    told = " ".join((told, *follow_up(desk, about, known, task)))
    return _received(task, True, told, made)


def submit_verdict(desk: Desk, agent: Agent, lease_id: str, answer: dict[str, Any]) -> Received:
    """Check a verdict: its schema, and that every id it cites is one of the task; raises like `submit_candidate`."""
    lease, payload = _lease(desk, agent, lease_id, "judge"), payload_of(answer, ANSWER_MOST)
    return _plain(desk, lease, agent, payload, verdict_problems(payload, lease.task))


def submit_review_help(desk: Desk, agent: Agent, lease_id: str, answer: dict[str, Any]) -> Received:
    """Check help for a reviewer like a verdict; raises like `submit_candidate`."""
    lease, payload = _lease(desk, agent, lease_id, "review_help"), payload_of(answer, ANSWER_MOST)
    return _plain(desk, lease, agent, payload, review_problems(payload, lease.task))


def return_task(desk: Desk, agent: Agent, lease_id: str, reason: str) -> Received:
    """Give a task back before its lease ends; another agent gets it.

    Raises:
        PolicyError: no such lease of this agent (RF462), or a task that takes nothing more (RF463).
        InputError: no reason, or one that is too long (RF278).
    """
    lease = desk.store.held(lease_id, agent, desk.clock())
    if not reason.strip() or len(reason) > REASON_MOST:
        raise InputError(f"the reason has 1 to {REASON_MOST} characters", where="reason", code="RF278")
    desk.store.give_back(lease, agent, reason, desk.clock())
    return _received(lease.task, True, "Given back. You will not get this task again.")


def _lease(desk: Desk, agent: Agent, lease_id: str, role: Role) -> Lease:
    if agent.role != role:
        hint = f"hand in with {SUBMIT[agent.role]}"
        raise PolicyError(f"you work as {agent.role} and not as {role}", hint=hint, code="RF460")
    return desk.store.held(lease_id, agent, desk.clock())


def _plain(desk: Desk, lease: Lease, agent: Agent, payload: str, problems: tuple[str, ...]) -> Received:
    if problems:
        task = _record(desk, lease, agent, payload, accepted=False, feedback=problems)
        return _received(task, False, "\n".join((_rounds(task), *(f"- {problem}" for problem in problems))))
    task = _record(desk, lease, agent, payload, accepted=True, state="done")
    return _received(task, True, "Accepted and kept for a person to read. The task is done.")


def _record(
    desk: Desk,
    lease: Lease,
    agent: Agent,
    payload: str,
    *,
    accepted: bool,
    feedback: tuple[str, ...] = (),
    state: TaskState = "open",
    made: str = "",
) -> Task:
    return desk.store.hand_in(
        lease, agent, payload, desk.clock(), accepted=accepted, feedback=feedback, state=state, made=made
    )


def _rounds(task: Task) -> str:
    left = ROUNDS_MOST - task.rounds
    if task.state != "open":
        return f"Not accepted. That was the last of {ROUNDS_MOST} rounds: the task is closed."
    return f"Not accepted. {left} more {'round' if left == 1 else 'rounds'} with the same lease."


def _received(task: Task, accepted: bool, text: str, made: str = "") -> Received:
    left = ROUNDS_MOST - task.rounds if task.state == "open" else 0
    return Received(task_id=task.id, accepted=accepted, state=task.state, rounds_left=left, text=text, made=made)


def when(seconds: float) -> str:
    """Write a moment as RFC 3339 in UTC."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
