"""Files that are compressed, damaged, far away or far too large once unpacked."""

import gzip
import io
import sys

import pyarrow as pa
import pytest

from ruleforge.errors import InputError, UsageError
from ruleforge.events.formats import read_batches, read_requests
from ruleforge.events.formats.bounded import open_file, read_blocks, read_lines, remote_url, unpacked

ROW = b'{"target":"/1"}\n'


def zstd(data):
    return pa.compress(data, "zstd", asbytes=True)


PACKS = [gzip.compress, zstd]


@pytest.mark.parametrize("pack", PACKS)
def test_members_one_after_the_other_are_all_read(tmp_path, pack):
    path = tmp_path / "a"
    path.write_bytes(pack(ROW * 3) + pack(ROW * 2))
    assert len(list(read_requests(path))) == 5


@pytest.mark.parametrize("pack", PACKS)
def test_a_file_that_unpacks_to_far_more_is_left_at_the_bound(tmp_path, pack):
    path = tmp_path / "a"
    path.write_bytes(pack(bytes(64 << 20)))
    assert path.stat().st_size < 1 << 20
    for items in (read_requests(path, "jsonl", most=1 << 20), read_batches(path, "combined", most=1 << 20)):
        assert [item.code for item in items] == ["RF222"]


@pytest.mark.parametrize("pack", PACKS)
def test_a_file_cut_short_gives_what_is_whole_and_an_error(tmp_path, pack):
    path = tmp_path / "a"
    rows = b"".join(b'{"target":"/%d"}\n' % (number * 7919 % 100_003) for number in range(50_000))
    path.write_bytes(pack(rows)[:-9])
    for read in (read_lines, read_blocks):
        with open_file(path) as stream:
            *before, last = read(stream, "a")
        assert before
        assert isinstance(last, InputError)
        assert last.code == "RF225"


@pytest.mark.parametrize("data", [b"\x1f\x8b\x08junk", b"\x28\xb5\x2f\xfdjunk", b"\x28\xb5\x2f\xfd"])
def test_what_only_begins_like_a_compressed_file_is_damaged(data):
    items = list(read_lines(unpacked(io.BufferedReader(io.BytesIO(data))), "a"))
    assert [item.code for item in items if isinstance(item, InputError)] == ["RF225"]


@pytest.mark.parametrize(
    ("path", "url"),
    [
        ("s3://bucket/a/b.gz", "s3://bucket/a/b.gz"),
        ("s3:/bucket/a", "s3://bucket/a"),  # what a Path makes of it
        ("gs://bucket/a", "gs://bucket/a"),
        ("/logs/s3:/a", None),
        ("http://shop.example/a", None),
    ],
)
def test_only_object_storage_is_far_away(path, url):
    assert remote_url(path) == url


def test_without_fsspec_the_error_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "fsspec", None)
    with pytest.raises(UsageError, match=r"RF172.*ruleforge\[s3\]"):
        open_file(type(tmp_path)("s3://bucket/a"))
