"""Run the judge bench: read pairs, ask the judge, measure, draw."""

import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from ruleforge.app.judging.asking import ask_judge, cpu_seconds
from ruleforge.app.judging.frozen import Opening, check_frozen, record_opening
from ruleforge.app.judging.pairs import Pair, Part, read_pairs
from ruleforge.app.judging.report import JudgeReport
from ruleforge.app.judging.rows import Rows
from ruleforge.app.judging.scores import Judged, Score, read_scores, write_scores
from ruleforge.app.judging.selection import select
from ruleforge.app.judging.tables import baseline_tables, counted, judge_tables, operating_points
from ruleforge.app.judging.targets import targets, words

Progress = Callable[[str, int, int], None]
Clock = Callable[[], datetime]


class JudgeBenchOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What to measure, and on what."""

    pairs: Path
    templates: Path | None = None  # folder that the pairs' sources are relative to; not needed with `scores`
    part: Part = "train"
    frozen: Path | None = None  # record of the frozen test part
    scores: Path | None = None  # answers given earlier, or by another judge
    save_scores: Path | None = None
    report: Path | None = None  # where the report goes as JSON; earlier openings are read from it
    benign: tuple[Path, ...] = ()  # ordinary traffic that the judge may look at
    cross: bool = False  # show the judge requests of other products
    cache: Path | None = None
    draws: int = 2_000
    jobs: int = 0
    command: str = ""


def bench_judge(
    options: JudgeBenchOptions, progress: Progress = lambda *_: None, clock: Clock = lambda: datetime.now(UTC)
) -> JudgeReport:
    """Measure a judge on the labelled pairs of one part.

    Raises:
        UsageError: no templates to read (RF117).
        InputError: no pairs (RF296), answers (RF293), record (RF294) or earlier report (RF295) there.
        PolicyError: the test part is to be opened without a record of it (RF420).
        OutsideError: a file cannot be opened (RF501).
    """
    started = cpu_seconds()
    progress("read", 0, 0)
    read = read_pairs(options.pairs)
    frozen = check_frozen(read.pairs, options.frozen)
    opened: tuple[Opening, ...] = ()
    if options.part == "test":
        now = clock().strftime("%Y-%m-%dT%H:%M:%SZ")
        opened = record_opening(options.report, Opening(at=now, sha256=frozen.sha256, frozen=frozen.same))
    train = [pair for pair in read.pairs if pair.part == "train"]
    pairs = [pair for pair in read.pairs if pair.part == options.part]
    judged = _judged(options, pairs, progress)
    opened = (*opened[:-1], msgspec.structs.replace(opened[-1], judge=judged.judge)) if opened else ()
    rows = Rows(pairs, train, judged.scores, options.draws)
    progress("measure", 0, 0)
    tables = list(judge_tables(rows))
    trivial, against = baseline_tables(rows, progress)
    whole = (*tables, *trivial)
    selection = select(pairs, judged.scores, options.draws)
    seconds = {} if judged.seconds is None else {"judge": judged.seconds}
    return JudgeReport(
        judge=judged.judge,
        part=options.part,
        command=options.command,
        draws=options.draws,
        rows=counted(pairs),
        frozen=frozen,
        openings=opened,
        tables=whole,
        against=tuple(against),
        operating=tuple(operating_points(rows)),
        selection=selection,
        targets=targets(whole, against, selection, options.part),
        words=tuple(words(whole, against, selection, frozen, options.part)),
        unreadable=read.unreadable + judged.unreadable,
        abstained=_abstained(pairs, judged.scores),
        problems=(*read.problems, *judged.problems),
        seconds=seconds | {"all": round(cpu_seconds() - started, 2)},
        load=round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
    )


def _judged(options: JudgeBenchOptions, pairs: Sequence[Pair], progress: Progress) -> Judged:
    if options.scores is not None:
        judged = read_scores(options.scores)
    else:
        judged = ask_judge(
            pairs, options.templates, benign=options.benign, cross=options.cross, cache=options.cache,
            jobs=options.jobs, progress=progress,
        )  # fmt: skip
    if options.save_scores is not None:
        write_scores(judged, options.save_scores)
    return judged


def _abstained(pairs: Sequence[Pair], scores: Mapping[str, Score]) -> dict[str, int]:
    """Count pairs that the judge abstains on, by reason: what comes before the first colon."""
    found: Counter[str] = Counter()
    for pair in pairs:
        score = scores.get(pair.pair)
        why = "no answer in the file" if score is None else score.problem or score.thin
        if why:
            found[why.partition(":")[0][:120]] += 1
    return dict(found.most_common(50))
