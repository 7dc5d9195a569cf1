"""What the generator proposes hits every example of the attack and no ordinary one, whatever the examples are."""

from hypothesis import given, settings
from hypothesis import strategies as st

from ruleforge.cases.event_variants import event_near_misses
from ruleforge.engine.event_watch import ask_stream
from ruleforge.events.event import Event, make_event
from ruleforge.events.kinds import EVENTS
from ruleforge.generate.event_draft import EventMaterial, compose_event_rule
from ruleforge.generate.event_propose import EVENT_STRATEGIES, strategies_for
from ruleforge.records.event_case import EventCase, Example
from ruleforge.rules.tree import Count, Sequence

SECOND = 1_000_000


def event(kind: str, at: int, number: int, fields: dict[str, str]) -> Event:
    return make_event(kind, fields, time_us=at * SECOND, id=f"x:{number}", source="x")  # type: ignore[arg-type]


def single(kind: str, fields: dict[str, str]) -> Example:
    return Example("one", (event(kind, 0, 0, fields),))


PROCESS = st.fixed_dictionaries(
    {
        "process.name": st.sampled_from(["bash", "nc", "curl", "cmd.exe"]),
        "process.command_line": st.lists(
            st.sampled_from(["-e", "/dev/tcp/192.0.2.1/9", "|", "sh", "-c", "http://a.example/", "x", "'", "\\"]),
            max_size=5,
        ).map(" ".join),
        "parent.name": st.sampled_from(["nginx", "cron", "bash"]),
    }
)
QUERY = st.fixed_dictionaries(
    {
        "question.name": st.lists(st.text("abz09-", min_size=1, max_size=45), min_size=1, max_size=4).map(".".join),
        "question.domain": st.sampled_from(["a.example", "b.example"]),
        "question.type": st.sampled_from(["A", "TXT"]),
    }
)
CALL = st.fixed_dictionaries(
    {
        "service": st.sampled_from(["iam", "s3"]),
        "action": st.sampled_from(["Get", "Put", "Stop"]),
        "error.code": st.sampled_from(["AccessDenied", ""]),
        "user": st.sampled_from(["root", "ada"]),
    }
)


def singles(kind: str, fields: st.SearchStrategy[dict[str, str]]) -> st.SearchStrategy[EventCase]:
    some = st.lists(fields.map(lambda given: single(kind, given)), min_size=1, max_size=5)
    return st.builds(
        lambda bad, good: EventCase(id="H", event=kind, malicious=tuple(bad), benign=tuple(good)), some, some
    )


def stream(steps: list[tuple[int, str, str, str]]) -> Example:
    at, items = 0, []
    for number, (pause, outcome, user, source) in enumerate(steps):
        at += pause
        given = {"action": "login", "outcome": outcome, "user": user, "source.address": source}
        items.append(event("auth_log", at, number, given))
    return Example("stream", tuple(items))


STEP = st.tuples(
    st.integers(1, 40), st.sampled_from(["failure", "failure", "success"]), st.sampled_from("abcdef"),
    st.sampled_from(["192.0.2.1", "192.0.2.2"]),
)  # fmt: skip
STREAMS = st.lists(st.lists(STEP, min_size=2, max_size=25).map(stream), min_size=1, max_size=3)


def material(case: EventCase) -> EventMaterial:
    near = event_near_misses(case.malicious, EVENTS[case.event])
    return EventMaterial(case, near, (), least_bits=1.0, least_margin=1.1)


def holds(case: EventCase, name: str) -> None:
    draft = EVENT_STRATEGIES[name](material(case), frozenset())
    if draft is None:
        return
    rule = compose_event_rule(draft, case)
    assert [one.name for one in case.malicious if ask_stream(rule, one.items) is not True] == []
    assert [one.name for one in case.benign if ask_stream(rule, one.items) is True] == []


@settings(max_examples=80)
@given(st.one_of(singles("process", PROCESS), singles("dns", QUERY), singles("cloud_api", CALL)))
def test_rules_about_one_event_hit_every_attack_and_nothing_ordinary(case: EventCase) -> None:
    for name in ("single", "arms", "indicator"):
        holds(case, name)


@settings(max_examples=40)
@given(STREAMS, STREAMS)
def test_rules_that_count_or_order_hit_every_attack_and_nothing_ordinary(
    bad: list[Example], good: list[Example]
) -> None:
    case = EventCase(id="H", event="auth_log", malicious=tuple(bad), benign=tuple(good))
    for name in ("count", "distinct", "sequence"):
        holds(case, name)


def burst(count: int, outcome: str = "failure", users: str = "a", source: str = "192.0.2.1", pause: int = 2) -> Example:
    return stream([(pause, outcome, users[number % len(users)], source) for number in range(count)])


def test_a_number_lies_between_ordinary_use_and_the_attack() -> None:
    case = EventCase(id="H", event="auth_log", malicious=(burst(30), burst(40)), benign=(burst(5),))
    draft = EVENT_STRATEGIES["count"](material(case), frozenset())
    assert draft is not None
    assert isinstance(draft.root, Count)
    assert 5 < draft.root.at_least <= 21
    assert draft.root.by == ("source.address",)
    assert draft.margin == 6.0


def test_many_accounts_are_told_from_many_tries() -> None:
    attack, ordinary = burst(20, users="abcdefghijklmnopqrst"), burst(60)
    case = EventCase(id="H", event="auth_log", malicious=(attack,), benign=(ordinary,))
    assert EVENT_STRATEGIES["count"](material(case), frozenset()) is None
    draft = EVENT_STRATEGIES["distinct"](material(case), frozenset())
    assert draft is not None
    assert isinstance(draft.root, Count)
    assert draft.root.distinct == "user"


def test_order_is_told_from_number() -> None:
    def guessed(failures: int) -> Example:
        steps = [(2, "failure", "a", "192.0.2.1")] * failures
        return stream([*steps, (2, "success", "a", "192.0.2.1")])

    case = EventCase(
        id="H",
        event="auth_log",
        malicious=(guessed(12), guessed(9)),
        benign=(guessed(2), burst(20), burst(20, "success")),
    )
    assert EVENT_STRATEGIES["count"](material(case), frozenset()) is None
    draft = EVENT_STRATEGIES["sequence"](material(case), frozenset())
    assert draft is not None
    assert isinstance(draft.root, Sequence)
    assert 3 < len(draft.root.steps) <= 7


def test_the_author_may_say_what_belongs_together() -> None:
    case = EventCase(id="H", event="auth_log", malicious=(burst(30),), benign=(burst(4),), by=("user",))
    draft = EVENT_STRATEGIES["count"](material(case), frozenset())
    assert draft is not None
    assert isinstance(draft.root, Count)
    assert draft.root.by == ("user",)


def test_without_times_nothing_is_counted() -> None:
    bare = tuple(
        make_event("auth_log", {"outcome": "failure", "user": "a"}, time_us=None, id=f"x:{n}", source="x")
        for n in range(20)
    )
    case = EventCase(id="H", event="auth_log", malicious=(Example("x", bare),))
    assert all(
        EVENT_STRATEGIES[name](material(case), frozenset()) is None for name in ("count", "distinct", "sequence")
    )


def test_strategies_fit_the_case() -> None:
    assert set(strategies_for(EventCase(id="H", event="auth_log", malicious=(burst(3),)))) == set(EVENT_STRATEGIES) - {
        "arms"
    }
    one = EventCase(id="H", event="dns", malicious=(single("dns", {"question.name": "a.example"}),))
    assert "count" not in strategies_for(one)
