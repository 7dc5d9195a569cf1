"""A scan goes on from its checkpoint: nothing lost, nothing twice, whatever ended it."""

import gzip
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from ruleforge.app.reports.rows import as_ndjson
from ruleforge.app.scan import Delivery, Finished, ScanOptions, prepare, run_scan
from ruleforge.app.scanning import checkpoint, reading
from ruleforge.errors import InputError, OutsideError, UsageError

Put = Callable[..., Path]


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "ROWS", 7)


@pytest.fixture
def logs(put_requests: Put, attack: str) -> list[Path]:
    def rows(start: int) -> list[Any]:
        times = [f"2099-01-01T00:{n % 60:02d}:00Z" for n in range(50)]
        return [
            {
                "target": f"{attack}&n={n}" if n % 3 == 0 else "/",
                "src_ip": f"192.0.2.{n}",
                "ts": times[n],
                "status": 200,
            }
            for n in range(start, 50)
        ]

    made = [put_requests(*rows(start), name=f"{start}.jsonl") for start in (0, 10)]
    with made[1].open("a") as file:
        file.write("no json\n" * 3)
    return made


class StoppedError(Exception):
    """The end of a process, for a test."""


def go(rules: Path, logs: list[Path], folder: Path, *, stop_after: int | None = None, **more: Any) -> Finished:
    delivery = Delivery(
        lines=as_ndjson, output=folder / "hits.ndjson", checkpoint=folder / "state", checkpoint_seconds=0, name="ndjson"
    )
    steps = iter(range(10_000))

    def watch(_: object) -> None:
        if stop_after is not None and next(steps) >= stop_after:
            raise StoppedError

    return run_scan(prepare(rules, ScanOptions(**more)), logs, delivery, watch=watch)


def whole(rules: Path, logs: list[Path], folder: Path) -> tuple[bytes, Finished]:
    folder.mkdir()
    done = go(rules, logs, folder)
    return (folder / "hits.ndjson").read_bytes(), done


def test_a_scan_that_stopped_anywhere_ends_like_one_that_did_not(
    put_rule: Put, logs: list[Path], tmp_path: Path
) -> None:
    rules = put_rule().parent
    expected, other = whole(rules, logs, tmp_path / "whole")
    assert expected.count(b"\n") == 17 + 13
    for stop in range(1, 14, 2):
        folder = tmp_path / f"stop{stop}"
        folder.mkdir()
        with pytest.raises(StoppedError):
            go(rules, logs, folder, stop_after=stop)
        with (folder / "hits.ndjson").open("ab") as file:
            file.write(b'{"half a line')  # what the system wrote behind the last checkpoint
        done = go(rules, logs, folder)
        assert (folder / "hits.ndjson").read_bytes() == expected
        for name in ("files", "requests", "hits", "requests_hit", "unreadable", "by_source", "by_cve", "by_outcome"):
            assert getattr(done.report, name) == getattr(other.report, name)
        assert done.report.resumed
        assert done.digest == other.digest


def test_a_log_that_grew_is_read_on(put_rule: Put, logs: list[Path], tmp_path: Path, attack: str) -> None:
    rules = put_rule().parent
    go(rules, logs, tmp_path)
    before = (tmp_path / "hits.ndjson").read_bytes()
    again = go(rules, logs, tmp_path)
    assert (tmp_path / "hits.ndjson").read_bytes() == before
    assert again.report.files == 2
    with logs[0].open("a") as file:
        file.write(json.dumps({"id": "new", "target": attack}) + "\n")
    done = go(rules, logs, tmp_path)
    added = (tmp_path / "hits.ndjson").read_bytes().removeprefix(before).splitlines()
    assert [json.loads(line)["request"] for line in added] == ["new"]
    assert done.report.requests == again.report.requests + 1


def found(folder: Path) -> list[str]:
    return [json.loads(line)["request"] for line in (folder / "hits.ndjson").read_bytes().splitlines()]


LINE = '192.0.2.1 - - [01/Jan/2099:00:00:00 +0000] "GET {} HTTP/1.1" 200 1 "-" "agent/1.0"\n'


def test_a_half_written_last_line_is_counted_once_and_whole(put_rule: Put, tmp_path: Path, attack: str) -> None:
    rules, line = put_rule().parent, LINE.format(attack)
    for cut in (1, 40, len(line) // 2, len(line) - 30, len(line) - 1):
        folder = tmp_path / str(cut)
        folder.mkdir()
        log = folder / "access.log"
        log.write_text(line + line[:cut])
        done = go(rules, [log], folder)
        assert (found(folder), done.report.requests, done.report.unreadable) == (["access.log:1"], 1, 0)
        assert done.report.held_back == 1
        with log.open("a") as file:
            file.write(line[cut:] + "no line\n" + line + line[:cut])
        done = go(rules, [log], folder)
        assert found(folder) == ["access.log:1", "access.log:2", "access.log:4"]
        assert (done.report.requests, done.report.unreadable, done.report.held_back) == (3, 1, 1)


def test_a_last_line_that_never_gets_its_end_is_counted_by_the_next_call(
    put_rule: Put, tmp_path: Path, attack: str
) -> None:
    rules, log = put_rule().parent, tmp_path / "access.log"
    log.write_text(LINE.format(attack).rstrip("\n"))
    assert go(rules, [log], tmp_path).report.requests == 0
    for _ in range(2):
        done = go(rules, [log], tmp_path)
        assert (found(tmp_path), done.report.requests, done.report.held_back) == (["access.log:1"], 1, 0)


def test_documents_and_compressed_logs_are_read_to_their_end(put_rule: Put, tmp_path: Path, attack: str) -> None:
    rules = put_rule().parent
    entry = {"request": {"method": "GET", "url": f"http://shop.example{attack}", "headers": []}}
    har, packed = tmp_path / "a.har", tmp_path / "b.log.gz"
    har.write_text(json.dumps({"log": {"entries": [entry]}}, indent=1))
    packed.write_bytes(gzip.compress(LINE.format(attack).rstrip("\n").encode()))
    done = go(rules, [har, packed], tmp_path)
    assert (done.report.requests, done.report.hits, done.report.held_back) == (2, 2, 0)


def test_another_question_cannot_go_on_from_a_checkpoint(put_rule: Put, logs: list[Path], tmp_path: Path) -> None:
    rules = put_rule().parent
    go(rules, logs, tmp_path)
    with pytest.raises(UsageError, match="RF143"):
        go(rules, logs[:1], tmp_path)
    with pytest.raises(UsageError, match="RF143"):
        go(rules, logs, tmp_path, since="2099-01-01")
    put_rule("CVE-2099-0002")
    with pytest.raises(UsageError, match="RF143"):
        go(rules, logs, tmp_path)


def test_two_scans_do_not_work_with_one_checkpoint(put_rule: Put, logs: list[Path], tmp_path: Path) -> None:
    rules = put_rule()
    with checkpoint.alone(tmp_path / "state"), pytest.raises(OutsideError, match="RF561"):
        go(rules, logs, tmp_path)
    assert not (tmp_path / "hits.ndjson").exists()
    assert go(rules, logs, tmp_path).report.hits == 17 + 13


def test_a_file_that_is_another_one_is_refused(put_rule: Put, logs: list[Path], tmp_path: Path) -> None:
    rules = put_rule().parent
    go(rules, logs, tmp_path)
    logs[0].write_text("{}\n" + logs[0].read_text())
    with pytest.raises(UsageError, match="RF144"):
        go(rules, logs, tmp_path)


def test_an_output_that_lost_something_is_refused(put_rule: Put, logs: list[Path], tmp_path: Path) -> None:
    rules = put_rule().parent
    go(rules, logs, tmp_path)
    (tmp_path / "hits.ndjson").write_bytes(b"")
    with pytest.raises(UsageError, match="RF145"):
        go(rules, logs, tmp_path)


def test_a_checkpoint_that_is_none_is_refused(put_rule: Put, logs: list[Path], tmp_path: Path) -> None:
    (tmp_path / "state").write_bytes(b"\x81\xa3abc")
    with pytest.raises(InputError, match="RF287"):
        go(put_rule().parent, logs, tmp_path)


def test_standard_input_has_no_checkpoint(put_rule: Put, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="RF147"):
        go(put_rule().parent, [Path("-")], tmp_path)


SLOW = """
import sys, time
from ruleforge.app.scanning import reading, run
reading.ROWS = 5
real = run.Asker.ask
def slow(self, batch, file, **more):
    time.sleep(0.05)
    return real(self, batch, file, **more)
run.Asker.ask = slow
from ruleforge.cli import main
main()
"""


def start(rules: Path, logs: list[Path], folder: Path, kind: str) -> subprocess.Popen[bytes]:
    words = ["scan", "--rules", rules, *logs, "--format", kind, "--output", folder / "out", "--checkpoint"]
    words += [folder / "state", "--checkpoint-seconds", "0"]
    return subprocess.Popen(
        [sys.executable, "-c", SLOW, *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def saved_bytes(folder: Path) -> Iterator[bytes]:
    """The checkpoint, each time that it is another one."""
    last = b""
    while True:
        try:
            now = (folder / "state").read_bytes()
        except FileNotFoundError:
            now = b""
        if now != last:
            last = now
            yield now


@pytest.mark.parametrize("kind", ["ndjson", "json"])
def test_a_process_that_is_killed_loses_nothing_and_repeats_nothing(
    put_rule: Put, logs: list[Path], tmp_path: Path, kind: str
) -> None:
    rules = put_rule().parent
    (tmp_path / "quiet").mkdir()
    expected = start(rules, logs, tmp_path / "quiet", kind)
    expected.communicate()
    assert expected.returncode == 1
    (tmp_path / "killed").mkdir()
    kills = 0
    while True:
        process = start(rules, logs, tmp_path / "killed", kind)
        states = saved_bytes(tmp_path / "killed")
        for _ in range(3):  # some checkpoints further than the run before
            if process.poll() is None:
                next(states)
        if process.poll() is None and kills < 4:
            process.send_signal(signal.SIGKILL)
            kills += 1
        process.communicate()
        if process.returncode != -signal.SIGKILL:
            break
    assert process.returncode == 1
    assert kills == 4
    hits = [(tmp_path / name / "out").read_bytes() for name in ("quiet", "killed")]
    if kind == "json":
        hits = [json.dumps(json.loads(text)["hits"]).encode() for text in hits]
    assert hits[0] == hits[1]
    assert b"RF-CVE-2099-0001-1" in hits[0]


def test_ctrl_c_tells_what_was_found_and_the_same_call_goes_on(put_rule: Put, logs: list[Path], tmp_path: Path) -> None:
    rules = put_rule().parent
    process = start(rules, logs, tmp_path, "md")
    states = saved_bytes(tmp_path)
    for _ in range(4):
        next(states)
    os.kill(process.pid, signal.SIGINT)
    _, said = process.communicate()
    assert process.returncode == 130
    assert b"Interrupted: this is what was found so far." in said
    assert b"Traceback" not in said
    assert (tmp_path / "out").read_text().startswith("# Scan")
    again = start(rules, logs, tmp_path, "md")
    again.communicate()
    assert again.returncode == 1
    assert "30 hits of 1 rule on 30 requests: 1 rule over 90 requests." in (tmp_path / "out").read_text()


@pytest.mark.parametrize(("name", "value"), [("marks", []), ("heads", ["x", "y"]), ("heads", ["-1:" + "0" * 64] * 2)])
def test_a_checkpoint_whose_files_do_not_agree_is_refused(
    put_rule: Put, logs: list[Path], tmp_path: Path, name: str, value: list[str]
) -> None:
    rules = put_rule().parent
    go(rules, logs, tmp_path)
    saved = msgspec.msgpack.decode((tmp_path / "state").read_bytes())
    (tmp_path / "state").write_bytes(msgspec.msgpack.encode(saved | {name: value}))
    with pytest.raises(InputError, match="RF287"):
        go(rules, logs, tmp_path)
