"""Every format of logs: what is found, what stays unknown, and that no bytes stop a file. One case a file in `logs`."""

import gzip
import io
import json
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import ipc, parquet

from ruleforge.errors import InputError, UsageError
from ruleforge.events.columns import to_batch, to_requests
from ruleforge.events.formats import (
    FORMATS,
    detect_format,
    format_from_names,
    format_from_string,
    read_batches,
    read_requests,
)
from ruleforge.events.places import HttpView
from ruleforge.events.request import Request

CASES = {file.stem: json.loads(file.read_text()) for file in sorted((Path(__file__).parent / "logs").glob("*.json"))}
MOST = 1 << 30


def test_cases_were_found():
    assert len(CASES) >= 18
    elsewhere = {"jsonl", "raw_http", "har", "burp", "pcap", "parquet", "arrow"}
    assert set(FORMATS) <= {case["format"] for case in CASES.values()} | elsewhere


def format_of(case):
    name = case["format"]
    return format_from_string(name) if name.startswith("#") else FORMATS[name]


def text_of(case):
    return "\n".join(case["lines"]).encode()


def read(form, data):
    return list(form.read(io.BytesIO(data), "a.log", MOST))


@pytest.mark.parametrize("name", CASES)
def test_a_log_is_read_as_written_down(name):
    case = CASES[name]
    items = read(format_of(case), text_of(case))
    assert len(items) == len(case["expect"])
    for item, expected in zip(items, case["expect"], strict=True):
        if "error" in expected:
            assert item.code == expected["error"]
            continue
        assert isinstance(item, Request), str(item)
        assert [[key.decode(), value.decode()] for key, value in item.headers] == expected["headers"]
        for part in ("method", "target", "version", "source_address"):
            assert getattr(item, part) == expected[part].encode(), part
        assert (item.body or b"").decode() == expected.get("body", "")
        assert (item.status, item.time) == (expected["status"], expected["time"])
        assert sorted(item.unrecorded) == expected["unrecorded"]
        if "recorded_without" in expected:
            assert item.recorded_headers & {b"accept", b"user-agent"} == {b"accept", b"user-agent"}
            assert not item.recorded_headers & {one.encode() for one in expected["recorded_without"]}
        else:
            names = expected["recorded"]
            assert item.recorded_headers == (None if names is None else {one.encode() for one in names})


@pytest.mark.parametrize("name", CASES)
def test_what_a_log_does_not_show_is_unknown_to_rules(name):
    case = CASES[name]
    for item, expected in zip(read(format_of(case), text_of(case)), case["expect"], strict=True):
        if "error" in expected:
            continue
        view = HttpView(item)
        for place in ("method", "version", "body"):
            assert view.read(place).complete is (place not in expected["unrecorded"])
        assert view.read("path").complete is ("target" not in expected["unrecorded"])
        is_partial = "headers" in expected["unrecorded"] or expected.get("recorded") is not None
        assert view.knows("headers") is not (is_partial or "recorded_without" in expected)
        for header in expected.get("recorded_without", ()):
            assert not view.read("headers", header.encode()).complete


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if not case["format"].startswith("#")])
@pytest.mark.parametrize("pack", [bytes, gzip.compress, lambda data: pa.compress(data, "zstd", asbytes=True)])
def test_the_format_is_found_out_from_the_beginning(name, pack, tmp_path):
    path = tmp_path / "unnamed"
    path.write_bytes(pack(text_of(CASES[name])))
    assert detect_format(path, text_of(CASES[name])) == CASES[name]["format"]
    found = [item for item in read_requests(path) if isinstance(item, Request)]
    batches = [item for item in read_batches(path) if not isinstance(item, InputError)]
    assert [request for batch in batches for request in to_requests(batch)] == found
    assert len(found) == sum("error" not in expected for expected in CASES[name]["expect"])


@pytest.mark.parametrize("name", CASES)
@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_damaged_lines_give_requests_or_errors_and_the_rest_goes_on(name, data):
    case = CASES[name]
    form, text = format_of(case), bytearray(text_of(case))
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(text)))
        text[place : place + data.draw(st.integers(0, 6))] = data.draw(
            st.binary(max_size=6)
            | st.sampled_from([b'"', b"{", b"[", b"null", b"\\u00", b"\n", b"\t", b"-1e999", b"\\x"])
        )
    items = read(form, bytes(text))
    assert all(isinstance(item, Request | InputError) for item in items)
    again = list(read_batches(io.BytesIO(bytes(text)), form, name="a.log"))
    batches = [item for item in again if not isinstance(item, InputError)]
    assert [one for batch in batches for one in to_requests(batch)] == [
        one for one in items if isinstance(one, Request)
    ]


@pytest.mark.parametrize("name", FORMATS)
@settings(max_examples=60)
@given(data=st.binary(max_size=300))
def test_any_bytes_give_requests_or_errors(name, data):
    assert all(isinstance(item, Request | InputError) for item in read(FORMATS[name], data))


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case["format"] != "crowdsec"])
def test_a_bad_line_does_not_stop_the_file(name):
    case = CASES[name]
    text = text_of(case)
    good = len([item for item in read(format_of(case), text) if isinstance(item, Request)])
    items = read(format_of(case), text + b"\nnonsense\n\xff\xfe\n" + b"[" * 5_000 + b"\n" + case["lines"][-1].encode())
    assert len([item for item in items if isinstance(item, Request)]) >= good
    assert len([item for item in items if isinstance(item, InputError)]) >= 3


def test_keys_of_ones_own_can_be_given():
    form = format_from_names({"target": "req.u", "method": "req.m", "time": "when", "header:X-Token": "tok"})
    (request,) = read(form, b'{"req":{"u":"/a","m":"PUT"},"when":4070908800,"tok":"t","status":200}')
    assert (request.method, request.target, request.headers) == (b"PUT", b"/a", ((b"X-Token", b"t"),))
    assert (request.time, request.status) == ("2099-01-01T00:00:00+00:00", None)
    assert request.recorded_headers == {b"x-token"}
    with pytest.raises(UsageError, match="RF170"):
        format_from_names({"targets": "a"})
    with pytest.raises(UsageError, match="RF171"):
        format_from_names({"method": "a"})


OWN = [
    Request(method=b"GET", target=b"/\xff", headers=((b"Host", b"shop.example"),), id="1", body=b"", status=200,
            recorded_headers=frozenset({b"host"})),
    Request(method=b"POST", target=b"/b", id="2", body=b"x", recorded_headers=frozenset({b"host"})),
]  # fmt: skip


def as_parquet(table):
    sink = io.BytesIO()
    parquet.write_table(table, sink, compression="zstd")
    return sink.getvalue()


def as_arrow(new):
    def write(table):
        sink = io.BytesIO()
        with new(sink, table.schema) as writer:
            writer.write_table(table)
        return sink.getvalue()

    return write


TABLES = {
    "parquet": (as_parquet, "parquet"),
    "arrow file": (as_arrow(ipc.new_file), "arrow"),
    "arrow stream": (as_arrow(ipc.new_stream), "arrow"),
}


@pytest.mark.parametrize("kind", TABLES)
def test_our_own_tables_come_back_as_they_were(kind, tmp_path):
    write, name = TABLES[kind]
    path = tmp_path / "unnamed"
    path.write_bytes(write(pa.Table.from_batches([to_batch(OWN)])))
    assert detect_format(path, path.read_bytes()) == name
    assert list(read_requests(path)) == OWN
    (batch,) = read_batches(path)
    assert list(to_requests(batch)) == OWN
    (batch,) = read_batches(io.BytesIO(path.read_bytes()))
    assert list(to_requests(batch)) == OWN


@pytest.mark.parametrize("kind", TABLES)
def test_tables_with_usual_column_names_are_read(kind):
    table = pa.table(
        {"method": ["GET", None], "url": ["/a?b=c", None], "user_agent": ["agent/1.0", None], "status": [200, 404]}
    )
    write, name = TABLES[kind]
    request, problem = read(FORMATS[name], write(table))
    assert (request.target, request.headers, request.status) == (b"/a?b=c", ((b"User-Agent", b"agent/1.0"),), 200)
    assert request.unrecorded == {"body", "version"}
    assert problem.code == "RF223"


@pytest.mark.parametrize("kind", TABLES)
@settings(max_examples=60)
@given(data=st.data())
def test_a_damaged_table_gives_requests_or_errors(kind, data):
    write, name = TABLES[kind]
    text = bytearray(write(pa.Table.from_batches([to_batch(OWN)])))
    for _ in range(data.draw(st.integers(1, 3))):
        text[data.draw(st.integers(0, len(text) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(len(text) // 2, len(text)))
    assert all(isinstance(item, Request | InputError) for item in read(FORMATS[name], bytes(text[:cut])))
