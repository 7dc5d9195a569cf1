"""Batches are the same requests as the readers give one by one, and the same errors."""

import gzip
import importlib
import io

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ruleforge.errors import InputError
from ruleforge.events.columns import SCHEMA, to_requests
from ruleforge.events.formats import FORMATS, Format, read_batches, read_requests, slices, tables
from ruleforge.events.formats.bounded import Block
from ruleforge.events.request import Request


def split(items):
    """Requests, and errors as text, each in order."""
    requests, errors = [], []
    for item in items:
        if isinstance(item, InputError):
            errors.append(str(item))
        elif isinstance(item, Request):
            requests.append(item)
        else:
            assert item.schema.equals(SCHEMA)
            requests += to_requests(item)
    return requests, errors


def test_batches_hold_what_the_reader_gives_and_pass_errors_on(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"target":"/1"}\n[]\n{"target":"/2","recorded_headers":["host"]}\n{"target":"/3"}\n{')
    items = list(read_batches(path, rows=2))
    assert split(items) == split(read_requests(path))
    assert [getattr(item, "num_rows", "error") for item in items] == ["error", 1, 1, "error", 1]


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_stream_is_read_where_it_stands(pack):
    stream = io.BytesIO(pack(b'{"target":"/1"}\n' * 5))
    (batch,) = read_batches(stream, name="piped")
    assert batch.column("id").to_pylist() == [f"piped:{number}" for number in range(1, 6)]


def test_a_format_of_ones_own_can_be_given():
    mine = Format("mine", "one target a line", lambda stream, name, most: iter([Request(method=b"", target=b"/")]))
    (batch,) = read_batches(io.BytesIO(b"x"), mine)
    assert batch.column("target").to_pylist() == [b"/"]


def test_every_format_names_the_kind_of_event_it_yields():
    assert importlib.import_module("ruleforge.events.columns").BATCH_ROWS == 8192
    assert {form.event for _, form in FORMATS.items()} == {"http.request"}


def test_many_line_ends_of_another_system_are_taken_off_in_one_go(monkeypatch):
    looks = []
    flatnonzero = slices.np.flatnonzero
    monkeypatch.setattr(slices.np, "flatnonzero", lambda values: looks.append(1) or flatnonzero(values))
    block = Block(1, b"a\r\n" + b"\r" * 5_000 + b"\n" + b"b\rc" + b"\r" * 5_000 + b"\nd")
    lines = slices.lines_of(block)
    assert [lines.text[start:end] for start, end in zip(lines.starts, lines.ends, strict=True)] == [b"a", b"b\rc", b"d"]
    assert lines.numbers.tolist() == [1, 3, 4]
    assert len(looks) < 10


def test_a_text_that_a_parquet_file_says_many_times_is_not_copied_out_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "MAX_BATCH_BYTES", 10_000)
    targets = ["/" + "a" * 999] * 95 + [None, "/b"] + ["/" + "c" * 20_000] * 2 + ["/d"]
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"method": ["GET"] * 100, "target": targets}), path)
    found = list(tables.parquet_batches(str(path), 8_192))
    assert pa.Table.from_batches(found).column("target").to_pylist() == targets
    assert max(batch.num_rows for batch in found) <= 12
    assert max(batch.nbytes for batch in found if batch.num_rows > 1) < 12_000


def test_a_row_group_with_too_many_values_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "MAX_GROUP_VALUES", 99)
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"method": ["GET"] * 100, "target": ["/"] * 100}), path)
    (problem,) = read_batches(path)
    assert "[RF225]" in str(problem)
