"""What is remembered of one key of one rule, and when it makes an alert. Events come in order of time.

All three kinds slide until they fire: at each event, the events of the last `within` (both ends included) are looked
at. Having fired, a key is quiet until `within` after the first event of the alert: what falls in that window is told by
the alert already. Then it begins anew.
"""

from collections.abc import Sequence
from itertools import takewhile
from typing import NamedTuple, TypeAlias

import msgspec

from ruleforge.engine.correlation.observation import RuleHit
from ruleforge.rules.tree import Count
from ruleforge.rules.tree import Sequence as SequenceTree

SAMPLE = 10  # ids of an alert; the first and the last half where there are more
_SECOND_US = 1_000_000


class Seen(NamedTuple):
    """One event that a key remembers."""

    time_us: int
    id: str
    times: int = 1


class Fired(NamedTuple):
    """What made an alert: its events in order, and how many there are."""

    events: tuple[Seen, ...]
    reached: int


class CountWindow(msgspec.Struct, tag="count"):
    """Events of a count; fewer than `at_least` are ever kept."""

    events: list[Seen] = msgspec.field(default_factory=list)  # oldest first
    total: int = 0

    def __len__(self) -> int:
        return len(self.events)

    def add(self, seen: Seen, hit: RuleHit, rule: Count) -> Fired | None:  # noqa: ARG002 - one signature for all
        """Count an event; what makes an alert is forgotten."""
        oldest = seen.time_us - rule.within_seconds * _SECOND_US
        gone = next((at for at, event in enumerate(self.events) if event.time_us >= oldest), len(self.events))
        if gone:
            self.total -= sum(event.times for event in self.events[:gone])
            del self.events[:gone]
        self.events.append(seen)
        self.total += seen.times
        if self.total < rule.at_least:
            return None
        fired = Fired(tuple(self.events), self.total)
        self.events.clear()
        self.total = 0
        return fired


class DistinctWindow(msgspec.Struct, tag="distinct"):
    """Values of a count of distinct values, each with the last event that had it; fewer than `at_least` are kept."""

    last: dict[bytes, Seen] = msgspec.field(default_factory=dict)  # oldest first

    def __len__(self) -> int:
        return len(self.last)

    def add(self, seen: Seen, hit: RuleHit, rule: Count) -> Fired | None:
        """Count the values of an event; what makes an alert is forgotten."""
        oldest = seen.time_us - rule.within_seconds * _SECOND_US
        gone = list(takewhile(lambda value: self.last[value].time_us < oldest, self.last))
        for value in gone:  # not one after the other from the front: each look at the first passes all that are gone
            del self.last[value]
        for value in hit.distinct:
            self.last.pop(value, None)
            self.last[value] = seen
        if len(self.last) < rule.at_least:
            return None
        fired = Fired(tuple(dict.fromkeys(self.last.values())), len(self.last))
        self.last.clear()
        return fired


class SequenceWindow(msgspec.Struct, tag="sequence"):
    """For each number of steps the chain of events that began last: it is the one that stays within time longest."""

    chains: list[tuple[Seen, ...]] = msgspec.field(default_factory=list)  # [i]: i+1 steps; empty where there is none

    def __len__(self) -> int:
        return sum(map(len, self.chains))

    def add(self, seen: Seen, hit: RuleHit, rule: SequenceTree) -> Fired | None:
        """Let an event continue every chain that it can; one event is one step of a chain."""
        oldest = seen.time_us - rule.within_seconds * _SECOND_US
        last = len(rule.steps) - 1
        if not self.chains:
            self.chains = [()] * len(rule.steps)
        for step in range(last, 0, -1):
            before = self.chains[step - 1]
            if hit.steps >> step & 1 and before and before[0].time_us >= oldest:
                self.chains[step] = (*before, seen)
        if hit.steps & 1:
            self.chains[0] = (seen,)
        if not self.chains[last]:
            return None
        fired = Fired(self.chains[last], last + 1)
        self.chains = []
        return fired


Window: TypeAlias = CountWindow | DistinctWindow | SequenceWindow


def new_window(rule: Count | SequenceTree) -> Window:
    """Return the empty window of a rule."""
    if isinstance(rule, SequenceTree):
        return SequenceWindow()
    return CountWindow() if rule.distinct is None else DistinctWindow()


def sample_of(events: Sequence[Seen]) -> tuple[str, ...]:
    """Return the ids of at most ten events: the first five and the last five."""
    ids = [event.id for event in events]
    return tuple(ids if len(ids) <= SAMPLE else ids[: SAMPLE // 2] + ids[-SAMPLE // 2 :])
