"""A short way to write events, and the meaning of counts and sequences by brute force."""

from collections.abc import Sequence
from typing import Any

from ruleforge.engine.correlation import Alert, Observation, Plan
from ruleforge.engine.event_set import EventSet
from ruleforge.events.event import Event, EventView, make_event
from ruleforge.rules.parse import parse_rule
from ruleforge.rules.tree import Count, Rule

SECOND = 1_000_000
START = 4_070_908_800  # seconds: the first day of 2099


def make_rule(when: dict[str, Any], name: str = "r", event: str = "auth_log") -> Rule:
    return parse_rule({"schema": 1, "id": name, "event": event, "when": when}).require()


def parse_event(text: str, number: int) -> Event:
    """Read "12 fail 192.0.2.1 root x3": seconds, what happened, then address, user and number of times, each optional.

    `-` stands for no value, `?` for one that the source does not record; seconds `?` for no time.
    """
    words = text.split()
    times = int(words.pop()[1:]) if words[-1].startswith("x") and words[-1][1:].isdigit() else 1
    time, outcome, *rest = words
    given: dict[str, str] = {"outcome": {"fail": "failure", "ok": "success"}.get(outcome, outcome), "action": "login"}
    given |= {field: word for field, word in zip(("source.address", "user"), rest, strict=False) if word not in "-?"}
    unknown = {field for field, word in zip(("source.address", "user"), rest, strict=False) if word == "?"}
    moment = None if time == "?" else round((START + float(time)) * SECOND)
    recorded = frozenset({"outcome", "action", "source.address", "user"} - unknown)
    return make_event(
        "auth_log", given, time_us=moment, id=f"log:{number}", source="log", recorded=recorded, times=times
    )


def observe(plan: Plan, events: Sequence[Event]) -> list[Observation]:
    answers = EventSet(plan.parts)
    return [
        plan.observe(
            EventView(event), answers.answers(event).hits, time_us=event.time_us, id=event.id, times=event.times
        )
        for event in events
    ]


def by_brute_force(rules: Sequence[Rule], observations: Sequence[Observation]) -> set[tuple[Any, ...]]:
    """Say what alerts there are, from the definition: look at everything again at each event."""
    alerts: set[tuple[Any, ...]] = set()
    timed = [one for one in observations if one.time_us is not None]
    timed.sort(key=lambda one: (one.time_us, int(one.id.partition(":")[2])))
    for number, rule in enumerate(rules):
        keys = {hit.key for one in timed for hit in one.hits if hit.rule == number}
        for key in keys:
            mine = [(one, hit) for one in timed for hit in one.hits if hit.rule == number and hit.key == key]
            alerts |= {(rule.id, key, *found) for found in _alerts(rule, mine)}
    return alerts


def _alerts(rule: Rule, mine: list[Any]) -> list[tuple[Any, ...]]:
    found, begin, quiet = [], 0, None
    within = rule.when.within_seconds * SECOND  # type: ignore[union-attr]
    for at, (one, _) in enumerate(mine):
        if quiet is not None and one.time_us <= quiet:
            begin = at + 1
            continue
        window = [pair for pair in mine[begin : at + 1] if pair[0].time_us >= one.time_us - within]
        fired = _count(rule.when, window) if isinstance(rule.when, Count) else _sequence(rule.when, window)
        if fired is not None:
            first, reached = fired
            found.append((first.time_us, one.time_us, reached, first.id, one.id))
            begin, quiet = at + 1, first.time_us + within
    return found


def _count(root: Count, window: list[Any]) -> tuple[Observation, int] | None:
    if root.distinct is None:
        total = sum(one.times for one, _ in window)
        return (window[0][0], total) if total >= root.at_least else None
    last = {value: one for one, hit in window for value in hit.distinct}
    order = [one for one, _ in window if any(one is other for other in last.values())]
    return (order[0], len(last)) if len(last) >= root.at_least else None


def _sequence(root: Any, window: list[Any]) -> tuple[Observation, int] | None:
    """Try every chain that ends with the last event; of those the one that begins last is told."""
    chains = [[at] for at, (_, hit) in enumerate(window) if hit.steps & 1]
    for step in range(1, len(root.steps)):
        chains = [
            [*chain, at]
            for chain in chains
            for at in range(chain[-1] + 1, len(window))
            if window[at][1].steps >> step & 1
        ]
    whole = [chain for chain in chains if chain[-1] == len(window) - 1]
    return (window[max(chain[0] for chain in whole)][0], len(root.steps)) if whole else None


def told(alerts: Sequence[Alert]) -> set[tuple[Any, ...]]:
    return {
        (one.rule, tuple(value for _, value in one.key), one.start_us, one.end_us, one.count, one.first, one.last)
        for one in alerts
    }
