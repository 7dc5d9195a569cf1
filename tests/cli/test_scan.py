"""`scan` on the command line: filters, outputs, live files, and what it says about itself."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from pyarrow import parquet

Put = Callable[..., Path]
Run = Callable[..., Result]


@pytest.fixture
def day(put_rule: Put, put_requests: Put, attack: str) -> tuple[str, Path]:
    rules = put_rule("CVE-2099-0001", severity="high").parent
    put_rule("CVE-2099-0002", severity="low", when={"field": "path", "op": "path_suffix", "value": "/press.php"})
    rows: list[dict[str, Any]] = [
        {"target": attack, "src_ip": f"192.0.2.{n}", "ts": f"2099-01-0{n + 1}T10:00:00Z", "status": 200 + 100 * n}
        for n in range(4)
    ]
    return str(rules), put_requests(*rows, {"target": attack}, {"target": "/"})


def report(result: Result) -> dict[str, Any]:
    assert result.exit_code in (0, 1), result.stderr
    data: dict[str, Any] = json.loads(result.stdout)["report"]
    return data


@pytest.mark.parametrize(
    ("words", "counts"),
    [
        (["--since", "2099-01-02"], (4, 8, 1, 2)),
        (["--until", "2099-01-02"], (3, 6, 2, 2)),
        (["--since", "2099-01-02", "--until", "2099-01-03T00:00:00Z"], (2, 4, 3, 2)),
        (["--since", "2099-01-02", "--drop-undated"], (3, 6, 1, 2)),
    ],
)
def test_a_window_counts_what_lies_outside_and_what_has_no_time(
    run: Run, day: tuple[str, Path], words: list[str], counts: tuple[int, int, int, int]
) -> None:
    rules, file = day
    found = report(run("scan", "--rules", rules, file, "--format", "json", *words))
    hit = found["requests_hit"], found["hits"], found["outside_window"], found["undated"]
    assert hit == counts
    text = run("scan", "--rules", rules, file, *words).stdout
    assert "without a readable time " + ("left out" if "--drop-undated" in words else "asked about") in text


@pytest.mark.parametrize(
    ("words", "rules_run"),
    [
        (["--min-severity", "high"], ["RF-CVE-2099-0001-1"]),
        (["--min-severity", "LOW"], ["RF-CVE-2099-0001-1", "RF-CVE-2099-0002-1"]),
        (["--cve", "cve-2099-0002"], ["RF-CVE-2099-0002-1"]),
        (["--rule", "RF-CVE-2099-0001-1", "--cve", "CVE-2099-0002"], ["RF-CVE-2099-0001-1", "RF-CVE-2099-0002-1"]),
    ],
)
def test_rules_are_chosen_by_severity_cve_and_id(
    run: Run, day: tuple[str, Path], words: list[str], rules_run: list[str]
) -> None:
    rules, file = day
    found = report(run("scan", "--rules", rules, file, "--format", "json", *words))
    assert sorted(found["by_rule"]) == rules_run
    assert found["rules_left_out"] == 2 - len(rules_run)


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["--min-severity", "awful"], "RF102"),
        (["--cve", "CVE-2099-7777"], "RF141"),
        (["--rule", "RF-nothing"], "RF141"),
        (["--min-severity", "critical"], "RF142"),
        (["--since", "soon"], "RF127"),
        (["--since", "2099-01-02", "--until", "2099-01-01"], "RF140"),
        (["--exclusions", "none.yaml"], "RF146"),
        (["--format", "parquet"], "RF150"),
        (["--checkpoint", "state"], "RF150"),
        (["--follow", "--output", "x"], "RF150"),
        (["--follow", "--format", "sarif"], "RF150"),
    ],
)
def test_a_wrong_wish_is_refused_with_its_code(run: Run, day: tuple[str, Path], words: list[str], code: str) -> None:
    rules, file = day
    result = run("scan", "--rules", rules, file, *words)
    assert (result.exit_code, result.stdout) == (2, "")
    assert f"[{code}]" in result.stderr


def test_the_status_of_the_answer_is_told_for_each_hit_and_in_sum(run: Run, day: tuple[str, Path]) -> None:
    rules, file = day
    found = json.loads(run("scan", "--rules", rules, file, "--format", "json").stdout)
    outcomes = [hit["outcome"] for hit in found["hits"] if hit["rank"] == 1]
    assert outcomes == ["may_have_succeeded", "unclear", "probed", "unclear", "unknown"]
    assert found["report"]["by_outcome"] == {"may_have_succeeded": 1, "unclear": 2, "probed": 1, "unknown": 1}
    text = run("scan", "--rules", rules, file).stdout
    assert "may have succeeded 1, unclear 2, probed 1, no status recorded 1" in text


@pytest.mark.parametrize("kind", ["text", "json", "ndjson", "ecs", "ocsf", "sarif", "md", "html"])
def test_an_output_file_holds_what_standard_output_would(
    run: Run, day: tuple[str, Path], tmp_path: Path, kind: str
) -> None:
    rules, file = day
    shown = run("scan", "--rules", rules, file, "--format", kind)
    result = run("scan", "--rules", rules, file, "--format", kind, "--output", tmp_path / "out")
    assert (result.exit_code, result.stdout) == (1, "")
    assert f"Written to {tmp_path / 'out'}." in result.stderr
    written = (tmp_path / "out").read_text()
    if kind in ("ecs", "ocsf"):
        assert len(written.splitlines()) == len(shown.stdout.splitlines()) == 5  # one per request
    elif kind != "html":  # which says when it was made
        assert written == shown.stdout
    assert sorted(each.name for each in tmp_path.iterdir() if each.name.startswith("out")) == ["out"]


def test_parquet_is_written_to_a_file(run: Run, day: tuple[str, Path], tmp_path: Path) -> None:
    rules, file = day
    result = run("scan", "--rules", rules, file, "--format", "parquet", "--output", tmp_path / "hits.parquet")
    assert result.exit_code == 1
    table = parquet.read_table(tmp_path / "hits.parquet")
    assert table.column("rank").to_pylist() == [1, 2] * 5


def test_excluded_hits_are_counted_and_listed(run: Run, day: tuple[str, Path]) -> None:
    rules, file = day
    words = ["exclude", "add", "site.yaml", "--rule", "*", "--source", "192.0.2.0/31", "--reason", "our scanner"]
    assert run(*words, "--expires", "never").exit_code == 0
    old = ["exclude", "add", "site.yaml", "--rule", "RF-gone", "--path", "/x", "--reason", "old"]
    assert run(*old, "--expires", "2020-01-01").exit_code == 0
    result = run("scan", "--rules", rules, file, "--exclusions", "site.yaml")
    assert "6 hits of 2 rules on 3 requests" in result.stdout
    assert "Excluded: 4 hits, as the exclusions say." in result.stdout
    assert "4  every rule at source 192.0.2.0/31: our scanner" in result.stdout
    assert "exclusion expired on 2020-01-01: RF-gone at path /x: old" in result.stderr
    assert run("exclude", "list", "site.yaml").stdout.splitlines()[1].startswith("expired")
    checked = run("exclude", "check", "site.yaml", "--rules", rules, "--format", "json")
    assert checked.exit_code == 1
    assert [each["unknown_rule"] for each in json.loads(checked.stdout)] == [False, True]


def test_a_scan_with_a_checkpoint_can_be_called_again(run: Run, day: tuple[str, Path], tmp_path: Path) -> None:
    rules, file = day
    for kind in ("text", "ndjson", "json", "html", "parquet"):
        out, state = tmp_path / f"out.{kind}", tmp_path / f"state.{kind}"
        words = ["scan", "--rules", rules, file, "--format", kind, "--output", out, "--checkpoint", state]
        first = run(*words)
        before = out.read_bytes()
        again = run(*words)
        assert (first.exit_code, again.exit_code) == (1, 1)
        assert (
            json.loads(before) | {"report": 0} == json.loads(out.read_bytes()) | {"report": 0}
            if kind == "json"
            else (out.read_bytes() == before)
        )


def test_what_cannot_be_decided_is_told_for_each_file(run: Run, put_rule: Put, tmp_path: Path) -> None:
    rules = put_rule(when={"field": "body", "op": "contains", "value": "needle"}).parent
    line = '192.0.2.1 - - [01/Jan/2099:00:00:00 +0000] "GET /a HTTP/1.1" 200 5 "-" "x"\n'
    (tmp_path / "a.log").write_text(line * 3)
    result = run("scan", "--rules", rules, "a.log")
    assert (
        "a.log  1 of 1 rule  for up to 3 of 3 requests  no bodies; of the headers only referer, user-agent"
        in result.stdout
    )


def test_a_live_file_is_followed_until_ctrl_c(put_rule: Put, tmp_path: Path, attack: str) -> None:
    log = tmp_path / "live.jsonl"
    log.write_text(json.dumps({"target": "/"}) + "\n")
    words = ["scan", "--rules", put_rule().parent, "--follow", log, "--format", "ndjson"]
    pipe = subprocess.PIPE
    process = subprocess.Popen([sys.executable, "-m", "ruleforge.cli", *map(str, words)], stdout=pipe, stderr=pipe)
    assert process.stderr is not None
    assert process.stdout is not None
    assert b"following 1 file with 1 rule" in process.stderr.readline()
    with log.open("a") as file:
        file.write(json.dumps({"target": attack}) + "\n")
    hit = json.loads(process.stdout.readline())
    assert hit["request"] in ("live.jsonl:2", "live.jsonl:1")
    os.kill(process.pid, signal.SIGINT)
    rest, said = process.communicate()
    assert (rest, process.returncode) == (b"", 1)
    assert b"Traceback" not in said


@pytest.mark.parametrize(
    ("text", "code"),
    [("combined", 0), ('$remote_addr "$request" $status "$http_host"', 0), ("nonsense", 2), ("$nothing", 2)],
)
def test_the_format_of_files_can_be_named_or_given(
    run: Run, put_rule: Put, tmp_path: Path, attack: str, text: str, code: int
) -> None:
    log = tmp_path / "odd.txt"
    log.write_text(f'192.0.2.7 "GET {attack} HTTP/1.1" 403 "shop.example"\n' * 3)
    result = run("scan", "--rules", put_rule().parent, log, "--log-format", text, "--format", "ndjson")
    hits = [json.loads(line) for line in result.stdout.splitlines()]
    assert result.exit_code in (code, code + 1)
    if "$remote" in text:
        assert [(hit["host"], hit["outcome"]) for hit in hits] == [("shop.example", "probed")] * 3
    else:
        assert hits == []
