"""Tests of rules about other events are streams: written out, repeated, or lines of a log."""

import json
from pathlib import Path

import pytest

from ruleforge.app.trials import run_tests
from ruleforge.errors import InputError
from ruleforge.pipeline.event_tests import ask_events, needs_events, read_event_tests
from ruleforge.rules.parse import parse_rule

FAIL = {"field": "outcome", "op": "equals", "value": "failure"}
COUNT = {"count": {"when": FAIL, "by": ["source.address"], "within": "1m", "at_least": 3}}


def rule(when, event="auth_log"):
    return parse_rule({"schema": 1, "id": "R", "event": event, "when": when}).require()


def put(folder: Path, text: str) -> Path:
    file = folder / "tests.yaml"
    file.write_text(text, "utf-8")
    return file


def test_events_are_repeated_with_their_number_and_time(tmp_path):
    text = """
tests:
  - name: three
    verdict: match
    events:
      - {time: "2099-01-01T00:00:00Z", repeat: 3, every: 5s, times: 2, fields: {user: "u{n}", outcome: failure}}
"""
    (test,) = read_event_tests(put(tmp_path, text), rule(COUNT))
    assert [event.values["user"][0].value for event in test.items] == [b"u0", b"u1", b"u2"]
    assert [event.time_us - test.items[0].time_us for event in test.items] == [0, 5_000_000, 10_000_000]
    assert {event.times for event in test.items} == {2}
    assert len({event.id for event in test.items}) == 3


def test_rules_on_requests_that_count_are_tested_with_requests(tmp_path):
    text = """
tests:
  - verdict: match
    events:
      - {time: "2099-01-01T00:00:00Z", repeat: 2, method: GET, target: "/a{n}", src_ip: 192.0.2.1, status: 404}
"""
    counted = rule(
        {
            "count": {
                "when": {"field": "response.status", "op": "int_eq", "value": 404},
                "by": ["source.address"],
                "within": "1m",
                "at_least": 2,
                "distinct": "path",
            }
        },
        "http.request",
    )
    (test,) = read_event_tests(put(tmp_path, text), counted)
    assert test.name == "test 1"
    assert ask_events(counted, test.items) is True
    assert ask_events(counted, test.items[:1]) is False


def test_a_log_is_read_in_its_format(tmp_path):
    text = """
tests:
  - verdict: match
    format: auth_log
    log: |
      Jan  2 03:04:05 gate sshd[1]: Failed password for a from 192.0.2.1 port 1 ssh2
"""
    (test,) = read_event_tests(put(tmp_path, text), rule(FAIL))
    assert ask_events(rule(FAIL), test.items) is True


def test_a_stream_that_cannot_be_decided_is_neither(tmp_path):
    text = "tests:\n- {verdict: no_match, events: [{fields: {user: a}, unrecorded: [outcome]}]}\n"
    (test,) = read_event_tests(put(tmp_path, text), rule(FAIL))
    assert ask_events(rule(FAIL), test.items) is None
    assert ask_events(rule(COUNT), test.items) is None


def test_which_rules_need_events():
    assert needs_events(rule(FAIL))
    assert needs_events(
        rule({"sequence": [{"field": "path", "op": "present"}] * 2, "by": ["path"], "within": "1m"}, "http.request")
    )
    assert not needs_events(rule({"field": "path", "op": "present"}, "http.request"))


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("tests: 7", "RF230"),
        ("tests: [7]", "RF230"),
        ("tests: [{verdict: maybe}]", "RF230"),
        ("tests: [{verdict: match}]", "RF230"),
        ("tests: [{verdict: match, events: []}]", "RF230"),
        ("tests: [{verdict: match, events: [7]}]", "RF230"),
        ("tests: [{verdict: match, events: [{fields: {user: a}, repeat: 0}]}]", "RF230"),
        ("tests: [{verdict: match, events: [{fields: {user: a}, repeat: 99999}]}]", "RF230"),
        ("tests: [{verdict: match, events: [{fields: {user: a}, repeat: 2, every: soon}]}]", "RF230"),
        ("tests: [{verdict: match, events: [{fields: {user: a}, time: soon}]}]", "RF251"),
        ("tests: [{verdict: match, events: [{fields: {nobody: a}}]}]", "RF251"),
        ("tests: [{verdict: match, log: x}]", "RF230"),
        ("tests: [{verdict: match, log: x, format: auth_log}]", "RF250"),
    ],
)
def test_what_is_no_test_is_refused_with_its_place(text, code, tmp_path):
    with pytest.raises(InputError) as caught:
        list(read_event_tests(put(tmp_path, text), rule(COUNT)))
    assert caught.value.code == code
    assert "tests" in caught.value.where


def test_the_command_that_runs_tests_runs_these_too(tmp_path):
    document = {"schema": 1, "id": "R", "event": "auth_log", "when": COUNT}
    (tmp_path / "rule.json").write_text(json.dumps(document), "utf-8")
    put(
        tmp_path,
        """
tests:
  - name: good
    verdict: match
    events: [{time: "2099-01-01T00:00:00Z", repeat: 3, fields: {outcome: failure, source.address: a}}]
  - name: bad
    verdict: match
    events: [{time: "2099-01-01T00:00:00Z", fields: {outcome: failure, source.address: a}}]
""",
    )
    assert [(one.name, one.state, one.answer) for one in run_tests(tmp_path)] == [
        ("good", "passed", "true"),
        ("bad", "failed", "false"),
    ]
