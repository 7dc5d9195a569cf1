"""Rules asked about events that are no requests, and alerts of rules that count or order, in the words of a scan."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import msgspec

from ruleforge.app.event_scan import event_hit, shown, stamp
from ruleforge.app.scanning.asking import renumbered, spared_by
from ruleforge.app.scanning.exclusions import Exclusion, Exclusions
from ruleforge.app.scanning.hits import Alert, ScanHit
from ruleforge.app.scanning.times import Window
from ruleforge.engine.correlation import Alert as Reached
from ruleforge.engine.correlation import Observation, Plan, Tally
from ruleforge.engine.event_set import EventSet
from ruleforge.events.event import Event, EventView
from ruleforge.events.kinds import HTTP
from ruleforge.rules.tree import Rule

MAX_SUMMARY = 300  # characters
_MICRO = 1_000_000


class EventAnswer(msgspec.Struct, frozen=True):
    """What the rules say of a group of events. Nothing is counted yet: see `Run.commit`."""

    alerts: tuple[Alert, ...]
    kinds: tuple[tuple[str, int], ...]  # (kind, events that rules were asked about)
    outside: int = 0  # events outside the window
    undated: int = 0  # events without a time while there is a window
    unknowns: tuple[tuple[int, int], ...] = ()  # (number, events not decided); see `EventAsker.names_of`
    observations: tuple[Observation, ...] = ()
    excluded: tuple[Exclusion, ...] = ()  # one per hit that was taken away
    spared: tuple[Exclusion, ...] = ()  # one per event that a rule which counts was not to count


class EventAsker:
    """Rules about other events, and the parts of those that count or order them."""

    def __init__(
        self, rules: Sequence[Rule], window: Window, plan: Plan | None = None, exclusions: Exclusions | None = None
    ) -> None:
        self.rules, self.window, self._plan = tuple(rules), window, plan or Plan(())
        self.exclusions = exclusions
        parts = [number for number, part in enumerate(self._plan.parts) if part.event != HTTP]
        self._parts = (*[-1] * len(self.rules), *parts)
        self._set = EventSet((*self.rules, *(self._plan.parts[number] for number in parts)))

    def names_of(self, number: int) -> tuple[str, ...]:
        """Return the ids of the rules behind a number of `EventAnswer.unknowns`."""
        part = self._parts[number]
        if part < 0:
            return (self.rules[number].id,)
        return tuple(self._plan.rules[user].id for user in self._plan.users_of(part))

    def ask(self, events: Sequence[Event], file: Path, *, lines_before: int = 0) -> EventAnswer:
        """Ask every rule about every event.

        Args:
            events: of any kinds but requests.
            file: where they were read, for the hits.
            lines_before: added to the line in their ids, where they were read as a part of the file.
        """
        kinds: Counter[str] = Counter()
        unknowns: Counter[int] = Counter()
        alerts: list[Alert] = []
        observations: list[Observation] = []
        excluded: list[Exclusion] = []
        spared: list[Exclusion] = []
        spares = spared_by(self.exclusions, self._plan, spared)
        inside = [event for event in events if self._is_inside(event)]
        for event in inside:
            kinds[event.kind] += 1
            name, view = renumbered(event.id, lines_before), EventView(event)
            answers = self._set.answers(event, view)
            unknowns.update(answers.unknowns)
            parts = [self._parts[hit] for hit in answers.hits if self._parts[hit] >= 0]
            single = [self.rules[hit] for hit in answers.hits if self._parts[hit] < 0]
            single = self._not_excluded(single, view, excluded)
            if parts:
                seen = self._plan.observe(view, parts, time_us=event.time_us, id=name, times=event.times, spared=spares)
                observations.append(seen)
            if single:
                alerts.append(_alert(single, event, name, file))
        times = sorted(event.time_us for event in inside if event.time_us is not None)
        if times:  # time moves on, whatever the rules ask about; the latest may be that of a clock which is wrong
            observations += [Observation(times[len(times) // 2], ""), Observation(times[-1], "")]
        undated = 0 if self.window.is_open else sum(event.time_us is None for event in events)
        dropped = undated if not self.window.keep_undated else 0
        return EventAnswer(
            alerts=tuple(alerts),
            kinds=tuple(kinds.items()),
            outside=len(events) - len(inside) - dropped,
            undated=undated,
            unknowns=tuple(unknowns.items()),
            observations=tuple(observations),
            excluded=tuple(excluded),
            spared=tuple(spared),
        )

    def _not_excluded(self, rules: list[Rule], view: EventView, excluded: list[Exclusion]) -> list[Rule]:
        if self.exclusions is None:
            return rules
        found = [(rule, self.exclusions.find_in(rule.id, view)) for rule in rules]
        excluded += [entry for _, entry in found if entry is not None]
        return [rule for rule, entry in found if entry is None]

    def _is_inside(self, event: Event) -> bool:
        window, time_us = self.window, event.time_us
        if window.is_open or time_us is None:
            return window.is_open or window.keep_undated
        after = window.since is None or time_us >= window.since * _MICRO
        return after and (window.until is None or time_us < window.until * _MICRO)


def _alert(rules: Sequence[Rule], event: Event, name: str, file: Path) -> Alert:
    ids = [rule.id for rule in rules]
    return Alert(tuple(_hit(rule, rank, ids, event, name, file) for rank, rule in enumerate(rules, 1)))


def _hit(rule: Rule, rank: int, ids: Sequence[str], event: Event, name: str, file: Path) -> ScanHit:
    found = event_hit(rule, event, file)
    fields = ", ".join(f"{field} {value}" for field, value in found.fields.items() if field != "message")
    return ScanHit(
        request=name,
        file=str(file),
        rule=rule.id,
        cves=rule.cves,
        spans=(),
        title=rule.title,
        severity=rule.severity,
        source_address=found.fields.get("source.address", ""),
        time=stamp(event.time_us),
        at=stamp(event.time_us),
        rank=rank,
        others=(*ids[: rank - 1], *ids[rank:]),
        revision=rule.revision,
        summary=_bounded(f"{event.kind}: {fields}"),
        event=event.kind,
        count=event.times,
    )


def alert_of(found: Reached, rule: Rule) -> Alert:
    """Tell a count that was reached, or a sequence that was completed, in the form of a hit."""
    key = {field: shown(value) for field, value in found.key}
    words = ", ".join(f"{field} {value}" for field, value in key.items())
    what = "steps in order" if found.kind == "sequence" else "counted"
    return Alert(
        (
            ScanHit(
                request=found.last,
                file="",
                rule=found.rule,
                cves=rule.cves,
                spans=(),
                title=rule.title,
                severity=rule.severity,
                source_address=key.get("source.address", ""),
                time=stamp(found.end_us),
                at=stamp(found.end_us),
                revision=rule.revision,
                summary=_bounded(f"{words}: {found.count:,} {what} from {stamp(found.start_us)[:19]}Z on"),
                event=rule.event,
                kind=found.kind,
                count=found.count,
                key=key,
                start=stamp(found.start_us),
                sample=found.sample,
            ),
        )
    )


def _bounded(text: str) -> str:
    return text if len(text) <= MAX_SUMMARY else text[: MAX_SUMMARY - 1] + "…"


def not_counted(tally: Tally) -> dict[str, int]:
    """Say what counting left out, and why; reasons without events are left out."""
    reasons = {
        "without a time": tally.untimed,
        "without a value for the key": tally.unkeyed,
        "too late": tally.late,
        "with a time far ahead of all others": tally.ahead,
        "told by an earlier alert": tally.absorbed,
        "forgotten for want of memory": tally.evicted_events,
        "looked at early for want of memory": tally.released_early,
    }
    return {reason: count for reason, count in reasons.items() if count}
