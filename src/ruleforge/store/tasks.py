"""A queue of tasks for agents: what is asked, who holds which task until when, and everything that was handed in.

Several processes work on one file: a task is handed out inside one immediate transaction, so that two agents never hold
it at the same time. Unlike the state of a run this file cannot be made again: it holds what agents wrote.
"""

import hashlib
import hmac
import json
import os
import secrets
import sqlite3
from pathlib import Path
from typing import Any, Literal, get_args

import msgspec
import sqlalchemy as sa

from ruleforge.errors import OutsideError, PolicyError, UsageError

Role = Literal["generate", "judge", "review_help"]
ROLES: tuple[Role, ...] = get_args(Role)
# Who wrote rules for an advisory says nothing of rules for it, and the other way round.
SIDES: dict[str, str] = {"generate": "author", "judge": "critic", "review_help": "critic"}
TaskState = Literal["open", "done", "closed"]
ROUNDS_MOST = 5  # of one task: what is handed in after that is not looked at
TASKS_MOST = 100_000  # of one queue
_BUSY_SECONDS = 20.0

_META = sa.MetaData()
_TASKS = sa.Table(
    "tasks",
    _META,
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("id", sa.String, unique=True, nullable=False),
    sa.Column("role", sa.String, nullable=False, index=True),
    sa.Column("advisory", sa.String, nullable=False),
    sa.Column("author", sa.String, nullable=False),
    sa.Column("question", sa.String, nullable=False),
    sa.Column("state", sa.String, nullable=False),
    sa.Column("rounds", sa.Integer, nullable=False),
    sa.Column("task", sa.LargeBinary, nullable=False),  # the whole Task but for state and rounds, as JSON
)
_LEASES = sa.Table(
    "leases",
    _META,
    sa.Column("id", sa.String, primary_key=True),
    sa.Column("task", sa.String, nullable=False, index=True),
    sa.Column("agent", sa.String, nullable=False),
    sa.Column("ends", sa.Float, nullable=False),
    sa.Column("over", sa.Boolean, nullable=False),
    sa.Column("returned", sa.Boolean, nullable=False),  # given back: the same agent does not get it again
)
_HOLDS = sa.Table(
    "holds",
    _META,
    sa.Column("advisory", sa.String, primary_key=True),
    sa.Column("agent", sa.String, primary_key=True),
    sa.Column("side", sa.String, primary_key=True),  # what this agent was of this advisory: author or critic
)
_SUBMISSIONS = sa.Table(
    "submissions",
    _META,
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("task", sa.String, nullable=False, index=True),
    sa.Column("agent", sa.String, nullable=False),
    sa.Column("model", sa.String, nullable=False),
    sa.Column("at", sa.Float, nullable=False),
    sa.Column("digest", sa.String, nullable=False),
    sa.Column("payload", sa.Text, nullable=False),
    sa.Column("accepted", sa.Boolean, nullable=False),
    sa.Column("feedback", sa.Text, nullable=False),
    sa.Column("made", sa.String, nullable=False),
    sa.Column("given_back", sa.Boolean, nullable=False),
)
_BLOBS = sa.Table(  # what tasks rest on: advisories and grounds
    "blobs",
    _META,
    sa.Column("kind", sa.String, primary_key=True),
    sa.Column("key", sa.String, primary_key=True),
    sa.Column("data", sa.LargeBinary, nullable=False),
)
_TOKENS = sa.Table(
    "tokens",
    _META,
    sa.Column("digest", sa.String, primary_key=True),  # sha256 of the token; the token itself is kept nowhere
    sa.Column("name", sa.String, nullable=False),
    sa.Column("role", sa.String, nullable=False),
    sa.Column("model", sa.String, nullable=False),
    sa.Column("made", sa.Float, nullable=False),
)


class Agent(msgspec.Struct, frozen=True):
    """Who works: a name, the one role it has now, and which model it is, where that is known."""

    name: str
    role: Role
    model: str = ""


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """One piece of work. The same content has the same id, so that adding it twice adds it once."""

    id: str
    role: Role
    advisory: str  # folder of the advisory below the folder of rules
    subject: str  # "CVE-2099-0001": for people
    ground: str  # key of what it is checked against
    rule: str = ""  # the rule that is judged, as a document; empty where one is wanted
    rule_hash: str = ""
    origin: str = ""  # where that rule lies: "rule.json" or "proposals/….json"
    author: str = ""  # the agent that wrote it; empty: RuleForge itself
    question: str = ""  # tasks that ask the same: one agent answers one of them
    call: str = ""  # id of the question at the door to models, for verdicts
    system: str = ""  # the fixed part of the prompt; empty: written when the task is handed out
    prompt: str = ""  # the rest
    schema: dict[str, Any] = {}  # of the answer
    evidence: tuple[str, ...] = ()  # ids that the prompt gives and an answer may cite
    follow: tuple[Role, ...] = ()  # roles that get tasks for each proposal that passes
    hint: str = ""  # what kind of rule is asked for
    samples: int = 1  # how many agents judge each question of such a proposal
    created: float = 0.0
    state: TaskState = "open"
    rounds: int = 0  # how often something was handed in


class Lease(msgspec.Struct, frozen=True, kw_only=True):
    """A task in the hands of one agent until `ends`, in seconds since 1970."""

    id: str
    task: Task
    agent: str
    ends: float


class Submission(msgspec.Struct, frozen=True, kw_only=True):
    """Something that was handed in, word for word, and what came of it."""

    number: int
    task: str
    agent: str
    model: str
    at: float
    digest: str  # sha256 of the payload
    payload: str
    accepted: bool
    feedback: tuple[str, ...]
    made: str = ""  # the file that was written, below the folder of rules
    given_back: bool = False  # no answer: the payload says why the task was given back


class Left(msgspec.Struct, frozen=True, kw_only=True):
    """Why there is no task for an agent: how many open ones there are, and what bars it from them."""

    open: int = 0  # of its role
    leased: int = 0  # in the hands of others
    barred: int = 0  # of an advisory where it stands on the other side
    answered: int = 0  # answered or given back by the same agent


class TaskStore:
    """The queue of one folder of rules."""

    def __init__(self, file: Path) -> None:
        """Open the queue, or make it.

        Raises:
            OutsideError: the file is no queue, or others hold it too long (RF568).
        """
        file.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(file, os.O_CREAT | os.O_RDWR, 0o600))  # it holds hashes of tokens
        self._engine = sa.create_engine(f"sqlite:///{file}", connect_args={"timeout": _BUSY_SECONDS})
        sa.event.listen(self._engine, "connect", _tune)
        sa.event.listen(self._engine, "begin", _begin)
        try:
            _META.create_all(self._engine)
        except sa.exc.DatabaseError as error:
            self._engine.dispose()
            hint = "wait for who holds it, or take the file away: it cannot be made again"
            what = f"the queue of tasks cannot be opened: {error.orig}"[:200]
            raise OutsideError(what, where=str(file), hint=hint, code="RF568") from error

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    # What there is to do.

    def add(self, tasks: list[Task]) -> int:
        """Add tasks; those that are there stay as they are.

        Returns:
            How many are new.

        Raises:
            PolicyError: the queue is full (RF466).
        """
        added = 0
        with self._engine.begin() as at:
            known = set(at.execute(sa.select(_TASKS.c.id)).scalars())
            for task in tasks:
                if task.id in known:
                    continue
                if len(known) >= TASKS_MOST:
                    raise PolicyError(f"the queue holds {TASKS_MOST:,} tasks; no more are added", code="RF466")
                known.add(task.id)
                added += 1
                row = {name: getattr(task, name) for name in ("id", "role", "advisory", "author", "question")}
                row |= {"state": task.state, "rounds": task.rounds, "task": msgspec.json.encode(task)}
                at.execute(_TASKS.insert().values(**row))
        return added

    def tasks(self, *, role: str = "", state: str = "", advisory: str = "") -> list[Task]:
        """All tasks of a role, a state and an advisory, oldest first; an empty word stands for any."""
        asked = sa.select(_TASKS.c.task, _TASKS.c.state, _TASKS.c.rounds).order_by(_TASKS.c.number)
        for column, wanted in ((_TASKS.c.role, role), (_TASKS.c.state, state), (_TASKS.c.advisory, advisory)):
            if wanted:
                asked = asked.where(column == wanted)
        with self._engine.begin() as at:
            return [_task(*row) for row in at.execute(asked)]

    def task(self, start: str) -> Task:
        """The one task whose id begins so.

        Raises:
            UsageError: none, or more than one (RF153).
        """
        asked = sa.select(_TASKS.c.task, _TASKS.c.state, _TASKS.c.rounds)
        asked = asked.where(_TASKS.c.id.startswith(start or "-", autoescape=True)).limit(2)
        with self._engine.begin() as at:
            found = [_task(*row) for row in at.execute(asked)]
        if len(found) != 1:
            what = f"several tasks begin with {start[:20]!r}" if found else f"no task {start[:20]!r}"
            raise UsageError(what, hint="see: ruleforge tasks list RULES", code="RF153")
        return found[0]

    def leased(self, now: float) -> dict[str, str]:
        """Task → the agent that holds it now."""
        asked = sa.select(_LEASES.c.task, _LEASES.c.agent).where(_active(now))
        with self._engine.begin() as at:
            return {row.task: row.agent for row in at.execute(asked)}

    # Handing out, and handing in.

    def lease(self, agent: Agent, now: float, seconds: float) -> Lease | Left:
        """Hand the oldest task that this agent may have to it until `now` + `seconds`.

        An agent holds one task of its role at a time: whoever asks again before its end gets the same lease.
        """
        with self._engine.begin() as at:
            own = sa.select(_LEASES.c.id, _LEASES.c.ends, _TASKS.c.task, _TASKS.c.state, _TASKS.c.rounds)
            own = own.join(_TASKS, _TASKS.c.id == _LEASES.c.task).where(_active(now), _LEASES.c.agent == agent.name)
            held = at.execute(own.where(_TASKS.c.role == agent.role, _TASKS.c.state == "open").limit(1)).first()
            if held is not None:
                return Lease(
                    id=held.id, task=_task(held.task, held.state, held.rounds), agent=agent.name, ends=held.ends
                )
            free = sa.select(_TASKS.c.task, _TASKS.c.state, _TASKS.c.rounds).where(*_free(agent, now))
            found = at.execute(free.order_by(_TASKS.c.number).limit(1)).first()
            if found is None:
                return _left(at, agent, now)
            task = _task(found.task, found.state, found.rounds)
            lease = Lease(id=secrets.token_hex(12), task=task, agent=agent.name, ends=now + seconds)
            row = {"id": lease.id, "task": task.id, "agent": agent.name, "ends": lease.ends}
            at.execute(_LEASES.insert().values(**row, over=False, returned=False))
            at.execute(
                _HOLDS.insert()
                .prefix_with("OR IGNORE")
                .values(advisory=task.advisory, agent=agent.name, side=SIDES[agent.role])
            )
        return lease

    def held(self, lease_id: str, agent: Agent, now: float) -> Lease:
        """The lease of this id, if this agent holds it now.

        Raises:
            PolicyError: there is none, it is another agent's or another role's, or it ended (RF462); its task takes
                nothing any more (RF463).
        """
        with self._engine.begin() as at:
            return _held(at, lease_id, agent, now)

    def hand_in(
        self,
        lease: Lease,
        agent: Agent,
        payload: str,
        now: float,
        *,
        accepted: bool,
        feedback: tuple[str, ...] = (),
        state: TaskState = "open",
        made: str = "",
    ) -> Task:
        """Record what was handed in; the task is `closed` where it was the last round, and the lease ends with it.

        Raises:
            PolicyError: the lease ended meanwhile, or something else was handed in (RF462, RF463).
        """
        with self._engine.begin() as at:
            task = _held(at, lease.id, agent, now).task
            rounds = task.rounds + 1
            if state == "open" and rounds >= ROUNDS_MOST:
                state = "closed"
            _keep(at, task, agent, payload, now, accepted=accepted, feedback=feedback, made=made)
            at.execute(_TASKS.update().where(_TASKS.c.id == task.id).values(rounds=rounds, state=state))
            if state != "open":
                at.execute(_LEASES.update().where(_LEASES.c.id == lease.id).values(over=True))
        return msgspec.structs.replace(task, rounds=rounds, state=state)

    def give_back(self, lease: Lease, agent: Agent, reason: str, now: float) -> None:
        """End a lease before its time; the task goes to another agent and not to this one again. No round is used."""
        with self._engine.begin() as at:
            _held(at, lease.id, agent, now)
            at.execute(_LEASES.update().where(_LEASES.c.id == lease.id).values(over=True, returned=True))
            _keep(at, lease.task, agent, json.dumps({"reason": reason}), now, given_back=True)

    def reopen(self, task_id: str) -> None:
        """Open a task again whose answer turned out to be none."""
        with self._engine.begin() as at:
            at.execute(_TASKS.update().where(_TASKS.c.id == task_id).values(state="open"))

    def submissions(self, task_id: str) -> list[Submission]:
        """Everything that was handed in for a task, oldest first."""
        asked = sa.select(_SUBMISSIONS).where(_SUBMISSIONS.c.task == task_id).order_by(_SUBMISSIONS.c.number)
        with self._engine.begin() as at:
            rows = at.execute(asked).mappings().all()
        return [Submission(**{**row, "feedback": tuple(json.loads(row["feedback"]))}) for row in rows]

    # What tasks rest on.

    def put(self, kind: str, key: str, data: bytes) -> None:
        """Keep something under a kind and a key."""
        with self._engine.begin() as at:
            at.execute(_BLOBS.insert().prefix_with("OR REPLACE").values(kind=kind, key=key, data=data))

    def get(self, kind: str, key: str) -> bytes | None:
        """What is kept there; None: nothing."""
        asked = sa.select(_BLOBS.c.data).where(_BLOBS.c.kind == kind, _BLOBS.c.key == key)
        with self._engine.begin() as at:
            found = at.execute(asked).scalar()
        return None if found is None else bytes(found)

    def keys(self, kind: str) -> list[str]:
        """All keys of a kind, in order."""
        with self._engine.begin() as at:
            return list(
                at.execute(sa.select(_BLOBS.c.key).where(_BLOBS.c.kind == kind).order_by(_BLOBS.c.key)).scalars()
            )

    # Who may.

    def add_token(self, agent: Agent, now: float) -> str:
        """Make a token for an agent in one role; it is shown once and kept as a hash."""
        token = f"rft_{secrets.token_urlsafe(32)}"
        row = {"digest": digest_of(token), "name": agent.name, "role": agent.role, "model": agent.model, "made": now}
        with self._engine.begin() as at:
            at.execute(_TOKENS.insert().values(**row))
        return token

    def agent_of(self, token: str) -> Agent | None:
        """Whose token that is; None: nobody's."""
        digest, found = digest_of(token), None
        with self._engine.begin() as at:
            rows = at.execute(sa.select(_TOKENS.c.digest, _TOKENS.c.name, _TOKENS.c.role, _TOKENS.c.model)).all()
        for known, name, role, model in rows:
            if hmac.compare_digest(known, digest):
                found = Agent(name, role, model)
        return found

    def agents(self) -> list[Agent]:
        """Who has a token, by name."""
        asked = sa.select(_TOKENS.c.name, _TOKENS.c.role, _TOKENS.c.model).order_by(_TOKENS.c.name, _TOKENS.c.made)
        with self._engine.begin() as at:
            return [Agent(name, role, model) for name, role, model in at.execute(asked)]

    def revoke(self, name: str) -> int:
        """Forget all tokens of a name; returns how many there were."""
        with self._engine.begin() as at:
            return at.execute(_TOKENS.delete().where(_TOKENS.c.name == name)).rowcount


def _keep(
    at: sa.Connection,
    task: Task,
    agent: Agent,
    payload: str,
    now: float,
    *,
    accepted: bool = False,
    feedback: tuple[str, ...] = (),
    made: str = "",
    given_back: bool = False,
) -> None:
    row: dict[str, object] = {
        "task": task.id,
        "agent": agent.name,
        "model": agent.model,
        "at": now,
        "digest": digest_of(payload),
    }
    row |= {"payload": payload, "accepted": accepted, "feedback": json.dumps(list(feedback)), "made": made}
    row["given_back"] = given_back
    at.execute(_SUBMISSIONS.insert().values(**row))


def digest_of(text: str) -> str:
    """Hash a text, 64 hexadecimal digits."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _task(data: bytes, state: TaskState, rounds: int) -> Task:
    return msgspec.structs.replace(msgspec.json.decode(data, type=Task), state=state, rounds=rounds)


def _active(now: float) -> sa.ColumnElement[bool]:
    return sa.and_(_LEASES.c.over.is_(False), _LEASES.c.ends > now)


def _free(agent: Agent, now: float) -> tuple[sa.ColumnElement[bool], ...]:
    """What is open for this agent."""
    return (*_of_role(agent), ~_taken(now), ~_barred(agent), ~_answered(agent))


def _of_role(agent: Agent) -> tuple[sa.ColumnElement[bool], ...]:
    return (_TASKS.c.role == agent.role, _TASKS.c.state == "open")


def _taken(now: float) -> sa.ColumnElement[bool]:
    return sa.exists().where(_LEASES.c.task == _TASKS.c.id, _active(now))


def _barred(agent: Agent) -> sa.ColumnElement[bool]:
    other = sa.exists().where(
        _HOLDS.c.advisory == _TASKS.c.advisory, _HOLDS.c.agent == agent.name, _HOLDS.c.side != SIDES[agent.role]
    )
    return sa.or_(other, _TASKS.c.author == agent.name)


def _answered(agent: Agent) -> sa.ColumnElement[bool]:
    """Whether this agent gave the task back, or handed an answer to the same question in."""
    twin = _TASKS.alias()
    same = sa.exists().where(
        _SUBMISSIONS.c.agent == agent.name,
        _SUBMISSIONS.c.task == twin.c.id,
        twin.c.question == _TASKS.c.question,
        twin.c.question != "",
        twin.c.id != _TASKS.c.id,
    )
    back = sa.exists().where(_LEASES.c.task == _TASKS.c.id, _LEASES.c.agent == agent.name, _LEASES.c.returned.is_(True))
    return sa.or_(same, back)


def _left(at: sa.Connection, agent: Agent, now: float) -> Left:
    def count(*asked: sa.ColumnElement[bool]) -> int:
        return int(
            at.execute(sa.select(sa.func.count()).select_from(_TASKS).where(*_of_role(agent), *asked)).scalar_one()
        )

    return Left(open=count(), leased=count(_taken(now)), barred=count(_barred(agent)), answered=count(_answered(agent)))


def _held(at: sa.Connection, lease_id: str, agent: Agent, now: float) -> Lease:
    asked = sa.select(_LEASES, _TASKS.c.task.label("whole"), _TASKS.c.state, _TASKS.c.rounds)
    asked = asked.join(_TASKS, _TASKS.c.id == _LEASES.c.task).where(_LEASES.c.id == lease_id)
    row = at.execute(asked).first()
    hint = "ask for the next task"
    if row is None or row.agent != agent.name:
        raise PolicyError("you hold no such lease", hint=hint, code="RF462")
    task = _task(row.whole, row.state, row.rounds)
    if task.role != agent.role:
        raise PolicyError(f"the lease is of the role {task.role}, and you work as {agent.role}", code="RF462")
    if task.state != "open":
        raise PolicyError(f"the task is {task.state} and takes nothing more", hint=hint, code="RF463")
    if row.over or row.ends <= now:
        raise PolicyError("the lease has ended; somebody else may work on the task", hint=hint, code="RF462")
    return Lease(id=row.id, task=task, agent=row.agent, ends=row.ends)


def _tune(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None  # transactions begin where `_begin` says
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.close()


def _begin(connection: sa.Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")
