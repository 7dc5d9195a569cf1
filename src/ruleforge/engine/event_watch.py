"""Any rules over any events: those that ask about one event answer at once, those that count or order make alerts."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ruleforge.engine.compiled import CompiledSet
from ruleforge.engine.correlation import Alert, Correlator, Plan, is_correlation
from ruleforge.engine.event_set import EventSet
from ruleforge.events.event import Event, EventView
from ruleforge.events.kinds import HTTP
from ruleforge.events.origin import seconds_of
from ruleforge.events.places import HttpView
from ruleforge.events.reading import View
from ruleforge.events.request import Request
from ruleforge.rules.tree import Rule


class Seen(NamedTuple):
    """What one event led to; rules are positions in the rules of the watch, ascending."""

    hits: tuple[int, ...]  # rules about one event that hold for it
    unknowns: tuple[int, ...]  # rules that cannot be decided for it, or a part of them cannot
    alerts: list[Alert]  # that are certain now; not always about this event


class EventWatch:
    """Show it events and requests, one after the other, then close it."""

    def __init__(
        self, rules: Sequence[Rule], correlator: Correlator | None = None, *, single_requests: bool = True
    ) -> None:
        """Compile rules.

        Args:
            rules: of any kind of event, with and without count and sequence.
            correlator: a correlator over exactly those of the rules that count or order, in their order; by default
                one with the default bounds.
            single_requests: also ask rules about single requests; False where something faster does.
        """
        self.rules = tuple(rules)
        self.correlated = tuple(number for number, rule in enumerate(self.rules) if is_correlation(rule))
        self.correlator = correlator or Correlator([self.rules[number] for number in self.correlated])
        plan: Plan = self.correlator.plan
        assert plan.rules == tuple(self.rules[number] for number in self.correlated)
        single = [n for n, rule in enumerate(self.rules) if not is_correlation(rule)]
        single = [n for n in single if single_requests or self.rules[n].event != HTTP]
        asked: list[tuple[Rule, tuple[int, ...], int]] = [(self.rules[number], (number,), -1) for number in single]
        for at, part in enumerate(plan.parts):
            asked.append((part, tuple(self.correlated[rule] for rule in plan.users_of(at)), at))
        others = [one for one in asked if one[0].event != HTTP]
        requests = [one for one in asked if one[0].event == HTTP]
        self._events = EventSet([rule for rule, _, _ in others])
        self._requests = CompiledSet([rule for rule, _, _ in requests]) if requests else None
        self._meanings = {True: [one[1:] for one in requests], False: [one[1:] for one in others]}

    def asks_about(self, kind: str) -> bool:
        """Whether some rule is about events of this kind."""
        return self._requests is not None if kind == HTTP else self._events.asks_about(kind)

    def see(self, item: Event | Request) -> Seen:
        """Ask the rules about one event."""
        if isinstance(item, Request):
            seconds = seconds_of(item.time)
            time_us = None if seconds is None else round(seconds * 1_000_000)
            view: View = HttpView(item)
            found = self._requests.answers(view) if self._requests and isinstance(view, HttpView) else None
            hits, unknowns = (found.hits, found.unknowns) if found else ((), ())
            return self._seen(view, hits, unknowns, time_us, item.id, 1)
        event_view = EventView(item)
        answers = self._events.answers(item, event_view)
        return self._seen(event_view, answers.hits, answers.unknowns, item.time_us, item.id, item.times)

    def _seen(
        self,
        view: View,
        hits: Sequence[int],
        unknowns: Sequence[int],
        time_us: int | None,
        name: str,
        times: int,
    ) -> Seen:
        meanings = self._meanings[isinstance(view, HttpView)]
        single = tuple(sorted(meanings[hit][0][0] for hit in hits if meanings[hit][1] < 0))
        parts = [meanings[hit][1] for hit in hits if meanings[hit][1] >= 0]
        undecided = tuple(sorted({rule for unknown in unknowns for rule in meanings[unknown][0]}))
        observation = self.correlator.plan.observe(view, parts, time_us=time_us, id=name, times=times)
        return Seen(single, undecided, self.correlator.feed((observation,)))

    def close(self) -> list[Alert]:
        """Return the alerts of events that still wait."""
        return self.correlator.close()


def ask_stream(rule: Rule, items: Iterable[Event | Request]) -> bool | None:
    """Say whether a rule matches a stream: it holds or alerts; None where it might, for all that is known."""
    correlator = Correlator([rule] if is_correlation(rule) else [], lateness_seconds=None)
    watch = EventWatch([rule], correlator)
    hit = unknown = False
    for item in items:
        seen = watch.see(item)
        hit, unknown = hit or bool(seen.hits or seen.alerts), unknown or bool(seen.unknowns)
    return True if watch.close() or hit else None if unknown else False
