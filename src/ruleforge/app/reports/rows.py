"""Hits as JSON lines: our own, and under the field names of ECS and OCSF."""

import hashlib
import json
from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from ruleforge import __version__
from ruleforge.app.scanning.hits import Alert, ScanHit
from ruleforge.events.kinds import fields_of
from ruleforge.events.origin import parse_address, seconds_of

ECS_VERSION = "8.11.0"
OCSF_VERSION = "1.6.0"
# What kind of event is which category beside that of a detection: the allowed values of `event.category`.
_ECS_CATEGORY = {"http.request": "web", "auth_log": "authentication", "process": "process", "dns": "network",
                 "network_flow": "network"}  # fmt: skip
_ECS_OUTCOME = {"may_have_succeeded": "success", "probed": "failure"}  # of the attempt; else "unknown"
_ECS_SEVERITY = {"critical": 99, "high": 73, "medium": 47, "low": 21}  # what Elastic's own rules use
_OCSF_SEVERITY = {
    "info": (1, "Informational"),
    "low": (2, "Low"),
    "medium": (3, "Medium"),
    "high": (4, "High"),
    "critical": (5, "Critical"),
}
_MAX_TITLE = 300


def hit_row(hit: ScanHit) -> dict[str, Any]:
    """One line of the machine contract: fields may be added, never removed."""
    data: dict[str, Any] = msgspec.to_builtins(hit)
    first = ("request", "file", "rule", "cves", "spans")
    return {key: data[key] for key in (*first, *(key for key in data if key not in first))}


def as_ndjson(alert: Alert) -> Iterable[bytes]:
    """One line for each rule that holds for the request, the most specific first."""
    return [_encoded(hit_row(hit)) for hit in alert.hits]


def as_ecs(alert: Alert, *, seen: str) -> Iterable[bytes]:
    """One line per request under the field names of the Elastic Common Schema.

    Args:
        alert: the request with its rules.
        seen: when the scan ran, RFC 3339; `@timestamp` is the time of the request, or this where there is none.
    """
    return [_encoded(ecs(alert, seen))]


def as_ocsf(alert: Alert, *, seen: str) -> Iterable[bytes]:
    """One line per request as a Detection Finding of the Open Cybersecurity Schema Framework."""
    return [_encoded(ocsf(alert, seen))]


def lines_for(name: str, seen: str) -> Callable[[Alert], Iterable[bytes]]:
    """Return what writes alerts in a format of lines: "ndjson", "ecs" or "ocsf"."""
    if name == "ecs":
        return lambda alert: as_ecs(alert, seen=seen)
    return (lambda alert: as_ocsf(alert, seen=seen)) if name == "ocsf" else as_ndjson


def _encoded(row: dict[str, Any]) -> bytes:
    """ASCII, so that nothing in it can act on a terminal."""
    return json.dumps(row, ensure_ascii=True).encode()


def ecs(alert: Alert, seen: str) -> dict[str, Any]:
    """Return an alert as an ECS document."""
    hit = alert.first
    address = parse_address(hit.source_address)
    row: dict[str, Any] = {
        "@timestamp": hit.at or seen,
        "ecs": {"version": ECS_VERSION},
        "message": f"{', '.join(alert.cves) or hit.rule}: {hit.summary}",
        "event": {
            "kind": "alert",
            "category": ["intrusion_detection", *([_ECS_CATEGORY[hit.event]] if hit.event in _ECS_CATEGORY else [])],
            "type": ["info"],
            "module": "ruleforge",
            "dataset": "ruleforge.scan",
            "severity": _ECS_SEVERITY.get(hit.severity, 0),
            "outcome": _ECS_OUTCOME.get(hit.outcome, "unknown"),
            "id": uid_of(hit),
            "created": seen,
        },
        "rule": {"id": hit.rule, "name": hit.title or hit.rule, "version": str(hit.revision), "ruleset": "ruleforge"},
        "vulnerability": {"id": list(alert.cves), "severity": hit.severity.capitalize()} if alert.cves else {},
        "source": {"address": hit.source_address} | ({"ip": str(address)} if address else {}),
        "http": _given(request=_given(method=hit.method), response=_given(status_code=hit.status)),
        "url": _given(original=hit.target, domain=hit.host) | _path_and_query(hit.target, "path", "query"),
        "user_agent": _given(original=hit.user_agent),
        "log": {"file": {"path": hit.file}} if hit.file else {},
        "related": _given(ip=[str(address)] if address else None, hosts=[hit.host] if hit.host else None),
        "ruleforge": {"request": hit.request, "outcome": hit.outcome, "spans": list(hit.spans)}
        | {"rules": [{"id": each.rule, "cves": list(each.cves), "severity": each.severity} for each in alert.hits]}
        | _given(alert=_counted(hit)),
    }
    _add_key(row, hit)
    return {key: value for key, value in row.items() if value not in ({}, {"address": ""})}


def _counted(hit: ScanHit) -> dict[str, Any]:
    """What an alert about several events says beyond a hit; nothing of a hit."""
    if hit.kind == "hit":
        return {}
    return {"kind": hit.kind, "count": hit.count, "key": hit.key, "start": hit.start, "sample": list(hit.sample)}


def _add_key(row: dict[str, Any], hit: ScanHit) -> None:
    """Say what the events of an alert share under the names that the schema has for these fields, too."""
    fields = fields_of(hit.event) if hit.key else {}
    for field, value in hit.key.items():
        at, *path = fields[field].ecs.split(".") if field in fields else [""]
        place: Any = row
        for name in [at, *path][:-1]:
            place = place.setdefault(name, {})
        if path and isinstance(place, dict):
            place.setdefault(path[-1], value)


def ocsf(alert: Alert, seen: str) -> dict[str, Any]:
    """Return an alert as an OCSF Detection Finding (class 2004), activity Create."""
    hit = alert.first
    severity, name = _OCSF_SEVERITY.get(hit.severity, (0, "Unknown"))
    happened = _milliseconds(hit.at)
    row: dict[str, Any] = {
        "activity_id": 1,
        "activity_name": "Create",
        "category_uid": 2,
        "category_name": "Findings",
        "class_uid": 2004,
        "class_name": "Detection Finding",
        "type_uid": 200401,
        "type_name": "Detection Finding: Create",
        "severity_id": severity,
        "severity": name,
        "status_id": 1,
        "status": "New",
        "is_alert": True,
        "time": _milliseconds(seen),  # when the finding was made; the request's own is start_time
        "message": f"{', '.join(alert.cves) or hit.rule}: {hit.summary}",
        "metadata": {
            "version": OCSF_VERSION,
            "product": {"name": "RuleForge", "vendor_name": "RuleForge", "version": __version__},
        }
        | _given(log_name=hit.file, original_time=hit.time),
        "finding_info": _given(
            uid=uid_of(hit),
            title=(hit.title or hit.rule)[:_MAX_TITLE],
            analytic=_analytic(hit),
            related_analytics=[_analytic(each) for each in alert.hits[1:]] or None,
            first_seen_time=_milliseconds(hit.start) or happened,
            last_seen_time=happened,
        ),
        "vulnerabilities": [_given(cve={"uid": cve}, severity=name) for cve in alert.cves],
        "evidences": [_evidence(hit)],
        "unmapped": {
            "ruleforge": {"request": hit.request, "outcome": hit.outcome, "spans": list(hit.spans)}
            | _given(alert=_counted(hit))
        },
    }
    begun = _milliseconds(hit.start) or happened
    row |= _given(start_time=begun, end_time=happened, count=hit.count if hit.kind != "hit" else None)
    return {key: value for key, value in row.items() if value != []}


def _analytic(hit: ScanHit) -> dict[str, Any]:
    return {"type_id": 1, "type": "Rule", "uid": hit.rule, "name": hit.title or hit.rule, "version": str(hit.revision)}


def _evidence(hit: ScanHit) -> dict[str, Any]:
    url = _given(url_string=hit.target, hostname=hit.host) | _path_and_query(hit.target, "path", "query_string")
    address = parse_address(hit.source_address)
    return _given(
        src_endpoint={"ip": str(address)} if address else None,
        url=url or None,
        http_request=_given(http_method=hit.method, url=url or None, user_agent=hit.user_agent) or None,
        http_response=None if hit.status is None else {"code": hit.status},
        data={"summary": hit.summary},
    )


def uid_of(hit: ScanHit) -> str:
    """Name an alert so that the same request in the same file has the same name in every run."""
    return hashlib.sha256(f"{hit.file}\0{hit.request}\0{hit.rule}".encode("utf-8", "backslashreplace")).hexdigest()[:32]


def _path_and_query(target: str, path: str, query: str) -> dict[str, str]:
    before, mark, after = target.partition("?")
    return {path: before} | ({query: after} if mark else {}) if before.startswith("/") else {}


def _given(**values: Any) -> dict[str, Any]:  # noqa: ANN401 - values of a JSON document
    return {key: value for key, value in values.items() if value not in (None, "", {})}


def _milliseconds(time: str) -> int | None:
    seconds = seconds_of(time) if time else None
    return None if seconds is None else int(seconds * 1000)
