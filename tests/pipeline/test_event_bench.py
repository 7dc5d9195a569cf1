"""Every tool refuses what does not fit, and says why; none of them writes, sends or approves anything."""

from itertools import combinations
from pathlib import Path
from typing import get_args

import pytest

from ruleforge.ingest.event_cases import parse_case, read_case
from ruleforge.pipeline.event_bench import CANDIDATES_MOST, Bench, digest_of
from ruleforge.records.event_case import Choice, Tool

FOLDER = Path(__file__).resolve().parents[2] / "examples" / "events"


@pytest.fixture
def bench() -> Bench:
    return Bench(read_case(FOLDER / "process-reverse-shell.yaml"))


def call(bench: Bench, tool: str, **more: object) -> tuple[bool, dict[str, object]]:
    return bench.call(Choice(tool=tool, **more))  # type: ignore[arg-type]


def test_there_are_eight_tools_and_none_approves() -> None:
    assert set(get_args(Tool)) == {"propose", "compose", "refine", "test", "similar", "escalate", "give_up", "finish"}


@pytest.mark.parametrize(
    ("tool", "more"),
    [
        ("propose", {"strategy": "count"}),  # for streams only
        ("propose", {"strategy": "evil"}),
        ("compose", {"facets": ()}),
        ("compose", {"facets": ("f00000000",)}),
        ("refine", {"candidate": "c1"}),
        ("test", {"candidate": "c1"}),
        ("similar", {"candidate": ""}),
        ("escalate", {"candidate": "c1", "question": "duplicate"}),
        ("give_up", {"reason": "no_candidate"}),
        ("give_up", {"reason": "indistinguishable"}),
        ("finish", {"candidate": "c1"}),
    ],
)
def test_what_does_not_fit_is_refused_and_changes_nothing(bench: Bench, tool: str, more: dict[str, object]) -> None:
    accepted, result = call(bench, tool, **more)
    assert not accepted
    assert result["refused"]
    assert bench.contenders == {}
    assert bench.proposed == {}


def test_a_candidate_is_finished_only_after_it_passed(bench: Bench) -> None:
    _, made = call(bench, "propose", strategy="single")
    assert made["candidate"] == "c1"
    assert not call(bench, "propose", strategy="single")[0]
    assert not call(bench, "finish", candidate="c1")[0]
    accepted, tested = call(bench, "test", candidate="c1")
    assert accepted
    assert tested["passed"]
    assert not call(bench, "escalate", candidate="c1", question="indicator_only")[0]
    assert not call(bench, "give_up", reason="no_candidate_passed")[0]
    assert call(bench, "finish", candidate="c1")[0]


def test_a_rule_put_together_of_one_weak_facet_does_not_pass(bench: Bench) -> None:
    weak = next(name for name, facet in bench.facets().items() if facet.tree.field == "outcome")
    accepted, made = call(bench, "compose", facets=(weak,))
    assert accepted
    _, tested = call(bench, "test", candidate=made["candidate"])
    assert set(tested["failing"]) >= {"benign", "ordinary", "surprise"}  # type: ignore[call-overload]
    assert not call(bench, "finish", candidate=made["candidate"])[0]
    assert call(bench, "compose", facets=(weak,))[1]["refused"] == "this is c1"


def test_refining_leaves_out_what_is_named(bench: Bench) -> None:
    _, made = call(bench, "propose", strategy="single")
    facets = made["facets"]
    assert isinstance(facets, list)
    accepted, other = call(bench, "refine", candidate="c1", facets=(facets[0],))
    assert accepted
    assert facets[0] not in other.get("facets", [])  # type: ignore[operator]
    assert not call(bench, "refine", candidate="c1", facets=("f00000000",))[0]


def test_candidates_are_bounded(bench: Bench) -> None:
    names = list(bench.facets())
    some = [each for size in range(1, 5) for each in combinations(names, size)]
    accepted = [call(bench, "compose", facets=each)[0] for each in some]
    assert len(some) > CANDIDATES_MOST
    assert len(bench.contenders) == sum(accepted) == CANDIDATES_MOST
    assert not accepted[-1]


def test_streams_without_times_are_given_up_with_that_reason() -> None:
    text = b"""
case: 1
id: EV-UNTIMED
event: auth_log
malicious:
  - events: [{repeat: 20, fields: {action: login, outcome: failure, user: a, source.address: 192.0.2.1}}]
benign:
  - events: [{repeat: 3, fields: {action: login, outcome: failure, user: a, source.address: 192.0.2.2}}]
"""
    bench = Bench(parse_case(text, "untimed"))
    for strategy in bench.strategies:
        call(bench, "propose", strategy=strategy)
    assert bench.reason_to_stop() == "untimed"
    assert call(bench, "give_up", reason="untimed")[0]


def test_a_digest_does_not_depend_on_the_order_of_keys() -> None:
    assert digest_of({"a": 1, "b": [2]}) == digest_of({"b": [2], "a": 1})
    assert digest_of({"a": 1}) != digest_of({"a": 2})
