"""HAR documents: what is kept, what is not recorded, and hostile ones."""

import gzip
import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ruleforge.errors import InputError
from ruleforge.events.formats import detect_format, read_requests
from ruleforge.events.formats.har import read_har
from ruleforge.events.request import Request


def entry(url="http://app.example:8080/a?b=c#top", **request):
    sent = {"method": "GET", "url": url, "httpVersion": "HTTP/1.1", "headers": []} | request
    return {"startedDateTime": "2099-01-02T03:04:05Z", "request": sent, "response": {"status": 404}}


def har(*entries):
    return json.dumps({"log": {"version": "1.2", "entries": entries}}).encode()


def read(data, **bounds):
    return list(read_har(io.BytesIO(data), "x.har", **bounds))


def test_an_entry_becomes_a_request_with_its_status_and_time():
    (request,) = read(har(entry(headers=[{"name": "X-A", "value": " 1 "}])))
    assert (request.method, request.target, request.version) == (b"GET", b"/a?b=c", b"HTTP/1.1")
    assert (request.headers, request.body, request.status) == (((b"X-A", b"1"),), None, 404)
    assert (request.id, request.time) == ("x.har:1", "2099-01-02T03:04:05Z")


def test_headers_of_http2_become_those_of_http1():
    pairs = [{"name": ":method", "value": "GET"}, {"name": ":authority", "value": "x"}, {"name": "a", "value": "b"}]
    (request,) = read(har(entry("https://user@app.example", headers=pairs)))
    assert request.headers == ((b"host", b"app.example"), (b"a", b"b"))
    assert request.target == b"/"


@pytest.mark.parametrize(
    ("post", "size", "body", "recorded"),
    [
        ({"text": "a=1"}, 3, b"a=1", True),
        ({"text": "AAH/", "encoding": "base64"}, 3, b"\x00\x01\xff", True),
        (
            {"mimeType": "application/x-www-form-urlencoded", "params": [{"name": "a", "value": "b c"}]},
            5,
            b"a=b+c",
            True,
        ),
        ({"mimeType": "multipart/form-data", "params": [{"name": "a"}]}, 50, None, False),
        (None, 50, None, False),
        ({"text": ""}, 0, b"", True),
        (None, 0, None, True),
    ],
)
def test_a_body_is_kept_or_said_to_be_unrecorded(post, size, body, recorded):
    (request,) = read(har(entry(method="POST", postData=post, bodySize=size)))
    assert request.body == body
    assert ("body" not in request.unrecorded) is recorded


@pytest.mark.parametrize(
    "bad",
    [{}, {"request": {"url": 5}}, entry("data:text/plain,x"), entry(postData={"text": "*", "encoding": "base64"})],
)
def test_a_broken_entry_costs_only_itself(bad):
    first, second, third = read(har(entry(), bad, entry("http://app.example/two")))
    assert isinstance(second, InputError)
    assert (second.code, second.where) == ("RF223", "x.har:2")
    assert (first.target, third.target) == (b"/a?b=c", b"/two")


@pytest.mark.parametrize(
    "data",
    [b"", b"{", b"[]", b'{"log": {"entries": [' + b"[" * 100_000, b'{"log": {"entries": {}}}', har(entry())[:-40]],
)
def test_what_is_no_har_gives_one_reason(data):
    (problem,) = read(data)
    assert problem.code == "RF223"


def test_deep_nesting_inside_an_entry_is_refused_or_skipped():
    data = har(entry())[:-3] + b', {"request": {"x": ' + b"[" * 50_000 + b"]" * 50_000 + b"}}]}}"
    assert any(isinstance(item, InputError) for item in read(data))


def test_a_document_beyond_the_bound_is_refused_before_it_is_parsed(tmp_path):
    assert read(har(entry()), most=20)[0].code == "RF222"
    bomb = tmp_path / "bomb.har"
    bomb.write_bytes(gzip.compress(b'{"log": {"entries": [' + b" " * (65 << 20)))
    (problem,) = read_requests(bomb)
    assert problem.code == "RF222"


def test_a_lone_surrogate_is_kept():
    data = har(entry(method="POST", postData={"text": "MARK"})).replace(b"MARK", b"\\ud800")
    assert read(data)[0].body == b"\xed\xa0\x80"


@pytest.mark.parametrize("number", [b"1e999", b"-1e999", b"9" * 400, b"0", b"null", b"404.0"])
@pytest.mark.parametrize("method", [b"GET", b"\\ud800"])
def test_odd_numbers_are_no_status(number, method):
    data = har(entry(method="MARK")).replace(b"404", number).replace(b"MARK", method)
    (item,) = read(data)
    assert isinstance(item, InputError) or item.status == (404 if number == b"404.0" else None)


def test_a_har_is_told_from_json_lines(tmp_path):
    path = tmp_path / "unnamed"
    assert detect_format(path, b'\xef\xbb\xbf\n{ "log" : {') == "har"
    assert detect_format(path, b'{"target": "/"}') == "jsonl"


@given(st.binary() | st.binary().map(lambda data: har(entry())[:50] + data))
def test_any_bytes_give_requests_or_a_reason(data):
    items = read(data)
    assert items or data
    assert all(isinstance(item, (Request, InputError)) for item in items)


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(),
        lambda x: (
            st.lists(x)
            | st.dictionaries(
                st.sampled_from(["request", "url", "headers", "postData", "text", "response", "status"]), x
            )
        ),
    )
)
def test_any_entry_gives_a_request_or_a_reason(value):
    (item,) = read(har(value))
    assert isinstance(item, (Request, InputError))
