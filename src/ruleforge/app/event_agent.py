"""Cases of events in, rules with evidence out, or a question for a person, or a reason why there is no rule."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from ruleforge.app.event_scan import event_rules, read_any
from ruleforge.errors import InputError, RuleForgeError, UsageError
from ruleforge.ingest.event_cases import looks_like_case, read_answers, read_case
from ruleforge.llm.door import Door
from ruleforge.pipeline.event_agent import Limits, Policy, run_case
from ruleforge.pipeline.event_bench import Bench
from ruleforge.pipeline.event_llm import LlmPolicy
from ruleforge.pipeline.event_papers import write_event_papers, write_trace
from ruleforge.pipeline.papers import remove_papers
from ruleforge.records.event_case import CaseOutcome, CaseRun, EventCase, Item
from ruleforge.rules.tree import Rule

SUFFIXES = (".yaml", ".yml", ".json")
LOG_EVENTS_MOST = 200_000  # of all logs of ordinary use together
HEAD_BYTES = 4_096

Progress = Callable[[str, int, int], None]


class AgentSummary(msgspec.Struct, kw_only=True):
    """Counts of a run; complete once its outcomes were read to the end."""

    out: str = ""
    cases: int = 0
    rules: int = 0
    by_outcome: dict[str, int] = msgspec.field(default_factory=dict)
    steps: int = 0
    log_events: int = 0  # of ordinary use that rules were silent on
    log_problems: int = 0  # lines that could not be read
    skipped: int = 0  # files of folders that are no cases
    unused_answers: tuple[str, ...] = ()  # cases that answers were given for and that were not among those read
    model_calls: int = 0
    seconds: float = 0.0


def run_cases(
    paths: Sequence[Path],
    out: Path,
    summary: AgentSummary,
    progress: Progress = lambda *_: None,
    *,
    answers: Path | None = None,
    rules: Sequence[Path] = (),
    benign: Sequence[Path] = (),
    door: Door | None = None,
    limits: Limits | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[CaseOutcome]:
    """Work on every case below `paths`; yield one outcome each and fill `summary` as it goes.

    A rule is written into a folder of its own below `out`; where there is none any more, the earlier one goes to the
    folder's history. The trace of every step lies beside it.

    Args:
        paths: cases, and folders of them; files of folders that are no cases are counted.
        out: where rules and traces go.
        summary: filled while the outcomes are read.
        progress: told (stage, done, of).
        answers: what a person said to questions.
        rules: rules that are there already, to compare with; "builtin" stands for our own.
        benign: logs of ordinary use, in any format that `scan` reads.
        door: to a model that picks the tools; None: no model.
        limits: steps and seconds of one case.
        clock: seconds.

    Raises:
        UsageError: a path does not exist (RF117).
        InputError: the answers cannot be read (RF217, RF254).
    """
    for path in (*paths, *benign, *((answers,) if answers else ())):
        if not path.exists():
            raise UsageError("no such file or folder", where=str(path), hint="check the path", code="RF117")
    started = clock()
    summary.out = str(out)
    said = read_answers(answers) if answers else {}
    known = known_rules(rules)
    logs = tuple(_log(file, summary) for file in benign)
    files = list(_cases(paths, summary))
    seen: dict[str, Path] = {}
    for number, file in enumerate(files):
        progress("cases", number, len(files))
        policy = None if door is None else LlmPolicy(door)
        outcome = _one(file, out, said, known, logs, policy, limits or Limits(), clock, seen)
        summary.unused_answers = tuple(name for name in said if name not in seen)
        summary.cases += 1
        summary.rules += outcome.outcome == "rule"
        summary.steps += outcome.steps
        summary.by_outcome[outcome.outcome] = summary.by_outcome.get(outcome.outcome, 0) + 1
        summary.model_calls += policy.calls if policy else 0
        summary.seconds = clock() - started
        yield outcome
    progress("cases", len(files), len(files))


def known_rules(paths: Sequence[Path]) -> tuple[Rule, ...]:
    """Load rules to compare with; what does not load is left out, for it covers nothing."""
    return tuple(rule for path in paths for rule in event_rules(path, unvalidated=True).rules)


def _one(
    file: Path,
    out: Path,
    said: Mapping[str, Mapping[str, bool]],
    known: Sequence[Rule],
    logs: Sequence[tuple[Item, ...]],
    policy: Policy | None,
    limits: Limits,
    clock: Callable[[], float],
    seen: dict[str, Path],
) -> CaseOutcome:
    try:
        case = _read(file, seen)
    except InputError as problem:
        return CaseOutcome(
            case=file.stem, event="", source=str(file), outcome="failed", reason=problem.code, detail=str(problem)
        )
    try:
        # A case comes from anywhere: it may answer its own questions with no, which holds back, and never with yes.
        own = {question: answer for question, answer in case.answers.items() if not answer}
        case = msgspec.structs.replace(case, answers=own | dict(said.get(case.id, {})))
        bench = Bench(case, known=known, logs=logs)
        run = run_case(bench, policy, limits, clock)
    except RuleForgeError as problem:
        return _failed(case, problem.code, str(problem))
    return _written(run, bench, out / case.id)


def _read(file: Path, seen: dict[str, Path]) -> EventCase:
    case = read_case(file)
    if case.id in seen:  # the rule of one would take the place of the other's
        what = f"a case of this id was read already: {seen[case.id].name}"
        raise InputError(what, where=str(file), hint="give it another id", code="RF257")
    seen[case.id] = file
    return case


def _failed(case: EventCase, code: str, detail: str) -> CaseOutcome:
    return CaseOutcome(
        case=case.id, event=case.event, source=case.source, outcome="failed", reason=code, detail=detail[:500]
    )


def _written(run: CaseRun, bench: Bench, folder: Path) -> CaseOutcome:
    """Write the papers of a rule, or move those of an earlier one to the history; who waits changes nothing."""
    outcome = run.outcome
    if outcome.outcome == "waiting":
        return outcome
    if outcome.outcome == "rule":
        revised, problem = write_event_papers(run, bench, folder)
        outcome = msgspec.structs.replace(outcome, detail=". ".join(filter(None, (problem, *revised.lost))))
    elif remove_papers(folder) is not None:
        outcome = msgspec.structs.replace(outcome, detail=f"{outcome.detail} The rule before is kept in history.")
    write_trace(msgspec.structs.replace(run, outcome=outcome), bench, folder)
    return outcome


def _cases(paths: Sequence[Path], summary: AgentSummary) -> Iterator[Path]:
    for path in paths:
        if not path.is_dir():
            yield path
            continue
        for file in sorted(one for one in path.rglob("*") if one.suffix in SUFFIXES and one.is_file()):
            if _may_be_case(file):
                yield file
            else:
                summary.skipped += 1


def _may_be_case(file: Path) -> bool:
    try:
        with file.open("rb") as stream:
            return looks_like_case(stream.read(HEAD_BYTES))
    except OSError:
        return True  # whoever reads it says why it cannot be read, and goes on with the others


def _log(file: Path, summary: AgentSummary) -> tuple[Item, ...]:
    """Read a log of ordinary use.

    Raises:
        InputError: its format is not known (RF220), or there is more of it than is looked at (RF256).
    """
    items: list[Item] = []
    for item in read_any(file):
        if isinstance(item, InputError):
            summary.log_problems += 1
            continue
        items.append(item)
        summary.log_events += 1
        if summary.log_events > LOG_EVENTS_MOST:
            what = f"more than {LOG_EVENTS_MOST:,} events of ordinary use"
            raise InputError(what, where=str(file), hint="give a part of the logs", code="RF256")
    return tuple(items)
