"""Watch folders of sources, and show how one revision of a rule differs from another."""

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec

from ruleforge.app.backtests import backtest_forged
from ruleforge.app.rules import load_one, rule_files
from ruleforge.errors import UsageError
from ruleforge.ingest.readers import list_files
from ruleforge.pipeline.history import read_kept, read_revision, revisions
from ruleforge.pipeline.run import RunOptions
from ruleforge.pipeline.watch import Change, Watch
from ruleforge.rules.diff import diff_rules
from ruleforge.rules.render import render_sentence

Progress = Callable[[str, int, int], None]
SHORTEST_SECONDS = 1.0
LOOKS_MOST = 10  # with `once`: a file that is written to all the time must not keep a timer waiting


class WatchSummary(msgspec.Struct, kw_only=True):
    """What stands after the last look."""

    looks: int = 0
    forgings: int = 0  # looks at which something had changed
    failed: int = 0  # sources that cannot be read, and advisories that failed
    without_source: tuple[str, ...] = ()  # folders with a rule whose source is gone


class RuleDiff(msgspec.Struct, frozen=True, kw_only=True):
    """How a revision differs from another; `after` 0: there is no rule any more."""

    rule: str
    before: int
    after: int
    changes: tuple[str, ...]  # empty: the same content
    sentence_before: str
    sentence_after: str


def watch(
    paths: Sequence[Path],
    options: RunOptions,
    summary: WatchSummary,
    progress: Progress = lambda *_: None,
    *,
    history: Sequence[Path] = (),
    interval: float = 60.0,
    once: bool = False,
    clock: Callable[[], float] = time.time,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[Change]:
    """Forge what changes below `paths`, until interrupted; yield what became of each change.

    Args:
        paths: files and folders of sources; what lies in the output folder is not read.
        options: of the runs, as `forge.forge_options` puts them together.
        summary: filled with each look.
        progress: told (stage, done, of).
        history: stored traffic; what new rules would have done in it goes into their evidence.
        interval: seconds between two looks, and for which a file must stay the same before it is read.
        once: end when no file is being written any more, for a timer.
        clock: seconds since 1970.
        sleep: waits so many seconds.

    Raises:
        UsageError: the interval is too short (RF125).
    """
    if interval < SHORTEST_SECONDS:
        raise UsageError(f"the interval is shorter than {SHORTEST_SECONDS:g} s", hint="give more", code="RF125")
    out = options.out
    looked = Watch(lambda: _sources(paths, out), options, interval=interval, clock=clock)
    while True:
        before = looked.outcomes
        yield from looked.look(progress)
        if looked.outcomes is not before:
            summary.forgings += 1
            if history:
                rules = [out / outcome.advisory for outcome in looked.outcomes if outcome.outcome == "rule"]
                backtest_forged(rules, history, progress)
        _sum_up(summary, looked, out)
        if once and (not looked.waiting or summary.looks >= LOOKS_MOST):
            return
        sleep(interval)


def _sources(paths: Sequence[Path], out: Path) -> list[Path]:
    place = out.resolve()
    return [file for file in list_files(paths) if not file.resolve().is_relative_to(place)]


def _sum_up(summary: WatchSummary, looked: Watch, out: Path) -> None:
    summary.looks += 1
    if looked.outcomes:
        forged = {outcome.advisory for outcome in looked.outcomes}
        folders = sorted(file.parent.name for file in out.glob("*/rule.json"))
        summary.without_source = tuple(name for name in folders if name not in forged)
        summary.failed = sum(o.outcome == "failed" for o in looked.outcomes)


def diff_revisions(path: Path, revision: int | None = None) -> RuleDiff:
    """Compare the rule that stands in a folder with an earlier revision of it.

    Args:
        path: the folder of a rule, or its rule.json.
        revision: the earlier one; None: the one before. Where there is no rule any more, the last one.

    Raises:
        UsageError: no such rule (RF110), no such revision (RF126).
    """
    folder = path if path.is_dir() else path.parent
    kept = revisions(folder)
    now = read_revision(folder / "rule.json")
    if now is None and (not kept or next(rule_files(path), None)):
        now = load_one(path)  # says what is wrong
    earlier = [number for number in kept if now is None or number < now.revision]
    chosen = revision if revision is not None else (earlier[-1] if earlier else 0)
    before = read_kept(folder, chosen) if chosen in kept else None
    if before is None:
        known = ", ".join(map(str, earlier)) or "none: the rule was never superseded"
        raise UsageError("no such earlier revision", where=str(folder), hint=f"kept are {known}", code="RF126")
    gone = ("there is no rule any more",)
    return RuleDiff(
        rule=before.id,
        before=before.revision,
        after=now.revision if now else 0,
        changes=diff_rules(before, now) if now else gone,
        sentence_before=render_sentence(before),
        sentence_after=render_sentence(now) if now else "",
    )
