"""Streams written out by hand: many alike, numbered, and with their times."""

import pytest

from ruleforge.errors import InputError
from ruleforge.events.event import Event
from ruleforge.sources.event_streams import MAX_REPEAT, written_out


def test_events_repeat_with_a_number_and_a_pause() -> None:
    given = {"events": [{"time": "2099-01-01T00:00:00Z", "repeat": "3", "every": "1m", "fields": {"user": "u{n}"}}]}
    events = [event for event in written_out(given, "auth_log", "t") if isinstance(event, Event)]
    assert [event.values["user"][0].value for event in events] == [b"u0", b"u1", b"u2"]
    times = [event.time_us or 0 for event in events]
    assert [time - times[0] for time in times] == [0, 60_000_000, 120_000_000]
    assert len({event.id for event in events}) == 3


@pytest.mark.parametrize("repeat", ["0", "-1", "x", str(MAX_REPEAT + 1), "１"])
def test_a_number_of_repetitions_is_bounded(repeat: str) -> None:
    with pytest.raises(InputError, match="RF230"):
        list(written_out({"events": [{"repeat": repeat, "fields": {"user": "a"}}]}, "auth_log", "t"))


@pytest.mark.parametrize("given", [{}, {"events": []}, {"events": "x"}, {"events": ["x"]}])
def test_without_events_there_is_no_stream(given: dict[str, object]) -> None:
    with pytest.raises(InputError, match="RF230"):
        list(written_out(given, "auth_log", "t"))  # type: ignore[arg-type]
