import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ruleforge.engine.runners.pieces import check_unchanged, cut, pin
from ruleforge.engine.runners.ranges import open_range
from ruleforge.errors import OutsideError, UsageError
from ruleforge.events.columns import to_batch
from ruleforge.events.request import Request

FIRST = b'{"target":"/"}\n'


def requests(count: int) -> list[Request]:
    return [Request(method=b"GET", target=b"/%d" % number) for number in range(count)]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lines=st.lists(st.binary(max_size=40).map(lambda line: line.replace(b"\n", b"")), max_size=30),
       end=st.booleans(), size=st.integers(1, 400))  # fmt: skip
def test_pieces_of_a_log_are_its_lines_each_once(tmp_path, lines, end, size):
    log = tmp_path / "a.jsonl"
    text = FIRST + b"\n".join(lines) + b"\n" * end
    log.write_bytes(text)
    pieces = list(cut([pin(log)], size))
    parts = [open_range(log, piece.start, piece.stop).read() for piece in pieces]
    assert b"".join(parts) == text
    assert all(part.endswith(b"\n") for part in parts[:-1])
    assert [piece.first for piece in pieces] == [text[: piece.start].count(b"\n") for piece in pieces]
    assert [piece.number for piece in pieces] == list(range(len(pieces)))


def test_no_piece_is_longer_than_asked_by_more_than_a_line(tmp_path):
    log = tmp_path / "a.jsonl"
    log.write_bytes(FIRST * 1000)
    sizes = [piece.stop - piece.start for piece in cut([pin(log)], 100)]
    assert len(sizes) > 100
    assert max(sizes) < 100 + len(FIRST)


def test_row_groups_are_joined_until_a_piece_is_large_enough(tmp_path):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.Table.from_batches([to_batch(requests(100))]), path, row_group_size=10)
    whole, single = list(cut([pin(path)], 1 << 30)), list(cut([pin(path)], 1))
    assert [(piece.kind, piece.start, piece.stop) for piece in whole] == [("parquet", 0, 10)]
    assert [(piece.start, piece.stop, piece.first) for piece in single] == [(n, n + 1, 10 * n) for n in range(10)]


def test_batches_of_arrow_are_pieces(tmp_path):
    path = tmp_path / "a.arrow"
    with pa.ipc.new_file(path, to_batch(requests(1)).schema) as writer:
        for count in (3, 4, 5):
            writer.write_batch(to_batch(requests(count)))
    assert [(piece.kind, piece.first) for piece in cut([pin(path)], 1)] == [("arrow", 0), ("arrow", 3), ("arrow", 7)]


@pytest.mark.parametrize("text", [b"", b"PAR1 and then nothing", b"ARROW1\0\0", b"\x00\x01\x02 no format"])
def test_what_cannot_be_cut_is_one_piece_that_says_so_when_it_is_read(tmp_path, text):
    path = tmp_path / "odd"
    path.write_bytes(text)
    assert [(piece.kind, piece.stop) for piece in cut([pin(path)], 1)] == [("whole", len(text))]


def test_a_file_that_is_not_there_is_one_piece(tmp_path):
    assert [piece.stop for piece in cut([pin(tmp_path / "none")])] == [0]
    with pytest.raises(OutsideError, match="RF501"):
        open_range(tmp_path / "none", 0, 1)


def test_a_log_may_grow_after_a_run_began(tmp_path):
    log = tmp_path / "a.jsonl"
    log.write_bytes(FIRST)
    before = pin(log)
    log.write_bytes(FIRST * 2)
    check_unchanged(before)
    assert [piece.stop for piece in cut([before])] == [len(FIRST)]


def rotate(path: Path) -> None:
    path.write_bytes(b'{"target":"/other"}\n' * 5)


def shorten(path: Path) -> None:
    os.truncate(path, 20)


@pytest.mark.parametrize("change", [rotate, shorten, Path.unlink])
def test_a_log_that_was_replaced_is_refused(tmp_path, change):
    log = tmp_path / "a.jsonl"
    log.write_bytes(FIRST * 3)
    before = pin(log)
    change(log)
    with pytest.raises(UsageError, match="RF162"):
        check_unchanged(before)


@pytest.mark.parametrize("codec", ["gzip", "zstd"])
def test_a_compressed_log_is_one_piece_whatever_its_name(tmp_path, codec):
    path = tmp_path / "access.log.zst"
    with pa.CompressedOutputStream(pa.OSFile(str(path), "wb"), codec) as stream:
        stream.write(b"".join(b'{"target":"/%d"}\n' % number for number in range(5_000)))
    assert [(piece.kind, piece.start, piece.stop) for piece in cut([pin(path)], 100)] == [
        ("whole", 0, path.stat().st_size)
    ]
