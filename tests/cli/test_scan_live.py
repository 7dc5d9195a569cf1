"""`scan --follow` as a process: what its slow lane left out is told to people and to programs."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from click.testing import Result

Put = Callable[..., Path]
Run = Callable[..., Result]


def test_what_slow_rules_were_not_asked_about_is_told(put_rule: Put, tmp_path: Path, attack: str) -> None:
    rules = put_rule().parent
    long: dict[str, Any] = {"field": "target.raw", "op": "length_gt", "value": 3}
    put_rule("CVE-2099-0002", when=long)
    log, counts = tmp_path / "live.jsonl", tmp_path / "counts.json"
    log.write_text("")
    words = ["scan", "--rules", rules, "--follow", log, "--slow-lane-ms", "0", "--counts", counts]
    pipe = subprocess.PIPE
    process = subprocess.Popen([sys.executable, "-m", "ruleforge.cli", *map(str, words)], stdout=pipe, stderr=pipe)
    assert process.stderr is not None
    assert process.stdout is not None
    assert b"following" in process.stderr.readline()
    with log.open("a") as file:
        file.write(json.dumps({"target": attack}) + "\n")
    assert b"CVE-2099-0001" in process.stdout.readline()
    os.kill(process.pid, signal.SIGINT)
    text, said = process.communicate()
    assert process.returncode == 1
    assert b"Not evaluated: 1 rule without a usable literal" in text
    assert b"RF-CVE-2099-0002-1  1 of 1 request" in text
    assert b"1 rule not evaluated for up to 1 request" in said
    report = json.loads(counts.read_text())
    assert report["not_evaluated"] == {"RF-CVE-2099-0002-1": 1}
    assert report["by_rule"] == {"RF-CVE-2099-0001-1": 1}


def test_counts_of_a_scan_go_to_a_file_beside_any_output(run: Run, put_rule: Put, put_requests: Put) -> None:
    day = put_requests("/fruit/press.php?crate=../", "/")
    found = run("scan", "--rules", put_rule().parent, day, "--format", "ndjson", "--counts", "counts.json")
    assert found.exit_code == 1
    assert len(found.stdout.splitlines()) == 1
    report = json.loads(Path("counts.json").read_text())
    assert (report["requests"], report["hits"], report["not_evaluated"]) == (2, 1, {})
