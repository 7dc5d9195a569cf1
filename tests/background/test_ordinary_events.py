"""Ordinary events that ship: of every kind, readable, invented, and silent under our own rules."""

import ipaddress
import re

import pytest

from ruleforge.app.detections import load_detections
from ruleforge.background.ordinary_events import FOLDER, ordinary_events
from ruleforge.engine.correlation import is_correlation
from ruleforge.engine.event_set import EventSet
from ruleforge.events.kinds import EVENTS, HTTP

KINDS = [kind for kind in EVENTS.names() if kind != HTTP]
DOCUMENTATION = [ipaddress.ip_network(net) for net in ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24")]


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_some_and_each_line_is_read(kind: str) -> None:
    events = ordinary_events(kind)
    assert len(events) >= 60
    assert len(events) == len((FOLDER / f"{kind}.jsonl").read_text().splitlines())
    assert len({event.id for event in events}) == len(events)


@pytest.mark.parametrize("kind", KINDS)
def test_addresses_are_those_of_documentation(kind: str) -> None:
    fields = [field.name for field in EVENTS[kind].fields.values() if field.type == "address"]
    values = [e.value.decode() for event in ordinary_events(kind) for f in fields for e in event.values.get(f, ())]
    assert all(any(ipaddress.ip_address(value) in net for net in DOCUMENTATION) for value in values)
    names = [e.value.decode() for event in ordinary_events(kind) for e in event.values.get("question.name", ())]
    ours = r"\.?(example|arpa|local|xyz|top|click|zip)$"
    assert all(re.search(ours, name) for name in names)


def test_our_own_rules_about_single_events_are_silent_on_them() -> None:
    rules = [rule for rule in load_detections().rules if not is_correlation(rule) and rule.event != HTTP]
    assert len(rules) >= 8
    asked = EventSet(rules)
    assert [
        (rules[n].id, event.id) for kind in KINDS for event in ordinary_events(kind) for n in asked.answers(event).hits
    ] == []


def test_a_kind_that_nobody_wrote_any_for_has_none() -> None:
    assert ordinary_events("smoke") == ()
