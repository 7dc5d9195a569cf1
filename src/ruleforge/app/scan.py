"""Scan recorded requests with a folder of rules."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import BinaryIO

import msgspec

from ruleforge.app.rules import Loaded
from ruleforge.app.scan_live import Replacing, follow_files
from ruleforge.app.scan_setup import Prepared, ScanOptions, prepare
from ruleforge.app.scanning import checkpoint as checkpoints
from ruleforge.app.scanning.asking import summary
from ruleforge.app.scanning.digest import Digest
from ruleforge.app.scanning.hits import SOURCES_KEPT, Alert, ScanHit, ScanReport
from ruleforge.app.scanning.reading import STDIN
from ruleforge.app.scanning.run import Mark, Run, Standing, Watch, settle
from ruleforge.app.scanning.sinks import LineFile, encode_hit, read_hits
from ruleforge.errors import InputError, UsageError
from ruleforge.events.formats import FORMATS, detect_format
from ruleforge.events.formats.bounded import MAX_TOTAL_BYTES, buffered, unpacked
from ruleforge.events.request import Request

__all__ = [
    "SOURCES_KEPT",
    "STDIN",
    "Alert",
    "Delivery",
    "Prepared",
    "Replacing",
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
