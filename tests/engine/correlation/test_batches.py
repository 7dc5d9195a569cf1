"""Requests in batches lead to the same alerts as one by one."""

import random

from ruleforge.engine.batches import RowByRow
from ruleforge.engine.compiled import CompiledSet
from ruleforge.engine.correlation import Correlator, Plan
from ruleforge.engine.correlation.batches import observe_batch
from ruleforge.engine.event_watch import EventWatch
from ruleforge.events.columns import to_batches
from ruleforge.events.request import Request
from ruleforge.rules.parse import parse_rule

LOST = {"field": "response.status", "op": "int_eq", "value": 404}
TIMES = ["2099-01-01T00:{:02}:{:02}Z", "01/Jan/2099:00:{:02}:{:02} +0000"]
ADMIN = {"field": "path", "op": "path_suffix", "value": "/admin"}


def rule(name, when):
    return parse_rule({"schema": 1, "id": name, "when": when}).require()


SINGLE = rule("single", ADMIN)
COUNTING = [
    rule("lost", {"count": {"when": LOST, "by": ["source.address"], "within": "20s", "at_least": 4}}),
    rule("then", {"sequence": [LOST, ADMIN], "by": ["source.address"], "within": "5s"}),
]


def requests(seed, many=200):
    rng = random.Random(seed)
    return [
        Request(
            method=b"GET",
            target=rng.choice([b"/a", b"/b", b"/x/admin"]),
            id=f"log:{number}",
            source_address=b"192.0.2.%d" % rng.randint(1, 3),
            status=rng.choice([200, 404, 404]),
            time=rng.choice(["2099-01-01T00:{:02}:{:02}Z", "01/Jan/2099:00:{:02}:{:02} +0000"]).format(
                *divmod(number, 60)
            ),
            unrecorded=frozenset({"body", "headers"}),
        )
        for number in range(many)
    ]


def test_batches_and_single_requests_make_the_same_alerts():
    for seed in range(5):
        made = requests(seed)
        watch = EventWatch(COUNTING, Correlator(COUNTING, lateness_seconds=10))
        expected = [alert for one in made for alert in watch.see(one).alerts] + watch.close()
        plan = Plan(COUNTING)
        matcher = RowByRow(CompiledSet([SINGLE, *plan.parts]))
        places = [-1, *range(len(plan.parts))]
        correlator, alerts = Correlator(plan, lateness_seconds=10), []
        for batch in to_batches(made, 17):
            alerts += correlator.feed(observe_batch(plan, batch, matcher.match(batch), places))
        alerts += correlator.close()
        assert alerts == expected
        assert {alert.rule for alert in alerts} == {"lost", "then"}


def test_a_batch_without_matches_moves_time_on():
    plan = Plan(COUNTING)
    matcher = RowByRow(CompiledSet(plan.parts))
    correlator = Correlator(plan, lateness_seconds=0)
    made = [
        Request(
            method=b"GET",
            target=b"/a",
            id=f"log:{number}",
            source_address=b"192.0.2.1",
            status=404 if number < 4 else 200,
            time=f"2099-01-01T00:00:{number * 2:02}Z",
        )
        for number in range(5)
    ]
    first, second = list(to_batches(made, 4))
    places = list(range(len(plan.parts)))
    assert correlator.feed(observe_batch(plan, first, matcher.match(first), places)) == []
    (alert,) = correlator.feed(observe_batch(plan, second, matcher.match(second), places))
    assert (alert.rule, alert.first, alert.last) == ("lost", "log:0", "log:3")
