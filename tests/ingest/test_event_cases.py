"""Cases are read within bounds, and what is wrong with one is told with its place."""

from collections.abc import Callable
from pathlib import Path

import pytest

from ruleforge.errors import InputError
from ruleforge.events.event import Event
from ruleforge.events.kinds import EVENTS
from ruleforge.ingest.event_cases import looks_like_case, parse_case, read_answers, read_case

CASES = sorted((Path(__file__).resolve().parents[2] / "examples" / "events").glob("*.yaml"))
SMALL = """
case: 1
id: EV-SMALL
event: dns
malicious:
  - fields: {question.name: a.example}
  - events: [{time: "2099-01-01T00:00:00Z", repeat: 3, every: 2s, fields: {question.name: "b{n}.example"}}]
benign:
  - name: ordinary
    fields: {question.name: c.example}
"""


def test_our_cases_are_of_many_kinds() -> None:
    cases = [read_case(file) for file in CASES]
    assert len(cases) >= 18
    kinds = {case.event for case in cases}
    assert kinds >= {"process", "dns", "cloud_api", "auth_log", "http.request"}
    assert all(len(case.malicious) >= 2 and len(case.benign) >= 3 and case.title and case.attack for case in cases)
    assert all(looks_like_case(file.read_bytes()) for file in CASES)


def test_an_example_is_one_event_or_a_stream() -> None:
    case = parse_case(SMALL.encode(), "small.yaml")
    assert [len(example.items) for example in case.malicious] == [1, 3]
    assert case.is_stream
    times = [item.time_us for item in case.malicious[1].items if isinstance(item, Event)]
    assert [time - times[0] for time in times if time is not None and times[0] is not None] == [0, 2_000_000, 4_000_000]
    assert case.benign[0].name == "ordinary"
    assert len(case.digest) == 64


def test_json_is_read_too() -> None:
    case = parse_case(b'{"case": 1, "id": "J", "event": "dns", "malicious": [{"fields": {"question.name": "x"}}]}', "j")
    assert case.id == "J"
    assert looks_like_case(b'{\n "case": 1,')


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (("case: 1", "case: 2"), "RF253"),
        (("id: EV-SMALL", "id: ../up"), "RF253"),
        (("event: dns", "event: smoke"), "RF253"),
        (("event: dns", "event: dns\ncolour: red"), "RF253"),
        (("event: dns", "event: dns\nby: [colour]"), "RF253"),
        (("event: dns", "event: dns\nseverity: terrible"), "RF253"),
        (("event: dns", "event: dns\nattack: [T1]"), "RF253"),
        (("event: dns", "event: dns\nevent: dns"), "RF253"),
        (("malicious:", "others:"), "RF253"),
        (("question.name: a.example", "colour: red"), "RF251"),
        (("repeat: 3", "repeat: 3000"), "RF253"),
        (("question.name: a.example", "question.name: " + "a" * 9_000), "RF253"),
        (("event: dns", "event: dns\nanswers: {colour: yes}"), "RF254"),
        (("event: dns", "event: dns\nanswers: {duplicate: perhaps}"), "RF254"),
    ],
)
def test_what_is_no_case_is_refused_with_a_code(change: tuple[str, str], code: str) -> None:
    text = SMALL.replace(*change)
    assert text != SMALL
    with pytest.raises(InputError) as refused:
        parse_case(text.encode(), "small.yaml")
    assert refused.value.code == code


def test_too_many_examples_are_refused() -> None:
    more = SMALL + "".join(f"  - fields: {{question.name: n{n}.example}}\n" for n in range(200))
    with pytest.raises(InputError, match="more than 200 examples"):
        parse_case(more.encode(), "m")


def test_answers_are_read_by_case(tmp_path: Path) -> None:
    file = tmp_path / "answers.yaml"
    file.write_text("EV-A: {duplicate: yes, close_count: No}\nEV-B: {indicator_only: false}\n")
    assert read_answers(file) == {
        "EV-A": {"duplicate": True, "close_count": False},
        "EV-B": {"indicator_only": False},
    }
    file.write_text("- EV-A\n")
    with pytest.raises(InputError, match="RF254"):
        read_answers(file)
    with pytest.raises(InputError, match="RF217"):
        read_answers(tmp_path / "none.yaml")


def test_every_role_of_a_field_is_used_by_some_kind() -> None:
    roles = {field.role for kind in EVENTS.names() for field in EVENTS[kind].fields.values()}
    assert roles == {"", "act", "content", "who", "indicator"}


@pytest.mark.parametrize("read", [read_case, read_answers])
def test_a_device_without_end_is_read_up_to_the_bound(read: Callable[[Path], object]) -> None:
    with pytest.raises(InputError) as told:
        read(Path("/dev/zero"))
    assert told.value.code == "RF210"
