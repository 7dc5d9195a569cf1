"""One watch takes requests and other events, single rules and rules that count, and mixes nothing up."""

import pytest

from ruleforge.engine.compiled import CompiledSet
from ruleforge.engine.correlation import Correlator, Plan, is_correlation
from ruleforge.engine.event_watch import EventWatch
from ruleforge.errors import RuleError
from ruleforge.events.event import make_event
from ruleforge.events.places import HttpView
from ruleforge.events.request import Request
from ruleforge.rules.parse import parse_rule

LOST = {"field": "response.status", "op": "int_eq", "value": 404}
ADMIN = {"field": "path", "op": "path_suffix", "value": "/admin/panel"}
FAIL = {"field": "outcome", "op": "equals", "value": "failure"}


def rule(name, when, event="http.request"):
    return parse_rule({"schema": 1, "id": name, "event": event, "when": when}).require()


def counting(when, by="source.address", least=3, **more):
    return {"count": {"when": when, "by": [by], "within": "1m", "at_least": least, **more}}


def request(number, target="/x", status=404):
    return Request(
        method=b"GET",
        target=target.encode(),
        id=f"log:{number}",
        source_address=b"192.0.2.1",
        status=status,
        time=f"2099-01-01T00:00:{number:02}Z",
        unrecorded=frozenset({"body", "headers"}),
    )


def login(number):
    given = {"outcome": "failure", "source.address": "192.0.2.1"}
    time_us = (4_070_908_800 + number) * 1_000_000
    return make_event("auth_log", given, time_us=time_us, id=f"auth:{number}", source="auth")


RULES = [
    rule("admin", ADMIN),
    rule("lost", counting(LOST)),
    rule("logins", counting(FAIL), "auth_log"),
    rule("fail", FAIL, "auth_log"),
    rule("probed", {"sequence": [LOST, ADMIN], "by": ["source.address"], "within": "1m"}),
    rule("agents", counting({"field": "headers", "name": "user-agent", "op": "contains", "value": "probe"})),
]


def watch_over(rules, **options):
    counted = [one for one in rules if is_correlation(one)]
    return EventWatch(rules, Correlator(counted, lateness_seconds=0), **options)


def test_requests_and_logins_are_counted_by_their_own_rules():
    watch = watch_over(RULES)
    seen = [watch.see(item) for number in range(3) for item in (request(number), login(number))]
    assert [one.hits for one in seen] == [(), (3,)] * 3
    alerts = [alert for one in seen for alert in one.alerts] + watch.close()
    assert {(alert.rule, alert.count, alert.last) for alert in alerts} == {
        ("lost", 3, "log:2"),
        ("logins", 3, "auth:2"),
    }


def test_a_sequence_over_requests_ends_with_the_request_that_completes_it():
    watch = watch_over(RULES)
    first, second = watch.see(request(0)), watch.see(request(5, "/base/admin/panel", 200))
    assert (first.hits, second.hits) == ((), (0,))
    (alert,) = watch.close()
    assert (alert.rule, alert.kind, alert.first, alert.last) == ("probed", "sequence", "log:0", "log:5")
    assert alert.end_us - alert.start_us == 5_000_000


def test_parts_that_cannot_be_decided_are_told_as_their_rule():
    watch = watch_over(RULES)
    assert watch.see(request(0)).unknowns == (5,)


def test_single_rules_on_requests_can_be_left_to_something_faster():
    watch = watch_over(RULES, single_requests=False)
    assert watch.see(request(0, "/admin/panel")).hits == ()
    assert watch.see(login(0)).hits == (3,)


def test_a_request_without_a_time_is_counted_as_such():
    watch = watch_over(RULES)
    watch.see(Request(method=b"GET", target=b"/", status=404, source_address=b"192.0.2.1"))
    assert watch.correlator.tally.untimed == 1


def test_kinds_that_no_rule_asks_about_are_known():
    watch = watch_over(RULES[2:4])
    assert watch.asks_about("auth_log")
    assert not watch.asks_about("http.request")
    assert watch.see(request(0)).hits == ()


def test_hits_of_the_compiled_set_over_the_parts_feed_a_correlator():
    """What a batch or a cluster does: the parts are ordinary rules of a set, its hits are observed."""
    plan = Plan([RULES[1], RULES[4]])
    compiled, correlator = CompiledSet(plan.parts), Correlator(plan, lateness_seconds=None)
    for number in range(3):
        one = request(number)
        hits = compiled.answers(one).hits
        correlator.feed([plan.observe(HttpView(one), hits, time_us=number, id=one.id)])
    assert [alert.rule for alert in correlator.close()] == ["lost"]


def test_a_set_of_single_events_refuses_rules_that_count():
    with pytest.raises(RuleError, match="RF330"):
        CompiledSet([RULES[1]])
