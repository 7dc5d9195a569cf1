"""Rules about events that are no requests, asked one event at a time by the reference evaluator."""

from collections.abc import Sequence
from typing import NamedTuple

from ruleforge.engine.reference import Ask, compile_rule
from ruleforge.events.event import Event, EventView
from ruleforge.rules.tree import Rule


class EventAnswers(NamedTuple):
    """What the rules say of one event."""

    hits: tuple[int, ...]  # positions of the rules that hold, ascending
    unknowns: tuple[int, ...]  # positions of those that cannot be decided for it


class EventSet:
    """Rules of any kinds of events; each event is asked only those about its own kind."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        """Compile the rules.

        Raises:
            RuleError: a rule counts or orders events (RF330): give its parts, see `Plan`.
        """
        self.rules = tuple(rules)
        self._asks: dict[str, list[tuple[int, Ask]]] = {}
        for number, rule in enumerate(self.rules):
            self._asks.setdefault(rule.event, []).append((number, compile_rule(rule).ask))

    def asks_about(self, kind: str) -> bool:
        """Whether some rule is about events of this kind."""
        return kind in self._asks

    def answers(self, event: Event, view: EventView | None = None) -> EventAnswers:
        """Ask every rule about the event's kind."""
        view = view or EventView(event)
        if view.memo is None:
            view.memo = {}
        hits, unknowns = [], []
        for number, ask in self._asks.get(event.kind, ()):
            answer = ask(view)
            if answer:
                hits.append(number)
            elif answer is None:
                unknowns.append(number)
        return EventAnswers(tuple(hits), tuple(unknowns))
