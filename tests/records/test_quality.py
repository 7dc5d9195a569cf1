"""Rates carry Wilson intervals, and rows say whether they reach their target."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ruleforge.records.quality import Row, rate

pairs = st.integers(1, 10**7).flatmap(lambda of: st.tuples(st.integers(0, of), st.just(of)))


@given(pairs)
def test_the_share_lies_in_its_interval_and_the_interval_in_0_to_1(pair: tuple[int, int]) -> None:
    found = rate(*pair)
    assert found.share is not None
    assert 0.0 <= found.low <= found.share <= found.high <= 1.0


@given(pairs)
def test_the_interval_of_the_rest_is_the_mirror_image(pair: tuple[int, int]) -> None:
    hits, of = pair
    one, other = rate(hits, of), rate(of - hits, of)
    assert one.low == pytest.approx(1 - other.high, abs=1e-9)
    assert one.high == pytest.approx(1 - other.low, abs=1e-9)


@given(pairs)
def test_ten_times_as_many_make_the_interval_narrower(pair: tuple[int, int]) -> None:
    hits, of = pair
    few, many = rate(hits, of), rate(10 * hits, 10 * of)
    assert many.high - many.low < few.high - few.low


@pytest.mark.parametrize(
    ("hits", "of", "low", "high"),
    # Newcombe 1998, table I, method 3 (score without continuity correction).
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_intervals_are_those_of_the_literature(hits: int, of: int, low: float, high: float) -> None:
    found = rate(hits, of)
    assert (round(found.low, 4), round(found.high, 4)) == (low, high)


def test_nothing_counted_says_nothing() -> None:
    found = rate(0, 0)
    assert (found.share, found.low, found.high) == (None, 0.0, 1.0)
    with pytest.raises(ValueError, match="2 of 1"):
        rate(2, 1)


@pytest.mark.parametrize(
    ("hits", "of", "wanted", "target", "met"),
    [
        (7, 10, "high", 0.7, True),
        (6, 10, "high", 0.7, False),
        (1, 100, "low", 0.01, True),
        (2, 100, "low", 0.01, False),
        (0, 0, "low", 0.01, None),
        (1, 2, "high", None, None),
    ],
)
def test_a_row_is_met_on_the_wanted_side_of_its_target(
    hits: int, of: int, wanted: str, target: float | None, met: bool | None
) -> None:
    row = Row(key="k", title="t", unit="CVEs", rate=rate(hits, of), wanted=wanted, target=target)
    assert row.met is met
