"""What people see of the queue: its tasks and who holds them, one task in full, what both judges think of a rule."""

import re
from contextlib import closing
from pathlib import Path

import msgspec

from ruleforge.app.tasks.desk import Desk
from ruleforge.app.tasks.verdicts import About, Judged, judged
from ruleforge.errors import RuleForgeError, UsageError
from ruleforge.rules.parse import load_rule
from ruleforge.rules.render import render_sentence
from ruleforge.store.tasks import Agent, Role, Submission, Task

MODEL_MOST = 100  # characters
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,39}")


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One task and how it stands. `leased`: open, and in the hands of `agent`."""

    id: str
    role: Role
    advisory: str
    about: str
    origin: str  # of the rule it is about; empty: one is wanted
    state: str  # "open" | "leased" | "done" | "closed"
    agent: str = ""  # who holds it, or whose answer was accepted
    rounds: int = 0
    made: str = ""  # the proposal, or "no safe rule"


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """One task in full."""

    entry: Entry
    task: Task
    submissions: tuple[Submission, ...]
    sentence: str = ""  # of the rule it is about
    judged: Judged | None = None  # what both judges think of that rule
    problem: str = ""  # why that cannot be told


def list_tasks(rules: Path, *, role: str = "", state: str = "", desk: Desk | None = None) -> list[Entry]:
    """List the tasks of a folder of rules, oldest first.

    Raises:
        UsageError: it has no queue (RF156).
    """
    own = desk or Desk.of(rules)
    try:
        held = own.store.leased(own.clock())
        entries = [_entry(own, task, held) for task in own.store.tasks(role=role)]
    finally:
        if desk is None:
            own.close()
    return [entry for entry in entries if not state or entry.state == state]


def show_task(rules: Path, start: str, *, desk: Desk | None = None) -> Shown:
    """Show the task whose id begins so, with all that was handed in, and what is thought of its rule.

    Raises:
        UsageError: the folder has no queue (RF156), or it is not one task (RF153).
    """
    own = desk or Desk.of(rules)
    try:
        task = own.store.task(start)
        entry = _entry(own, task, own.store.leased(own.clock()))
        submissions = tuple(own.store.submissions(task.id))
        if not task.rule:
            return Shown(entry=entry, task=task, submissions=submissions)
        rule = load_rule(task.rule.encode(), source=task.origin).require()
        about = About(
            rule=rule, advisory=task.advisory, subject=task.subject.partition(" ")[0], ground=task.ground,
            origin=task.origin, author=task.author, model=_model_of(own, task),
        )  # fmt: skip
        try:
            both, problem = judged(own, about, own.known(task.advisory, task.ground), _samples(own, task)), ""
        except RuleForgeError as told:
            both, problem = None, str(told)
        return Shown(
            entry=entry,
            task=task,
            submissions=submissions,
            sentence=render_sentence(rule),
            judged=both,
            problem=problem,
        )
    finally:
        if desk is None:
            own.close()


def _entry(desk: Desk, task: Task, held: dict[str, str]) -> Entry:
    state, agent, made = str(task.state), "", ""
    if task.state == "open" and task.id in held:
        state, agent = "leased", held[task.id]
    if task.state == "done":
        for given in desk.store.submissions(task.id):
            if given.accepted:
                agent, made = given.agent, given.made or ("no safe rule" if task.role == "generate" else "")
    return Entry(
        id=task.id, role=task.role, advisory=task.advisory, about=task.subject, origin=task.origin, state=state,
        agent=agent, rounds=task.rounds, made=made,
    )  # fmt: skip


def _samples(desk: Desk, task: Task) -> int:
    """How often each question about this rule is put: an answer belongs to that."""
    same = [
        each
        for each in desk.store.tasks(role="judge", advisory=task.advisory)
        if (each.origin, each.rule_hash, each.ground) == (task.origin, task.rule_hash, task.ground)
    ]
    return max(len(same) // 2, 1)


def _model_of(desk: Desk, task: Task) -> str:
    """The model of the agent that wrote a proposal, where it is known."""
    for each in desk.store.tasks(role="generate", advisory=task.advisory):
        for given in desk.store.submissions(each.id):
            if given.accepted and given.agent == task.author:
                return given.model
    return ""


def checked_agent(name: str, role: Role, model: str = "") -> Agent:
    """Who an agent says it is.

    Raises:
        UsageError: no name, or no model, as it may be (RF154).
    """
    if not _NAME.fullmatch(name):
        hint = "lower case, digits, '.', '_' and '-', at most 40 characters, such as 'alice'"
        raise UsageError(f"not a name for an agent: {name[:60]!r}", hint=hint, code="RF154")
    if len(model) > MODEL_MOST or not model.isprintable():
        raise UsageError(f"not a name of a model: {model[:60]!r}", hint="printable, at most 100", code="RF154")
    return Agent(name, role, model)


def make_token(rules: Path, agent: Agent) -> str:
    """Make a token for an agent in one role, for the HTTP server; it is told this once.

    Raises:
        UsageError: the folder has no queue (RF156).
    """
    with closing(Desk.of(rules)) as desk:
        return desk.store.add_token(agent, desk.clock())


def revoke_tokens(rules: Path, name: str) -> int:
    """Take all tokens of a name away; returns how many there were.

    Raises:
        UsageError: the folder has no queue (RF156).
    """
    with closing(Desk.of(rules)) as desk:
        return desk.store.revoke(name)
