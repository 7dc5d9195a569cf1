"""Nothing can be spent beyond a limit: neither by a run, nor for a CVE, nor on a day."""

import re
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ruleforge.errors import OutsideError
from ruleforge.llm.budget import Budget, BudgetError, Limits, MemoryLedger, Meter, Spent
from ruleforge.llm.door import Answer
from ruleforge.llm.ledger import FileLedger
from ruleforge.llm.prices import Price, dollars_said
from ruleforge.llm.provider import Call, LostError, Reply, UnreachedError
from ruleforge.llm.scripted import Scripted

LIMITS = st.builds(
    Limits, st.none() | st.integers(0, 6), st.none() | st.integers(0, 9_000), st.none() | st.integers(0, 40_000)
)
PRICE = Price(input=3_000_000, cached_input=300_000, written_input=3_750_000, output=15_000_000)
KEY = bytes(range(32))
MOODS = ("good", "wrong", "silent", "broken", "lost", "unreached")


class Honest(Scripted):
    """Costs what it likes within what a call may cost, and is sometimes wrong, silent, broken, lost or not there."""

    def __init__(self, moods: list[tuple[str, float]], good: str) -> None:
        super().__init__(())
        self.moods, self.good, self.paid = list(moods), good, []
        self.lock = threading.Lock()

    def send(self, call: Call) -> Reply:
        with self.lock:
            mood, share = self.moods.pop() if self.moods else ("good", 1.0)
        if mood == "unreached":
            raise UnreachedError("nobody is there", code="RF550")
        sent, made = int(share * call.sent_most(KEY)), int(share * call.tuning.output_most)
        written = sent // 2
        with self.lock:
            self.paid.append((call.subject, Spent(1, sent + made, PRICE.cost(sent, made, written=written))))
        if mood in ("broken", "lost"):
            raise (OutsideError("it broke", code="RF540") if mood == "broken" else LostError("cut", code="RF551"))
        text = self.good if mood != "wrong" else "no"
        if mood == "silent":
            return Reply(text=text)
        return Reply(text=text, tokens_in=sent, tokens_out=made, tokens_written=written)


def total(paid: list[tuple[str, Spent]]) -> Spent:
    whole = Spent()
    for _, each in paid:
        whole = whole.plus(each)
    return whole


def within(spent: Spent, limits: Limits) -> bool:
    pairs = ((spent.calls, limits.calls), (spent.tokens, limits.tokens), (spent.money, limits.money))
    return all(most is None or used <= most for used, most in pairs)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    run=LIMITS,
    cve=LIMITS,
    day=LIMITS,
    moods=st.lists(st.tuples(st.sampled_from(MOODS), st.floats(0, 1)), max_size=12),
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
    door = door_to(provider, meter=meter, price=PRICE)
    results = door.ask_all([question(number, subject=name) for number, name in enumerate(subjects)])
    paid = total(provider.paid)
    assert within(paid, run)
    assert within(paid, day)
    for name in set(subjects):
        assert within(total([each for each in provider.paid if each[0] == name]), cve)
    assert ledger.spent() == meter.run
    assert meter.run.calls == paid.calls
    assert meter.run.tokens >= paid.tokens  # what is not known stays counted as the most
    assert meter.run.money >= paid.money
    told = sum(result.usage.cost for result in results if isinstance(result, Answer))
    assert told <= meter.run.money


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    runs=st.lists(st.tuples(LIMITS, LIMITS), min_size=2, max_size=3),
    day=LIMITS,
    moods=st.lists(st.tuples(st.sampled_from(MOODS), st.floats(0, 1)), max_size=20),
    subjects=st.lists(st.sampled_from(["CVE-2099-0001", "CVE-2099-0002"]), min_size=2, max_size=5),
    dead=st.integers(0, 2),
)
def test_several_doors_and_threads_share_one_day_and_never_run_over(
    runs: list[tuple[Limits, Limits]],
    day: Limits,
    moods: list[tuple[str, float]],
    subjects: list[str],
    dead: int,
    question: Callable[..., Any],
    door_to: Callable[..., Any],
    good: str,
) -> None:
    with TemporaryDirectory() as folder:

        def ledger() -> FileLedger:
            return FileLedger(Path(folder), lambda: date(2099, 12, 31))

        left = [ledger().add(Spent(1, 10, 10), Limits()) for _ in range(dead)]  # of processes that died
        meters = [Meter(Budget(run=run, cve=cve, day=day), ledger()) for run, cve in runs]
        providers = [Honest(moods, good) for _ in runs]
        doors = [door_to(provider, meter=meter, price=PRICE) for provider, meter in zip(providers, meters, strict=True)]
        with ThreadPoolExecutor(2 * len(doors)) as pool:
            asked = [
                pool.submit(door.ask_all, [question(number, subject=name)])
                for number, name in enumerate(subjects)
                for door in doors
            ]
            for each in asked:
                each.result()
        spent = ledger().spent()
    left_over = Spent(len(left), 10 * len(left), 10 * len(left))
    everything = total([each for provider in providers for each in provider.paid])
    assert within(everything.plus(left_over), day) or (left and not everything.calls)
    for provider, meter, (run, cve) in zip(providers, meters, runs, strict=True):
        assert within(total(provider.paid), run)
        for name in set(subjects):
            assert within(total([each for each in provider.paid if each[0] == name]), cve)
        assert meter.run.calls == len(provider.paid)
        assert meter.problems == []
    settled = left_over
    for meter in meters:
        settled = settled.plus(meter.run)
    assert spent == settled


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
    assert one.add(Spent(1, 600), Limits(tokens=1_000)) == "2099-12-31"
    with pytest.raises(BudgetError, match="this day"):
        other.add(Spent(1, 600), Limits(tokens=1_000))
    one.give_back("2099-12-31", Spent(1, 600), Spent(1, 100))
    other.add(Spent(1, 600), Limits(tokens=1_000))
    assert one.spent() == Spent(2, 700)


def test_those_who_spend_at_once_share_one_limit(tmp_path: Path) -> None:
    def spend(_number: int) -> bool:
        try:
            FileLedger(tmp_path, lambda: date(2099, 12, 31)).add(Spent(1, 10), Limits(calls=25))
        except BudgetError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(spend, range(40))) == 25
    assert FileLedger(tmp_path, lambda: date(2099, 12, 31)).spent() == Spent(25, 250)


def test_the_next_day_begins_with_nothing(tmp_path: Path) -> None:
    days = iter([date(2099, 12, 30), date(2099, 12, 31), date(2099, 12, 31)])
    ledger = FileLedger(tmp_path, lambda: next(days))
    first = ledger.add(Spent(1, 10), Limits(calls=1))
    ledger.add(Spent(1, 20), Limits(calls=1))
    ledger.give_back(first, Spent(1, 10), Spent(1, 5))
    assert ledger.spent() == Spent(1, 20)


def test_a_process_that_died_leaves_its_reservation_counted(tmp_path: Path) -> None:
    meter = Meter(ledger=FileLedger(tmp_path))
    meter.reserve("CVE-2099-0001", Spent(1, 900))
    assert FileLedger(tmp_path).spent() == Spent(1, 900)


def test_a_damaged_ledger_is_no_licence_to_spend(tmp_path: Path) -> None:
    ledger = FileLedger(tmp_path, lambda: date(2099, 12, 31))
    (tmp_path / "spent-2099-12-31.json").write_text("{")
    with pytest.raises(OutsideError, match="RF541"):
        ledger.add(Spent(1, 1), Limits())


def test_a_ledger_of_before_there_was_money_still_counts(tmp_path: Path) -> None:
    (tmp_path / "spent-2099-12-31.json").write_text('{"calls":3,"tokens":700}')
    ledger = FileLedger(tmp_path, lambda: date(2099, 12, 31))
    assert ledger.spent() == Spent(3, 700, 0)
    ledger.add(Spent(1, 10, 5), Limits(calls=4))
    assert ledger.spent() == Spent(4, 710, 5)


def test_who_deletes_the_ledger_in_between_is_owed_nothing(tmp_path: Path) -> None:
    ledger = FileLedger(tmp_path, lambda: date(2099, 12, 31))
    day = ledger.add(Spent(1, 900, 90), Limits())
    (tmp_path / "spent-2099-12-31.json").unlink()
    ledger.give_back(day, Spent(1, 900, 90), Spent(1, 100, 10))
    assert ledger.spent() == Spent()


def test_a_ledger_that_owes_money_is_damaged(tmp_path: Path) -> None:
    (tmp_path / "spent-2099-12-31.json").write_text('{"calls":1,"tokens":-9000000}')
    with pytest.raises(OutsideError, match="RF541"):
        FileLedger(tmp_path, lambda: date(2099, 12, 31)).spent()


def test_an_answer_that_is_paid_is_not_lost_for_the_ledger(
    question: Any, door_to: Any, good: str, tmp_path: Path
) -> None:
    class Breaking(Scripted):
        def send(self, call: Call) -> Reply:
            (tmp_path / "spent-2099-12-31.json").write_text("{")
            return super().send(call)

    door = door_to(
        Breaking([Reply(text=good, tokens_in=9, tokens_out=3)]),
        meter=Meter(ledger=FileLedger(tmp_path, lambda: date(2099, 12, 31))),
    )
    assert door.ask(question()).value.probability == 0.25
    assert "RF541" in door.money_note
    with pytest.raises(OutsideError, match="RF541"):
        door.ask(question(1))


def sent_most(question: Any, door_to: Any) -> int:
    """The bound of what is sent, as a call has it that was made."""
    provider = Scripted(["no"])
    door_to(provider, asked_again_most=0).ask_all([question])
    return provider.asked[0].sent_most(KEY)


def test_money_is_limited_by_the_most_that_a_call_can_cost(question: Any, door_to: Any, good: str) -> None:
    provider = Scripted([Reply(text=good, tokens_in=1_000, tokens_out=100)] * 9)
    most = PRICE.most(sent_most(question(), door_to), 1_500)
    door = door_to(provider, meter=Meter(Budget(day=Limits(money=most + 10_000))), price=PRICE)
    results = door.ask_all([question(number) for number in range(6)])
    assert [type(result).__name__ for result in results] == ["Answer"] * 3 + ["BudgetError"] * 3
    assert [result.usage.cost for result in results[:3]] == [4_500] * 3
    told = r"the budget of this day does not cover the next call: \$0\.0135 of \$0\.0\d+ are used.*need "
    told += re.escape(dollars_said(most))
    assert re.search(told, str(results[3]))
    assert len(provider.asked) == 3


def test_a_limit_in_money_refuses_a_model_without_a_price(question: Any, door_to: Any, good: str) -> None:
    for scope in ("run", "cve", "day"):
        provider = Scripted([good])
        door = door_to(provider, meter=Meter(Budget(**{scope: Limits(money=10**9)})))
        with pytest.raises(BudgetError, match=r"\[RF431\].*fake has no price.*prices\.json"):
            door.ask(question())
        assert provider.asked == []
        assert door.meter.run == Spent()


def test_without_a_price_tokens_are_limited_and_it_is_said(question: Any, door_to: Any, good: str) -> None:
    door = door_to(Scripted([Reply(text=good, tokens_in=9, tokens_out=3)] * 2), meter=Meter(Budget(run=Limits(1))))
    answer = door.ask(question())
    assert answer.usage.cost is None
    assert answer.usage.cost_said == "not counted in money: the model has no price"
    assert door.money_note == "fake has no price: calls and tokens are limited, money is not counted"
    with pytest.raises(BudgetError, match="RF430"):
        door.ask(question(1))


def test_a_lost_answer_costs_the_most_that_it_may_have(question: Any, door_to: Any, good: str) -> None:
    provider = Scripted([LostError("cut", code="RF551"), Reply(text=good, tokens_in=100, tokens_out=10)])
    door = door_to(provider, price=PRICE)
    answer = door.ask(question())
    most = PRICE.most(provider.asked[0].sent_most(KEY), 1_500)
    assert (answer.usage.calls, answer.usage.cost) == (2, most + 450)
    assert door.meter.run.money == most + 450
