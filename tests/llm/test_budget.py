"""Nothing can be spent beyond a limit: neither by a run, nor for a CVE, nor on a day."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ruleforge.errors import OutsideError
from ruleforge.llm.budget import Budget, BudgetError, Limits, MemoryLedger, Meter, Spent
from ruleforge.llm.ledger import FileLedger
from ruleforge.llm.provider import Call, Ground, Reply
from ruleforge.llm.scripted import Scripted

LIMITS = st.builds(Limits, st.none() | st.integers(0, 6), st.none() | st.integers(0, 9_000))


class Honest(Scripted):
    """Costs what it likes within what a call may cost, and is sometimes wrong, silent or broken."""

    def __init__(self, moods: list[tuple[str, float]], good: str) -> None:
        super().__init__(())
        self.moods, self.good, self.paid, self.ground = list(moods), good, [], Ground(bytes(range(32)))

    def send(self, call: Call) -> Reply:
        mood, share = self.moods.pop() if self.moods else ("good", 1.0)
        cost = int(share * call.tokens_most(self.ground.frame_key))
        self.paid.append((call.subject, cost))
        if mood == "broken":
            raise OutsideError("it broke", code="RF540")
        text = self.good if mood == "good" else "no"
        return Reply(text=text, tokens_in=None if mood == "silent" else cost, tokens_out=0)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    run=LIMITS,
    cve=LIMITS,
    day=LIMITS,
    moods=st.lists(st.tuples(st.sampled_from(["good", "wrong", "silent", "broken"]), st.floats(0, 1)), max_size=12),
    subjects=st.lists(st.sampled_from(["CVE-2099-0001", "CVE-2099-0002"]), min_size=1, max_size=8),
)
def test_no_sequence_of_calls_runs_over_any_limit(
    run: Limits,
    cve: Limits,
    day: Limits,
    moods: list[tuple[str, float]],
    subjects: list[str],
    question: Callable[..., Any],
    door_to: Callable[..., Any],
    good: str,
) -> None:
    provider, ledger = Honest(moods, good), MemoryLedger()
    meter = Meter(Budget(run=run, cve=cve, day=day), ledger)
    door_to(provider, meter=meter).ask_all([question(number, subject=name) for number, name in enumerate(subjects)])
    for limits, paid in [(run, provider.paid), (day, provider.paid)] + [
        (cve, [each for each in provider.paid if each[0] == name]) for name in set(subjects)
    ]:
        assert limits.calls is None or len(paid) <= limits.calls
        assert limits.tokens is None or sum(cost for _, cost in paid) <= limits.tokens
    assert ledger.spent() == meter.run
    assert meter.run.calls == len(provider.paid)
    assert meter.run.tokens >= sum(cost for _, cost in provider.paid)  # what is not known stays counted as the most


def test_a_call_that_does_not_fit_is_not_sent(question: Any, door_to: Any, good: str) -> None:
    provider = Scripted([good])
    with pytest.raises(BudgetError, match=r"\[RF430\] the budget of this CVE does not cover the next call") as told:
        door_to(provider, meter=Meter(Budget(cve=Limits(tokens=100)))).ask(question())
    assert "0 of 100 tokens are used" in str(told.value)
    assert provider.asked == []


def test_the_limit_of_a_cve_leaves_others_alone(question: Any, door_to: Any, good: str) -> None:
    door = door_to(Scripted([good] * 3), meter=Meter(Budget(cve=Limits(calls=1))))
    asked = [question(0), question(1), question(0, subject="CVE-2099-0002")]
    assert [type(result).__name__ for result in door.ask_all(asked)] == ["Answer", "BudgetError", "Answer"]


def test_what_was_not_used_is_given_back(question: Any, door_to: Any, good: str) -> None:
    meter = Meter()
    door_to(Scripted([Reply(text=good, tokens_in=40, tokens_out=2)]), meter=meter).ask(question())
    assert meter.run == meter.cves["CVE-2099-0001"] == Spent(1, 42)


def test_what_a_provider_does_not_say_stays_counted_as_the_most(question: Any, door_to: Any, good: str) -> None:
    meter, provider = Meter(), Scripted([good])
    door_to(provider, meter=meter).ask(question())
    assert meter.run.tokens == provider.asked[0].tokens_most(bytes(range(32))) > 1_500


def test_a_provider_that_takes_more_than_it_may_is_not_asked_again(question: Any, door_to: Any, good: str) -> None:
    meter = Meter(Budget(run=Limits(tokens=10_000)))
    door = door_to(Scripted([Reply(text=good, tokens_in=50_000, tokens_out=0)] * 2), meter=meter)
    assert [type(result).__name__ for result in door.ask_all([question(0), question(1)])] == ["Answer", "BudgetError"]


def test_a_day_is_counted_over_processes(tmp_path: Path) -> None:
    one, other = (FileLedger(tmp_path, lambda: date(2099, 12, 31)) for _ in range(2))
    assert one.add(1, 600, Limits(tokens=1_000)) == "2099-12-31"
    with pytest.raises(BudgetError, match="this day"):
        other.add(1, 600, Limits(tokens=1_000))
    one.give_back("2099-12-31", 0, 500)
    other.add(1, 600, Limits(tokens=1_000))
    assert one.spent() == Spent(2, 700)


def test_those_who_spend_at_once_share_one_limit(tmp_path: Path) -> None:
    def spend(_number: int) -> bool:
        try:
            FileLedger(tmp_path, lambda: date(2099, 12, 31)).add(1, 10, Limits(calls=25))
        except BudgetError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(spend, range(40))) == 25
    assert FileLedger(tmp_path, lambda: date(2099, 12, 31)).spent() == Spent(25, 250)


def test_the_next_day_begins_with_nothing(tmp_path: Path) -> None:
    days = iter([date(2099, 12, 30), date(2099, 12, 31), date(2099, 12, 31)])
    ledger = FileLedger(tmp_path, lambda: next(days))
    first = ledger.add(1, 10, Limits(calls=1))
    ledger.add(1, 20, Limits(calls=1))
    ledger.give_back(first, 0, 5)
    assert ledger.spent() == Spent(1, 20)


def test_a_process_that_died_leaves_its_reservation_counted(tmp_path: Path) -> None:
    meter = Meter(ledger=FileLedger(tmp_path))
    meter.reserve("CVE-2099-0001", 1, 900)
    assert FileLedger(tmp_path).spent() == Spent(1, 900)


def test_a_damaged_ledger_is_no_licence_to_spend(tmp_path: Path) -> None:
    ledger = FileLedger(tmp_path, lambda: date(2099, 12, 31))
    (tmp_path / "spent-2099-12-31.json").write_text("{")
    with pytest.raises(OutsideError, match="RF541"):
        ledger.add(1, 1, Limits())
