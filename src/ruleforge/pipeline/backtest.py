"""Run rules back over stored traffic: since when, how often, from how many sources?"""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from ruleforge.engine.compiled import CompiledSet
from ruleforge.events.origin import seconds_of, source_of, written
from ruleforge.events.request import Request
from ruleforge.pipeline.history import put
from ruleforge.records.backtest import Backtest
from ruleforge.rules.tree import Rule

SOURCES_MOST = 100_000  # distinct sources counted of one rule
DAYS_MOST = 3_660  # days counted of one rule; hits of later ones count as untimed
BARS = "▁▂▃▄▅▆▇█"
SPARKLINE_MOST = 60  # characters


class _Span(msgspec.Struct):
    first: float | None = None
    last: float | None = None

    def add(self, at: float) -> None:
        self.first = at if self.first is None else min(self.first, at)
        self.last = at if self.last is None else max(self.last, at)


class _Tally(msgspec.Struct):
    span: _Span
    sources: set[str]
    days: dict[str, int]
    hits: int = 0
    untimed: int = 0
    undecidable: int = 0


class Backtesting:
    """Counts of rules over requests that are given one after the other."""

    def __init__(self, rules: Sequence[Rule], *, since: float | None = None, until: float | None = None) -> None:
        """Prepare to count.

        Args:
            rules: asked about each request.
            since: seconds since 1970; earlier requests, and with a bound those of unknown time, are left out.
            until: seconds since 1970; requests at this time or later are left out.
        """
        self._rules, self._compiled = rules, CompiledSet(rules)
        self._tallies = [_Tally(_Span(), set(), {}) for _ in rules]
        self._since, self._until = since, until
        self._span = _Span()
        self.requests = 0
        self.left_out = 0  # requests outside the chosen time
        self.untimed = 0  # requests whose time is unknown

    def add(self, request: Request) -> None:
        """Ask all rules about one more request."""
        at = seconds_of(request.time)
        if not self._is_chosen(at):
            self.left_out += 1
            return
        self.requests += 1
        self.untimed += at is None
        if at is not None:
            self._span.add(at)
        answers = self._compiled.answers(request)
        for number in answers.unknowns:
            self._tallies[number].undecidable += 1
        for number in answers.hits:
            _count(self._tallies[number], at, source_of(request.source_address))

    def _is_chosen(self, at: float | None) -> bool:
        if self._since is None and self._until is None:
            return True
        return at is not None and (self._since or 0) <= at and (self._until is None or at < self._until)

    def results(self) -> list[Backtest]:
        """Say of each rule, in the order given, what was counted so far."""
        return [self._result(rule, tally) for rule, tally in zip(self._rules, self._tallies, strict=True)]

    def _result(self, rule: Rule, tally: _Tally) -> Backtest:
        found = Backtest(
            rule=rule.id, requests=self.requests, since=written(self._span.first), until=written(self._span.last),
            hits=tally.hits, sources=len(tally.sources), first_seen=written(tally.span.first),
            last_seen=written(tally.span.last), untimed=tally.untimed, undecidable=tally.undecidable,
            days=dict(sorted(tally.days.items())), sentence="",
        )  # fmt: skip
        return msgspec.structs.replace(found, sentence=sentence_of(found))


def _count(tally: _Tally, at: float | None, source: str) -> None:
    tally.hits += 1
    if source and len(tally.sources) < SOURCES_MOST:
        tally.sources.add(source)
    day = written(at)[:10]
    if at is None or (day not in tally.days and len(tally.days) >= DAYS_MOST):
        tally.untimed += 1
        return
    tally.span.add(at)
    tally.days[day] = tally.days.get(day, 0) + 1


def sentence_of(found: Backtest) -> str:
    """Say for people what a backtest found."""
    asked = _many(found.requests, "request") + (f" from {found.since} to {found.until}" if found.since else "")
    if not found.hits:
        told = f"never seen in {asked}"
    else:
        when = f", first {found.first_seen}, last {found.last_seen}" if found.first_seen else ""
        told = f"{found.hits:,} of {asked}{when}, from {_many(found.sources, 'source')}"
    if found.untimed:
        told += f"; {found.untimed:,} of the hits at an unknown time"
    return told + (f"; not decidable in {found.undecidable:,}" if found.undecidable else "")


def _many(count: int, noun: str) -> str:
    return f"{count:,} {noun}" + ("" if count == 1 else "s")


def sparkline(days: dict[str, int]) -> str:
    """Draw hits a day from the first to the last day; several days share a bar where there are many."""
    if not days:
        return ""
    numbers = {int((seconds_of(day) or 0) // 86_400): count for day, count in days.items()}
    first, last = min(numbers), max(numbers)
    width = -(-(last - first + 1) // SPARKLINE_MOST)
    bars = [0] * ((last - first) // width + 1)
    for day, count in numbers.items():
        bars[(day - first) // width] += count
    most = max(bars)
    return "".join(" " if not bar else BARS[min((bar * len(BARS) - 1) // most, len(BARS) - 1)] for bar in bars)


def write_backtests(folders: Sequence[Path], results: Iterable[Backtest], logs: Sequence[str]) -> None:
    """Put each result into the `evidence.json` of its folder, as `backtest`; the rest of it stays as it is."""
    for folder, result in zip(folders, results, strict=True):
        file = folder / "evidence.json"
        evidence: dict[str, Any] = json.loads(file.read_bytes())
        told = {"logs": list(logs)} | {k: v for k, v in msgspec.to_builtins(result).items() if k != "rule"}
        put(file, (json.dumps(evidence | {"backtest": told}, indent=2, ensure_ascii=False) + "\n").encode())
