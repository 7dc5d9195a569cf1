"""Hits under the field names of ECS and OCSF, one line per request, the most specific rule first."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ruleforge.app.reports.rows import as_ecs, as_ndjson, as_ocsf
from ruleforge.app.scan import Alert, Delivery, ScanHit, ScanOptions, prepare, run_scan

Put = Callable[..., Path]
SEEN = "2099-02-01T00:00:00Z"
# Fields of the two schemas that we write, with their types. Sources: the field reference of ECS 8.11, the schema of
# OCSF 1.6 (class Detection Finding, objects finding_info, analytic, evidences, http_request, http_response, url).
ECS_FIELDS = {
    "@timestamp": str,
    "ecs.version": str,
    "message": str,
    "event.kind": str,
    "event.category": list,
    "event.type": list,
    "event.module": str,
    "event.dataset": str,
    "event.severity": int,
    "event.outcome": str,
    "event.id": str,
    "event.created": str,
    "rule.id": str,
    "rule.name": str,
    "rule.version": str,
    "rule.ruleset": str,
    "vulnerability.id": list,
    "vulnerability.severity": str,
    "source.address": str,
    "source.ip": str,
    "http.request.method": str,
    "http.response.status_code": int,
    "url.original": str,
    "url.domain": str,
    "url.path": str,
    "url.query": str,
    "user_agent.original": str,
    "log.file.path": str,
    "related.ip": list,
    "related.hosts": list,
}
OCSF_NEEDED = {
    "activity_id",
    "category_uid",
    "class_uid",
    "severity_id",
    "type_uid",
    "time",
    "metadata",
    "finding_info",
}


@pytest.fixture
def alert(put_rule: Put, put_requests: Put, attack: str) -> Alert:
    rules = put_rule("CVE-2099-0001", severity="critical").parent
    put_rule("CVE-2099-0002", when={"field": "path", "op": "path_suffix", "value": "/press.php"})
    headers = [["Host", "shop.example"], ["User-Agent", "press/1"]]
    row = {"target": attack, "src_ip": "192.0.2.7", "ts": "01/Jan/2099:10:00:00 +0000", "status": 200}
    file = put_requests(row | {"headers": headers})
    alerts: list[Alert] = []
    run_scan(prepare(rules, ScanOptions()), [file], Delivery(emit=alerts.append, name="ecs"))
    return alerts[0]


def flat(data: Any, name: str = "") -> dict[str, Any]:
    if not isinstance(data, dict):
        return {name: data}
    return {
        key: value for part, inner in data.items() for key, value in flat(inner, f"{name}.{part}".strip(".")).items()
    }


def test_the_most_specific_rule_is_first_and_the_others_are_named(alert: Alert) -> None:
    rows = [json.loads(line) for line in as_ndjson(alert)]
    assert [(row["rule"], row["rank"], row["others"]) for row in rows] == [
        ("RF-CVE-2099-0001-1", 1, ["RF-CVE-2099-0002-1"]),
        ("RF-CVE-2099-0002-1", 2, ["RF-CVE-2099-0001-1"]),
    ]
    assert {row["outcome"] for row in rows} == {"may_have_succeeded"}
    assert rows[0]["at"] == "2099-01-01T10:00:00Z"


def test_ecs_has_only_fields_of_the_schema_and_our_own(alert: Alert) -> None:
    (line,) = as_ecs(alert, seen=SEEN)
    row = flat(json.loads(line))
    theirs = {name: value for name, value in row.items() if not name.startswith("ruleforge.")}
    assert {name: type(value) for name, value in theirs.items()} == ECS_FIELDS
    assert (row["@timestamp"], row["event.kind"], row["rule.id"]) == (
        "2099-01-01T10:00:00Z",
        "alert",
        "RF-CVE-2099-0001-1",
    )
    assert row["vulnerability.id"] == ["CVE-2099-0001", "CVE-2099-0002"]
    assert [rule["id"] for rule in row["ruleforge.rules"]] == ["RF-CVE-2099-0001-1", "RF-CVE-2099-0002-1"]


def test_ocsf_is_a_detection_finding_with_what_the_class_requires(alert: Alert) -> None:
    (line,) = as_ocsf(alert, seen=SEEN)
    row = json.loads(line)
    assert set(row) >= OCSF_NEEDED
    assert (row["class_uid"], row["category_uid"], row["type_uid"], row["severity_id"]) == (2004, 2, 200401, 5)
    assert row["time"] - row["start_time"] == 30 * 86_400_000 + 14 * 3_600_000
    info = row["finding_info"]
    assert (info["analytic"]["uid"], info["analytic"]["type_id"]) == ("RF-CVE-2099-0001-1", 1)
    assert [each["uid"] for each in info["related_analytics"]] == ["RF-CVE-2099-0002-1"]
    assert [each["cve"]["uid"] for each in row["vulnerabilities"]] == ["CVE-2099-0001", "CVE-2099-0002"]
    (evidence,) = row["evidences"]
    assert evidence["src_endpoint"] == {"ip": "192.0.2.7"}
    assert evidence["http_response"] == {"code": 200}
    assert evidence["http_request"]["url"]["hostname"] == "shop.example"
    assert {"version", "product"} <= set(row["metadata"])


def test_a_request_without_time_address_or_status_leaves_the_fields_out(
    put_rule: Put, put_requests: Put, attack: str
) -> None:
    alerts: list[Alert] = []
    prepared = prepare(put_rule(cves=[]).parent, ScanOptions())
    run_scan(prepared, [put_requests(attack)], Delivery(emit=alerts.append, name="ecs"))
    (line,), (other,) = as_ecs(alerts[0], seen=SEEN), as_ocsf(alerts[0], seen=SEEN)
    ecs, ocsf = json.loads(line), json.loads(other)
    assert ecs["@timestamp"] == SEEN
    assert {"source", "vulnerability", "user_agent", "related"} & set(ecs) == set()
    assert {"start_time", "vulnerabilities"} & set(ocsf) == set()
    assert None not in flat(ecs).values()


def test_the_same_alert_has_the_same_name_in_every_run(alert: Alert) -> None:
    names = {
        json.loads(line)["event"]["id"] for seen in (SEEN, "2099-03-01T00:00:00Z") for line in as_ecs(alert, seen=seen)
    }
    assert len(names) == 1


# What alerts about other events write, beside ECS_FIELDS: the fields of their key, by the names of their kind.
KINDS = [
    ("auth_log", {"user": "root", "source.address": "192.0.2.7"}, ["authentication"], {"user.name": "root"}),
    ("dns", {"question.name": "a.example"}, ["network"], {"dns.question.name": "a.example"}),
    ("process", {}, ["process"], {}),
    ("network_flow", {"source.address": "192.0.2.7"}, ["network"], {}),
    ("cloud_api", {}, [], {}),
    ("http.request", {"source.address": "192.0.2.7"}, ["web"], {}),
]
CATEGORIES = {"api", "authentication", "configuration", "database", "driver", "email", "file", "host", "iam",
              "intrusion_detection", "library", "malware", "network", "package", "process", "registry", "session",
              "threat", "vulnerability", "web"}  # fmt: skip


@pytest.mark.parametrize(("event", "key", "category", "more"), KINDS)
def test_alerts_about_other_events_are_in_their_own_category_and_say_what_they_share(
    event: str, key: dict[str, str], category: list[str], more: dict[str, str]
) -> None:
    hit = ScanHit(
        request="auth.log:9", file="", rule="RF-COUNT", cves=(), spans=(), event=event, kind="count", count=7, key=key,
        source_address=key.get("source.address", ""), at="2099-01-01T10:00:09Z", start="2099-01-01T10:00:00Z",
        sample=("auth.log:1",),
    )  # fmt: skip
    ecs = flat(json.loads(next(iter(as_ecs(Alert((hit,)), seen=SEEN)))))
    assert ecs["event.category"] == ["intrusion_detection", *category]
    assert set(ecs["event.category"]) <= CATEGORIES
    assert ecs["ruleforge.alert.count"] == 7
    theirs = {name for name in ecs if not name.startswith("ruleforge.")}
    assert theirs <= {*ECS_FIELDS, *more}
    assert {name: ecs[name] for name in more} == more
    assert "" not in ecs.values()
    ocsf = json.loads(next(iter(as_ocsf(Alert((hit,)), seen=SEEN))))
    assert (ocsf["count"], ocsf["end_time"] - ocsf["start_time"]) == (7, 9_000)
    assert ocsf["unmapped"]["ruleforge"]["alert"]["key"] == key


def test_a_key_with_a_name_that_the_schema_has_for_a_branch_does_no_harm() -> None:
    hit = ScanHit(request="a:1", file="", rule="R", cves=(), spans=(), kind="count", key={"args": "x", "path": "/a"})
    ecs = json.loads(next(iter(as_ecs(Alert((hit,)), seen=SEEN))))
    assert ecs["ruleforge"]["alert"]["key"] == {"args": "x", "path": "/a"}
