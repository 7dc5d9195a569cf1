"""Every protocol with every fault, through the door: an answer or a typed error, and a budget that settles exactly."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ruleforge.errors import RuleForgeError
from ruleforge.llm.budget import Meter, Spent
from ruleforge.llm.door import Answer, Door
from ruleforge.llm.fake_server import FAULTS, FakeServer, running
from ruleforge.llm.hosted import Hosted
from ruleforge.llm.ledger import FileLedger
from ruleforge.llm.prices import Price
from ruleforge.llm.provider import Ground
from ruleforge.llm.wires import WIRES

ROWS = json.loads((Path(__file__).parent / "faults.json").read_text("utf-8"))
PATHS = {"openai": "/v1", "anthropic": "", "bedrock": ""}
PRICE = Price(input=3_000_000, cached_input=300_000, written_input=3_750_000, output=15_000_000)
KEY = bytes(range(32))
LOST = ("none", "cut", "garbled", "empty", "504")  # paid, and nothing whole arrives


@pytest.fixture(scope="module")
def shared() -> Iterator[FakeServer]:
    with running(FakeServer(slow_seconds=0.3)) as server:
        yield server


@pytest.fixture
def server(shared: FakeServer) -> FakeServer:
    shared.asked.clear()
    shared.billed.clear()
    shared.faults.clear()
    return shared


def test_the_matrix_holds_every_fault_once_and_always() -> None:
    assert {(row["fault"], row["times"]) for row in ROWS} == {
        (fault, n) for fault in FAULTS for n in ("once", "always")
    }
    assert len(ROWS) * len(list(WIRES)) >= 80
    assert {row["outcome"] for row in ROWS} == {"answer", "RF540", "RF551", "RF552"}


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row['fault']} {row['times']} {row['patience']:g}")
def test_a_fault_ends_in_an_answer_or_a_typed_error_and_the_budget_settles(
    row: dict[str, Any], wire: str, server: FakeServer, question: Any, door_to: Any, tmp_path: Path
) -> None:
    server.faults[:] = [row["fault"]] * (1 if row["times"] == "once" else 20)
    slept: list[float] = []
    ledger, calls = FileLedger(tmp_path), Kept()
    provider = calls.of(
        Hosted(
            server.url + PATHS[wire],
            WIRES[wire],
            calls.ground,
            model="pear-1",
            sleep=slept.append,
            seconds_most=row["patience"],
        )
    )
    door = door_to(provider, meter=Meter(ledger=ledger), price=PRICE)
    (result,) = door.ask_all([question()])
    assert (("answer" if isinstance(result, Answer) else result.code), slept) == (row["outcome"], row["slept"])
    assert (len(server.asked), door.meter.run.calls) == (row["requests"], row["calls"])
    most = calls.sent[0].sent_most(KEY)
    lost = row["lost"]
    arrived = server.billed[lost:] if row["fault"] in (*LOST, "slow") else server.billed
    tokens = sum(map(sum, arrived)) + lost * (most + 1_500)
    money = sum(PRICE.cost(*each) for each in arrived) + lost * PRICE.most(most, 1_500)
    assert door.meter.run == ledger.spent() == Spent(row["calls"], tokens, money)
    if isinstance(result, Answer):
        assert (result.usage.calls, result.usage.cost) == (row["calls"], money)
        assert result.value.reasons[0].fruit == "f1"


class Kept:
    """Keeps the calls that a provider is sent."""

    def __init__(self) -> None:
        self.ground, self.sent = Ground(KEY), []

    def of(self, provider: Hosted) -> Hosted:
        whole = provider.send

        def send(call: Any) -> Any:
            self.sent.append(call)
            return whole(call)

        provider.send = send  # type: ignore[method-assign]
        return provider


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    wire=st.sampled_from(list(WIRES)),
    faults=st.lists(st.sampled_from([fault for fault in FAULTS if fault != "slow"]), max_size=12),
    count=st.integers(1, 5),
)
def test_whatever_goes_wrong_every_question_has_one_result_and_no_bill_is_missed(
    wire: str, faults: list[str], count: int, server: FakeServer, question: Any, door_to: Any
) -> None:
    server.faults[:] = faults
    server.billed.clear()
    calls = Kept()
    hosted = Hosted(server.url + PATHS[wire], WIRES[wire], calls.ground, model="pear-1", sleep=lambda _seconds: None)
    door: Door = door_to(calls.of(hosted), price=PRICE)
    results = door.ask_all([question(number) for number in range(count)])
    assert len(results) == count
    assert all(isinstance(result, Answer | RuleForgeError) for result in results)
    assert door.meter.run.calls == len(calls.sent)
    assert door.meter.run.tokens >= sum(map(sum, server.billed))
    assert door.meter.run.money >= sum(PRICE.cost(*each) for each in server.billed)
    if not set(faults) & set(LOST):
        assert door.meter.run.tokens == sum(map(sum, server.billed))
