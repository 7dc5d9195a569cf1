"""Counts over time: nothing is lost when bars get wider."""

from hypothesis import given
from hypothesis import strategies as st

from ruleforge.app.scanning.histogram import MAX_BUCKETS, Histogram, width_words


@given(st.lists(st.integers(0, 4_000_000_000), max_size=200), st.integers(1, 80))
def test_bars_hold_every_count_and_are_no_more_than_asked_for(times: list[int], most: int) -> None:
    made = Histogram()
    for at in times:
        made.add(at)
    bars = made.bars(most)
    assert sum(bars.counts) == len(times)
    assert len(bars.counts) <= most
    if times:
        assert bars.start <= min(times)
        assert max(times) < bars.start + bars.width * len(bars.counts)


def test_a_long_log_makes_wider_buckets_and_not_more() -> None:
    made = Histogram()
    for day in range(5_000):
        made.add(day * 86_400)
    assert len(made.counts) <= MAX_BUCKETS
    assert sum(made.counts.values()) == 5_000


def test_widths_have_words() -> None:
    assert [width_words(n) for n in (60, 900, 3_600, 86_400, 1_209_600, 61)] == [
        "1 minute",
        "15 minutes",
        "1 hour",
        "1 day",
        "2 weeks",
        "61 seconds",
    ]
