"""Forge rules from folders of sources, and sum up how that went."""

import multiprocessing
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from ruleforge.background.table import load_background
from ruleforge.errors import UsageError
from ruleforge.ingest.readers import list_files
from ruleforge.llm.door import Door
from ruleforge.pipeline.llm_loop import ModelWriter
from ruleforge.pipeline.llm_testing import ModelTester
from ruleforge.pipeline.loop import LoopOptions
from ruleforge.pipeline.run import RunOptions, forge_read, read_sources, run
from ruleforge.records.forging import REFUSALS, ModelUse, Outcome
from ruleforge.store.state import State

Progress = Callable[[str, int, int], None]
Clock = Callable[[], float]
FAILURES_KEPT = 20  # shown with their messages; all are counted


class ModelSum(msgspec.Struct, kw_only=True):
    """What a language model was asked in a run."""

    asked: int = 0  # questions
    answered: int = 0
    pending: int = 0
    failed: int = 0
    declined: int = 0  # advisories for which some answer said that there is no safe rule
    passed: int = 0  # candidates whose rule passed every gate
    tests: int = 0  # proposed requests that count
    calls: int = 0  # sent in this run
    tokens_in: int | None = 0  # None: not counted by the provider
    tokens_out: int | None = 0
    cost: int | None = None  # micro-dollars, of those answers whose cost is known

    def add(self, use: ModelUse, *, tests: bool = False) -> None:
        """Add what was asked for one advisory, for rules or for tests."""
        self.asked += use.asked
        self.answered += use.answered
        self.pending += use.pending
        self.failed += use.failed
        self.declined += bool(use.declined) and not tests
        self.passed += 0 if tests else use.passed
        self.tests += use.passed if tests else 0
        self.calls += use.calls
        self.tokens_in = _plus(self.tokens_in, use.tokens_in)
        self.tokens_out = _plus(self.tokens_out, use.tokens_out)
        self.cost = (self.cost or 0) + use.cost if use.cost is not None else self.cost


def _plus(one: int | None, other: int | None) -> int | None:
    return None if one is None or other is None else one + other


class ForgeSummary(msgspec.Struct, kw_only=True):
    """How a run ended; complete once its outcomes were read to the end."""

    out: str = ""
    advisories: int = 0  # without the files that were skipped
    with_rule: int = 0
    refused: dict[str, int] = msgspec.field(default_factory=dict)  # reason → advisories, most frequent first
    failed: dict[str, int] = msgspec.field(default_factory=dict)  # error code → advisories
    unchanged: int = 0  # of the advisories: not forged again, for nothing they depend on has changed
    skipped: int = 0  # files that disclose nothing and need not
    candidates: int = 0
    cpu_seconds: float = 0.0  # spent on the advisories, over all processes and also in earlier runs
    seconds: float = 0.0  # of this run
    model: ModelSum | None = None  # None: no language model was asked
    failures: list[str] = msgspec.field(default_factory=list)

    @property
    def share(self) -> float:
        """Share of advisories with a rule, 0 to 1."""
        return self.with_rule / self.advisories if self.advisories else 0.0


def forge(
    paths: Sequence[Path],
    out: Path,
    summary: ForgeSummary,
    progress: Progress = lambda *_: None,
    *,
    benign: Sequence[Path] = (),
    sensors: Sequence[Path] = (),
    mixed: Sequence[Path] = (),
    known_bad: Sequence[Path] = (),
    background: Path | None = None,
    jobs: int = 0,
    again: bool = False,
    history: Sequence[Path] = (),
    merge: bool = True,
    loop: LoopOptions | None = None,
    writer: ModelWriter | None = None,
    tester: ModelTester | None = None,
    extract_door: Door | None = None,
    clock: Clock = time.perf_counter,
) -> Iterator[Outcome]:
    """Forge everything below `paths` into `out`; yield one outcome per advisory and fill `summary` as it goes.

    Args:
        paths: sources and folders of them. Folders that hold the rules of a run, such as `out`, are not read.
        out: one folder per rule, and the state that makes the next run quick.
        summary: filled while the outcomes are read.
        progress: told (stage, done, of).
        benign: request files of ordinary traffic.
        sensors: logs that only receive attacks, such as those of honeypots.
        mixed: logs of a site, with visitors and attackers.
        known_bad: lists of addresses with a bad name.
        background: a table made by `background_build`; None: the one that ships.
        jobs: processes; 0: one per core.
        again: forge unchanged sources, too.
        history: stored traffic; what new rules would have done in it goes into their evidence.
        merge: one rule for all documents about a vulnerability; False: one for each document.
        loop: how hard to try; None: as ships.
        writer: a model as further author, see `app.authors`; forging then runs in this process.
        tester: a model as further author of tests, likewise.
        extract_door: a model that reads documents whose requests show no attack; None: patterns alone.
        clock: seconds, for the summary only.

    Raises:
        UsageError: a path does not exist (RF117).
        InputError: the background table (RF240) or a list of addresses (RF226 to RF228) cannot be read.
        OutsideError: a benign file cannot be opened (RF501).
    """
    started = clock()
    summary.out = str(out)
    options = forge_options(
        paths, out, benign=benign, sensors=sensors, mixed=mixed, known_bad=known_bad, background=background,
        jobs=jobs, again=again, history=history, merge=merge, loop=loop, writer=writer,
        tester=tester,
    )  # fmt: skip
    refused: Counter[str] = Counter()
    failed: Counter[str] = Counter()
    before, asked = ({} if again else _stored(out)), []
    for outcome in _run(_without_output(paths, out), options, progress, extract_door):
        _count(outcome, summary, refused, failed)
        asked.append(outcome.advisory)
        summary.seconds = clock() - started
        yield outcome
    if history:
        from ruleforge.app.backtests import backtest_forged

        backtest_forged([out / name for name in asked if name], history, progress)
    if before:
        after = _stored(out)
        summary.unchanged = sum(name in before and before[name] == after.get(name) for name in asked)
    summary.seconds = clock() - started
    summary.refused, summary.failed = dict(refused.most_common()), dict(failed.most_common())


def _run(paths: Sequence[Path], options: RunOptions, progress: Progress, door: Door | None) -> Iterator[Outcome]:
    if door is None:
        return run(paths, options, progress)
    from ruleforge.app.extract import read_with_model

    read = list(read_sources(list(list_files(paths)), options.jobs or multiprocessing.cpu_count(), progress))
    return forge_read(read_with_model(read, door), options, progress)


def forge_options(
    paths: Sequence[Path],
    out: Path,
    *,
    benign: Sequence[Path] = (),
    sensors: Sequence[Path] = (),
    mixed: Sequence[Path] = (),
    known_bad: Sequence[Path] = (),
    background: Path | None = None,
    jobs: int = 0,
    again: bool = False,
    history: Sequence[Path] = (),
    merge: bool = True,
    loop: LoopOptions | None = None,
    writer: ModelWriter | None = None,
    tester: ModelTester | None = None,
) -> RunOptions:
    """Check that what is named exists, and put the options of a run together; see `forge`."""
    for path in (*paths, *benign, *sensors, *mixed, *known_bad, *history, *((background,) if background else ())):
        if not path.exists():
            raise UsageError("no such file or folder", where=str(path), hint="check the path", code="RF117")
    return RunOptions(
        out=out,
        benign=tuple(benign),
        sensors=tuple(sensors),
        mixed=tuple(mixed),
        known_bad=tuple(known_bad),
        background=None if background is None else load_background(background),
        jobs=jobs,
        again=again,
        merge=merge,
        loop=loop or LoopOptions(),
        writer=writer,
        tester=tester,
    )


def refusal_sentence(reason: str) -> str:
    """Say what a reason for refusing means, for people."""
    return REFUSALS.get(reason, "")


def _stored(out: Path) -> dict[str, tuple[str, dict[str, Any]]]:
    """Return what earlier runs into `out` recorded: a run leaves the record of what it does not forge as it is."""
    if not out.is_dir() or not (out / ".ruleforge" / "state.db").is_file():
        return {}
    state = State.beside(out)
    try:
        return state.known()
    finally:
        state.close()


def _without_output(paths: Sequence[Path], out: Path) -> Sequence[Path]:
    """Keep the rules of an earlier run from being read as templates."""
    place = out.resolve()
    if not any(place.is_relative_to(path.resolve()) for path in paths):
        return paths
    return [file for file in list_files(paths) if not file.resolve().is_relative_to(place)]


def _count(outcome: Outcome, summary: ForgeSummary, refused: Counter[str], failed: Counter[str]) -> None:
    if outcome.outcome == "skipped":
        summary.skipped += 1
        return
    summary.advisories += 1
    for use in (outcome.model, outcome.tester):
        if use is not None:
            summary.model = summary.model or ModelSum()
            summary.model.add(use, tests=use is outcome.tester)
    summary.candidates += outcome.candidates
    summary.cpu_seconds += outcome.seconds
    if outcome.outcome == "rule":
        summary.with_rule += 1
    elif outcome.outcome == "refused":
        refused[outcome.reason] += 1
    else:
        failed[outcome.reason] += 1
        if len(summary.failures) < FAILURES_KEPT:
            # The detail of a file that could not be read names the file already.
            named = outcome.sources and outcome.sources[0] in outcome.detail
            place = "" if named else f"{', '.join(outcome.sources)}: "
            summary.failures.append(f"{place}{outcome.detail or outcome.reason}")
