"""What a model is worth beside the embedded default, on a sample: rules, opinions, tokens, money, time."""

import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec

from ruleforge.app.authors import open_authors
from ruleforge.app.extract import extract
from ruleforge.app.forge import ForgeSummary, forge
from ruleforge.app.judge import judge_one
from ruleforge.app.models import open_door
from ruleforge.app.rules import load_rules, read_evidence
from ruleforge.app.second_opinion import SecondJudge
from ruleforge.engine.reference import compile_rule
from ruleforge.errors import InputError, RuleForgeError, UsageError
from ruleforge.events.formats import read_requests
from ruleforge.events.places import HttpView
from ruleforge.events.request import Request
from ruleforge.judge.llm_judge import LlmOpinion, LlmPending
from ruleforge.llm.door import Door
from ruleforge.pipeline.llm_loop import ModelWriter
from ruleforge.pipeline.loop import LoopOptions
from ruleforge.records.forging import ModelUse, Outcome
from ruleforge.rules.tree import Rule

Progress = Callable[[str, int, int], None]
NONE_OF_OURS = LoopOptions(candidates=0)  # what a model writes alone
PROBLEMS_MOST = 20
_ENOUGH = ("request", "enough")  # verdicts on a document that suffices for a rule


class Spending(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked of a model, and what it took."""

    asked: int = 0
    answered: int = 0
    pending: int = 0
    failed: int = 0
    calls: int = 0  # sent in this run: answers that were kept cost nothing
    tokens: int | None = 0  # in and out; None: not counted
    cost: int | None = None  # micro-dollars; None: not counted


class Generation(msgspec.Struct, frozen=True, kw_only=True):
    """How one way of writing rules did on the sample."""

    way: str  # "embedded" | "model" | "both"
    n: int  # advisories read
    rules: int  # that passed every gate
    refused: int
    failed: int  # sources that could not be read or forged
    by_model: int = 0  # of the rules
    declined: int = 0  # advisories for which the model said that there is no safe rule
    held_out: int = 0  # requests of the oracle, of advisories of the sample
    recalled: int = 0  # of them: hit by the advisory's rule; an advisory without a rule recalls nothing
    spent: Spending = Spending()
    seconds: float = 0.0  # CPU on the advisories, waiting for a model included


class Judging(msgspec.Struct, frozen=True, kw_only=True):
    """How the opinions of a model and of the evidence compare on the embedded rules."""

    n: int  # rules
    both: int = 0  # with two numbers for p_miss
    apart: float | None = None  # mean distance of the two, where there are both
    higher: int = 0  # where the model sees more risk
    held_back: int = 0  # rules that wait for a person because the two disagree
    brier_evidence: float | None = None  # of p_miss against "misses a held-out request", where there are both
    brier_model: float | None = None
    labelled: int = 0
    spent: Spending = Spending()
    seconds: float = 0.0


class Extraction(msgspec.Struct, frozen=True, kw_only=True):
    """How one way of reading prose did: patterns alone, or patterns and a model together."""

    way: str  # "embedded" | "both"
    n: int  # documents
    enough: int = 0  # with what a rule needs
    facts: int = 0
    dropped: int = 0  # what the model claimed and the document does not say
    failed: int = 0  # documents that could not be read
    spent: Spending = Spending()
    seconds: float = 0.0


class LlmBench(msgspec.Struct, frozen=True, kw_only=True):
    """The comparison."""

    sample: int  # files
    provider: str  # scheme
    models: tuple[str, ...]
    generation: tuple[Generation, ...]
    judging: Judging | None = None
    extraction: tuple[Extraction, ...] = ()
    problems: tuple[str, ...] = ()

    @property
    def pending(self) -> int:
        """Answers that are still to come; the figures are partial as long as there are any."""
        parts = [way.spent for way in self.extraction] + ([self.judging.spent] if self.judging else [])
        # The model alone and both together ask the same questions first.
        first = max((way.spent.pending for way in self.generation), default=0)
        return first + sum(part.pending for part in parts)


class LlmBenchOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What is measured."""

    sample: tuple[Path, ...]  # files, or folders of them
    provider: str
    judge: str = ""  # empty: judging is not measured
    documents: tuple[Path, ...] = ()  # prose; none: extraction is not measured
    candidates: int = 5
    samples: int = 1  # of each question to the judge
    oracle: Path | None = None  # held-out requests as JSON lines with `cve` or `advisory` beside each
    benign: tuple[Path, ...] = ()
    record: Path | None = None
    wait_seconds: float = 0.0
    work: Path | None = None  # where rules go; None: a temporary folder
    data_folder: Path | None = None
    cache_folder: Path | None = None


class _Oracle(msgspec.Struct):
    cve: str = ""
    advisory: str = ""
    role: str = ""


def bench_llm(options: LlmBenchOptions, progress: Progress = lambda *_: None) -> LlmBench:
    """Run generation and, where they are asked for, judging and extraction, each beside the embedded default.

    Answers that are still to come leave the figures partial: the same call goes on from there.

    Raises:
        UsageError: a file that does not exist (RF117), not the name of a provider (RF102, RF180).
        InputError: the oracle cannot be read (RF290).
        OutsideError: see `app.models.open_door`.
    """
    for path in (*options.sample, *options.documents, *options.benign, *((options.oracle,) if options.oracle else ())):
        if not path.exists():
            raise UsageError("no such file or folder", where=str(path), hint="check the path", code="RF117")
    writer = _writer(options)
    held_out = _read_oracle(options.oracle) if options.oracle else {}
    with tempfile.TemporaryDirectory(prefix="ruleforge-bench-llm-") as temporary:
        work = options.work or Path(temporary)
        ways, outcomes, uses = [], dict[str, list[Outcome]](), list[ModelUse]()
        for way, loop, author in (("embedded", None, None), ("model", NONE_OF_OURS, writer), ("both", None, writer)):
            found = _generate(way, work / way, options, loop, author, held_out, progress)
            ways.append(found[0])
            outcomes[way] = found[1]
            uses += [outcome.model for outcome in found[1] if outcome.model]
        problems = [line for use in uses for line in use.problems]
        problems += [o.detail for o in outcomes["embedded"] if o.outcome == "failed"]
        judging = None
        if options.judge:
            judging, told = _judge(work / "embedded", outcomes["embedded"], options, held_out, progress)
            problems += told
        extraction = _extract(options.documents, writer.door) if options.documents else ()
    return LlmBench(
        sample=len({source for o in outcomes["embedded"] for source in o.sources}),
        provider=writer.door.provider.url.partition(":")[0],
        models=tuple(sorted({model for use in uses for model in use.models})),
        generation=tuple(ways),
        judging=judging,
        extraction=extraction,
        problems=tuple(dict.fromkeys(problems))[:PROBLEMS_MOST],
    )


def _writer(options: LlmBenchOptions) -> ModelWriter:
    writer, _ = open_authors(
        options.provider,
        candidates=options.candidates,
        record=options.record,
        wait_seconds=options.wait_seconds,
        data_folder=options.data_folder,
        cache_folder=options.cache_folder,
    )
    if writer is None:
        raise UsageError("no provider is named", hint="give one with --provider", code="RF176")
    return writer


def _generate(
    way: str,
    out: Path,
    options: LlmBenchOptions,
    loop: LoopOptions | None,
    writer: ModelWriter | None,
    held_out: Mapping[str, Sequence[Request]],
    progress: Progress,
) -> tuple[Generation, list[Outcome]]:
    summary = ForgeSummary()
    given = forge(options.sample, out, summary, progress, benign=options.benign, again=True, loop=loop, writer=writer)
    outcomes = list(given)
    rules = load_rules(out).rules if out.is_dir() else ()
    hits, of = _recall(rules, outcomes, held_out)
    model = summary.model
    spent = Spending()
    if model:
        counted = None if model.tokens_in is None or model.tokens_out is None else model.tokens_in + model.tokens_out
        spent = Spending(
            asked=model.asked,
            answered=model.answered,
            pending=model.pending,
            failed=model.failed,
            calls=model.calls,
            tokens=counted,
            cost=model.cost,
        )
    figures = Generation(
        way=way,
        n=summary.advisories,
        rules=summary.with_rule,
        refused=sum(summary.refused.values()),
        failed=sum(summary.failed.values()),
        by_model=sum(_wrote(out / outcome.advisory) for outcome in outcomes if outcome.outcome == "rule"),
        declined=model.declined if model else 0,
        held_out=of,
        recalled=hits,
        spent=spent,
        seconds=round(summary.cpu_seconds, 2),
    )
    return figures, outcomes


def _wrote(folder: Path) -> bool:
    """Whether a model wrote the rule of a folder."""
    generator = read_evidence(folder).get("generator")
    model = generator.get("model") if isinstance(generator, dict) else None
    return isinstance(model, dict) and model.get("wrote_this") is True


def _read_oracle(file: Path) -> dict[str, list[Request]]:
    """Read held-out requests by the CVE or advisory that each is an exploit of."""
    labels: dict[str, str] = {}
    try:
        for number, line in enumerate(file.read_bytes().splitlines(), 1):
            label = msgspec.json.decode(line, type=_Oracle)
            if label.role in ("", "exploit"):
                labels[f"{file.name}:{number}"] = label.cve or label.advisory
    except (OSError, msgspec.MsgspecError) as error:
        raise InputError(f"held-out requests cannot be read: {error}", where=str(file), code="RF290") from error
    found: dict[str, list[Request]] = {}
    for number, item in enumerate(read_requests(file), 1):
        name = labels.get(f"{file.name}:{number}")
        if isinstance(item, Request) and name:
            found.setdefault(name, []).append(item)
    return found


def _held_out_for(outcome: Outcome, held_out: Mapping[str, Sequence[Request]]) -> list[Request]:
    names = dict.fromkeys((*outcome.cves, outcome.advisory))
    return [request for name in names for request in held_out.get(name, ())]


def _recall(
    rules: Sequence[Rule], outcomes: Sequence[Outcome], held_out: Mapping[str, Sequence[Request]]
) -> tuple[int, int]:
    asks = {rule.id: compile_rule(rule).ask for rule in rules}
    hits = of = 0
    for outcome in outcomes:
        requests = _held_out_for(outcome, held_out)
        own = [asks[name] for name in outcome.rules if name in asks]
        of += len(requests)
        hits += sum(any(ask(HttpView(request)) is True for ask in own) for request in requests)
    return hits, of


def _judge(
    rules: Path,
    outcomes: Sequence[Outcome],
    options: LlmBenchOptions,
    held_out: Mapping[str, Sequence[Request]],
    progress: Progress,
) -> tuple[Judging, list[str]]:
    """Ask both judges about every embedded rule."""
    door = open_door(
        options.judge,
        record=options.record,
        wait_seconds=options.wait_seconds,
        data_folder=options.data_folder,
        cache_folder=options.cache_folder,
    )
    started, before = time.perf_counter(), door.meter.run.calls
    with_rule = [outcome for outcome in outcomes if outcome.outcome == "rule"]
    pairs: list[tuple[float, float, bool | None]] = []
    answered = pending = failed = held = 0
    tokens: int | None = 0
    problems: list[str] = []
    for done, outcome in enumerate(with_rule, 1):
        second = SecondJudge(door, samples=options.samples)
        try:
            verdict = judge_one(
                rules / outcome.advisory, Path(outcome.sources[0]), benign=options.benign, second=second
            )
        except RuleForgeError as problem:
            failed += 1
            problems.append(str(problem))
            continue
        progress("judge", done, len(with_rule))
        answer = second.answer
        if isinstance(answer, LlmPending):
            pending += len(answer.ids)
            answered += answer.answered
        elif isinstance(answer, LlmOpinion):
            answered += len(answer.miss.samples) + len(answer.off_target.samples)
            tokens = None if tokens is None or answer.tokens is None else tokens + answer.tokens
            problems += [*answer.miss.problems, *answer.off_target.problems]
            failed += bool(answer.miss.problems) + bool(answer.off_target.problems)
            joint = second.combined
            if joint is not None and joint.miss.evidence is not None and joint.miss.llm is not None:
                requests = _held_out_for(outcome, held_out)
                ask = compile_rule(verdict.rule).ask
                missed = any(ask(HttpView(request)) is not True for request in requests) if requests else None
                pairs.append((joint.miss.evidence, joint.miss.llm, missed))
                held += joint.miss.p is None
    asked = len(with_rule) * 2 * options.samples
    spent = Spending(
        asked=asked,
        answered=answered,
        pending=pending,
        failed=failed,
        calls=door.meter.run.calls - before,
        tokens=tokens,
    )
    labelled = [(e, m, float(missed)) for e, m, missed in pairs if missed is not None]
    return Judging(
        n=len(with_rule),
        both=len(pairs),
        apart=_mean([abs(e - m) for e, m, _ in pairs]),
        higher=sum(m > e for e, m, _ in pairs),
        held_back=held,
        brier_evidence=_mean([(e - label) ** 2 for e, _, label in labelled]),
        brier_model=_mean([(m - label) ** 2 for _, m, label in labelled]),
        labelled=len(labelled),
        spent=spent,
        seconds=round(time.perf_counter() - started, 2),
    ), problems


def _extract(documents: Sequence[Path], door: Door) -> tuple[Extraction, ...]:
    """Read prose by patterns alone, and by patterns and the model together."""
    ways = []
    for way, reader in (("embedded", None), ("both", door)):
        started, before = time.perf_counter(), door.meter.run.calls
        read = list(extract(documents, reader))
        facts = [each.facts for each in read if each.facts is not None]
        failed = len(read) - len(facts)
        pending = sum(bool(each.pending) for each in read)
        spent = Spending()
        if reader is not None:
            calls = door.meter.run.calls - before
            answered = len(facts) - pending
            # What answers cost is not told by the extractor: the door's meter has the calls.
            spent = Spending(
                asked=len(read), answered=answered, pending=pending, failed=failed, calls=calls, tokens=None
            )
        ways.append(
            Extraction(
                way=way,
                n=len(read),
                enough=sum(each.verdict in _ENOUGH for each in facts),
                facts=sum(len(each.facts) for each in facts),
                dropped=sum(len(each.dropped) for each in facts),
                failed=failed,
                spent=spent,
                seconds=round(time.perf_counter() - started, 2),
            )
        )
    return tuple(ways)


def _mean(values: Sequence[float]) -> float | None:
    return round(sum(values) / len(values), 4) if values else None
