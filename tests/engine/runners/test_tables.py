import pyarrow as pa
import pytest

from ruleforge.engine.runners.tables import conform
from ruleforge.errors import InputError
from ruleforge.events.columns import SCHEMA, request_at, to_batch
from ruleforge.events.request import Request

REQUEST = Request(method=b"GET", target=b"/attic", headers=((b"A", b"b"),), id="1", recorded_headers=frozenset({b"a"}))


def replaced(name: str, array: pa.Array) -> pa.RecordBatch:
    batch = to_batch([REQUEST])
    columns = {each: batch.column(each) for each in batch.schema.names} | {name: array}
    return pa.RecordBatch.from_pydict(columns, metadata=batch.schema.metadata)


def test_a_batch_of_ours_stays_as_it_is():
    assert conform(to_batch([REQUEST]), "x").equals(to_batch([REQUEST]), check_metadata=True)


def test_columns_of_another_order_and_width_are_cast():
    batch = to_batch([REQUEST])
    columns = {name: batch.column(name) for name in reversed(batch.schema.names)}
    columns["unrecorded"], columns["id"] = columns["unrecorded"].cast(pa.int16()), columns["id"].cast(pa.large_string())
    other = pa.RecordBatch.from_pydict(columns, metadata=batch.schema.metadata)
    assert request_at(conform(other, "x"), 0) == REQUEST


@pytest.mark.parametrize(("name", "place"), [("method", "method"), ("target", "target"), ("headers", "headers")])
def test_no_value_means_that_the_source_does_not_record_it(name, place):
    batch = conform(replaced(name, pa.nulls(1, SCHEMA.field(name).type)), "x")
    assert request_at(batch, 0).unrecorded == {place}


def test_a_missing_body_stays_missing():
    assert request_at(conform(replaced("body", pa.nulls(1, pa.binary())), "x"), 0).body is None


@pytest.mark.parametrize(
    ("batch", "code"),
    [
        (to_batch([REQUEST]).drop_columns(["body"]), "RF260"),
        (replaced("status", pa.array(["no number"])), "RF260"),
        (replaced("headers", pa.array([1])), "RF260"),
        (replaced("unrecorded", pa.array([32])), "RF261"),
    ],
)
def test_tables_of_something_else_are_refused(batch, code):
    with pytest.raises(InputError, match=code):
        conform(batch, "x")


def test_a_table_that_is_not_valid_is_refused_before_anything_follows_it():
    offsets = pa.array([0, 1], pa.int32()).buffers()[1]
    wrong = pa.Array.from_buffers(pa.string(), 1, [None, offsets, pa.py_buffer(b"\xff")])
    with pytest.raises(InputError, match="RF260"):
        conform(replaced("id", wrong), "x")
