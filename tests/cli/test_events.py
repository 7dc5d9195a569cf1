"""`ruleforge events`: exit codes, lines for people and for machines, and nothing hostile on the terminal."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

Run = Callable[..., Result]
LINE = "2099-03-04T05:06:{:02}Z gate sshd[{}]: Failed password for root from 192.0.2.10 port 4{:03} ssh2\n"


@pytest.fixture
def log(tmp_path: Path) -> Path:
    file = tmp_path / "auth.log"
    file.write_text("".join(LINE.format(at, at, at) for at in range(12)), "utf-8")
    return file


def test_alerts_are_told_in_sentences_and_end_with_1(run: Run, log: Path) -> None:
    result = run("events", log)
    assert result.exit_code == 1
    assert "RF-AUTH-BRUTE-FORCE" in result.stdout
    assert "source.address 192.0.2.10: 10 from 2099-03-04T05:06:00.000000Z" in result.stdout
    assert "2 alerts and 0 hits: 27 rules over 12 events (12 auth_log)." in result.stdout
    assert "told by an earlier alert" in result.stdout
    assert "kinds of events that these files do not hold" in result.stderr


def test_machines_get_one_object_a_line(run: Run, log: Path) -> None:
    result = run("events", log, "--format", "ndjson")
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert [row["type"] for row in rows] == ["alert", "alert"]
    assert set(rows[0]) >= {
        "rule",
        "kind",
        "title",
        "severity",
        "count",
        "first",
        "last",
        "key",
        "start",
        "end",
        "sample",
    }


def test_a_quiet_log_ends_with_0(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "auth.log"
    file.write_text(LINE.format(1, 1, 1), "utf-8")
    assert run("events", file).exit_code == 0


def test_a_file_that_cannot_be_read_ends_with_2(run: Run, log: Path, tmp_path: Path) -> None:
    (tmp_path / "x").write_text("nothing known\n", "utf-8")
    result = run("events", tmp_path / "x", log)
    assert result.exit_code == 2
    assert "RF220" in result.stderr
    assert "RF-AUTH-BRUTE-FORCE" in result.stdout


def test_too_few_keys_are_told(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "auth.log"
    lines = [LINE.format(at, at, at).replace("192.0.2.10", f"192.0.2.{at}") for at in range(12)]
    file.write_text("".join(lines), "utf-8")
    result = run("events", file, "--max-keys", 2)
    assert "Memory was not enough" in result.stdout


def test_what_attackers_write_cannot_act_on_the_terminal(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "c.json"
    row = {"eventid": "cowrie.command.input", "input": "wget x\x1b]0,owned\x07|sh \u202e", "session": "\x1b[2J"}
    file.write_text(json.dumps(row), "utf-8")
    result = run("events", file)
    assert result.exit_code == 1
    assert "\x1b" not in result.stdout
    assert "\u202e" not in result.stdout
    assert "\\x1b]0,owned" in result.stdout
