"""JSON lines: read with gaps kept apart from absence, written and read back the same."""

import io
import json
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ruleforge.errors import InputError
from ruleforge.events.formats.bounded import MAX_LINE_BYTES
from ruleforge.events.formats.jsonl import read_jsonl, request_to_json
from ruleforge.events.request import Request


def read(*rows):
    lines = b"".join((row if isinstance(row, bytes) else json.dumps(row).encode()) + b"\n" for row in rows)
    return list(read_jsonl(io.BytesIO(lines), "a.jsonl"))


def test_a_row_is_read_with_defaults_and_other_keys_ignored():
    (request,) = read(
        {"method": "GET", "target": "/é", "headers": [["Host", " h "]], "body": "", "status": "404", "label": [1]}
    )
    assert request == Request(
        method=b"GET", target="/é".encode(), version=b"", headers=((b"Host", b"h"),), id="a.jsonl:1",
        source="a.jsonl", status=404, unrecorded=frozenset({"version"}),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("row", "body", "unrecorded"),
    [
        ({"headers": [], "body": ""}, None, set()),
        ({"headers": [["content-length", "0"]], "body": ""}, b"", set()),
        ({"headers": [["Transfer-Encoding", "chunked"]], "body": ""}, b"", set()),
        ({"headers": [], "body": "é"}, "é".encode(), set()),
        ({"headers": [], "body": "/w==", "body_b64": True}, b"\xff", set()),
        ({"headers": [], "body": None}, None, {"body"}),
        ({"headers": None}, None, {"body", "headers"}),
    ],
)
def test_an_empty_a_missing_and_an_unrecorded_body_are_kept_apart(row, body, unrecorded):
    (request,) = read({"method": "GET", "target": "/", "version": "HTTP/1.1"} | row)
    assert request.body == body
    assert request.unrecorded == unrecorded


@pytest.mark.parametrize(
    "bad",
    [b"{", b"[]", b'{"method":1,"target":"/"}', b'{"body":""}', b'{"target":"/","body":"*","body_b64":true}', b"\xff",
     b'{"target":"/","headers":[["a"]]}', b'{"target":"/","x":' + b"[" * 5000 + b"]" * 5000 + b"}",
     b'{"target":"' + b"a" * MAX_LINE_BYTES + b'"}'],
)  # fmt: skip
def test_a_bad_line_is_reported_with_its_place_and_the_rest_goes_on(bad):
    first, error, last = read({"target": "/1"}, bad, {"target": "/3"})
    assert isinstance(error, InputError)
    assert error.where == "a.jsonl:2"
    assert error.code in ("RF221", "RF223")
    assert (first.target, last.target, last.id) == (b"/1", b"/3", "a.jsonl:3")


def test_lone_surrogates_are_kept():
    (request,) = read(b'{"target":"/\\ud800"}')
    assert request.target == b"/\xed\xa0\x80"


def test_reading_stops_at_the_bound_of_the_whole_file():
    items = list(read_jsonl(io.BytesIO(b'{"target":"/"}\n' * 100), "a.jsonl", 100))
    assert [type(item) for item in items] == [Request] * 6 + [InputError]
    assert items[-1].code == "RF222"


BYTES = st.binary(max_size=20) | st.text(max_size=20, alphabet=string.printable).map(str.encode)
VALUE = BYTES.map(lambda value: value.strip(b" \t\r\n"))
NAME = BYTES | st.sampled_from([b"Content-Length", b"transfer-encoding"])


@st.composite
def requests(draw):
    gaps = draw(st.frozensets(st.sampled_from(["method", "version", "headers", "body"])))
    return Request(
        method=b"" if "method" in gaps else draw(BYTES),
        target=draw(BYTES),
        version=b"" if "version" in gaps else draw(BYTES),
        headers=() if "headers" in gaps else tuple(draw(st.lists(st.tuples(NAME, VALUE), max_size=4))),
        body=None if "body" in gaps else draw(st.none() | BYTES),
        id=draw(st.text(alphabet=string.ascii_letters, min_size=1)),
        source=draw(st.text(alphabet=string.ascii_letters, min_size=1)),
        source_address=draw(BYTES),
        status=draw(st.none() | st.integers(100, 599)),
        time=draw(st.sampled_from(["", "2025-01-01T00:00:00Z"])),
        unrecorded=gaps,
        recorded_headers=draw(st.none() | st.frozensets(BYTES.map(bytes.lower))),
    )


@given(requests())
def test_a_request_written_and_read_is_the_same(request):
    assert read(request_to_json(request)) == [request]
