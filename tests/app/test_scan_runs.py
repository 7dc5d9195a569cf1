"""Runs that are killed in the middle, and go on with nothing lost and nothing twice."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ruleforge.app.scan_runs import input_files, read_hits, run_scan
from ruleforge.errors import UsageError

SCRIPT = """
import signal
import sys
from pathlib import Path
from ruleforge.app.scan_runs import run_scan
if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell that runs tests in the background ignores it
    rules, out, *files = map(Path, sys.argv[1:])
    run_scan("local", rules, files, out, jobs=2, resume=True, unvalidated=True, piece_bytes=1500)
"""
WHENS = (
    {"field": "path", "op": "path_suffix", "value": "/attic/door.cgi"},
    {"field": "headers", "name": "x-key", "op": "present"},
)
ROWS = 1500


@pytest.fixture(scope="module")
def rules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rules")
    for number, when in enumerate(WHENS, 1):
        id_ = f"RF-CVE-2099-{number:04}-1"
        rule = {"schema": 1, "id": id_, "title": "t", "event": "http.request", "when": when}
        if number == 1:
            rule["cves"] = ["CVE-2099-0001"]
        (folder / id_).mkdir()
        (folder / id_ / "rule.json").write_text(json.dumps(rule))
    return folder


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder, random_ = tmp_path_factory.mktemp("logs"), random.Random(1)
    targets = ["/", "/attic/door.cgi", "/garden"]
    lines = [
        json.dumps(
            {"method": "GET", "target": random_.choice(targets), "headers": [], "src_ip": f"192.0.2.{number % 3}"}
        )
        for number in range(ROWS)
    ]
    lines[7] = "broken"
    (folder / "a.jsonl").write_text("\n".join(lines))
    access = [
        f'198.51.100.1 - - [02/Jan/2099:03:04:05 +0000] "GET {random_.choice(targets)} HTTP/1.1" 200 5' for _ in lines
    ]
    (folder / "b.log").write_text("\n".join(access) + "\n")
    return [folder / "a.jsonl", folder / "b.log"]


@pytest.fixture(scope="module")
def whole(rules: Path, logs: list[Path], tmp_path_factory: pytest.TempPathFactory) -> tuple[list[dict], dict]:
    """Hits and report of a run that nothing disturbed."""
    out = tmp_path_factory.mktemp("runs") / "whole"
    run_scan("local", rules, logs, out, jobs=2, unvalidated=True, piece_bytes=1500)
    return list(read_hits(out)), report_of(out)


def report_of(out: Path) -> dict:
    report = json.loads((out / "report.json").read_text())
    return {key: value for key, value in report.items() if key not in {"folder", "resumed", "deaths"}}


def start(rules: Path, logs: list[Path], out: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", SCRIPT, str(rules), str(out), *map(str, logs)]
    with out.with_suffix(".told").open("wb") as told:
        return subprocess.Popen(command, start_new_session=True, stderr=told)


def parts(out: Path) -> int:
    return len(list((out / "hits").glob("part-*"))) if out.exists() else 0


def wait_for_parts(run: subprocess.Popen[bytes], out: Path, count: int) -> None:
    while parts(out) < count and run.poll() is None:
        time.sleep(0.002)


def session_is_gone(leader: int) -> bool:
    return not any(stat_of(each)[5:6] == [str(leader)] for each in Path("/proc").glob("[0-9]*"))


def stat_of(process: Path) -> list[str]:
    """Fields of a process that lives; none of one that ended."""
    try:
        fields = (process / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []
    return [] if fields[0] == "Z" else ["", "", *fields]


def test_a_run_counts_what_one_process_finds(whole, logs):
    hits, report = whole
    wanted = sum(log.read_text().count("/attic/door.cgi") for log in logs)
    assert len(hits) == report["hits"] == report["by_rule"]["RF-CVE-2099-0001-1"] == wanted > 500
    assert report["requests"] == 2 * ROWS - 1
    assert (report["unreadable"], report["unreadable_files"], report["lost"]) == (1, 0, 0)
    assert "a.jsonl:8" in report["problems"][0]
    assert report["undecidable"] == {"RF-CVE-2099-0002-1": ROWS}
    assert report["by_cve"] == {"CVE-2099-0001": wanted}
    assert set(report["by_source"]) == {"192.0.2.0", "192.0.2.1", "192.0.2.2", "198.51.100.1"}
    assert [(hit["file"], hit["row"]) for hit in hits] == sorted((hit["file"], hit["row"]) for hit in hits)
    assert report["pieces"] >= 60


@pytest.mark.parametrize("seed", range(2))
def test_a_run_that_is_killed_again_and_again_ends_with_what_an_undisturbed_one_has(rules, logs, whole, tmp_path, seed):
    out, random_ = tmp_path / "out", random.Random(seed)
    kills = 0
    while kills < 3:
        run = start(rules, logs, out)
        wait_for_parts(run, out, parts(out) + random_.randrange(1, 12))
        if run.poll() is not None:
            break
        if random_.random() < 0.5:
            os.killpg(run.pid, signal.SIGKILL)  # the machine goes down
        else:
            run.kill()  # only the caller is killed: its processes must notice
        run.wait()
        kills += 1
    assert kills >= 2
    last = start(rules, logs, out)
    assert last.wait() == 0, out.with_suffix(".told").read_text()
    hits, report = whole
    assert list(read_hits(out)) == hits
    assert report_of(out) == report
    assert json.loads((out / "report.json").read_text())["resumed"] >= 2
    assert list((out / "hits").glob(".*.tmp")) == []


@pytest.mark.parametrize("is_group", [True, False])
def test_an_interrupt_leaves_no_process_and_a_run_to_go_on_with(rules, logs, whole, tmp_path, is_group):
    out = tmp_path / "out"
    run = start(rules, logs, out)
    wait_for_parts(run, out, 3)
    (os.killpg if is_group else os.kill)(run.pid, signal.SIGINT)
    assert run.wait() != 0
    told = out.with_suffix(".told").read_text()
    assert told.count("KeyboardInterrupt") == 1, told  # of the caller, none of its processes
    until = time.monotonic() + 20
    while not session_is_gone(run.pid) and time.monotonic() < until:
        time.sleep(0.05)
    assert session_is_gone(run.pid)
    assert start(rules, logs, out).wait() == 0
    assert list(read_hits(out)) == whole[0]


def test_processes_of_a_caller_that_was_killed_end_by_themselves(rules, logs, tmp_path):
    run = start(rules, logs, tmp_path / "out")
    wait_for_parts(run, tmp_path / "out", 1)
    run.kill()
    run.wait()
    until = time.monotonic() + 20
    while not session_is_gone(run.pid) and time.monotonic() < until:
        time.sleep(0.05)
    assert session_is_gone(run.pid)


def test_folders_are_read_without_what_their_writers_keep_for_themselves(tmp_path):
    for name in ("b.log", "a/c.log", "_SUCCESS", ".b.log.crc", "_spark_metadata/0"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = [str(path.relative_to(tmp_path)) for path in input_files([tmp_path, tmp_path / "b.log"])]
    assert found == ["a/c.log", "b.log"]


def test_what_cannot_run_is_said_before_anything_is_written(rules, logs, tmp_path):
    out = tmp_path / "out"
    for runner, folder, files, code in (
        ("flink", rules, logs, "RF102"),
        ("local", tmp_path, logs, "RF111"),
        ("local", tmp_path / "none", logs, "RF110"),
        ("local", rules, [tmp_path / "none"], "RF161"),
    ):
        with pytest.raises(UsageError, match=code):
            run_scan(runner, folder, files, out, jobs=1, unvalidated=True)
    assert not out.exists()
