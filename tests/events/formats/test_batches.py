"""Batches are the same requests as the readers give one by one, and the same errors."""

import gzip
import importlib
import io

import pytest

from ruleforge.errors import InputError
from ruleforge.events.columns import SCHEMA, to_requests
from ruleforge.events.formats import FORMATS, Format, read_batches, read_requests
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
