"""Forge the same sources with parts of the loop left out, to see what each part is worth.

This only forges and counts. Whether a shipped rule is good is told by labels, which the program never makes itself:
bench/judge/ablate.py labels the folders and makes the table.
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from ruleforge.app.forge import ForgeSummary, forge
from ruleforge.app.judging.asking import cpu_seconds
from ruleforge.errors import UsageError
from ruleforge.pipeline.loop import LoopOptions

Progress = Callable[[str, int, int], None]
# "5x1": five first drafts, each refined once at most.
CONFIGURATIONS: Mapping[str, LoopOptions] = {
    "1x1": LoopOptions(candidates=1, rounds=1),
    "5x1": LoopOptions(candidates=5, rounds=1),
    "1x5": LoopOptions(candidates=1, rounds=5),
    "5x5": LoopOptions(candidates=5, rounds=5),
    "5x5-no-feedback": LoopOptions(candidates=5, rounds=5, judge_feedback=False),
    "5x5-no-judge": LoopOptions(candidates=5, rounds=5, judge=False),
}


class Ablated(msgspec.Struct, frozen=True, kw_only=True):
    """One configuration: its folder of rules, and what forging them took."""

    name: str
    loop: LoopOptions
    rules: str  # folder, relative to that of the run
    advisories: int
    with_rule: int
    refused: int
    failed: int
    candidates: int  # first drafts that were proposed
    passes: dict[str, int]  # strictest mode whose gate a shipped rule passes → rules; "": no judge was asked
    cpu_seconds: float  # over all processes
    load: float | None
    names: tuple[str, ...]  # of the advisories, with a rule or without


def ablate(
    paths: Sequence[Path],
    out: Path,
    names: Sequence[str] = (),
    *,
    benign: Sequence[Path] = (),
    jobs: int = 0,
    progress: Progress = lambda *_: None,
) -> Iterator[Ablated]:
    """Forge `paths` once for each configuration into a folder of its own below `out`; yield each when it is done.

    Raises:
        UsageError: no such configuration (RF174), no such source (RF117).
    """
    unknown = [name for name in names if name not in CONFIGURATIONS]
    if unknown:
        hint = "there are " + ", ".join(CONFIGURATIONS)
        raise UsageError(f"no configuration {unknown[0]!r}", hint=hint, code="RF174")
    for name in names or CONFIGURATIONS:
        yield _one(paths, out, name, benign, jobs, progress)


def _one(paths: Sequence[Path], out: Path, name: str, benign: Sequence[Path], jobs: int, progress: Progress) -> Ablated:
    summary, started = ForgeSummary(), cpu_seconds()
    folder = out / name
    folder.mkdir(parents=True, exist_ok=True)
    named: Progress = lambda stage, done, of: progress(f"{name} {stage}", done, of)  # noqa: E731 - one line of wiring
    loop = CONFIGURATIONS[name]
    outcomes = list(forge(paths, folder, summary, named, benign=benign, jobs=jobs, again=True, merge=False, loop=loop))
    shipped = [folder / outcome.advisory for outcome in outcomes if outcome.outcome == "rule"]
    return Ablated(
        name=name,
        loop=loop,
        rules=name,
        advisories=summary.advisories,
        with_rule=summary.with_rule,
        refused=sum(summary.refused.values()),
        failed=sum(summary.failed.values()),
        candidates=summary.candidates,
        passes=_passes(shipped),
        cpu_seconds=round(cpu_seconds() - started, 2),
        load=round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        names=tuple(sorted(outcome.advisory for outcome in outcomes if outcome.advisory)),
    )


def _passes(folders: Sequence[Path]) -> dict[str, int]:
    from ruleforge.app.rules import read_evidence

    found: dict[str, int] = {}
    for folder in folders:
        told = read_evidence(folder).get("judge")
        mode = told.get("mode", "") if isinstance(told, dict) else ""
        found[mode] = found.get(mode, 0) + 1
    return dict(sorted(found.items()))
