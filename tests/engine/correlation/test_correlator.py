"""Counts and sequences mean what the brute-force reading says, in whatever order events arrive."""

import importlib.util
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ruleforge.engine.correlation import Correlator, Observation, Plan, partition
from ruleforge.errors import RuleError, UsageError
from ruleforge.events.event import EventView
from ruleforge.rules.tree import Rule

_spec = importlib.util.spec_from_file_location("brute_force", Path(__file__).parent / "brute_force.py")
assert _spec is not None
assert _spec.loader is not None
common = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(common)

FAIL = {"field": "outcome", "op": "equals", "value": "failure"}
GOOD = {"field": "outcome", "op": "equals", "value": "success"}
ODD = {"field": "user", "op": "equals", "value": "a"}


def count(at_least: int, within: str = "10s", by: tuple[str, ...] = ("source.address",), **more: Any) -> dict[str, Any]:
    return {"count": {"when": FAIL, "by": list(by), "within": within, "at_least": at_least, **more}}


def sequence(*steps: Any, within: str = "10s") -> dict[str, Any]:
    return {"sequence": list(steps), "by": ["source.address"], "within": within}


RULES = [
    common.make_rule(count(3), "three"),
    common.make_rule(count(2, "3s", ("source.address", "user")), "two"),
    common.make_rule(count(3, distinct="user"), "users"),
    common.make_rule(sequence(FAIL, GOOD), "then"),
    common.make_rule(sequence(FAIL, FAIL, GOOD, within="5s"), "twice"),
    common.make_rule(sequence({"any": [FAIL, ODD]}, {"any": [GOOD, ODD]}, ODD, within="8s"), "mixed"),
]

event_texts = st.builds(
    "{} {} 192.0.2.{} {} x{}".format,
    st.integers(0, 40),
    st.sampled_from(["fail", "fail", "ok"]),
    st.integers(1, 2),
    st.sampled_from("abcd"),
    st.sampled_from([1, 1, 1, 2]),
)
streams = st.lists(event_texts, max_size=40)


def observations(rules: list[Rule], texts: list[str]) -> Any:
    return common.observe(Plan(rules), [common.parse_event(text, at) for at, text in enumerate(texts)])


@given(streams)
def test_streaming_says_what_the_definition_says(texts: list[str]) -> None:
    seen = observations(RULES, texts)
    correlator = Correlator(RULES, lateness_seconds=None)
    assert common.told(correlator.feed(seen) + correlator.close()) == common.by_brute_force(RULES, seen)


@given(streams, st.randoms(use_true_random=False), st.sampled_from([0, 3, 20]))
def test_order_of_arrival_within_the_lateness_bound_does_not_matter(texts: list[str], random: Any, bound: int) -> None:
    """Delays of at most the bound reorder events; none of them is late, and the alerts are the same."""
    seen = sorted(observations(RULES, texts), key=lambda one: one.time_us)
    delayed = sorted(seen, key=lambda one: one.time_us + random.random() * bound * common.SECOND)
    correlator = Correlator(RULES, lateness_seconds=bound)
    alerts = [alert for one in delayed for alert in correlator.feed([one])] + correlator.close()
    assert common.told(alerts) == common.by_brute_force(RULES, seen)
    assert correlator.tally.late == 0


@given(streams, st.integers(1, 4), st.sampled_from([None, 0, 5]))
def test_keys_can_be_shared_out_to_several_correlators(texts: list[str], many: int, late: Any) -> None:
    seen = observations(RULES, texts)
    whole = Correlator(RULES, lateness_seconds=late)
    expected = whole.feed(seen) + whole.close()
    several = [Correlator(RULES, lateness_seconds=late) for _ in range(many)]
    alerts = []
    for one in seen:
        parts = partition(one, many)
        for number, correlator in enumerate(several):
            alerts += correlator.feed([parts.get(number, Observation(one.time_us, one.id))])
    alerts += [alert for correlator in several for alert in correlator.close()]
    assert common.told(alerts) == common.told(expected)
    assert len(alerts) == len(expected)
    for count in ("late", "absorbed", "unkeyed"):
        assert sum(getattr(one.tally, count) for one in several) >= getattr(whole.tally, count)


@given(streams, st.integers(0, 40), st.sampled_from([None, 0, 5]))
def test_a_state_taken_up_again_goes_on_as_if_nothing_had_happened(texts: list[str], cut: int, late: Any) -> None:
    seen = observations(RULES, texts)
    whole = Correlator(RULES, lateness_seconds=late)
    expected = whole.feed(seen) + whole.close()
    first, second = Correlator(RULES, lateness_seconds=late), Correlator(RULES, lateness_seconds=late)
    alerts = first.feed(seen[:cut])
    second.restore(first.state())
    alerts += second.feed(seen[cut:]) + second.close()
    assert alerts == expected
    assert second.tally == whole.tally
    assert second.state() == whole.state()


@given(streams, st.integers(1, 3), st.integers(3, 6))
def test_memory_stays_within_its_bounds_and_what_is_forgotten_is_counted(
    texts: list[str], keys: int, most: int
) -> None:
    seen = observations(RULES, texts)
    correlator = Correlator(RULES, lateness_seconds=0, max_keys=keys, max_events=most, max_waiting=2)
    alerts = []
    for one in seen:
        alerts += correlator.feed([one])
        assert len(correlator._keys) <= keys
        assert correlator._held == sum(len(state.window) for state in correlator._keys.values()) <= most
        assert len(correlator._waiting) <= 2
    alerts += correlator.close()
    tally = correlator.tally
    if tally.evicted_keys == tally.late == tally.released_early == 0:
        assert common.told(alerts) == common.by_brute_force(RULES, seen)


def test_events_later_than_the_bound_are_counted_and_not_used() -> None:
    rules = [common.make_rule(count(2))]
    correlator = Correlator(rules, lateness_seconds=5)
    alerts = correlator.feed(observations(rules, ["20 fail 192.0.2.1", "14 fail 192.0.2.1", "15 fail 192.0.2.1"]))
    assert len(alerts + correlator.close()) == 1
    assert correlator.tally.late == 1
    assert correlator.tally.events == 3


def test_time_moves_on_with_events_that_no_rule_is_interested_in() -> None:
    rules = [common.make_rule(count(2))]
    correlator = Correlator(rules, lateness_seconds=5)
    assert correlator.feed(observations(rules, ["1 fail 192.0.2.1", "2 fail 192.0.2.1"])) == []
    assert len(correlator.feed(observations(rules, ["8 ok 192.0.2.9"]))) == 1


def test_events_without_a_time_or_a_key_are_counted() -> None:
    rules = [common.make_rule(count(1, by=("source.address", "user")))]
    correlator = Correlator(rules)
    correlator.feed(observations(rules, ["? fail 192.0.2.1 a", "1 fail 192.0.2.1 -", "1 fail ? a"]))
    assert correlator.close() == []
    assert (correlator.tally.untimed, correlator.tally.unkeyed) == (1, 2)


def test_the_key_not_seen_for_longest_is_forgotten_first() -> None:
    rules = [common.make_rule(count(2, "1h"))]
    correlator = Correlator(rules, lateness_seconds=0, max_keys=2)
    texts = ["1 fail 192.0.2.1", "2 fail 192.0.2.2", "3 fail 192.0.2.3", "4 fail 192.0.2.1", "5 fail 192.0.2.3"]
    alerts = correlator.feed(observations(rules, texts)) + correlator.close()
    assert [dict(alert.key)["source.address"] for alert in alerts] == [b"192.0.2.3"]
    assert (correlator.tally.evicted_keys, correlator.tally.evicted_events) == (2, 2)


def test_forgetting_a_key_whose_window_is_over_is_no_loss() -> None:
    rules = [common.make_rule(count(2, "5s"))]
    correlator = Correlator(rules, lateness_seconds=0, max_keys=1)
    correlator.feed(observations(rules, ["1 fail 192.0.2.1", "7 fail 192.0.2.2", "20 ok 192.0.2.3"]))
    assert correlator.tally.evicted_keys == 0


def test_a_count_beyond_the_bound_is_refused() -> None:
    with pytest.raises(RuleError, match="RF331"):
        Correlator([common.make_rule(count(11))], max_events=10)


def test_a_rule_about_single_events_is_no_correlation() -> None:
    with pytest.raises(UsageError, match="RF133"):
        Correlator([common.make_rule(FAIL)])


@pytest.mark.parametrize("bounds", [{"max_keys": 0}, {"max_waiting": 0}, {"max_events": 0}, {"lateness_seconds": -1}])
def test_bounds_that_leave_nothing_are_refused(bounds: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="RF134"):
        Correlator([], **bounds)


@pytest.mark.parametrize("data", [b"", b"\xff" * 10, b"\x91" * 100_000, b"{}"])
def test_what_is_no_state_is_refused(data: bytes) -> None:
    with pytest.raises(UsageError, match="RF135"):
        Correlator(RULES).restore(data)


def test_state_of_rules_that_changed_is_left_out_and_counted() -> None:
    before = Correlator([common.make_rule(count(2), "gone"), common.make_rule(count(3), "kept")], lateness_seconds=9)
    texts = ["1 fail 192.0.2.1", "1 fail 192.0.2.1", "20 ok 192.0.2.1", "15 fail 192.0.2.2"]
    before.feed(observations(list(before.plan.rules), texts))
    after = Correlator([common.make_rule(count(2, "9s"), "new"), common.make_rule(count(3), "kept")])
    after.restore(before.state())
    assert after.tally.forgotten_rules == 1
    assert {rule for rule, _ in after._keys} == {1}
    assert [hit.rule for waiting in after._waiting for hit in waiting[5]] == [1]


def test_equal_parts_of_rules_are_asked_once() -> None:
    plan = Plan([common.make_rule(sequence(FAIL, FAIL, FAIL, GOOD), "a"), common.make_rule(count(5), "b")])
    assert len(plan.parts) == 2
    (one,) = common.observe(plan, [common.parse_event("1 fail 192.0.2.1", 0)])
    assert [(hit.rule, hit.steps) for hit in one.hits] == [(0, 0b111), (1, 1)]


def test_a_long_key_is_shortened_and_still_told_from_others() -> None:
    plan = Plan([common.make_rule(count(2, by=("user",)))])
    users = ["u" * 5000 + "1", "u" * 5000 + "2"]
    seen = common.observe(plan, [common.parse_event(f"1 fail 192.0.2.1 {user}", 0) for user in users])
    keys = {one.hits[0].key[0] for one in seen}
    assert len(keys) == 2
    assert all(len(key) < 200 for key in keys)


def test_an_alert_names_first_and_last_event_and_a_sample() -> None:
    rules = [common.make_rule(count(20, "1h"))]
    correlator = Correlator(rules, lateness_seconds=None)
    correlator.feed(observations(rules, [f"{at} fail 192.0.2.1" for at in range(30)]))
    (alert,) = correlator.close()
    assert (alert.first, alert.last, alert.count) == ("log:0", "log:19", 20)
    assert alert.sample == tuple(f"log:{at}" for at in (0, 1, 2, 3, 4, 15, 16, 17, 18, 19))
    assert correlator.tally.absorbed == 10


def test_a_view_of_an_event_can_be_observed_without_a_set() -> None:
    plan = Plan([common.make_rule(count(1))])
    view = EventView(common.parse_event("1 fail 192.0.2.1", 0))
    assert plan.observe(view, [0], time_us=1, id="x").hits[0].key == (b"192.0.2.1",)
    assert plan.observe(view, [], time_us=1, id="x").hits == ()


@pytest.mark.parametrize("change", ["kind", "key", "steps"])
def test_a_state_that_no_rule_could_have_made_is_refused(change: str) -> None:
    rules = [common.make_rule(sequence(FAIL, FAIL, GOOD), "r")]
    correlator = Correlator(rules, lateness_seconds=0)
    correlator.feed(observations(rules, ["1 fail 192.0.2.1 a x1", "2 fail 192.0.2.1 a x1", "3 fail 192.0.2.1 a x1"]))
    data = msgspec.msgpack.decode(correlator.state())
    kept = data["keys"][0]
    if change == "kind":
        kept["state"]["window"] = {"type": "count", "events": [], "total": 0}
    elif change == "key":
        kept["key"] = []
    else:
        kept["state"]["window"]["chains"] = kept["state"]["window"]["chains"][:1]
    with pytest.raises(UsageError, match="RF135"):
        Correlator(rules, lateness_seconds=0).restore(msgspec.msgpack.encode(data))
