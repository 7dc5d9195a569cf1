"""One clock that is wrong does not make late what all others say; a pause of days loses nothing."""

import random

from hypothesis import given
from hypothesis import strategies as st

from ruleforge.engine.correlation import Correlator, Observation, RuleHit
from ruleforge.engine.correlation.ahead import Ahead
from ruleforge.rules.parse import parse_rule

DAY, SECOND = 86_400, 1_000_000
NOW = 4_070_908_800  # 2099-01-01
RULE = parse_rule(
    {"schema": 1, "id": "RF-COUNT", "title": "t", "event": "http.request",
     "when": {"count": {"when": {"field": "path", "op": "present"}, "by": ["source.address"], "within": "1m",
                        "at_least": 3}}}
).require()  # fmt: skip


def event(seconds: int, number: int = 0, key: bytes = b"a") -> Observation:
    return Observation(seconds * SECOND, f"day.log:{number}", 1, (RuleHit(0, 1, (key,)),))


def correlator(now: int = NOW, lateness: float | None = 5) -> Correlator:
    return Correlator([RULE], lateness_seconds=lateness, max_skew_seconds=DAY, clock=lambda: now)


def test_an_event_of_a_wrong_clock_makes_no_other_late_and_is_counted() -> None:
    counting = correlator()
    seen = [event(NOW + 20 * at, at, b"%d" % at) for at in range(10)]
    seen.insert(6, event(NOW + 40 * DAY, 99))
    seen += [event(NOW + 200 + at, 20 + at) for at in range(3)]
    alerts = [*counting.feed(seen), *counting.close()]
    assert [alert.last for alert in alerts] == ["day.log:22"]
    assert (counting.tally.late, counting.tally.ahead) == (0, 1)


def test_without_the_bound_one_wrong_clock_blinds_all() -> None:
    counting = Correlator([RULE], lateness_seconds=5)
    alerts = counting.feed([event(NOW + 40 * DAY, 99), *(event(NOW + at, at) for at in range(3))])
    assert [*alerts, *counting.close()] == []
    assert counting.tally.late == 3


def test_a_wrong_clock_that_speaks_first_is_not_believed() -> None:
    counting = correlator()
    alerts = counting.feed([event(NOW + 40 * DAY, 99), *(event(NOW + at, at) for at in range(3))])
    assert [alert.last for alert in [*alerts, *counting.close()]] == ["day.log:2"]
    assert (counting.tally.late, counting.tally.ahead) == (0, 1)


def test_after_a_pause_of_days_nothing_is_lost() -> None:
    counting = correlator(NOW + 100 * DAY)
    seen = [event(NOW + at, at, b"%d" % at) for at in range(40)]
    seen += [event(NOW + 9 * DAY + at, 50 + at, b"b%d" % (at // 3)) for at in range(30)]
    alerts = [*counting.feed(seen), *counting.close()]
    assert len(alerts) == 10
    assert (counting.tally.late, counting.tally.ahead) == (0, 0)


def test_events_that_are_read_as_a_whole_need_no_bound() -> None:
    counting = correlator(lateness=None)
    alerts = counting.feed([event(NOW + 40 * DAY + at, at) for at in range(3)])
    assert len([*alerts, *counting.close()]) == 1
    assert counting.tally.ahead == 0


def test_what_was_seen_goes_over_with_the_state() -> None:
    first, second = correlator(), correlator()
    first.feed([event(NOW + at, at, b"%d" % at) for at in range(10)])
    second.restore(first.state())
    alerts = second.feed([event(NOW + 40 * DAY, 99), *(event(NOW + 20 + at, 20 + at) for at in range(3))])
    assert [alert.last for alert in [*alerts, *second.close()]] == ["day.log:22"]
    assert second.tally.ahead == 1


@given(st.integers())
def test_time_reaches_what_comes_in_order_and_never_what_few_say(seed: int) -> None:
    random_ = random.Random(seed)
    ahead, true_us, reached = Ahead(DAY * SECOND, lambda: NOW), NOW * SECOND, 0
    for number in range(200):
        true_us += random_.randrange(10 * SECOND)
        is_wrong = number % 5 == 3
        newest = ahead.newest(true_us + (2 + random_.randrange(900)) * DAY * SECOND if is_wrong else true_us)
        reached = max(reached, newest or 0)
        assert reached <= true_us + DAY * SECOND
        if not is_wrong:
            assert reached >= true_us
