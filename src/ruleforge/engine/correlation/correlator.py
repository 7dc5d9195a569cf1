"""Counts and sequences over a stream of events: in order of event time, with bounds on lateness and memory.

Events wait until the lateness bound has passed their time, and are then looked at in order of time, those of one moment
by the number at the end of their ids. So the order in which they arrive does not matter within the bound.

Time moves on with the latest event, but not to one that is far ahead of the others (`Ahead`): one clock that is wrong
must not make late what every other source says.
"""

import heapq
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from typing import TypeAlias, cast

import msgspec

from ruleforge.engine.correlation.ahead import Ahead
from ruleforge.engine.correlation.observation import Alert, Key, Observation, RuleHit, Tally
from ruleforge.engine.correlation.plan import Plan
from ruleforge.engine.correlation.windows import Fired, Seen, SequenceWindow, Window, new_window, sample_of
from ruleforge.errors import RuleError, UsageError
from ruleforge.rules.canonical import content_hash
from ruleforge.rules.tree import Count, Rule
from ruleforge.rules.tree import Sequence as SequenceTree

DEFAULT_LATENESS_SECONDS = 60.0
MAX_KEYS = 100_000  # keys of all rules together
MAX_EVENTS = 500_000  # events and values that all keys together remember
MAX_WAITING = 200_000  # events that wait for their turn
_STATE_VERSION = 1
_SECOND_US = 1_000_000

Waiting: TypeAlias = tuple[int, str, int, str, int, tuple[RuleHit, ...]]  # time, order within it (3), times, hits


class _KeyState(msgspec.Struct):
    window: Window
    last_us: int  # time of the last event of the key
    quiet_until_us: int = -1  # the end of a window that an alert told of, included


class _Kept(msgspec.Struct, frozen=True):
    rule: str  # identity of the rule
    key: Key
    state: _KeyState


class _Saved(msgspec.Struct, frozen=True):
    version: int
    rules: tuple[str, ...]
    newest_us: int | None
    floor_us: int | None
    keys: tuple[_Kept, ...]  # least recently seen first
    waiting: tuple[Waiting, ...]
    tally: Tally
    recent: tuple[int, ...] = ()  # times of the last events, as they came


class Correlator:
    """Feed it events, get alerts. All state can be saved as bytes and taken up again.

    Memory is bounded by `max_keys`, `max_events` and `max_waiting`; what is forgotten for it is counted in `tally`.
    """

    def __init__(
        self,
        rules: Sequence[Rule] | Plan,
        *,
        lateness_seconds: float | None = DEFAULT_LATENESS_SECONDS,
        max_skew_seconds: float | None = None,
        clock: Callable[[], float] = time.time,
        max_keys: int = MAX_KEYS,
        max_events: int = MAX_EVENTS,
        max_waiting: int = MAX_WAITING,
    ) -> None:
        """Prepare for rules.

        Args:
            rules: rules that count or order events, or a plan of them.
            lateness_seconds: how much earlier than the latest event another may be and still count; None: any, and
                alerts come at the end (for files, which need not be in order).
            max_skew_seconds: how far ahead of the middle of the last events, and of the clock, another may be and
                still count; None: any. Where lateness is None no event makes another late, and it does not matter.
            clock: seconds since 1970.
            max_keys: keys to remember, of all rules together; the one not seen for longest is forgotten first.
            max_events: events and distinct values to remember, of all keys together.
            max_waiting: events to hold back; then the earliest is looked at before its time.

        Raises:
            RuleError: a count needs more events than may be remembered (RF331).
            UsageError: a rule neither counts nor orders events (RF133), or a bound is below 1 (RF134).
        """
        self.plan = rules if isinstance(rules, Plan) else Plan(rules)
        if min(max_keys, max_events, max_waiting) < 1 or min(lateness_seconds or 0, max_skew_seconds or 0) < 0:
            raise UsageError(
                "a bound of correlation is too small", hint="at least 1, and no time below 0", code="RF134"
            )
        self._roots = tuple(_root(rule, max_events) for rule in self.plan.rules)
        self._lateness_us = None if lateness_seconds is None else round(lateness_seconds * _SECOND_US)
        is_bound = lateness_seconds is not None and max_skew_seconds is not None
        self._ahead = Ahead(round((max_skew_seconds or 0) * _SECOND_US), clock) if is_bound else None
        self._max_keys, self._max_events, self._max_waiting = max_keys, max_events, max_waiting
        self._keys: OrderedDict[tuple[int, Key], _KeyState] = OrderedDict()
        self._held = 0  # events and values in all windows
        self._waiting: list[Waiting] = []
        self._newest_us: int | None = None
        self._floor_us: int | None = None  # events before this come too late
        self.tally = Tally()

    def feed(self, observations: Iterable[Observation]) -> list[Alert]:
        """Take in events in any order; return the alerts that are certain by now, in order of time.

        Every event moves time on, also one that no rule is interested in.
        """
        alerts: list[Alert] = []
        for observation in observations:
            self._take(observation)
            if len(self._waiting) > self._max_waiting:
                self.tally.released_early += 1
                self._raise_floor(self._waiting[0][0])
                self._look_at(heapq.heappop(self._waiting), alerts)
            self._release(alerts)
        return alerts

    def close(self) -> list[Alert]:
        """Look at all events that still wait, as at the end of a file; those of a clock that is wrong are counted."""
        alerts: list[Alert] = []
        while self._waiting:
            if self._ahead is not None and self._ahead.is_wrong(self._waiting[0][0]):
                self.tally.ahead += len(self._waiting)
                self._waiting.clear()
                break
            self._look_at(heapq.heappop(self._waiting), alerts)
        return alerts

    def _take(self, observation: Observation) -> None:
        tally, time_us = self.tally, observation.time_us
        tally.unkeyed += len(observation.unkeyed)
        tally.events += bool(observation.hits)
        if time_us is None:
            tally.untimed += bool(observation.hits)
            return
        self._move_on(time_us)
        if not observation.hits:
            return
        if self._floor_us is not None and time_us < self._floor_us:
            tally.late += 1
            return
        heapq.heappush(self._waiting, (time_us, *_order(observation.id), observation.times, observation.hits))

    def _move_on(self, time_us: int) -> None:
        newest = time_us if self._ahead is None else self._ahead.newest(time_us)
        if newest is not None and (self._newest_us is None or newest > self._newest_us):
            self._newest_us = newest
            if self._lateness_us is not None:
                self._raise_floor(newest - self._lateness_us)

    def _raise_floor(self, time_us: int) -> None:
        self._floor_us = time_us if self._floor_us is None else max(self._floor_us, time_us)

    def _release(self, alerts: list[Alert]) -> None:
        """Look at what no event can precede any more; one of the same moment as the floor still could."""
        if self._lateness_us is None or self._floor_us is None:
            return
        while self._waiting and self._waiting[0][0] < self._floor_us:
            self._look_at(heapq.heappop(self._waiting), alerts)

    def _look_at(self, waiting: Waiting, alerts: list[Alert]) -> None:
        time_us, _, _, name, times, hits = waiting
        seen = Seen(time_us, name, times)
        for hit in hits:
            alert = self._count(seen, hit)
            if alert is not None:
                alerts.append(alert)
            while len(self._keys) > self._max_keys or self._held > self._max_events:
                self._evict(time_us)

    def _count(self, seen: Seen, hit: RuleHit) -> Alert | None:
        root, at = self._roots[hit.rule], (hit.rule, hit.key)
        state = self._keys.get(at)
        if state is None:
            state = self._keys[at] = _KeyState(new_window(root), seen.time_us)
        self._keys.move_to_end(at)
        state.last_us = seen.time_us
        if seen.time_us <= state.quiet_until_us:
            self.tally.absorbed += seen.times
            return None
        before = len(state.window)
        fired = state.window.add(seen, hit, root)  # type: ignore[arg-type]  # the window is the one of this rule
        self._held += len(state.window) - before
        if fired is None:
            return None
        state.quiet_until_us = fired.events[0].time_us + root.within_seconds * _SECOND_US
        return self._alert(hit, fired, isinstance(state.window, SequenceWindow))

    def _alert(self, hit: RuleHit, fired: Fired, ordered: bool) -> Alert:
        rule, root, events = self.plan.rules[hit.rule], self._roots[hit.rule], fired.events
        return Alert(
            rule=rule.id,
            kind="sequence" if ordered else "count",
            key=tuple(zip(root.by, hit.key, strict=True)),
            start_us=events[0].time_us,
            end_us=events[-1].time_us,
            count=fired.reached,
            first=events[0].id,
            last=events[-1].id,
            sample=sample_of(events),
            title=rule.title,
            severity=rule.severity,
        )

    def _evict(self, now_us: int) -> None:
        """Forget the key that was not seen for longest; it is a loss only where it could still have mattered."""
        (rule, _), state = self._keys.popitem(last=False)
        self._held -= len(state.window)
        if state.last_us + self._roots[rule].within_seconds * _SECOND_US < now_us and state.quiet_until_us < now_us:
            return
        self.tally.evicted_keys += 1
        self.tally.evicted_events += len(state.window)

    # --- saving and taking up again -------------------------------------------------------------------------

    def state(self) -> bytes:
        """Write everything that is remembered; the same rules read it back with `restore`."""
        names = tuple(map(_identity, self.plan.rules))
        saved = _Saved(
            version=_STATE_VERSION,
            rules=names,
            newest_us=self._newest_us,
            floor_us=self._floor_us,
            keys=tuple(_Kept(names[rule], key, state) for (rule, key), state in self._keys.items()),
            waiting=tuple(sorted(self._waiting)),
            tally=self.tally,
            recent=self._ahead.recent if self._ahead else (),
        )
        return msgspec.msgpack.encode(saved)

    def restore(self, data: bytes) -> None:
        """Take up a saved state in place of what is remembered now.

        What belongs to a rule that is not the same any more is left out, and such rules are counted.

        Raises:
            UsageError: it is no state of this program (RF135).
        """
        try:
            saved = msgspec.msgpack.decode(data, type=_Saved)
        except (msgspec.DecodeError, RecursionError) as error:
            raise UsageError(
                f"not a state of correlation: {error}", hint="begin anew without it", code="RF135"
            ) from error
        if saved.version != _STATE_VERSION:
            raise UsageError(f"a state of version {saved.version}", hint="begin anew without it", code="RF135")
        now = {_identity(rule): number for number, rule in enumerate(self.plan.rules)}
        then = [now.get(name) for name in saved.rules]
        if not all(self._fits(one, now[one.rule]) for one in saved.keys if one.rule in now):
            what = "not a state of correlation: a key does not fit its rule"
            raise UsageError(what, hint="begin anew without it", code="RF135")
        self._newest_us, self._floor_us, self.tally = saved.newest_us, saved.floor_us, saved.tally
        if self._ahead is not None:
            self._ahead.restore(saved.recent)
        self.tally.forgotten_rules += then.count(None)
        self._keys = OrderedDict(((now[one.rule], one.key), one.state) for one in saved.keys if one.rule in now)
        self._held = sum(len(state.window) for state in self._keys.values())
        self._waiting = [kept for one in saved.waiting if (kept := _renumbered(one, then))]
        heapq.heapify(self._waiting)

    def _fits(self, kept: _Kept, rule: int) -> bool:
        """Whether a saved key is one that this rule could have made."""
        root, window = self._roots[rule], kept.state.window
        if type(window) is not type(new_window(root)) or len(kept.key) != len(root.by):
            return False
        return not isinstance(window, SequenceWindow) or len(window.chains) in (
            0,
            len(cast("SequenceTree", root).steps),
        )


def _root(rule: Rule, most: int) -> Count | SequenceTree:
    root = rule.when
    assert isinstance(root, Count | SequenceTree)
    if isinstance(root, Count) and root.at_least > most:
        what = f"it counts to {root.at_least}, and at most {most} events are remembered"
        raise RuleError(what, where=rule.id, hint="raise the bound, or count less", code="RF331")
    return root


def _identity(rule: Rule) -> str:
    return f"{rule.id} {content_hash(rule)}"


def _order(name: str) -> tuple[str, int, str]:
    """Order events of one moment as their source has them: line 9 before line 10."""
    head = name.rstrip("0123456789")
    digits = name[len(head) :][:18]
    return head, int(digits or 0), name


def _renumbered(waiting: Waiting, then: list[int | None]) -> Waiting | None:
    """Give the hits of a saved event the numbers that their rules have now; None where no hit is left."""
    hits = []
    for hit in waiting[5]:
        number = then[hit.rule] if hit.rule < len(then) else None
        if number is not None:
            hits.append(msgspec.structs.replace(hit, rule=number))
    return (*waiting[:5], tuple(sorted(hits))) if hits else None
