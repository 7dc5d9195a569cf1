"""Hits of a scan as SARIF 2.1.0, which code hosts and many security tools display."""

from collections.abc import Iterable, Sequence
from typing import Any

from ruleforge import __version__
from ruleforge.app.scanning.hits import ScanHit, ScanReport

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_LEVELS = {"critical": "error", "high": "error", "medium": "warning", "low": "note", "info": "note"}


def to_sarif(hits: Iterable[ScanHit], report: ScanReport) -> dict[str, Any]:
    """Write one run; `report` is complete once `hits` was read to the end, which happens here first."""
    found = list(hits)
    driver = {"name": "RuleForge", "version": __version__, "rules": _rules(found)}
    problems = [{"level": "error", "message": {"text": text}} for text in (*report.broken, *report.problems)]
    invocation = {"executionSuccessful": not report.broken, "toolExecutionNotifications": problems}
    run = {"tool": {"driver": driver}, "invocations": [invocation], "results": [_result(hit) for hit in found]}
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _rules(hits: Sequence[ScanHit]) -> list[dict[str, Any]]:
    first = {hit.rule: hit for hit in reversed(hits)}
    return [
        {
            "id": rule,
            "shortDescription": {"text": hit.title or rule},
            "properties": {"tags": list(hit.cves), "severity": hit.severity},
        }
        for rule, hit in sorted(first.items())
    ]


def _result(hit: ScanHit) -> dict[str, Any]:
    location: dict[str, Any] = {"artifactLocation": {"uri": _uri(hit.file or hit.request.rpartition(":")[0])}}
    _, _, line = hit.request.rpartition(":")
    if line.isascii() and line.isdigit() and 0 < int(line) < 2**31:
        location["region"] = {"startLine": int(line)}
    return {
        "ruleId": hit.rule,
        "level": _LEVELS.get(hit.severity, "warning"),
        "message": {"text": f"{', '.join(hit.cves) or hit.rule}: {hit.summary}"},
        "locations": [{"physicalLocation": location}],
        "partialFingerprints": {"request": hit.request},
        "properties": {"request": hit.request, "source_address": hit.source_address, "spans": list(hit.spans)}
        | {"rank": hit.rank, "others": list(hit.others), "outcome": hit.outcome, "time": hit.at or hit.time}
        | ({} if hit.kind == "hit" else {"kind": hit.kind, "count": hit.count, "key": hit.key, "start": hit.start}),
    }


def _uri(file: str) -> str:
    from urllib.parse import quote

    return "stdin" if file == "-" else quote(file.replace("\\", "/"))
