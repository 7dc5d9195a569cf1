"""An event tells what is there, what is known to be missing, and what its source does not record."""

import pytest

from ruleforge.errors import UsageError
from ruleforge.events.event import MAX_FIELD_VALUES, MAX_TIMES, MAX_VALUE_BYTES, EventView, make_event
from ruleforge.events.reading import NOT_RECORDED, NOTHING


def event(given, recorded=None, times=1):
    return make_event("process", given, time_us=None, id="x", source="y", recorded=recorded, times=times)


def test_a_missing_value_is_absent_where_the_source_records_the_field_and_unknown_where_not():
    view = EventView(event({"user": "root"}, frozenset({"host"})))
    assert [element.value for element in view.read("user").elements] == [b"root"]
    assert view.read("host") == NOTHING
    assert view.read("process.args") == NOT_RECORDED
    assert [view.knows(field) for field in ("user", "host", "process.args")] == [True, True, False]


def test_without_a_list_of_fields_all_are_recorded():
    assert event({}).unrecorded == frozenset()


def test_values_may_be_one_or_several_or_named():
    made = event({"process.args": [b"a", b"b"], "process.id": 7, "user": None, "host": b""})
    assert [element.value for element in made.values["process.args"]] == [b"a", b"b"]
    assert made.values["process.id"][0].value == b"7"
    assert made.values["host"][0].value == b""
    assert "user" not in made.values
    named = make_event("cloud_api", {"request": {"/a": b"1", "/b": b"2"}}, time_us=1, id="x", source="y")
    assert [element.value for element in EventView(named).read("request", b"/b").elements] == [b"2"]
    assert EventView(named).read("request", b"/c") == NOTHING


def test_what_is_too_long_or_too_many_is_cut_and_no_longer_complete():
    made = event({"process.args": [b"a"] * (MAX_FIELD_VALUES + 5), "user": b"u" * (MAX_VALUE_BYTES + 1)}, times=10**9)
    view = EventView(made)
    assert len(view.read("process.args").elements) == MAX_FIELD_VALUES
    assert not view.read("process.args").complete
    assert view.read("user").elements[0].cut
    assert not view.knows("user")
    assert made.times == MAX_TIMES


@pytest.mark.parametrize(("given", "kept"), [(0, 0), (-1, None), (10**18, None), (10**17, 10**17)])
def test_a_time_outside_the_calendar_is_none(given, kept):
    assert make_event("dns", {}, time_us=given, id="x", source="y").time_us == kept


def test_a_field_of_another_kind_is_refused():
    with pytest.raises(UsageError, match="RF102"):
        EventView(event({})).read("question.name")
