"""Scan recorded requests with a folder of rules."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, date, datetime
from pathlib import Path
from typing import BinaryIO

import msgspec

from ruleforge.app.event_scan import event_rules
from ruleforge.app.rules import Loaded
from ruleforge.app.scanning import checkpoint as checkpoints
from ruleforge.app.scanning.asking import Asker, summary
from ruleforge.app.scanning.choosing import Choice, choose
from ruleforge.app.scanning.digest import Digest
from ruleforge.app.scanning.event_asking import EventAsker
from ruleforge.app.scanning.exclusions import Exclusions, read_exclusions
from ruleforge.app.scanning.follow import Tail, follow, tails
from ruleforge.app.scanning.hits import SOURCES_KEPT, Alert, ScanHit, ScanReport
from ruleforge.app.scanning.reading import STDIN
from ruleforge.app.scanning.run import Mark, Run, Standing, Watch, settle
from ruleforge.app.scanning.sinks import LineFile, encode_hit, read_hits
from ruleforge.app.scanning.times import window
from ruleforge.engine.batches import Engine
from ruleforge.engine.correlation import Correlator, is_correlation
from ruleforge.errors import InputError, UsageError
from ruleforge.events.formats import FORMATS, Format, detect_format, format_from_string
from ruleforge.events.formats.bounded import MAX_TOTAL_BYTES, buffered, unpacked
from ruleforge.events.kinds import HTTP
from ruleforge.events.origin import written
from ruleforge.events.request import Request
from ruleforge.rules.canonical import content_hash

__all__ = [
    "SOURCES_KEPT",
    "STDIN",
    "Alert",
    "Delivery",
    "Prepared",
    "ScanHit",
    "ScanOptions",
    "ScanReport",
    "follow_files",
    "prepare",
    "read_stream",
    "run_scan",
    "scan",
    "summary",
]

Progress = Callable[[str, int, int], None]
Guard = Callable[[], AbstractContextManager[object]]
CHECKPOINT_SECONDS = 10.0
LIVE_LATENESS_SECONDS = 5.0  # several files may be written a little out of order; when all are quiet nothing waits


class ScanOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What a user asks of a scan, as text and paths."""

    choice: Choice = Choice()
    since: str = ""
    until: str = ""
    keep_undated: bool = True
    exclusions: Path | None = None
    unvalidated: bool = False
    log_format: str = ""  # a key of FORMATS, or a format as a server's configuration writes it; empty: found out
    engine: Engine = "auto"  # what matches requests; all give the same answers


class Prepared(msgspec.Struct, frozen=True):
    """Rules and options made ready."""

    asker: Asker
    others: EventAsker
    correlator: Correlator
    report: ScanReport
    key: str  # names rules and options, not files
    started: str  # RFC 3339
    form: Format | None = None  # of the files; None: found out for each


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """Where hits go while a scan runs, and how it can go on after it stopped.

    Exactly one of these: `emit` for a stream, `lines` and `output` for a file of lines, `output` alone for a spool of
    hits that a document is made of at the end, or nothing, where the digest is enough.
    """

    emit: Callable[[Alert], None] | None = None
    lines: Callable[[Alert], Iterable[bytes]] | None = None
    output: Path | None = None
    checkpoint: Path | None = None
    checkpoint_seconds: float = CHECKPOINT_SECONDS
    name: str = ""  # of the format: another one is another scan


def prepare(
    rules: Path | Loaded, options: ScanOptions | None = None, *, now: datetime | None = None, live: bool = False
) -> Prepared:
    """Load, choose and compile the rules of a scan.

    Raises:
        UsageError: there is no such folder (RF110), it holds no rule that can run (RF111), options that fit nothing
            (RF102, RF127, RF140 to RF142).
        InputError: the exclusions cannot be read (RF280 to RF286).
    """
    options, now = options or ScanOptions(), now or datetime.now(UTC)
    given = event_rules(rules, unvalidated=options.unvalidated)
    loaded = given
    if not loaded.rules and not loaded.broken:
        raise _no_rules(rules, loaded)
    chosen = choose(loaded, options.choice)
    asked = window(options.since, options.until, now, keep_undated=options.keep_undated)
    exclusions = None if options.exclusions is None else _exclusions(options.exclusions, now.date())
    report = ScanReport(
        broken=tuple(str(problem) for problem in loaded.broken),
        unvalidated=len(loaded.unvalidated),
        rules=len(chosen.rules),
        rules_left_out=len(loaded.rules) - len(chosen.rules),
        since=written(asked.since),
        until=written(asked.until),
        undated_dropped=not options.keep_undated and not asked.is_open,
        exclusion_notes=() if exclusions is None else exclusions.notes(rule.id for rule in loaded.rules),
    )
    parts = [f"{rule.id} {rule.revision} {content_hash(rule)}" for rule in chosen.rules]
    parts += [str(options), *(entry.said() for entry in exclusions.entries)] if exclusions else [str(options)]
    started = now.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    lateness = LIVE_LATENESS_SECONDS if live else None  # files need not be in order: there alerts come at the end
    correlator = Correlator([rule for rule in chosen.rules if is_correlation(rule)], lateness_seconds=lateness)
    single = [rule for rule in chosen.rules if not is_correlation(rule)]
    requests = [rule for rule in single if rule.event == HTTP]
    asker = Asker(requests, asked, exclusions, live=live, engine=options.engine, plan=correlator.plan)
    others = EventAsker([rule for rule in single if rule.event != HTTP], asked, correlator.plan)
    return Prepared(asker, others, correlator, report, checkpoints.key_of(parts), started, _form(options.log_format))


def _form(text: str) -> Format | None:
    if not text:
        return None
    return FORMATS[text] if text in FORMATS or text.isidentifier() else format_from_string(text)


def _exclusions(path: Path, today: date) -> Exclusions:
    if not path.exists():
        hint = "make it with 'ruleforge exclude add'"
        raise UsageError("no such file of exclusions", where=str(path), hint=hint, code="RF146")
    return Exclusions(read_exclusions(path), today)


def _no_rules(rules: Path | Loaded, loaded: Loaded) -> UsageError:
    where = str(rules) if isinstance(rules, Path) else ""
    if loaded.unvalidated:
        what = f"none of {len(loaded.unvalidated)} rules has evidence that it passed validation as it stands"
        return UsageError(what, where=where, hint="forge them, or scan with --unvalidated", code="RF111")
    return UsageError("no rule.json there", where=where, hint="make rules with 'ruleforge forge'", code="RF111")


def scan(
    rules: Path | Loaded,
    files: Sequence[Path],
    report: ScanReport,
    progress: Progress = lambda *_: None,
    *,
    stdin: BinaryIO | None = None,
    unvalidated: bool = False,
) -> Iterator[ScanHit]:
    """Run every validated rule of a folder over `files`; yield hits in order and fill `report` as it goes.

    Args:
        rules: a folder of rules, one rule, or rules already loaded.
        files: any format that FORMATS reads, plain or gzip; `-` is `stdin`.
        report: filled while the hits are read; rules that failed to load are there, too.
        progress: told (file, requests so far, 0) now and then.
        stdin: what `-` reads.
        unvalidated: run rules without evidence, too.

    Raises:
        UsageError: there is no such folder (RF110), it holds no rule that can run (RF111), or `-` without `stdin`.
    """
    prepared = prepare(rules, ScanOptions(unvalidated=unvalidated))
    for name in ("broken", "unvalidated", "rules"):
        setattr(report, name, getattr(prepared.report, name))

    def watch(standing: Standing) -> None:
        progress(standing.file, standing.requests, 0)

    run = Run(prepared.asker, files, report, others=prepared.others, correlator=prepared.correlator)
    for step in run.steps(stdin, watch):
        for alert in run.commit(step):
            yield from alert.hits
    for alert in run.close():
        yield from alert.hits
    settle(report)


class Finished(msgspec.Struct, frozen=True):
    """A scan that came to its end, or was interrupted: `report.interrupted`."""

    report: ScanReport
    digest: Digest
    started: str
    hits: Callable[[], Iterable[ScanHit]]  # all of them, where the delivery kept them


def run_scan(
    prepared: Prepared,
    files: Sequence[Path],
    delivery: Delivery,
    *,
    stdin: BinaryIO | None = None,
    watch: Watch = lambda _: None,
    guard: Guard = nullcontext,
    clock: Callable[[], float] = time.monotonic,
) -> Finished:
    """Scan files and deliver the hits; go on from a checkpoint where there is one.

    Args:
        prepared: rules and options.
        files: what to read.
        delivery: where hits go.
        stdin: what `-` reads.
        watch: told how far it is after every batch.
        guard: holds Ctrl-C back while a batch is counted and written, so that it counts wholly or not at all.
        clock: seconds, for the time between checkpoints.

    Raises:
        UsageError: a checkpoint that does not fit (RF143 to RF145), or one together with standard input (RF147).
        OutsideError: another scan works with the checkpoint (RF561).
    """
    with checkpoints.alone(delivery.checkpoint):
        return _Scan(prepared, files, delivery, clock).go(stdin, watch, guard)


class _Scan:
    """One scan with its output and its checkpoint."""

    def __init__(
        self, prepared: Prepared, files: Sequence[Path], delivery: Delivery, clock: Callable[[], float]
    ) -> None:
        self.delivery, self.files, self.clock = delivery, files, clock
        self.key = checkpoints.key_of([prepared.key, delivery.name, *(str(file.absolute()) for file in files)])
        saved = self._saved()
        self.heads = saved.heads if saved else ["" for _ in files]
        self.started = saved.started if saved else prepared.started
        asker, report = prepared.asker, prepared.report
        if saved:
            asker.window, report = saved.window, saved.report
            prepared.others.window = saved.window
            prepared.correlator.restore(saved.correlation)
            report.resumed, report.interrupted = True, False
        digest, marks = (saved.digest, saved.marks) if saved else (Digest(), [Mark() for _ in files])
        self.run = Run(
            asker,
            files,
            report,
            digest=digest,
            marks=marks,
            form=prepared.form,
            others=prepared.others,
            correlator=prepared.correlator,
            holds_back=self.delivery.checkpoint is not None,
        )
        self.kept: list[ScanHit] = []
        self.spool = self._spool(saved.output_bytes if saved else 0)

    def _saved(self) -> checkpoints.Saved | None:
        path = self.delivery.checkpoint
        if path is None:
            return None
        if STDIN in self.files:
            hint = "write it to a file first"
            raise UsageError("standard input cannot be read on from a checkpoint", hint=hint, code="RF147")
        saved = checkpoints.load(path)
        if saved is not None:
            checkpoints.check(saved, path, self.key, self.files)
        return saved

    def _spool(self, keep: int) -> LineFile | None:
        output = self.delivery.output
        if output is None:
            return None
        path = output if self.delivery.lines else output.with_name(output.name + ".hits")
        return LineFile(path, keep)

    def go(self, stdin: BinaryIO | None, watch: Watch, guard: Guard) -> Finished:
        """Scan to the end or the interruption."""
        try:
            return self._go(stdin, watch, guard)
        finally:
            if self.spool is not None:
                self.spool.close()

    def _go(self, stdin: BinaryIO | None, watch: Watch, guard: Guard) -> Finished:
        report, last = self.run.report, self.clock()
        try:
            for step in self.run.steps(stdin, watch):
                with guard():
                    self._deliver(self.run.commit(step))
                    if self.delivery.checkpoint and self.clock() - last >= self.delivery.checkpoint_seconds:
                        self._save()
                        last = self.clock()
        except KeyboardInterrupt:
            report.interrupted = True
        with guard():
            if not (report.interrupted and self.delivery.checkpoint):  # else they wait for the rest
                self._deliver(self.run.close())
            settle(report)
            self._save()
        return Finished(report, self.run.digest, self.started, self._hits)

    def _deliver(self, alerts: Sequence[Alert]) -> None:
        delivery = self.delivery
        for alert in alerts:
            if delivery.emit is not None:
                delivery.emit(alert)
            elif self.spool is None:
                self.kept += alert.hits if delivery.name in KEPT_IN_MEMORY else ()
            elif delivery.lines is not None:
                self.spool.write(delivery.lines(alert))
            else:
                self.spool.write(encode_hit(hit) for hit in alert.hits)
        if self.spool is not None and alerts:
            self.spool.flush()

    def _save(self) -> None:
        written_bytes = 0
        if self.spool is not None:
            written_bytes = self.spool.sync()
        if self.delivery.checkpoint is None:
            return
        for number, (file, mark) in enumerate(zip(self.files, self.run.marks, strict=True)):
            if not self.heads[number] and (mark.rows or mark.problems or mark.done):
                self.heads[number] = checkpoints.head_of(file)
        saved = checkpoints.Saved(
            key=self.key,
            started=self.started,
            window=self.run.asker.window,
            marks=self.run.marks,
            heads=self.heads,
            output_bytes=written_bytes,
            report=self.run.report,
            digest=self.run.digest,
            correlation=self.run.correlator.state(),
        )
        checkpoints.save(self.delivery.checkpoint, saved)

    def _hits(self) -> Iterable[ScanHit]:
        if self.spool is not None and self.delivery.lines is None:
            return read_hits(self.spool.path)
        return self.kept


KEPT_IN_MEMORY = frozenset({"json", "sarif", "parquet"})  # documents that need every hit


def read_stream(stdin: BinaryIO) -> Iterator[Request | InputError]:
    """Read requests from a stream that cannot be opened twice; its first bytes say the format and whether it is gzip.

    Raises:
        InputError: the format is not known (RF220).
    """
    stream = buffered(stdin)
    if not stream.peek(1):
        return iter(())
    stream = buffered(unpacked(stream))
    name = detect_format(Path("stdin"), stream.peek(1 << 16))
    return FORMATS[name].read(stream, "stdin", MAX_TOTAL_BYTES)


def follow_files(
    prepared: Prepared, files: Sequence[Path], digest: Digest, *, from_start: bool = False, watch: Callable[[], bool]
) -> Iterator[Alert]:
    """Watch growing files, from now on, and yield an alert for each new request that rules hold for.

    Args:
        prepared: rules and options, made with `live`; its report is kept up to date.
        files: logs of lines; those that are not there yet are waited for.
        digest: sums, kept up to date.
        from_start: read what the files hold already, too.
        watch: called when all files are quiet; False ends it.

    Raises:
        UsageError: standard input (RF149), or a format that cannot be followed (RF148).
    """
    if STDIN in files:
        raise UsageError("standard input is followed by itself", hint="leave --follow out", code="RF149")
    opened = tails(files, from_start=from_start)
    return _followed(opened, prepared, digest, watch)


def _followed(opened: Sequence[Tail], prepared: Prepared, digest: Digest, watch: Callable[[], bool]) -> Iterator[Alert]:
    try:
        run = Run(
            prepared.asker,
            [],
            prepared.report,
            digest=digest,
            form=prepared.form,
            others=prepared.others,
            correlator=prepared.correlator,
        )
        yield from follow(opened, run, wait=watch)
    finally:
        for tail in opened:
            tail.close()
