"""Rules about other events have three answers, too, and are asked only about their own kind."""

from ruleforge.engine.event_set import EventSet
from ruleforge.engine.reference import compile_rule, evaluate
from ruleforge.events.event import EventView, make_event
from ruleforge.rules.parse import parse_rule


def rule(event, when, name="r"):
    return parse_rule({"schema": 1, "id": name, "event": event, "when": when}).require()


def process(given, recorded=None):
    return make_event("process", given, time_us=1, id="e", source="s", recorded=recorded)


SHELL = {"field": "process.name", "op": "in", "value": ["sh", "bash"]}
PARENT = {"field": "parent.name", "op": "equals", "value": "nginx"}


def test_the_reference_answers_true_false_and_unknown_as_for_requests():
    both = rule("process", {"all": [SHELL, PARENT]})
    cases = [
        ({"process.name": "sh", "parent.name": "nginx"}, None, True),
        ({"process.name": "sh", "parent.name": "init"}, None, False),
        ({"process.name": "sh"}, None, False),
        ({"process.name": "sh"}, frozenset(), None),
        ({"process.name": "ls"}, frozenset(), False),
    ]
    for given, recorded, expected in cases:
        assert evaluate(both, EventView(process(given, recorded))) is expected
    negated = rule("process", {"not": PARENT})
    assert evaluate(negated, EventView(process({}, frozenset()))) is None
    assert evaluate(negated, EventView(process({}))) is True


def test_a_condition_on_several_values_holds_for_some_of_them():
    flag = compile_rule(rule("process", {"field": "process.args", "op": "equals", "value": "-c"}))
    assert flag.ask(EventView(process({"process.args": [b"sh", b"-c"]}))) is True
    many = compile_rule(rule("process", {"field": "process.args", "op": "count_gt", "value": 1}))
    assert many.ask(EventView(process({"process.args": [b"sh", b"-c"]}))) is True


def test_named_values_are_read_by_name_and_by_pattern():
    exact = rule("cloud_api", {"field": "request", "name": "/userName", "op": "equals", "value": "svc"})
    pattern = rule("cloud_api", {"field": "request", "name": {"regex": "cidrIp"}, "op": "equals", "value": "0.0.0.0/0"})
    event = make_event(
        "cloud_api", {"request": {"/userName": b"svc", "/a/0/cidrIp": b"0.0.0.0/0"}}, time_us=1, id="e", source="s"
    )
    assert [evaluate(one, EventView(event)) for one in (exact, pattern)] == [True, True]


def test_transforms_and_payload_classes_work_on_every_event():
    lower = rule("dns", {"field": "question.type", "transforms": ["lower"], "op": "equals", "value": "txt"})
    event = make_event("dns", {"question.type": "TXT"}, time_us=1, id="e", source="s")
    assert evaluate(lower, EventView(event)) is True


def test_an_event_is_asked_only_the_rules_of_its_kind():
    both = EventSet([rule("dns", {"field": "host", "op": "absent"}), rule("process", SHELL), rule("process", PARENT)])
    answers = both.answers(process({"process.name": "sh"}, frozenset()))
    assert (answers.hits, answers.unknowns) == ((1,), (2,))
    assert both.asks_about("dns")
    assert not both.asks_about("auth_log")
