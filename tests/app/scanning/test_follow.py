"""Growing files: half lines, rotation and truncation lose nothing and give nothing twice."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ruleforge.app.scan import ScanOptions, follow_files, prepare
from ruleforge.app.scanning import follow as following
from ruleforge.app.scanning.digest import Digest
from ruleforge.app.scanning.follow import Tail
from ruleforge.errors import UsageError

Put = Callable[..., Path]


def row(target: str) -> bytes:
    return json.dumps({"target": target, "method": "GET"}).encode() + b"\n"


class Feed:
    """Does one thing each time that the files are quiet, and ends after the last."""

    def __init__(self, *steps: Callable[[], object]) -> None:
        self.steps = list(steps)

    def __call__(self) -> bool:
        if not self.steps:
            return False
        self.steps.pop(0)()
        return True


def append(path: Path, data: bytes) -> Callable[[], object]:
    def write() -> None:
        with path.open("ab") as file:
            file.write(data)

    return write


def found(rules: Path, files: list[Path], feed: Feed, *, from_start: bool = False) -> list[tuple[str, str]]:
    prepared = prepare(rules, ScanOptions(), live=True)
    alerts = follow_files(prepared, files, Digest(), from_start=from_start, watch=feed)
    return [(alert.first.request, alert.first.target) for alert in alerts]


def test_only_what_comes_after_the_start_is_asked_about(put_rule: Put, tmp_path: Path, attack: str) -> None:
    log = tmp_path / "live.jsonl"
    log.write_bytes(row(attack) * 2)
    rules = put_rule().parent
    assert found(rules, [log], Feed(append(log, row("/") + row(attack)))) == [("live.jsonl:4", attack)]
    assert len(found(rules, [log], Feed(), from_start=True)) == 3


def test_a_half_line_waits_for_its_end(put_rule: Put, tmp_path: Path, attack: str) -> None:
    log = tmp_path / "live.jsonl"
    log.write_bytes(b"")
    line = row(attack)
    feed = Feed(append(log, line[:20]), append(log, line[20:-1]), append(log, b"\n" + line[:5]), append(log, line[5:]))
    assert found(put_rule().parent, [log], feed) == [("live.jsonl:1", attack), ("live.jsonl:2", attack)]


def test_a_renamed_file_is_read_to_its_end_and_the_new_one_from_its_start(
    put_rule: Put, tmp_path: Path, attack: str
) -> None:
    log = tmp_path / "live.jsonl"
    log.write_bytes(row("/"))

    def rotate() -> None:
        append(log, row(attack + "&old=1") + row(attack + "&old=2")[:-1])()  # the last line never gets its end
        log.rename(tmp_path / "live.jsonl.1")
        log.write_bytes(row(attack + "&new=1"))

    feed = Feed(rotate, append(log, row(attack + "&new=2")))
    assert found(put_rule().parent, [log], feed) == [
        ("live.jsonl:2", attack + "&old=1"),
        ("live.jsonl:3", attack + "&old=2"),
        ("live.jsonl:1", attack + "&new=1"),
        ("live.jsonl:2", attack + "&new=2"),
    ]


def test_a_file_that_is_truncated_in_place_is_read_from_its_start(put_rule: Put, tmp_path: Path, attack: str) -> None:
    log = tmp_path / "live.jsonl"
    log.write_bytes(row("/") * 20)
    feed = Feed(lambda: os.truncate(log, 0), append(log, row(attack)))
    assert found(put_rule().parent, [log], feed) == [("live.jsonl:1", attack)]


def test_a_file_that_comes_later_is_read_from_its_start(put_rule: Put, tmp_path: Path, attack: str) -> None:
    log, other = tmp_path / "later.jsonl", tmp_path / "other.jsonl"
    other.write_bytes(row("/"))
    feed = Feed(append(other, row(attack)), append(log, row(attack)))
    assert found(put_rule().parent, [log, other], feed) == [("other.jsonl:2", attack), ("later.jsonl:1", attack)]


def test_a_line_that_is_too_long_is_skipped_and_the_next_one_read(
    put_rule: Put, tmp_path: Path, attack: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "MAX_LINE_BYTES", 1_000)
    log = tmp_path / "live.jsonl"
    log.write_bytes(row("/"))
    feed = Feed(append(log, b"x" * 1_500), append(log, b"x" * 10 + b"\n" + row(attack)))
    assert found(put_rule().parent, [log], feed) == [("live.jsonl:3", attack)]


def test_what_cannot_be_read_is_counted_and_the_rest_asked_about(put_rule: Put, tmp_path: Path, attack: str) -> None:
    log = tmp_path / "live.jsonl"
    log.write_bytes(row("/"))
    prepared = prepare(put_rule().parent, ScanOptions(), live=True)
    feed = Feed(append(log, row("/") + b"not json\n" + row(attack)))
    (alert,) = follow_files(prepared, [log], Digest(), watch=feed)
    assert alert.first.request == "live.jsonl:4"
    assert (prepared.report.unreadable, prepared.report.requests, prepared.report.hits) == (1, 2, 1)


def test_documents_and_standard_input_cannot_be_followed(put_rule: Put, tmp_path: Path) -> None:
    file, rules = tmp_path / "one.http", put_rule().parent
    file.write_bytes(b"GET / HTTP/1.1\r\n\r\n")
    with pytest.raises(UsageError, match="RF148"):
        found(rules, [file], Feed(), from_start=True)
    with pytest.raises(UsageError, match="RF149"):
        found(rules, [Path("-")], Feed())


PIECES = st.lists(st.binary(max_size=12).map(lambda data: data.replace(b"\r", b"\n")), max_size=20)


@settings(max_examples=60)
@given(PIECES)
def test_lines_are_the_same_however_they_are_cut(tmp_path_factory: pytest.TempPathFactory, pieces: list[bytes]) -> None:
    log = tmp_path_factory.mktemp("cut") / "live.log"
    log.write_bytes(b"")
    tail = Tail(log, from_start=True)
    seen, numbers = b"", []
    for piece in pieces:
        append(log, piece)()
        while (chunk := tail.read()) is not None:
            numbers.append(chunk.lines_before == seen.count(b"\n"))
            seen += chunk.data
    tail.close()
    assert seen == b"".join(pieces).rpartition(b"\n")[0] + b"\n" * (b"\n" in b"".join(pieces))
    assert all(numbers)


def test_a_line_that_is_too_long_is_counted_and_the_next_one_is_read(
    put_rule: Put, tmp_path: Path, attack: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "MAX_LINE_BYTES", 200)
    log = tmp_path / "live.jsonl"
    log.write_bytes(b"")
    prepared = prepare(put_rule().parent, ScanOptions(), live=True)
    feed = Feed(append(log, b"x" * 300), append(log, b"x" * 300), append(log, b"x\n" + row(attack)))
    alerts = list(follow_files(prepared, [log], Digest(), watch=feed))
    assert [alert.first.request for alert in alerts] == ["live.jsonl:2"]
    assert prepared.report.unreadable == 1
    assert ["RF221" in problem for problem in prepared.report.problems] == [True]
