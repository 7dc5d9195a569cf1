"""Windows of time: bounds as people write them, and which rows of a batch lie inside."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ruleforge.app.scanning.times import Window, inside, window
from ruleforge.errors import UsageError
from ruleforge.events.columns import to_batch
from ruleforge.events.origin import written
from ruleforge.events.request import Request

NOW = datetime(2099, 3, 10, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("since", "until", "first", "last"),
    [
        ("2099-03-01", "", "2099-03-01T00:00:00Z", ""),
        ("", "2099-03-01", "", "2099-03-02T00:00:00Z"),  # that day still counts
        ("2099-03-01T10:00:00+02:00", "2099-03-01T09:00:00Z", "2099-03-01T08:00:00Z", "2099-03-01T09:00:00Z"),
        ("7d", "12h", "2099-03-03T12:00:00Z", "2099-03-10T00:00:00Z"),
        ("2w", "90s", "2099-02-24T12:00:00Z", "2099-03-10T11:58:30Z"),
    ],
)
def test_bounds_are_read_as_people_write_them(since: str, until: str, first: str, last: str) -> None:
    made = window(since, until, NOW)
    assert (written(made.since), written(made.until)) == (first, last)


@pytest.mark.parametrize("text", ["yesterday", "7y", "20990301", "d", "2099-13-01"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="RF127"):
        window(text, "", NOW)


def test_a_window_that_ends_before_it_begins_is_refused() -> None:
    with pytest.raises(UsageError, match="RF140"):
        window("2099-03-02", "2099-03-01T00:00:00Z", NOW)


def request(time: str) -> Request:
    return Request(method=b"GET", target=b"/", id=time, time=time)


TIMES = ("2099-03-01T00:00:00Z", "01/Mar/2099:00:30:00 +0000", "2099-03-01T01:00:00Z", "", "no time")


@pytest.mark.parametrize("keep", [True, False])
def test_rows_outside_and_rows_without_a_time_are_counted(keep: bool) -> None:
    asked = Window(window("2099-03-01T00:10:00Z", "", NOW).since, window("", "2099-03-01T01:00:00Z", NOW).until, keep)
    masked = inside(to_batch([request(time) for time in TIMES]), asked)
    assert masked.batch.column("id").to_pylist() == [TIMES[1], *(TIMES[3:] if keep else ())]
    assert (masked.outside, masked.undated) == (2, 2)


@given(st.lists(st.integers(0, 200)), st.integers(0, 200), st.integers(0, 200))
def test_every_row_is_inside_or_counted(seconds: list[int], since: int, until: int) -> None:
    requests = [request(written(at)) for at in seconds]
    masked = inside(to_batch(requests), Window(since, until))
    kept = [at for at in seconds if since <= at < until]
    assert masked.batch.num_rows == len(kept)
    assert masked.outside + masked.batch.num_rows == len(seconds)


@pytest.mark.parametrize("far", ["999999w", "30000d"])
def test_a_time_before_1970_is_the_beginning_of_all_times(far: str) -> None:
    assert window(far, "", NOW).since in (0, NOW.timestamp() - 30_000 * 86_400)
    with pytest.raises(UsageError, match="RF140"):
        window("1d", far, NOW)
