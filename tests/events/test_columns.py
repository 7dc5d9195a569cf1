from hypothesis import given
from hypothesis import strategies as st

from ruleforge.events.columns import SCHEMA, UNRECORDED_BITS, instant, request_at, to_batch, to_batches, to_requests
from ruleforge.events.request import Request

_NAMES = st.none() | st.frozensets(st.sampled_from([b"user-agent", b"referer", b"cookie"]))
_REQUESTS = st.builds(
    Request,
    method=st.binary(max_size=8),
    target=st.binary(max_size=40),
    version=st.binary(max_size=8),
    headers=st.lists(st.tuples(st.binary(max_size=9), st.binary(max_size=20)), max_size=4).map(tuple),
    body=st.none() | st.binary(max_size=40),
    id=st.text(max_size=8),
    source=st.text(max_size=8),
    source_address=st.sampled_from([b"", b"192.0.2.7"]),
    status=st.none() | st.integers(100, 599),
    time=st.sampled_from(["", "2026-01-02T03:04:05+01:00", "01/Jan/2026"]),
    unrecorded=st.frozensets(st.sampled_from(sorted(UNRECORDED_BITS))),
    recorded_headers=_NAMES,
)


@given(st.lists(_REQUESTS, max_size=12))
def test_requests_survive_the_way_through_batches_in_order(requests):
    batches = list(to_batches(requests, rows=5))
    assert [request for batch in batches for request in to_requests(batch)] == requests
    assert all(batch.num_rows <= 5 and batch.schema.equals(SCHEMA) for batch in batches)


def test_a_time_with_an_offset_is_an_instant_and_others_are_not_guessed():
    assert instant("2026-01-02T03:04:05+01:00").isoformat() == "2026-01-02T02:04:05+00:00"
    assert instant("2026-01-02T03:04:05") is None
    assert instant("yesterday") is None


def test_an_empty_batch_has_the_schema():
    assert to_batch([]).schema.equals(SCHEMA)


def test_a_row_is_read_by_its_number():
    batch = to_batch([Request(method=b"GET", target=b"/a"), Request(method=b"GET", target=b"/b")])
    assert request_at(batch, 1).target == b"/b"
