"""Rules asked about batches: only requests with a hit become objects, everything else stays in columns."""

import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ruleforge.app.scanning.exclusions import Exclusion, Exclusions, host_of
from ruleforge.app.scanning.hits import Alert, ScanHit
from ruleforge.app.scanning.outcomes import outcome_of
from ruleforge.app.scanning.specificity import Specificity
from ruleforge.app.scanning.times import Window, inside
from ruleforge.app.spans import matched_spans
from ruleforge.engine.adaptive import BYTES_PER_ROW, AdaptiveMatcher
from ruleforge.engine.batches import BatchMatcher, Engine, Matches, RowByRow, make_batch_matcher
from ruleforge.engine.compiled import CompiledSet
from ruleforge.engine.correlation import Observation, Plan
from ruleforge.engine.correlation.batches import observe_batch
from ruleforge.engine.correlation.plan import Spared
from ruleforge.engine.explain import explain
from ruleforge.engine.lanes import TwoLanes
from ruleforge.events.columns import UNRECORDED_BITS, recorded_headers, request_at
from ruleforge.events.formats import request_to_text
from ruleforge.events.kinds import HTTP
from ruleforge.events.origin import seconds_of, written
from ruleforge.events.places import HttpView
from ruleforge.events.reading import View
from ruleforge.events.request import Request
from ruleforge.rules.tree import Rule

MAX_SUMMARY = 300  # characters
MAX_TARGET = 2_000
MAX_NAME = 300  # of a host, an address, a user agent
_ORDINAL = re.compile(r"(.{1,4000}):(\d{1,18})", re.DOTALL)


PACKED = 10  # times as long is a log when it is unpacked
_PACKED_SUFFIXES = frozenset({".gz", ".bz2", ".xz", ".zst"})


def make_matcher(rules: Sequence[Rule], *, slow_lane_ms: float | None = None, engine: Engine = "auto") -> BatchMatcher:
    """Return what matches batches: the one place where a scan gets its engine.

    Args:
        rules: rules that ask about single requests.
        slow_lane_ms: processor time that rules without a usable literal may take for a batch, of a live stream only;
            None: they are asked about everything.
        engine: see `make_batch_matcher`, whose errors are raised.
    """

    def make(some: Sequence[Rule]) -> BatchMatcher:
        return make_batch_matcher(some, engine=engine, note=note)

    return make(rules) if slow_lane_ms is None else TwoLanes(rules, make, slow_lane_ms)


def note(text: str) -> None:
    """Say on standard error what takes long, or goes wrong, in the middle of a scan."""
    sys.stderr.write(f"ruleforge: {text}\n")
    sys.stderr.flush()


class Answer(msgspec.Struct, frozen=True):
    """What the rules say of one batch. Nothing is counted yet: see `Run.commit`."""

    alerts: tuple[Alert, ...]
    asked: int  # rows that rules were asked about
    outside: int = 0  # rows outside the window
    undated: int = 0  # rows without a readable time while there is a window
    unknowns: tuple[tuple[int, int], ...] = ()  # (position of a rule, rows it could not decide)
    unrecorded: tuple[tuple[str, int], ...] = ()  # (place, rows without it)
    headers: tuple[str, ...] | None = None
    excluded: tuple[Exclusion, ...] = ()  # one per hit that was taken away
    observations: tuple[Observation, ...] = ()  # what rules that count or order make of the rows
    spared: tuple[Exclusion, ...] = ()  # one per event that a rule which counts was not to count
    skipped: tuple[tuple[int, int], ...] = ()  # (position of a rule, rows it was not asked about)


class Asker:
    """A set of rules with everything that decides which hits count."""

    def __init__(
        self,
        rules: Sequence[Rule],
        window: Window,
        exclusions: Exclusions | None = None,
        *,
        engine: Engine = "auto",
        plan: Plan | None = None,
        slow_lane_ms: float | None = None,
        matcher: BatchMatcher | None = None,
    ) -> None:
        """Take rules and what decides which of their hits count.

        Args:
            rules: about single requests; none is looked at before it is needed.
            window: times that are asked about.
            exclusions: hits that do not count.
            engine: see `make_batch_matcher`.
            plan: rules that count or order.
            slow_lane_ms: see `make_matcher`.
            matcher: one of exactly these rules, followed by the parts of the plan about requests; None: it is made.
        """
        self.rules, self.window, self.exclusions = rules, window, exclusions
        self._plan = plan or Plan(())
        parts = [number for number, part in enumerate(self._plan.parts) if part.event == HTTP]
        self._parts = (*[-1] * len(self.rules), *parts)  # for each rule of the matcher its part of the plan, or -1
        self._matcher = matcher or self._made([self._plan.parts[number] for number in parts], engine, slow_lane_ms)
        self._specificity = Specificity(self.rules)

    def _made(self, parts: Sequence[Rule], engine: Engine, slow_lane_ms: float | None) -> BatchMatcher:
        asked = (*self.rules, *parts)
        return make_matcher(asked, slow_lane_ms=slow_lane_ms, engine=engine) if asked else RowByRow(CompiledSet(()))

    @property
    def is_fast(self) -> bool:
        """Whether kernels answer already."""
        return isinstance(self._matcher, AdaptiveMatcher) and self._matcher.is_fast

    def expect(self, files: Sequence[tuple[Path, int]]) -> None:
        """Say which files will be read, with their sizes in bytes, so that the engine fits the work."""
        if isinstance(self._matcher, AdaptiveMatcher):
            size = sum(size * (PACKED if path.suffix in _PACKED_SUFFIXES else 1) for path, size in files)
            self._matcher.expect(size // BYTES_PER_ROW)

    def ask(self, batch: pa.RecordBatch, file: Path, *, lines_before: int = 0) -> Answer:
        """Ask every rule about a batch.

        Args:
            batch: rows of `events.columns.SCHEMA`.
            file: where it was read, for the hits.
            lines_before: added to the line in the ids of its rows, where they were read as a part of the file.
        """
        masked = inside(batch, self.window)
        rows = masked.batch
        matches = self._matcher.match(rows)
        alerts: list[Alert] = []
        excluded: list[Exclusion] = []
        spared: list[Exclusion] = []
        single = matches.rules < len(self.rules)
        for row, rules in _by_row(matches.rows[single], matches.rules[single]):
            request = _renumbered(request_at(rows, row), lines_before)
            kept = self._not_excluded(request, rules, excluded)
            if kept:
                alerts.append(self._alert(request, kept, file))
        names = recorded_headers(rows.schema)
        return Answer(
            alerts=tuple(alerts),
            asked=rows.num_rows,
            outside=masked.outside,
            undated=masked.undated,
            unknowns=_counts(matches.unknowns),
            skipped=_counts(matches.skipped),
            unrecorded=_unrecorded(rows),
            headers=None if names is None else tuple(sorted(name.decode("ascii", "replace") for name in names)),
            excluded=tuple(excluded),
            observations=self._observed(rows, matches, lines_before, spared),
            spared=tuple(spared),
        )

    def _observed(
        self, rows: pa.RecordBatch, matches: Matches, lines_before: int, spared: list[Exclusion]
    ) -> tuple[Observation, ...]:
        if len(self._parts) == len(self.rules):
            return ()
        found = observe_batch(self._plan, rows, matches, self._parts, spared_by(self.exclusions, self._plan, spared))
        return tuple(msgspec.structs.replace(one, id=renumbered(one.id, lines_before)) for one in found)

    def names_of(self, number: int) -> tuple[str, ...]:
        """Return the ids of the rules behind a number of `Answer.unknowns`: several may share a part to count."""
        part = self._parts[number]
        if part < 0:
            return (self.rules[number].id,)
        return tuple(self._plan.rules[user].id for user in self._plan.users_of(part))

    def _not_excluded(self, request: Request, rules: Sequence[int], excluded: list[Exclusion]) -> list[int]:
        if self.exclusions is None:
            return list(rules)
        found = {rule: self.exclusions.find(self.rules[rule].id, request) for rule in rules}
        excluded += [entry for entry in found.values() if entry is not None]
        return [rule for rule, entry in found.items() if entry is None]

    def _alert(self, request: Request, rules: Sequence[int], file: Path) -> Alert:
        ordered = [self.rules[number] for number in self._specificity.order(rules)]
        ids = [rule.id for rule in ordered]
        common = _of_request(request, file)
        return Alert(
            tuple(
                ScanHit(
                    rule=rule.id,
                    cves=rule.cves,
                    spans=tuple(matched_spans(explain(rule, request))),
                    title=rule.title,
                    severity=rule.severity,
                    revision=rule.revision,
                    rank=rank,
                    others=(*ids[: rank - 1], *ids[rank:]),
                    **common,
                )
                for rank, rule in enumerate(ordered, 1)
            )
        )


def spared_by(exclusions: Exclusions | None, plan: Plan, spared: list[Exclusion]) -> Spared | None:
    """Return what says whether an event is not to count for a rule; exclusions that say so are added to `spared`."""
    if exclusions is None or not any(exclusions.asks_about(rule.id) for rule in plan.rules):
        return None

    def is_spared(view: View, rule: int) -> bool:
        found = exclusions.find_in(plan.rules[rule].id, view)
        spared.extend([found] if found is not None else [])
        return found is not None

    return is_spared


def _counts(counts: npt.NDArray[np.int64] | None) -> tuple[tuple[int, int], ...]:
    """Return (position, count) of those that are not 0."""
    return () if counts is None else tuple((int(at), int(counts[at])) for at in np.flatnonzero(counts))


def _by_row(rows: npt.NDArray[np.int32], rules: npt.NDArray[np.int32]) -> list[tuple[int, list[int]]]:
    found: dict[int, list[int]] = {}
    for row, rule in zip(rows.tolist(), rules.tolist(), strict=True):
        found.setdefault(row, []).append(rule)
    return list(found.items())


def _of_request(request: Request, file: Path) -> dict[str, Any]:
    view = HttpView(request)
    agents = view.header_values(b"user-agent")
    return {
        "request": request.id,
        "file": str(file),
        "source_address": _text(request.source_address, MAX_NAME),
        "time": request.time,
        "at": written(seconds_of(request.time)),
        "status": request.status,
        "outcome": outcome_of(request.status),
        "method": _text(request.method, MAX_NAME),
        "host": host_of(view)[:MAX_NAME],
        "target": _text(request.target, MAX_TARGET),
        "user_agent": _text(agents[0], MAX_NAME) if agents else "",
        "summary": summary(request),
    }


def _text(value: bytes, most: int) -> str:
    text = value[:most].decode("utf-8", "backslashreplace")
    return text if len(value) <= most else text + "…"


def _renumbered(request: Request, lines_before: int) -> Request:
    if not lines_before or not request.id.startswith(f"{request.source}:"):
        return request
    return msgspec.structs.replace(request, id=renumbered(request.id, lines_before))


def renumbered(name: str, lines_before: int) -> str:
    """Put the line in an id right that was counted from the middle of a file."""
    found = _ORDINAL.fullmatch(name) if lines_before else None
    return name if found is None else f"{found[1]}:{int(found[2]) + lines_before}"


def _unrecorded(batch: pa.RecordBatch) -> tuple[tuple[str, int], ...]:
    bits = batch.column("unrecorded")
    if not batch.num_rows or not pc.max(bits).as_py():
        return ()
    values: npt.NDArray[np.uint8] = np.array(bits)
    counts = ((place, int(((values & bit) != 0).sum())) for place, bit in UNRECORDED_BITS.items())
    return tuple((place, count) for place, count in counts if count)


def summary(request: Request) -> str:
    """Show the first line of a request, safe for a terminal, at most 300 characters."""
    line = request_to_text(request, MAX_SUMMARY).partition("\n")[0]
    return line if len(line) <= MAX_SUMMARY else line[: MAX_SUMMARY - 1] + "…"
