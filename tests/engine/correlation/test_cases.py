"""The meaning of counts and sequences as data: events, rule, alerts. Streaming and brute force must both agree."""

import importlib.util
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from ruleforge.engine.correlation import Correlator, Plan

_spec = importlib.util.spec_from_file_location("brute_force", Path(__file__).parent / "brute_force.py")
assert _spec is not None
assert _spec.loader is not None
common = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(common)

CASES = yaml.safe_load((Path(__file__).parent / "cases.yaml").read_text("utf-8"))
TREES = {
    "fail": {"field": "outcome", "op": "equals", "value": "failure"},
    "ok": {"field": "outcome", "op": "equals", "value": "success"},
    "other": {"field": "outcome", "op": "equals", "value": "other"},
    "any": {"field": "outcome", "op": "present"},
}
RULE = re.compile(r"(count|sequence) (\S+)(?: (\d+))? in (\S+) by (\S+)(?: distinct (\S+))?")
ALERT = re.compile(r"(\S+) ([\d.]+)-([\d.]+) (\d+) (\d+)\.\.(\d+)")


def test_cases_were_found() -> None:
    assert len(CASES) >= 60
    assert len({case["name"] for case in CASES}) == len(CASES)


def document(text: str) -> dict[str, Any]:
    found = RULE.fullmatch(text)
    assert found, text
    kind, what, number, within, by, distinct = found.groups()
    if kind == "sequence":
        return {"sequence": [TREES[step] for step in what.split(",")], "by": by.split(","), "within": within}
    count = {"when": TREES[what], "by": by.split(","), "within": within, "at_least": int(number)}
    return {"count": count | ({"distinct": distinct} if distinct else {})}


def expected(text: str) -> tuple[Any, ...]:
    found = ALERT.fullmatch(text)
    assert found, text
    key, start, end, reached, first, last = found.groups()
    times = [round((common.START + float(time)) * common.SECOND) for time in (start, end)]
    return ("r", tuple(part.encode() for part in key.split("/")), *times, int(reached), f"log:{first}", f"log:{last}")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_events_make_the_alerts_that_are_recorded(case: dict[str, Any]) -> None:
    rules = [common.make_rule(document(case["rule"]))]
    seen = common.observe(Plan(rules), [common.parse_event(text, at) for at, text in enumerate(case["events"])])
    correlator = Correlator(rules, lateness_seconds=case.get("lateness"))
    alerts = correlator.feed(seen) + correlator.close()
    assert common.told(alerts) == {expected(text) for text in case["alerts"]}
    assert len(alerts) == len(case["alerts"])
    counted = {name: getattr(correlator.tally, name) for name in ("untimed", "unkeyed", "late", "evicted_keys")}
    assert {name: count for name, count in counted.items() if count} == case.get("tally", {})
    if not correlator.tally.late:
        assert common.by_brute_force(rules, seen) == common.told(alerts)
