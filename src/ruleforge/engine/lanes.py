"""Two lanes for a live stream: rules that a literal finds, and those that every request must be asked about.

The second may take no more processor time for a batch than it is allowed. What it did not get to is counted for each
rule. A scan of files has one lane, and asks every rule about every request.
"""

import time
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ruleforge.engine.batches import BatchMatcher, Matches
from ruleforge.engine.cost import cost_of
from ruleforge.engine.reference import Ask, SharedView, compile_rule
from ruleforge.errors import UsageError
from ruleforge.events.columns import request_at
from ruleforge.events.places import HttpView
from ruleforge.rules.tree import Rule

SLOW_PER_1000: Final = 500.0  # a rule is slow when half of all ordinary requests have what it is found by
_SHARED_ROWS: Final = 1_024  # rows whose parsed parts the rules of a batch share


def is_slow(rule: Rule) -> bool:
    """Whether a rule has no literal that says for most ordinary requests that it cannot hold."""
    return cost_of(rule).per_1000 >= SLOW_PER_1000


class TwoLanes:
    """A matcher whose slow rules run under a budget."""

    def __init__(
        self,
        rules: Sequence[Rule],
        make: Callable[[Sequence[Rule]], BatchMatcher],
        budget_ms: float,
        *,
        clock: Callable[[], float] = time.thread_time,
    ) -> None:
        """Part the rules.

        Args:
            rules: over `http.request`, each about one request.
            make: makes the matcher of those that are not slow.
            budget_ms: processor time for all slow rules together and one batch, in milliseconds.
            clock: seconds.

        Raises:
            UsageError: a budget below 0 (RF168).
        """
        if budget_ms < 0:
            raise UsageError("the budget of the slow lane is below 0", hint="0 asks no slow rule", code="RF168")
        slow = np.array([is_slow(rule) for rule in rules], bool)
        self.slow: tuple[int, ...] = tuple(np.flatnonzero(slow).tolist())  # positions of the slow rules
        self._others = np.flatnonzero(~slow).astype(np.int32)
        self._matcher = make([rules[number] for number in self._others.tolist()])
        self._asks: dict[int, Ask] = {number: compile_rule(rules[number]).ask for number in self.slow}
        self._rules, self._budget_s, self._clock = len(rules), budget_ms / 1_000, clock
        self._turn = 0

    @property
    def inner(self) -> BatchMatcher:
        """What matches the rules that are not slow."""
        return self._matcher

    def match(self, batch: pa.RecordBatch) -> Matches:
        """Return what holds; `skipped` counts for each rule the rows that it was not asked about."""
        quick = self._matcher.match(batch)
        lane = _Lane(batch, self._rules)
        self._run(lane)
        rows = np.concatenate([quick.rows, np.array(lane.rows, np.int32)])
        rules = np.concatenate([self._others[quick.rules], np.array(lane.rules, np.int32)]).astype(np.int32)
        order = np.lexsort((rules, rows))
        unknowns = lane.unknowns
        unknowns[self._others] = quick.unknowns
        return Matches(rows[order], rules[order], unknowns, quick.verified + lane.verified, lane.skipped)

    def _run(self, lane: "_Lane") -> None:
        """Give every slow rule an equal share of what is left. Another begins each time: none is always the last."""
        turn = self._turn % max(1, len(self.slow))
        self._turn += 1
        order = (*self.slow[turn:], *self.slow[:turn])
        end = self._clock() + self._budget_s
        for number, rule in enumerate(order):
            now = self._clock()
            lane.ask(rule, self._asks[rule], now + max(0.0, end - now) / (len(order) - number), self._clock)


class _Lane:
    """What slow rules say of one batch."""

    def __init__(self, batch: pa.RecordBatch, rules: int) -> None:
        self._batch = batch
        self._views: dict[int, HttpView] = {}
        self.rows: list[int] = []
        self.rules: list[int] = []
        self.unknowns = np.zeros(rules, np.int64)
        self.skipped: npt.NDArray[np.int64] = np.zeros(rules, np.int64)
        self.verified = 0

    def ask(self, rule: int, ask: Ask, until: float, clock: Callable[[], float]) -> None:
        """Ask a rule about one row after the other until the time is over; count the rows that are left."""
        for row in range(self._batch.num_rows):
            if clock() >= until:
                self.skipped[rule] = self._batch.num_rows - row
                return
            answer = ask(self._view(row))
            self.verified += 1
            if answer:
                self.rows.append(row)
                self.rules.append(rule)
            elif answer is None:
                self.unknowns[rule] += 1

    def _view(self, row: int) -> HttpView:
        view = self._views.get(row)
        if view is None:
            view = SharedView(request_at(self._batch, row))
            if row < _SHARED_ROWS:
                self._views[row] = view
        return view
