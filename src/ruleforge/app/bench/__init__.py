"""Measure a folder of rules on recorded corpora: the whole table, worst rules first, every miss with its cause."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from ruleforge.app.bench.compare import Comparison, Moved, compare, read_quality
from ruleforge.app.bench.exploits import exploit_rows
from ruleforge.app.bench.ground import Ground, read_outcomes
from ruleforge.app.bench.labels import document_row, label_files, refusal_rows
from ruleforge.app.bench.survival import survival_rows
from ruleforge.app.bench.templates import (
    HARMLESS,
    cross_rows,
    harmless_row,
    outcome_row,
    read_templates,
    replay_row,
)
from ruleforge.app.bench.traffic import benign_rows, differential_row, generic_row
from ruleforge.app.rules import load_rules, without_correlation
from ruleforge.errors import UsageError
from ruleforge.records.quality import Quality, Row

__all__ = ["BenchOptions", "Comparison", "Moved", "bench_quality", "compare", "read_quality"]

Progress = Callable[[str, int, int], None]
WORST_KEPT = 200


class BenchOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What to measure, and on what."""

    rules: Path
    data: Path  # a folder with exploits/, traffic/ and nuclei-templates/
    templates: tuple[Path, ...] = ()  # the sources of the rules; empty: those in `data`
    outcomes: Path | None = None  # lines of `forge --format ndjson`; None: the state beside the rules
    labels: tuple[Path, ...] = ()  # files that say which templates ought to be refused
    document_labels: Path | None = None  # which documents hold a concrete request
    document_outcomes: Path | None = None  # how forging those ended
    oracle: Path | None = None
    holdout: Path | None = None
    half: str = "both"  # "even" | "odd" | "both": whose exploits are counted
    differential: bool = False


def bench_quality(options: BenchOptions, progress: Progress = lambda *_: None) -> Quality:
    """Measure the rules of a folder. About a minute for 3,000 rules; a corpus that is not there gives an empty row.

    Raises:
        UsageError: no rules there (RF110, RF111), no such folder of data (RF117).
        InputError: a file of outcomes, labels, pairs or mutated requests is none (RF245 to RF249).
        OutsideError: a file cannot be opened (RF501).
    """
    if not options.data.is_dir():
        hint = "give the folder that holds exploits/, traffic/ and nuclei-templates/"
        raise UsageError("no such folder of data", where=str(options.data), hint=hint, code="RF117")
    stages = _Stages(progress)
    with stages("rules"):
        loaded = without_correlation(load_rules(options.rules))
    if not loaded.rules:
        raise UsageError("no validated rule there", where=str(options.rules), code="RF111")
    folders = options.templates or (options.data / "nuclei-templates" / "http" / "cves",)
    with stages("templates"):
        ground = Ground(loaded, read_outcomes(options.rules, options.outcomes), read_templates(folders), options.half)
    rows = _rows(ground, options, stages)
    problems = [str(problem) for problem in loaded.broken]
    problems += [f"{what}: {count} lines could not be read" for what, count in ground.problems.items()]
    return Quality(
        rules=tuple(rule.id for rule in loaded.rules),
        rows=tuple(rows),
        misses=tuple(ground.misses),
        worst=ground.worst(WORST_KEPT),
        problems=tuple(problems),
        half=options.half,
        seconds=stages.seconds,
    )


def _rows(ground: Ground, options: BenchOptions, stages: "_Stages") -> list[Row]:
    data = options.data
    rows = [outcome_row(ground), *refusal_rows(ground, label_files(options.labels))]
    with stages("replay"):
        rows.append(replay_row(ground))
    with stages("exploits"):
        file = data / "exploits" / "exploits-dev.jsonl.gz"
        rows += exploit_rows(ground, file, options.holdout) if file.is_file() else [_missing("exploits", file)]
    with stages("ordinary traffic"):
        file = data / "traffic" / "benign-dev.jsonl.gz"
        rows += benign_rows(ground, file) if file.is_file() else [_missing("benign_hold", file)]
    with stages("harmless probes"):
        rows.append(harmless_row(ground, [data / "nuclei-templates" / "http" / name for name in HARMLESS]))
    with stages("other products"):
        rows += cross_rows(ground)
    with stages("mutated exploits"):
        rows += survival_rows(ground, options.oracle)
    rows.append(document_row(options.document_labels, options.document_outcomes))
    with stages("generic attacks"):
        file = data / "traffic" / "attack-dev.jsonl.gz"
        rows.append(generic_row(ground, file) if file.is_file() else _missing("generic_attacks", file))
    with stages("differential"):
        files = {
            name: data / folder / f"{stem}.jsonl.gz"
            for name, folder, stem in (
                ("exploits", "exploits", "exploits-dev"),
                ("attack", "traffic", "attack-dev"),
                ("benign", "traffic", "benign-dev"),
                ("honeypot", "traffic", "honeypot-dev"),
            )
        }
        there = {name: file for name, file in files.items() if file.is_file()}
        rows.append(differential_row(ground, there, options.differential))
    return rows


def _missing(key: str, file: Path) -> Row:
    return Row(key=key, title=f"{key.replace('_', ' ')}", unit="requests", rate=None, note=f"there is no {file.name}")


class _Stages:
    """Tells progress, and how much CPU time each part took."""

    def __init__(self, progress: Progress) -> None:
        self.progress, self.seconds = progress, dict[str, float]()

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        self.progress(name, 0, 0)
        started = time.process_time()
        yield
        self.seconds[name] = round(time.process_time() - started, 2)
