"""The commands about stored traffic and about revisions, as a user calls them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

Put = Callable[..., Path]
Run = Callable[..., Result]


def rows(attack: str, number: int, others: int) -> list[dict[str, Any]]:
    time = "2099-03-01T00:00:00Z"
    bad = [{"target": attack, "src_ip": f"203.0.113.{n}", "ts": time} for n in range(number)]
    return bad + [{"target": "/", "src_ip": f"198.51.100.{n}", "ts": time} for n in range(others)]


def test_a_rule_that_attackers_alone_trigger_passes(run: Run, put_rule: Put, put_requests: Put, attack: str) -> None:
    rules, log = put_rule().parent, put_requests(*rows(attack, 10, 240))
    result = run("sensor-check", rules, log, "--format", "ndjson")
    (line,) = [json.loads(text) for text in result.stdout.splitlines()]
    assert (line["answer"], line["sources"], line["known_bad"], result.exit_code) == ("passed", 10, 10, 0)


def test_a_rule_that_visitors_trigger_fails(run: Run, put_rule: Put, put_requests: Put, attack: str) -> None:
    rules, log = put_rule().parent, put_requests(*rows(attack, 12, 240))
    Path("bad.txt").write_text("203.0.113.1\n")
    result = run("sensor-check", rules, "--mixed", log, "--known-bad", "bad.txt")
    assert result.exit_code == 1
    assert "mostly good sources: 1 of 12 sources" in result.stdout
    assert "203.0.113" not in result.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["sensor-check", "rules"], "[RF123]"),
        (["sensor-check", "rules", "none.log"], "[RF117]"),
        (["backtest", "rules", "none.log"], "[RF117]"),
        (["backtest", "rules", "day.jsonl", "--since", "once"], "[RF127]"),
        (["diff", "rules/CVE-2099-0001"], "[RF126]"),
        (["forge", ".", "--out", "x", "--watch", "--format", "md"], "[RF124]"),
        (["forge", ".", "--out", "x", "--watch", "--interval", "0"], "[RF125]"),
    ],
)
def test_a_wrong_call_ends_with_2_and_says_why(
    run: Run, put_rule: Put, put_requests: Put, words: list[str], said: str
) -> None:
    put_rule()
    put_requests("/")
    result = run(*words)
    assert (result.exit_code, said in result.stderr) == (2, True)


def test_a_backtest_says_since_when(run: Run, put_rule: Put, put_requests: Put, attack: str) -> None:
    rules, log = put_rule().parent, put_requests(*rows(attack, 2, 3))
    text = run("backtest", rules, log).stdout
    assert "2 of 5 requests from 2099-03-01T00:00:00Z to 2099-03-01T00:00:00Z" in text
    found = json.loads(run("backtest", rules, log, "--format", "json").stdout)
    assert found["results"][0]["days"] == {"2099-03-01": 2}


def test_forging_with_sensor_and_history_puts_both_into_the_evidence(
    run: Run, put_templates: Path, put_requests: Put
) -> None:
    target = "/a/orchard/fruit_press.php?crate=..%2f..%2f..%2f..%2fetc%2fshadow"
    log = put_requests(*rows(target, 10, 240))
    words = ("forge", put_templates, "--out", "out", "--jobs", 1, "--sensor", log, "--history", log)
    run(*words)
    file = Path("out/CVE-2099-0101/evidence.json")
    evidence = json.loads(file.read_text())
    (check,) = [each for each in evidence["checks"] if each["check"] == "sensor_traffic"]
    assert check["passed"] is True
    assert evidence["sensor"]["known_bad"]["sources"] == 10
    assert evidence["backtest"]["hits"] == 10
    before = file.read_bytes()
    run(*words)
    assert file.read_bytes() == before


def test_a_watch_prints_a_line_for_each_change_and_a_diff_what_it_was(run: Run, put_templates: Path) -> None:
    words = ("forge", put_templates, "--out", "out", "--jobs", 1, "--watch", "--once", "--interval", 1)
    assert "CVE-2099-0101: rule, revision 1" in run(*words).stdout
    assert run(*words).stdout == ""
    file = put_templates / "CVE-2099-0101.yaml"
    file.write_text(file.read_text().replace("fruit_press.php", "cider_press.php"))
    (line,) = [json.loads(text) for text in run(*words, "--format", "ndjson").stdout.splitlines()]
    assert (line["what"], line["advisory"], line["revision"]) == ("changed", "CVE-2099-0101", 2)
    result = run("diff", "out/CVE-2099-0101")
    assert result.exit_code == 1
    assert "revision 1 to revision 2" in result.stdout
    assert "cider_press.php" in result.stdout
    assert json.loads(run("diff", "out/CVE-2099-0101", "--format", "json").stdout)["changes"] == line["changes"]
    assert run("diff", "out/CVE-2099-0101", "--format", "md").stdout.startswith("# RF-CVE-2099-0101-1")
