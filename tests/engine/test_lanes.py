"""Two lanes: rules without a usable literal keep to a budget, share it fairly, and what was left out is counted."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from ruleforge.engine.batches import RowByRow
from ruleforge.engine.compiled import CompiledSet
from ruleforge.engine.lanes import TwoLanes, is_slow
from ruleforge.errors import UsageError
from ruleforge.events.columns import to_batch
from ruleforge.events.request import Request
from ruleforge.rules.parse import parse_rule
from ruleforge.rules.tree import Rule


def rule(number: int, when: dict[str, Any]) -> Rule:
    document = {"schema": 1, "id": f"RF-TEST-{number}", "title": "t", "event": "http.request", "when": when}
    return parse_rule(document).require()


LONG = rule(1, {"field": "target.raw", "op": "length_gt", "value": 20})
PRESS = rule(2, {"field": "path", "op": "path_suffix", "value": "/fruit/press.php"})
BARE = rule(3, {"not": {"field": "headers", "name": "x-crate", "op": "present"}})
RULES = [LONG, PRESS, BARE]
BATCH = to_batch(
    [
        Request(method=b"GET", target=b"/fruit/press.php"),
        Request(method=b"GET", target=b"/" + b"x" * 40),
        Request(method=b"GET", target=b"/", unrecorded=frozenset({"headers"})),
        Request(method=b"GET", target=b"/fruit/press.php?" + b"y" * 20, headers=((b"X-Crate", b"1"),)),
    ]
)


class Clock:
    """Each look at it costs a millisecond."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 0.001
        return self.now


def portable(rules: Sequence[Rule]) -> RowByRow:
    return RowByRow(CompiledSet(rules))


def lanes(budget_ms: float, clock: Callable[[], float] | None = None) -> TwoLanes:
    return TwoLanes(RULES, portable, budget_ms, clock=clock or Clock())


def test_a_rule_is_slow_when_no_literal_says_that_it_cannot_hold() -> None:
    assert [is_slow(each) for each in RULES] == [True, False, True]
    assert lanes(1).slow == (0, 2)


def test_with_time_enough_both_lanes_say_what_one_would() -> None:
    found, wanted = lanes(1_000).match(BATCH), portable(RULES).match(BATCH)
    assert found.rows.tolist() == wanted.rows.tolist()
    assert found.rules.tolist() == wanted.rules.tolist()
    assert found.unknowns.tolist() == wanted.unknowns.tolist()
    assert found.skipped is not None
    assert not found.skipped.any()


def test_without_time_the_quick_lane_still_answers_and_all_else_is_counted() -> None:
    found = lanes(0).match(BATCH)
    assert (found.rows.tolist(), found.rules.tolist()) == ([0, 3], [1, 1])
    assert found.skipped is not None
    assert found.skipped.tolist() == [4, 0, 4]


def test_what_was_asked_and_what_was_not_add_up_whatever_the_budget() -> None:
    wanted = portable(RULES).match(BATCH)
    pairs = set(zip(wanted.rows.tolist(), wanted.rules.tolist(), strict=True))
    for budget in range(12):
        found = lanes(budget).match(BATCH)
        assert found.skipped is not None
        got = set(zip(found.rows.tolist(), found.rules.tolist(), strict=True))
        assert got <= pairs
        assert {pair for pair in pairs if pair[1] == 1} <= got
        missing = [sum(1 for pair in pairs - got if pair[1] == number) for number in range(3)]
        lost = wanted.unknowns - found.unknowns
        assert all(missing[n] + lost[n] <= found.skipped[n] for n in range(3))


def test_no_rule_is_always_the_one_that_is_left_out() -> None:
    """Each takes its turn to begin, and none may take the time of those behind it."""
    shared = lanes(5)
    skipped = [shared.match(BATCH).skipped for _ in range(4)]
    per_rule = [sum(int(each[number]) for each in skipped if each is not None) for number in (0, 2)]
    assert all(0 < count < 16 for count in per_rule)


def test_a_set_without_slow_rules_has_no_second_lane() -> None:
    only = TwoLanes([PRESS], portable, 0)
    found = only.match(BATCH)
    assert only.slow == ()
    assert found.rules.tolist() == [0, 0]
    assert found.skipped is not None
    assert found.skipped.tolist() == [0]


def test_a_budget_below_nothing_is_refused() -> None:
    with pytest.raises(UsageError, match="RF168"):
        lanes(-1)
