"""A task is in one hand at a time, and nobody is on both sides of an advisory, whatever happens in whatever order."""

import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ruleforge.errors import OutsideError, PolicyError, UsageError
from ruleforge.store.tasks import ROUNDS_MOST, SIDES, Agent, Lease, Left, Role, Task, TaskStore

ALICE, BOB = Agent("alice", "generate"), Agent("bob", "judge")


def task(number: int, role: Role = "generate", advisory: str = "CVE-2099-0001", **more: str) -> Task:
    return Task(id=f"{number:016x}", role=role, advisory=advisory, subject=advisory, ground="g", **more)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[TaskStore]:
    store = TaskStore(tmp_path / "desk" / "tasks.db")
    yield store
    store.close()


def leased(found: Lease | Left) -> Lease:
    assert isinstance(found, Lease)
    return found


def test_what_is_added_twice_is_there_once(store: TaskStore) -> None:
    assert store.add([task(1), task(2)]) == 2
    assert store.add([task(2), task(3)]) == 1
    assert [each.id[-1] for each in store.tasks()] == ["1", "2", "3"]


def test_a_task_goes_to_one_agent_at_a_time_and_to_the_next_after_its_end(store: TaskStore) -> None:
    store.add([task(1)])
    first = leased(store.lease(ALICE, 100, 10))
    assert leased(store.lease(ALICE, 105, 10)) == first  # not prolonged by asking again
    carol = Agent("carol", "generate")
    assert store.lease(carol, 105, 10) == Left(open=1, leased=1)
    assert leased(store.lease(carol, 110, 10)).task == first.task
    with pytest.raises(PolicyError, match="ended") as told:
        store.hand_in(first, ALICE, "{}", 111, accepted=True)
    assert told.value.code == "RF462"


def test_a_lease_is_worth_nothing_to_another_agent_or_in_another_role(store: TaskStore) -> None:
    store.add([task(1)])
    lease = leased(store.lease(ALICE, 0, 10))
    for other in (Agent("carol", "generate"), Agent("alice", "judge")):
        with pytest.raises(PolicyError) as told:
            store.held(lease.id, other, 1)
        assert told.value.code == "RF462"
    with pytest.raises(PolicyError):
        store.held("0" * 24, ALICE, 1)


@pytest.mark.parametrize(
    ("first", "second"), [("generate", "judge"), ("judge", "generate"), ("review_help", "generate")]
)
def test_who_was_on_one_side_of_an_advisory_never_gets_to_the_other(
    store: TaskStore, first: Role, second: Role
) -> None:
    store.add([task(1, first), task(2, second), task(3, second, "CVE-2099-0002")])
    store.lease(Agent("alice", first), 0, 10)
    after = leased(store.lease(Agent("alice", second), 50, 10))  # also when the lease has ended
    assert after.task.advisory == "CVE-2099-0002"
    store.hand_in(after, Agent("alice", second), "{}", 51, accepted=True, state="done")
    assert store.lease(Agent("alice", second), 52, 10) == Left(open=1, barred=1)


def test_a_critic_may_judge_and_help_with_the_review(store: TaskStore) -> None:
    store.add([task(1, "judge"), task(2, "review_help")])
    store.lease(BOB, 0, 10)
    assert leased(store.lease(Agent("bob", "review_help"), 1, 10)).task.role == "review_help"


def test_the_author_of_a_proposal_does_not_judge_it_even_without_a_lease(store: TaskStore) -> None:
    store.add([task(1, "judge", author="bob")])
    assert store.lease(BOB, 0, 10) == Left(open=1, barred=1)


def test_one_agent_answers_a_question_once(store: TaskStore) -> None:
    store.add([task(1, "judge", question="q"), task(2, "judge", question="q")])
    lease = leased(store.lease(BOB, 0, 10))
    store.hand_in(lease, BOB, "{}", 1, accepted=True, state="done")
    assert store.lease(BOB, 2, 10) == Left(open=1, answered=1)
    assert leased(store.lease(Agent("dora", "judge"), 2, 10)).task.id.endswith("2")


def test_a_task_closes_after_its_last_round(store: TaskStore) -> None:
    store.add([task(1)])
    lease = leased(store.lease(ALICE, 0, 10))
    for left in range(ROUNDS_MOST - 1, -1, -1):
        after = store.hand_in(lease, ALICE, f'"{left}"', 1, accepted=False, feedback=("no",))
        assert after.state == ("open" if left else "closed")
    with pytest.raises(PolicyError) as told:
        store.hand_in(lease, ALICE, "{}", 2, accepted=True)
    assert told.value.code == "RF463"
    assert len(store.submissions(lease.task.id)) == ROUNDS_MOST


def test_what_is_given_back_goes_to_somebody_else_and_costs_no_round(store: TaskStore) -> None:
    store.add([task(1)])
    store.give_back(leased(store.lease(ALICE, 0, 10)), ALICE, "too hard", 1)
    assert store.lease(ALICE, 2, 10) == Left(open=1, answered=1)
    again = leased(store.lease(Agent("carol", "generate"), 2, 10))
    assert again.task.rounds == 0
    assert [given.given_back for given in store.submissions(again.task.id)] == [True]


def test_what_was_handed_in_is_kept_word_for_word_with_who_and_when(store: TaskStore) -> None:
    store.add([task(1)])
    who = Agent("alice", "generate", "a-model")
    lease = leased(store.lease(who, 0, 10))
    store.hand_in(lease, who, '{"when": "\\u0000é"}', 7.5, accepted=False, feedback=("a", "b"))
    (kept,) = store.submissions(lease.task.id)
    assert (kept.agent, kept.model, kept.at, kept.payload) == ("alice", "a-model", 7.5, '{"when": "\\u0000é"}')
    assert kept.feedback == ("a", "b")
    assert len(kept.digest) == 64


def test_a_token_is_kept_as_a_hash_in_a_file_of_the_user_alone(store: TaskStore, tmp_path: Path) -> None:
    token = store.add_token(ALICE, 0)
    assert store.agent_of(token) == ALICE
    assert store.agent_of(token + "x") is None
    file = tmp_path / "desk" / "tasks.db"
    assert file.stat().st_mode & 0o077 == 0
    with sqlite3.connect(file) as direct:
        dump = "\n".join(direct.iterdump())
    direct.close()
    assert "tokens" in dump
    assert token not in dump
    assert store.revoke("alice") == 1
    assert store.agent_of(token) is None


def test_a_task_is_found_by_the_beginning_of_its_id(store: TaskStore) -> None:
    store.add([task(1), task(0xAB << 56)])
    assert store.task("ab").id.startswith("ab")
    for start in ("", "%", "f"):
        with pytest.raises(UsageError) as told:
            store.task(start)
        assert told.value.code == "RF153"


def test_many_agents_at_once_never_get_the_same_task(tmp_path: Path) -> None:
    file = tmp_path / "tasks.db"
    with_tasks = TaskStore(file)
    with_tasks.add([task(number, advisory=f"CVE-2099-{number:04}") for number in range(12)])
    got: list[str] = []

    def work(name: str) -> None:
        own = TaskStore(file)
        for _ in range(3):
            lease = leased(own.lease(Agent(name, "generate"), 0, 10))
            got.append(lease.task.id)
            own.hand_in(lease, Agent(name, "generate"), "{}", 1, accepted=True, state="done")
        own.close()

    threads = [threading.Thread(target=work, args=(f"agent{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with_tasks.close()
    assert sorted(got) == sorted({f"{number:016x}" for number in range(12)})


NAMES = st.sampled_from(["alice", "bob", "carol"])
ROLES = st.sampled_from(sorted(SIDES))
STEPS = st.lists(st.tuples(NAMES, ROLES, st.integers(0, 8), st.sampled_from(["in", "back", "no"])), max_size=30)


@settings(max_examples=40)
@given(STEPS)
def test_in_any_order_of_steps_hands_and_sides_stay_apart(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, Role, int, str]]
) -> None:
    store = TaskStore(tmp_path_factory.mktemp("steps") / "tasks.db")
    store.add([task(n, role, f"CVE-2099-{n % 2}") for n, role in enumerate(sorted(SIDES) * 2)])
    now, hands, sides = 0.0, dict[str, tuple[str, float]](), dict[tuple[str, str], str]()
    for name, role, later, end in steps:
        now += later
        agent = Agent(name, role)
        found = store.lease(agent, now, 10)
        if isinstance(found, Left):
            continue
        holder, ends = hands.get(found.task.id, (name, 0.0))
        assert holder == name or ends <= now
        hands[found.task.id] = (name, found.ends)
        assert sides.setdefault((name, found.task.advisory), SIDES[role]) == SIDES[role]
        if end == "in":
            store.hand_in(found, agent, "{}", now, accepted=True, state="done")
        elif end == "back":
            store.give_back(found, agent, "no", now)
            hands[found.task.id] = (name, now)
    store.close()


def test_a_file_that_is_no_queue_is_told_and_left_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "tasks.db"
    file.write_bytes(b"garbage that is no database " * 40)
    with pytest.raises(OutsideError) as told:
        TaskStore(file)
    assert told.value.code == "RF568"
    assert file.read_bytes().startswith(b"garbage")
