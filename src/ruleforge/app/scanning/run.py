"""A scan over files, batch by batch: read, ask, and count in one step that is done wholly or not at all."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import msgspec

from ruleforge.app.event_scan import in_order
from ruleforge.app.scanning.asking import Answer, Asker
from ruleforge.app.scanning.digest import NO_CVE, NO_SOURCE, Digest
from ruleforge.app.scanning.event_asking import EventAnswer, EventAsker, alert_of, not_counted
from ruleforge.app.scanning.hits import PROBLEMS_KEPT, Alert, Gap, ScanReport, bump, by_count
from ruleforge.app.scanning.reading import STDIN, Source
from ruleforge.engine.correlation import Alert as Reached
from ruleforge.engine.correlation import Correlator
from ruleforge.errors import InputError
from ruleforge.events.formats import Format
from ruleforge.events.kinds import HTTP

MAX_GAPS = 1_000  # files whose gaps are told apart


class Mark(msgspec.Struct, kw_only=True):
    """How far one file is read: what comes first in its reader's order, which never changes for the same bytes."""

    rows: int = 0
    problems: int = 0
    size: int = 0  # bytes on disk when it was opened
    done: bool = False


class Step(msgspec.Struct, frozen=True):
    """One batch, asked but not yet counted; or what could not be read; or the end of a file."""

    file: int  # position in the list of files
    rows: int = 0  # read, whether asked about or not
    answer: Answer | EventAnswer | None = None
    problem: InputError | None = None
    failed: bool = False  # the file as a whole
    ends: bool = False  # the file is read to its end
    size: int = 0


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """How far a scan is, for progress."""

    file: str
    bytes_read: int
    bytes_total: int
    requests: int
    hits: int


Watch = Callable[[Standing], None]


class Run:
    """The state of a scan: what was counted, and how far each file is read."""

    def __init__(
        self,
        asker: Asker,
        files: Sequence[Path],
        report: ScanReport,
        *,
        digest: Digest | None = None,
        marks: Sequence[Mark] = (),
        form: Format | None = None,
        others: EventAsker | None = None,
        correlator: Correlator | None = None,
    ) -> None:
        """Begin, or go on from marks.

        Args:
            asker: rules about requests, with everything that decides which hits count.
            files: what to read; `marks` are in the same order.
            report: counts so far.
            digest: sums so far.
            marks: how far each file is read.
            form: of all files; None: found out for each.
            others: rules about other events.
            correlator: puts together what `asker` and `others` observe.
        """
        self.others = others or EventAsker((), asker.window)
        self.correlator = correlator or Correlator(())
        self.asker, self.files, self.report = asker, list(files), report
        self.digest, self.form = digest or Digest(), form
        self._rules_that_count = {rule.id: rule for rule in self.correlator.plan.rules}
        self.marks = list(marks) or [Mark() for _ in files]

    def use(self, asker: Asker, others: EventAsker, correlator: Correlator) -> None:
        """Ask other rules from now on; what is remembered of rules that count or order, and stay, goes over."""
        correlator.restore(self.correlator.state())
        self.asker, self.others, self.correlator = asker, others, correlator
        self._rules_that_count = {rule.id: rule for rule in correlator.plan.rules}

    def steps(self, stdin: BinaryIO | None = None, watch: Watch = lambda _: None) -> Iterator[Step]:
        """Read on from the marks and yield one step after the other; `commit` each before asking for the next."""
        sources = [Source(file, stdin, self.form) for file in self.files]
        sizes = [source.size for source in sources]
        total, before = sum(sizes) if STDIN not in self.files else 0, 0
        if total:
            self.asker.expect([(file, size) for file, size in zip(self.files, sizes, strict=True)])
        for number in self._order():
            source = sources[number]
            mark = self.marks[number]
            if not (mark.done and mark.size == sizes[number] and source.path != STDIN):
                for step in self._file(number, source, sizes[number]):
                    yield step
                    watch(self._standing(source, before, total))
            before += sizes[number]

    def _order(self) -> list[int]:
        """Positions of the files: by the time of their first event where rules count, so that few events wait."""
        numbers = list(range(len(self.files)))
        if not self.correlator.plan.rules or STDIN in self.files:
            return numbers
        placed = {file: place for place, file in enumerate(in_order(self.files))}
        return sorted(numbers, key=lambda number: placed[self.files[number]])

    def _standing(self, source: Source, before: int, total: int) -> Standing:
        return Standing(
            file=str(source.path),
            bytes_read=before + source.position,
            bytes_total=total,
            requests=self.report.requests + self.report.outside_window,
            hits=self.report.hits,
        )

    def _file(self, number: int, source: Source, size: int) -> Iterator[Step]:
        mark = self.marks[number]
        rows, problems = mark.rows, mark.problems
        for item in source.batches():
            if isinstance(item, InputError):
                problems -= 1
                if problems < 0:
                    yield Step(number, problem=item, failed=source.failed)
                continue
            if isinstance(item, tuple):
                rows -= (skip := min(rows, len(item)))
                if new := item[skip:]:
                    yield Step(number, len(new), self.others.ask(new, source.path))
                continue
            skip = min(rows, item.num_rows)
            rows -= skip
            if skip < item.num_rows:
                left = item.slice(skip) if skip else item
                yield Step(number, left.num_rows, self.asker.ask(left, source.path))
        yield Step(number, ends=True, size=size)

    def commit(self, step: Step) -> tuple[Alert, ...]:
        """Count a step and move the mark past it; return its alerts. Plain counting, nothing that takes long."""
        mark, report = self.marks[step.file], self.report
        if step.ends:
            if not mark.done:
                report.files += 1
            mark.done, mark.size = True, step.size
            return ()
        if step.problem is not None:
            mark.problems += 1
            report.unreadable += 1
            report.unreadable_files += step.failed
            if len(report.problems) < PROBLEMS_KEPT or step.failed:
                report.problems.append(str(step.problem))
            return ()
        mark.rows += step.rows
        return () if step.answer is None else self.count(step.answer, str(self.files[step.file]))

    def count(self, answer: Answer | EventAnswer, file: str) -> tuple[Alert, ...]:
        """Add what was answered about one batch to the counts; return the alerts that are certain by now."""
        if isinstance(answer, EventAnswer):
            single = count_events(answer, self.others, self.report, self.digest)
        else:
            single = count(answer, file, self.asker, self.report, self.digest)
        return single + self.tell(self.correlator.feed(answer.observations))

    def tell(self, found: Sequence[Reached]) -> tuple[Alert, ...]:
        """Count what rules that count or order came to; return it as alerts."""
        alerts = tuple(alert_of(one, self._rules_that_count[one.rule]) for one in found)
        for alert in alerts:
            _count_alert(alert, self.report)
            self.digest.add(alert)
        return alerts

    def close(self) -> tuple[Alert, ...]:
        """Return the alerts of events that still wait, and say what was not asked or not counted, and why."""
        alerts, report, tally = self.tell(self.correlator.close()), self.report, self.correlator.tally
        kinds = {*report.events, *([HTTP] if report.requests else [])}
        rules = (*(() if HTTP in kinds else self.asker.rules), *self.others.rules, *self.correlator.plan.rules)
        report.rules_not_asked = tuple(rule.id for rule in rules if rule.event not in kinds) if kinds else ()
        report.not_counted = not_counted(tally)
        return alerts


def count(answer: Answer, file: str, asker: Asker, report: ScanReport, digest: Digest) -> tuple[Alert, ...]:
    """Add what was answered about one batch to the counts of a scan; return its alerts."""
    report.requests += answer.asked
    report.outside_window += answer.outside
    report.undated += answer.undated
    if not asker.window.keep_undated:
        report.undated_dropped = True
    report.requests_hit += len(answer.alerts)
    for rule, rows in answer.unknowns:
        for name in asker.names_of(rule):
            bump(report.undecidable, name, rows)
    for rule, rows in answer.skipped:
        for name in asker.names_of(rule):
            bump(report.not_evaluated, name, rows)
    _count_gap(answer, file, asker, report)
    _count_excluded(answer, report)
    for alert in answer.alerts:
        _count_alert(alert, report)
        digest.add(alert)
    return answer.alerts


def count_events(answer: EventAnswer, others: EventAsker, report: ScanReport, digest: Digest) -> tuple[Alert, ...]:
    """Add what was answered about a group of other events to the counts of a scan; return its alerts."""
    for kind, number in answer.kinds:
        bump(report.events, kind, number)
    report.outside_window += answer.outside
    report.undated += answer.undated
    for rule, number in answer.unknowns:
        for name in others.names_of(rule):
            bump(report.undecidable, name, number)
    _count_excluded(answer, report)
    for alert in answer.alerts:
        _count_alert(alert, report)
        digest.add(alert)
    return answer.alerts


def _count_excluded(answer: Answer | EventAnswer, report: ScanReport) -> None:
    report.excluded += len(answer.excluded)
    report.excluded_events += len(answer.spared)
    for entry in (*answer.excluded, *answer.spared):
        bump(report.excluded_by, entry.said())


def _count_alert(alert: Alert, report: ScanReport) -> None:
    if alert.first.kind == "hit":
        report.hits += len(alert.hits)
    else:
        report.alerts += len(alert.hits)
    if alert.first.kind == "hit" and alert.first.event == HTTP:
        bump(report.by_outcome, alert.first.outcome)
    for hit in alert.hits:
        bump(report.by_rule, hit.rule)
        bump(report.by_source, hit.source_address or NO_SOURCE)
        for cve in hit.cves or (NO_CVE,):
            bump(report.by_cve, cve)


def _count_gap(answer: Answer, file: str, asker: Asker, report: ScanReport) -> None:
    if file not in report.gaps and len(report.gaps) >= MAX_GAPS:
        file = "others"
    gap = report.gaps.setdefault(file, Gap())
    gap.requests += answer.asked
    gap.headers = answer.headers if answer.headers is not None else gap.headers
    for rule, rows in answer.unknowns:
        for name in asker.names_of(rule):
            bump(gap.rules, name, rows)
    for place, rows in answer.unrecorded:
        bump(gap.unrecorded, place, rows)


def settle(report: ScanReport) -> None:
    """Put the counts of a report in descending order, for reading."""
    for name in ("by_rule", "by_cve", "by_source", "undecidable", "not_evaluated", "excluded_by"):
        setattr(report, name, by_count(getattr(report, name)))
    report.gaps = {file: gap for file, gap in report.gaps.items() if gap.rules}
