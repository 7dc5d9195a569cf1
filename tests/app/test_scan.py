"""A scan finds what rules hold for, says where, and goes on when something cannot be read."""

import gzip
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ruleforge.app.groups import group_hits
from ruleforge.app.reports.sarif import to_sarif
from ruleforge.app.scan import STDIN, ScanHit, ScanReport, scan
from ruleforge.errors import UsageError

Put = Callable[..., Path]


def found(rules: Path, *files: Path, **more: Any) -> tuple[list[ScanHit], ScanReport]:
    report = ScanReport()
    return list(scan(rules, files, report, **more)), report


def test_a_hit_names_request_file_rule_and_the_bytes_that_matched(
    put_rule: Put, put_requests: Put, attack: str
) -> None:
    rules, file = put_rule().parent, put_requests("/ordinary", {"target": attack, "src_ip": "192.0.2.7", "status": 404})
    (hit,), report = found(rules, file)
    assert (hit.request, hit.file, hit.rule, hit.cves) == ("r2", str(file), "RF-CVE-2099-0001-1", ("CVE-2099-0001",))
    assert (hit.source_address, hit.status) == ("192.0.2.7", 404)
    assert (report.requests, report.hits, report.requests_hit) == (2, 1, 1)
    assert report.by_source == {"192.0.2.7": 1}
    path, crate = hit.spans
    assert (path["field"], path["part"], path["text"]) == ("path", "target", "/fruit/press.php")
    assert attack.encode()[path["start"] : path["end"]] == b"/fruit/press.php"
    assert (crate["field"], crate["name"], crate["part"], crate["text"]) == ("args", "crate", "value", "../")


def test_an_access_log_leaves_rules_about_bodies_undecided(put_rule: Put, tmp_path: Path) -> None:
    rules = put_rule(when={"field": "body", "op": "contains", "value": "needle"}).parent
    log = tmp_path / "access.log"
    log.write_text('192.0.2.1 - - [01/Jan/2026:00:00:00 +0000] "GET /a HTTP/1.1" 200 5 "-" "x"\n' * 3)
    hits, report = found(rules, log)
    assert hits == []
    assert report.undecidable == {"RF-CVE-2099-0001-1": 3}


def test_standard_input_is_read_plain_and_compressed(put_rule: Put, put_requests: Put, attack: str) -> None:
    rules, data = put_rule().parent, put_requests(attack).read_bytes()
    for stdin in (io.BytesIO(data), io.BytesIO(gzip.compress(data))):
        (hit,), _ = found(rules, STDIN, stdin=stdin)
        assert (hit.request, hit.file) == ("r1", "-")


def test_an_empty_file_and_an_empty_stream_hold_no_requests(put_rule: Put, tmp_path: Path) -> None:
    empty = tmp_path / "rotated.log.1"
    empty.write_bytes(b"")
    hits, report = found(put_rule().parent, empty, STDIN, stdin=io.BytesIO(b""))
    assert (hits, report.requests, report.unreadable) == ([], 0, 0)


def test_what_cannot_be_read_is_counted_and_the_rest_scanned(
    put_rule: Put, put_requests: Put, tmp_path: Path, attack: str
) -> None:
    damaged = tmp_path / "damaged.jsonl.gz"
    damaged.write_bytes(b"\x1f\x8b" + b"no gzip at all")
    good = put_requests(attack)
    good.write_text("not json\n{}\n" + good.read_text())
    hits, report = found(put_rule().parent, tmp_path / "missing.log", damaged, good)
    assert [hit.request for hit in hits] == ["r1"]
    assert report.unreadable_files == 2
    assert len(report.problems) == report.unreadable
    assert any("RF501" in problem for problem in report.problems)


def test_a_folder_without_validated_rules_is_a_wrong_call(put_rule: Put, put_requests: Put, tmp_path: Path) -> None:
    (tmp_path / "rules").mkdir()
    with pytest.raises(UsageError, match=r"RF111.*no rule\.json"):
        found(tmp_path / "rules", put_requests("/"))
    put_rule(validated=False)
    with pytest.raises(UsageError, match=r"RF111.*evidence"):
        found(tmp_path / "rules", put_requests("/"))


def test_some_element_gives_one_span_with_its_name(put_rule: Put, put_requests: Put) -> None:
    where = {
        "all": [
            {"field": "name", "op": "starts_with", "value": "cr"},
            {"field": "value", "op": "contains", "value": "../"},
        ]
    }
    absent = {"not": {"field": "args", "name": "safe", "op": "present"}}
    rules = put_rule(when={"all": [{"some": "args", "where": where}, absent]}).parent
    (hit,), _ = found(rules, put_requests("/x?crate=..%2fy"))
    assert [(span["field"], span["name"], span["text"]) for span in hit.spans] == [
        ("args", "crate", "../"),
    ]


def test_a_value_that_two_alternatives_ask_about_gives_one_span(put_rule: Put, put_requests: Put, attack: str) -> None:
    asked = {"op": "contains", "value": "../"}
    named = {"all": [{"field": "name", "op": "equals", "value": "crate"}, {"field": "value"} | asked]}
    rules = put_rule(when={"any": [{"field": "args"} | asked, {"some": "args", "where": named}]}).parent
    (hit,), _ = found(rules, put_requests(attack))
    assert [(span["field"], span["name"], span["text"]) for span in hit.spans] == [("args", "crate", "../")]


def test_some_element_that_is_asked_for_its_name_only_gives_the_name(put_rule: Put, put_requests: Put) -> None:
    where = {"field": "name", "op": "contains", "value": "../"}
    (hit,), _ = found(put_rule(when={"some": "args", "where": where}).parent, put_requests("/x?..%2fy=1"))
    assert [(span["field"], span["text"]) for span in hit.spans] == [("args.name", "../")]


def test_groups_put_the_most_severe_rule_first(put_rule: Put, put_requests: Put, attack: str) -> None:
    rules = put_rule("CVE-2099-0001", severity="low").parent
    put_rule("CVE-2099-0002", severity="critical")
    hits, _ = found(rules, put_requests(attack, attack))
    groups = group_hits(hits)
    assert [(group.sample.severity, group.hits) for group in groups] == [("critical", 2), ("low", 2)]


def test_sarif_names_every_rule_once_and_every_hit(put_rule: Put, put_requests: Put, attack: str) -> None:
    rules, file = put_rule().parent, put_requests(attack, attack)
    report = ScanReport()
    (run,) = to_sarif(scan(rules, [file], report), report)["runs"]
    assert [rule["id"] for rule in run["tool"]["driver"]["rules"]] == ["RF-CVE-2099-0001-1"]
    assert [result["ruleId"] for result in run["results"]] == ["RF-CVE-2099-0001-1"] * 2
    assert run["invocations"][0]["executionSuccessful"] is True
