"""Cases about requests go to the forge of requests, with what the case says of each as its role."""

from pathlib import Path

import msgspec

from ruleforge.engine.reference import compile_rule
from ruleforge.events.places import HttpView
from ruleforge.events.request import Request
from ruleforge.ingest.event_cases import read_case
from ruleforge.pipeline.event_requests import forge_requests
from ruleforge.records.event_case import Example

CASE = read_case(Path(__file__).resolve().parents[2] / "examples" / "events" / "request-traversal.yaml")


def test_a_rule_hits_the_attack_in_other_words_and_no_ordinary_request() -> None:
    made = forge_requests(CASE)
    assert made.rule is not None
    assert made.rule.id == "RF-EV-HTTP-ROOM-PLAN-TRAVERSAL"
    assert made.rule.cves == ("CVE-2099-61001",)
    ask = compile_rule(made.rule).ask
    assert ask(HttpView(Request(method=b"GET", target=b"/roomplanner/export.cgi?plan=....//....//etc/hosts"))) is True
    ordinary = [item for example in CASE.benign for item in example.items if isinstance(item, Request)]
    assert len(ordinary) == 3
    assert not any(ask(HttpView(request)) is True for request in ordinary)


def test_requests_are_not_counted() -> None:
    twice = Example("twice", CASE.malicious[0].items * 2)
    made = forge_requests(msgspec.structs.replace(CASE, malicious=(twice,)))
    assert made.rule is None
    assert "only single requests" in made.why


def test_what_the_forge_refuses_is_told_with_its_reason() -> None:
    plain = Example("plain", (Request(method=b"GET", target=b"/"),))
    made = forge_requests(msgspec.structs.replace(CASE, malicious=(plain,), benign=()))
    assert made.rule is None
    assert ":" in made.why
