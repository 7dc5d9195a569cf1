"""Kinds of events are data: each field is described, and a new kind needs one file and nothing else."""

from pathlib import Path

import jsonschema
import pytest

from ruleforge.engine.correlation import Correlator
from ruleforge.engine.event_watch import EventWatch
from ruleforge.errors import InputError, UsageError
from ruleforge.events.event import Event
from ruleforge.events.formats.event_logs import detect_event_format, read_events
from ruleforge.events.kinds import EVENTS, FOLDER, HTTP, fields_of, load_kind
from ruleforge.events.places import FIELDS
from ruleforge.rules.lint import lint
from ruleforge.rules.parse import parse_rule
from ruleforge.rules.render import render_sentence
from ruleforge.rules.schema import rule_schema

NEW = """
name = "door"
meaning = "a door of the laboratory was opened"
noun = "entry"

[[fields]]
name = "door.name"
meaning = "which door"

[[fields]]
name = "badges"
kind = "many"
meaning = "badges that were shown"
ecs = "user.id"
"""


def test_every_file_is_a_kind_and_requests_are_one_too() -> None:
    assert set(EVENTS) == {HTTP} | {file.stem for file in FOLDER.glob("*.toml")}
    assert len(EVENTS) == 6
    assert list(fields_of(HTTP)) == list(FIELDS)


@pytest.mark.parametrize("name", EVENTS.names())
def test_fields_are_described(name: str) -> None:
    kind = EVENTS[name]
    assert len(kind.fields) >= 10
    assert all(field.meaning and key == field.name for key, field in kind.fields.items())
    assert sum(bool(field.ecs) for field in kind.fields.values()) >= 7
    assert sum(bool(field.ocsf) for field in kind.fields.values()) >= 7


def test_a_field_of_the_same_name_means_the_same_in_every_kind() -> None:
    kinds = [fields_of(name)["source.address"] for name in EVENTS if "source.address" in fields_of(name)]
    assert len(kinds) == 5
    assert {(field.type, field.kind, field.ecs, field.ocsf) for field in kinds} == {
        ("address", "single", "source.ip", "src_endpoint.ip")
    }


def test_a_new_kind_is_one_file(tmp_path: Path) -> None:
    file, log = tmp_path / "door.toml", tmp_path / "doors.jsonl"
    file.write_text(NEW, "utf-8")
    line = '{"event":"door","time":"2099-01-01T00:00:0%d+00:00","fields":{"door.name":"north","badges":["a","b"]}}\n'
    log.write_text("".join(line % second for second in range(3)), "utf-8")
    when = {"field": "badges", "op": "equals", "value": "b"}
    document = {"schema": 1, "id": "D", "event": "door"}
    counting = {"count": {"when": when, "by": ["door.name"], "within": "1m", "at_least": 3}}
    with EVENTS.temporarily("door", load_kind(file)):
        single = parse_rule(document | {"when": when}).require()
        rule = parse_rule(document | {"when": counting}).require()
        jsonschema.Draft202012Validator(rule_schema("door")).validate(document | {"when": counting})
        assert lint(rule) == ()
        assert render_sentence(rule).startswith("At least 3 entries share door.name")
        assert detect_event_format(log.read_bytes()) == "events"
        events = [event for event in read_events(log) if isinstance(event, Event)]
        watch = EventWatch([single, rule], Correlator([rule], lateness_seconds=None))
        assert [watch.see(event).hits for event in events] == [(0,)] * 3
        assert [alert.key for alert in watch.close()] == [(("door.name", b"north"),)]
        refused = parse_rule(document | {"when": {"field": "path", "op": "present"}})
        assert [problem.code for problem in refused.problems] == ["RF307"]
    assert parse_rule(document | {"when": when}).rule is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "name = ",
        NEW + '[[fields]]\nname = "badges"\nmeaning = "again"\n',
        NEW + 'color = "red"\n',
        NEW.replace('kind = "many"', 'kind = "heap"'),
        'name = "a"\nmeaning = "b"\nnoun = "c"\nfields = []\n',
    ],
)
def test_a_file_that_describes_no_kind_is_refused(text: str, tmp_path: Path) -> None:
    file = tmp_path / "x.toml"
    file.write_text(text, "utf-8")
    with pytest.raises(InputError, match="RF252"):
        load_kind(file)


def test_an_unknown_kind_is_told_with_those_that_are_known() -> None:
    with pytest.raises(UsageError, match="auth_log"):
        fields_of("auth_logg")


@pytest.mark.parametrize("name", [name for name in EVENTS if name != HTTP])
def test_rules_may_use_the_fields_of_their_own_event_only(name: str) -> None:
    others = {field for other in EVENTS for field in fields_of(other)} - set(fields_of(name))
    own = set(fields_of(name))
    for field in sorted(own | others):
        parsed = parse_rule({"schema": 1, "id": "R", "event": name, "when": {"field": field, "op": "present"}})
        assert (parsed.rule is not None) == (field in own)


@pytest.mark.parametrize("name", [name for name in EVENTS if name != HTTP])
def test_requests_alone_have_elements_to_choose_from(name: str) -> None:
    some = {"some": "args", "where": {"field": "name", "op": "present"}}
    codes = [problem.code for problem in parse_rule({"schema": 1, "id": "R", "event": name, "when": some}).problems]
    assert "RF316" in codes
