"""Readers of logs that hold no requests: each text gives the events that are recorded beside it, and nothing else."""

import gzip
import io
import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from ruleforge.errors import InputError
from ruleforge.events.event import MAX_VALUE_BYTES, Event, EventView
from ruleforge.events.formats.event_logs import EVENT_FORMATS, auditd, detect_event_format, read_events
from ruleforge.events.formats.event_logs.times import moment_us
from ruleforge.events.kinds import EVENTS

CASES = yaml.load((Path(__file__).parent / "texts.yaml").read_text("utf-8"), yaml.BaseLoader)
SAMPLES = {case["format"]: case["text"].encode() for case in reversed(CASES)}


def microseconds(text: str | None) -> int | None:
    return moment_us(datetime.fromisoformat(text)) if text and text != "null" else None


def read(name: str, data: bytes, until: int | None = None, most: int = 1 << 30) -> tuple[list[Event], list[InputError]]:
    items = list(EVENT_FORMATS[name].read(io.BytesIO(data), "log", most, until))
    return [one for one in items if isinstance(one, Event)], [one for one in items if isinstance(one, InputError)]


def shown(event: Event, field: str) -> Any:
    elements = event.values.get(field, ())
    if EVENTS[event.kind].fields[field].kind == "named":
        return {one.name.decode(): one.value.decode() for one in elements}
    texts = [one.value.decode() for one in elements]
    return texts if EVENTS[event.kind].fields[field].kind == "many" else "".join(texts)


def test_cases_were_found() -> None:
    assert len(CASES) >= 45
    assert {case["format"] for case in CASES} == set(EVENT_FORMATS)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_a_text_gives_the_events_that_are_recorded(case: dict[str, Any]) -> None:
    events, errors = read(case["format"], case["text"].encode(), microseconds(case.get("until")))
    assert len(errors) == int(case.get("errors", 0))
    assert all(error.code in ("RF250", "RF251") and error.where for error in errors)
    assert len(events) == len(case["events"])
    for event, expected in zip(events, case["events"], strict=True):
        view = EventView(event)
        for name, value in expected.items():
            match name:
                case "_time":
                    assert event.time_us == microseconds(value)
                case "_times":
                    assert event.times == int(value)
                case "_absent" | "_unknown":
                    for field in value:
                        assert (view.read(field).elements, field, view.knows(field)) == ((), field, name == "_absent")
                case _:
                    assert (name, shown(event, name)) == (name, value)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_events_have_only_fields_of_their_kind_and_the_kind_of_their_format(case: dict[str, Any]) -> None:
    form = EVENT_FORMATS[case["format"]]
    for event in read(case["format"], case["text"].encode())[0]:
        assert set(event.values) | event.unrecorded <= set(EVENTS[event.kind].fields)
        assert form.event in (event.kind, "any")
        assert event.id
        assert event.source == "log"


@pytest.mark.parametrize("name", EVENT_FORMATS.names())
def test_a_format_is_known_by_its_first_bytes(name: str, tmp_path: Path) -> None:
    assert detect_event_format(SAMPLES[name]) == name
    plain, packed = tmp_path / "a.log", tmp_path / "a.gz"
    plain.write_bytes(SAMPLES[name])
    packed.write_bytes(gzip.compress(SAMPLES[name]))
    first = [one for one in read_events(plain) if isinstance(one, Event)]
    assert first
    assert len(first) == len([one for one in read_events(packed) if isinstance(one, Event)])


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"\n\n",
        b'192.0.2.10 - - [04/Mar/2099:05:06:07 +0000] "GET / HTTP/1.1" 200 5 "-" "-"\n',
        b'Mar  4 05:06:07 web nginx: 192.0.2.10 - - [04/Mar/2099:05:06:07 +0000] "GET / HTTP/1.1" 200 5 "-" "-"\n',
        b'{"id":"1","method":"GET","target":"/","headers":[]}\n',
        b'{"log":{"entries":[]}}',
        b"GET / HTTP/1.1\r\nHost: shop.example\r\n\r\n",
        b"#separator \\x09\n#path\thttp\n",
        b"nothing known\n",
    ],
)
def test_logs_of_requests_and_unknown_ones_are_left_to_others(head: bytes) -> None:
    assert detect_event_format(head) is None


def test_a_long_record_of_cloudtrail_is_known_by_its_beginning() -> None:
    record = {"eventSource": "s3.amazonaws.com", "eventName": "GetObject", "pad": "x" * 100}
    document = json.dumps({"Records": [record] * 2_000}, indent=1).encode()
    assert detect_event_format(document) == "cloudtrail"
    assert len(read("cloudtrail", document)[0]) == 2_000


def test_records_over_many_lines_and_lines_of_records_are_both_read() -> None:
    record = {"eventSource": "s3.amazonaws.com", "eventName": "GetObject"}
    line = json.dumps(record).encode() + b"\n"
    assert [event.id for event in read("cloudtrail", line * 3)[0]] == ["log:1", "log:2", "log:3"]
    whole = json.dumps({"Records": [record] * 2}, indent=1).encode()
    assert [event.id for event in read("cloudtrail", whole)[0]] == ["log Records:1", "log Records:2"]
    events, errors = read("cloudtrail", b"{broken\n" + line)
    assert ([event.id for event in events], [error.where for error in errors]) == (["log:2"], ["log:1"])


def test_parameters_beyond_the_bound_make_the_field_incomplete() -> None:
    record = {"eventSource": "a", "eventName": "b", "requestParameters": {"x": list(range(5_000))}}
    (event,), _ = read("cloudtrail", json.dumps(record).encode())
    assert len(event.values["request"]) == 1_000
    assert "request" in event.unrecorded


def test_a_file_of_no_known_format_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"nothing known\n")
    with pytest.raises(InputError, match="RF220"):
        list(read_events(tmp_path / "x"))


def test_the_year_comes_from_the_file_where_the_log_has_none(tmp_path: Path) -> None:
    file = tmp_path / "auth.log"
    file.write_bytes(b"Mar  4 05:06:07 gate sshd[1]: Invalid user a from 192.0.2.10\n")
    (event,) = (one for one in read_events(file, until_us=microseconds("2095-06-01T00:00:00Z")))
    assert isinstance(event, Event)
    assert event.time_us == microseconds("2095-03-04T05:06:07Z")
    (event,) = (one for one in read_events(file))
    assert isinstance(event, Event)
    assert event.time_us is not None


@pytest.mark.parametrize("name", EVENT_FORMATS.names())
def test_what_is_too_large_ends_with_an_error_and_not_with_memory(name: str) -> None:
    _, errors = read(name, SAMPLES[name] + b"\n" + b"x" * 10_000, most=5_000)
    assert errors
    assert {error.code for error in errors} <= {"RF250", "RF251", "RF222"}


HOSTILE = [
    b"\x00" * 5_000,
    b"\xff\xfe" * 2_000,
    b"{" * 50_000,
    b'{"a":' * 50_000,
    b"[" * 100_000,
    b'{"Records":' + b"[" * 5_000 + b"]" * 5_000 + b"}",
    b'{"eventid":"cowrie.login.failed","username":["a"],"timestamp":7,"src_ip":{}}',
    b'{"eventSource":"a","eventName":"b","userIdentity":7,"resources":[7,{}],"requestParameters":'
    + b"[" * 200
    + b"]" * 200
    + b"}",
    b'{"__REALTIME_TIMESTAMP":{},"MESSAGE":[999,"x"],"_HOSTNAME":7}',
    b'{"logEvents":[7,{"message":7}]}',
    b'{"@timestamp":7,"process":{"executable":7,"args":{"a":1}}}',
    b'{"EventData":{"Image":7,"Hashes":7}}',
    b'{"ts":{},"id.orig_h":[],"query":7,"qtype":1,"answers":"x"}',
    b'{"event":"auth_log","fields":{"user":"\\ud800"}}',
    b"Mar  4 05:06:07 gate sshd[1]: Failed password for " + b" from a" * 5_000,
    b"Mar  4 05:06:07 gate sshd[1]: Failed password for " + b" from 192.0.2.1 port 1 ssh2" * 300,
    b"Mar  4 05:06:07 gate sshd[1]: Disconnected from invalid user " + b" 192.0.2.1 port 1: x" * 300 + b" [preauth",
    b"Mar  4 05:06:07 gate sshd[1]: pam_unix(sshd:auth): authentication failure; " + b"rhost= " * 1_000,
    b"<1>1 - - - - - " + b'[a b="' + b"\\]" * 3_000,
    b"<1>1 - - - - - " + b"[]" * 3_000,
    b"type=SYSCALL msg=audit(1.000:1): " + b'a="' * 3_000,
    b"type=EXECVE msg=audit(1.000:1): " + b"".join(b"a%d=x " % number for number in range(20_000)),
    b"04-Mar-2099 05:06:07 client 192.0.2.1#1: query: " + b"a." * 5_000 + b" IN A +",
    b"Mar  4 05:06:07 dnsmasq[9]: query[A] " + b"a." * 5_000 + b" from 192.0.2.1",
    b"srcaddr " * 500 + b"\n" + b"a " * 500,
    b"#separator \\x09\n#path\tdns\n#fields" + b"\tts" * 500 + b"\n" + b"1\t" * 500,
    b"2 1 e 1.1.1.1 2.2.2.2 " + b"9" * 5_000 + b" 2 6 1 1 4076370367 4076370367 ACCEPT OK",
]


@pytest.mark.parametrize("name", EVENT_FORMATS.names())
@pytest.mark.parametrize("data", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_bytes_give_events_or_errors_within_bounds(name: str, data: bytes) -> None:
    events, errors = read(name, data, microseconds("2099-06-01T00:00:00Z"))
    assert all(error.code.startswith("RF2") for error in errors)
    for event in events:
        for elements in event.values.values():
            assert len(elements) <= 1_000
            assert all(len(element.value) <= MAX_VALUE_BYTES for element in elements)


@given(st.sampled_from(EVENT_FORMATS.names()), st.binary(max_size=300), st.integers(0, 400))
def test_damaged_lines_never_end_a_reader(name: str, noise: bytes, place: int) -> None:
    data = SAMPLES[name][:place] + noise + SAMPLES[name][place:]
    detect_event_format(data)
    events, errors = read(name, data, microseconds("2099-06-01T00:00:00Z"))
    assert all(isinstance(one, Event) for one in events)
    assert all(error.code in ("RF250", "RF251") for error in errors)


def test_a_repeated_header_changes_the_columns_of_flows() -> None:
    events, errors = read("vpc_flow", b"srcaddr dstport\n192.0.2.1 22\ndstport srcaddr\n23 192.0.2.1\n")
    assert [shown(event, "destination.port") for event in events] == ["22", "23"]
    assert errors == []


def test_arguments_of_one_audit_event_are_bounded_and_the_rest_is_not_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auditd, "MAX_ARGS_BYTES", 100)
    head = b"type=EXECVE msg=audit(4076956800.000:7): "
    lines = [head + b"a%d=" % number + b"x" * 60 for number in range(50)]
    (event,), errors = read("auditd", b"\n".join([*lines, head.replace(b"EXECVE", b"EOE")]))
    assert not errors
    assert len(event.values["process.args"]) == 2
    assert "process.args" in event.unrecorded
