"""Ask the judge about rules: many of a labelled set for the bench, or one with what was disclosed."""

import hashlib
import os
import tempfile
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from ruleforge.app.rules import load_one, read_evidence, rule_files
from ruleforge.background.table import default_background
from ruleforge.engine.reference import compile_rule
from ruleforge.errors import InputError, RuleForgeError, UsageError
from ruleforge.events.places import HttpView
from ruleforge.events.request import Request
from ruleforge.ingest.readers import list_files, read_advisory
from ruleforge.ingest.roles import assign_roles
from ruleforge.judge.evidence import JudgeEvidence
from ruleforge.judge.evidence_judge import judge_rule, opinion_of
from ruleforge.judge.features import measured
from ruleforge.judge.model import Model, load_model, shipped_model
from ruleforge.judge.observe import observe
from ruleforge.pipeline.judging import Surroundings, judging_of
from ruleforge.records.advisory import Advisory
from ruleforge.records.forging import Opinion
from ruleforge.records.products import product_of
from ruleforge.rules.canonical import content_hash
from ruleforge.rules.parse import parse_rule
from ruleforge.rules.tree import Rule

if TYPE_CHECKING:
    from ruleforge.engine.corpus import Corpus, Row

Progress = Callable[[str, int, int], None]  # (stage, done, of)
SecondOpinion = Callable[[Rule, Advisory, JudgeEvidence, Opinion], Opinion]
EVEN = "02468ace"
FIRING_MOST = 200  # rows of normal traffic that are kept for reasons


class JudgedPair(msgspec.Struct, frozen=True, kw_only=True):
    """The opinion on one rule, or the reason why there is none."""

    opinion: Opinion | None
    problem: str = ""
    apart: dict[frozenset[str], Opinion] = {}  # kinds of features withheld → the opinion without them


class _Job(msgspec.Struct, frozen=True):
    """All rules that are judged by one source."""

    source: str
    numbers: tuple[int, ...]
    rules: tuple[Any, ...]


# Set before the pool forks, read by its processes.
_SHARED: dict[str, Any] = {}


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What the judge says of one rule, and whether that lets it into a mode."""

    rule: Rule
    opinion: Opinion
    mode: str  # the mode asked for: "count" | "block"
    passed: bool
    failed: tuple[str, ...] = ()  # why not, one sentence for each question
    kept: bool = False  # the opinion is the one in evidence.json; no disclosure was given


def judge_one(
    rule: Path,
    advisory: Path | None,
    *,
    benign: Sequence[Path] = (),
    mode: str = "count",
    second: SecondOpinion | None = None,
) -> Verdict:
    """Judge one rule by what was disclosed; without a disclosure, tell the opinion that lies beside the rule.

    Args:
        rule: a rule document, or a folder that holds one.
        advisory: what was disclosed, in any format that `forge` reads.
        benign: files of normal traffic: the rule is asked about every request.
        mode: "count" or "block".
        second: a further judge, asked with what was disclosed; it gives the joint opinion.

    Raises:
        UsageError: no such rule (RF110, RF115) or file (RF117); no disclosure and no opinion beside the rule (RF128).
        InputError: the disclosure cannot be read.
        RuleError: the rule does not load, or counts events (RF330).
    """
    loaded = load_one(rule)
    for path in (*([advisory] if advisory else []), *benign):
        if not path.is_file():
            what, hint = ("a folder", "name one file of it") if path.is_dir() else ("no such file", "check the path")
            raise UsageError(what, where=str(path), hint=hint, code="RF117")
    model = shipped_model()
    if advisory is None:
        return _verdict(loaded, _kept(rule, loaded), mode, model, kept=True)
    found = read_advisory(advisory)
    if not isinstance(found, Advisory):
        raise found
    with tempfile.TemporaryDirectory(prefix="ruleforge-judge-") as folder:
        ground = Surroundings(default_background(), None, (_firing(loaded, benign, Path(folder)),) if benign else ())
        found = assign_roles(found)
        evidence = judging_of(found, ground)
        opinion = judge_rule(loaded, evidence)
        if second is not None:
            opinion = second(loaded, found, evidence, opinion)
    return _verdict(loaded, opinion, mode, model)


def _verdict(rule: Rule, opinion: Opinion, mode: str, model: Model, *, kept: bool = False) -> Verdict:
    most = model.thresholds["count"] | model.thresholds[mode]
    failed = []
    for name, key, p in (("p_miss", "miss", opinion.p_miss), ("p_off_target", "off", opinion.p_off_target)):
        if p is None and (key == "miss" or mode == "block"):
            failed.append(f"{name} could not be judged")
        elif key in most and p is not None and p > most[key]:
            failed.append(f"{name} is {p:.2f}, at most {most[key]:.2f} are allowed")
    if mode == "block":
        failed += [f"the evidence is thin: {opinion.thin}"] if opinion.thin else []
        failed += [opinion.unread] if opinion.unread else []
    if opinion.mode == "review" and not failed:  # two judges disagree: nothing passes by what neither says
        failed.append(f"it waits for a person: {opinion.thin}")
    return Verdict(rule=rule, opinion=opinion, mode=mode, passed=not failed, failed=tuple(failed), kept=kept)


def _kept(path: Path, rule: Rule) -> Opinion:
    """Read the opinion that lies beside a rule."""
    folder = path if path.is_dir() else path.parent
    files = list(rule_files(path))
    evidence = read_evidence(files[0].parent if files else folder)
    told = evidence.get("judge")
    if not told or evidence.get("content_hash") != content_hash(rule):
        what = "no opinion on this rule as it stands lies beside it"
        raise UsageError(what, where=str(path), hint="name what was disclosed with --advisory", code="RF128")
    try:
        return msgspec.convert(told, Opinion)
    except msgspec.ValidationError as problem:
        hint = "name what was disclosed with --advisory"
        raise InputError(
            f"the opinion in evidence.json is none: {problem}", where=str(path), hint=hint, code="RF242"
        ) from None


def _firing(rule: Rule, files: Sequence[Path], folder: Path) -> "Corpus":
    """Keep of normal traffic what the rule fires on: nothing else of it is looked at."""
    from ruleforge.engine.corpus import Row, build_corpus  # brings numpy
    from ruleforge.events.formats import read_requests  # brings readers of every format of logs

    ask = compile_rule(rule).ask
    rows: list[Row] = []
    for file in files:
        for item in read_requests(file):
            if isinstance(item, Request) and len(rows) < FIRING_MOST and ask(HttpView(item)) is True:
                rows.append(Row(request=item, kind="benign"))
    return build_corpus(rows, folder / "benign", name="benign")


def judge_pairs(
    rows: Iterable[Mapping[str, Any]],
    templates: Path,
    *,
    benign: Sequence[Path] = (),
    cross: bool = False,
    cache: Path | None = None,
    without: Collection[str] = (),
    also_without: Sequence[frozenset[str]] = (),
    model: Path | None = None,
    jobs: int = 0,
    progress: Progress = lambda *_: None,
) -> Iterator[JudgedPair]:
    """Judge rules by what was disclosed, on all cores; yield in the order of `rows`.

    Args:
        rows: of each is read `rule`, a rule document, and `source`, a file below `templates`. Nothing else.
        templates: the folder of the sources.
        benign: files of normal traffic.
        cross: let the judge see requests of the other sources in `templates`: those of products whose SHA-256 ends in
            an even digit, so that the others are left for labels.
        cache: where indexes go; None: a temporary folder.
        without: kinds of features that are withheld, see `judge.features.KINDS`.
        also_without: further sets of kinds; an opinion without each goes into `JudgedPair.apart`.
        model: the model; None: the one that ships.
        jobs: processes; 0: one per core.
        progress: told (stage, done, of).

    Raises:
        InputError: the model cannot be read (RF241).
    """
    from ruleforge.engine.workers import spread
    from ruleforge.pipeline.run import benign_corpus  # brings the store, which one rule does not need

    jobs = jobs or os.cpu_count() or 1
    with ExitStack() as stack:
        place = cache or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ruleforge-judge-")))
        corpora = tuple(benign_corpus(path, place, jobs, progress) for path in benign)
        others = _cross(templates, place, jobs, progress) if cross else None
        asked = shipped_model() if model is None else load_model(model)
        ground = Surroundings(default_background(), others, corpora)
        _SHARED.update(ground=ground, templates=templates, model=asked, without=(frozenset(without), *also_without))
        work = _grouped(rows)
        found: dict[int, JudgedPair] = {}
        for done, (job, answers) in enumerate(zip(work, spread(_judge_all, work, jobs, chunk=4), strict=True), 1):
            died = JudgedPair(opinion=None, problem="the process that worked on it died")
            found.update(zip(job.numbers, answers or [died] * len(job.numbers), strict=True))
            progress("judge", done, len(work))
    yield from (found[number] for number in sorted(found))


def _grouped(rows: Iterable[Mapping[str, Any]]) -> list[_Job]:
    by_source: dict[str, list[tuple[int, Any]]] = {}
    for number, row in enumerate(rows):
        by_source.setdefault(str(row["source"]), []).append((number, row["rule"]))
    return [
        _Job(source, tuple(number for number, _ in own), tuple(rule for _, rule in own))
        for source, own in by_source.items()
    ]


def _judge_all(job: _Job) -> list[JudgedPair]:
    found = read_advisory(_SHARED["templates"] / job.source)
    if not isinstance(found, Advisory):
        return [JudgedPair(opinion=None, problem=str(found))] * len(job.numbers)
    try:
        evidence = judging_of(assign_roles(found), _SHARED["ground"])
    except Exception as problem:  # noqa: BLE001 - one source must not lose the batch
        told = f"the evidence cannot be gathered: {type(problem).__name__}: {problem}"[:300]
        return [JudgedPair(opinion=None, problem=told)] * len(job.numbers)
    return [_judge(document, evidence) for document in job.rules]


def _judge(document: Any, evidence: JudgeEvidence) -> JudgedPair:  # noqa: ANN401 - whatever a file holds
    first, *others = _SHARED["without"]
    model: Model = _SHARED["model"]
    try:
        named = {"schema": 1, "id": "RF-JUDGED-1"} | document if isinstance(document, dict) else document
        observed = observe(parse_rule(named).require(), evidence)
        features = measured(observed)
        apart = {kinds: opinion_of(observed, features, model, kinds) for kinds in others}
        return JudgedPair(opinion=opinion_of(observed, features, model, first), apart=apart)
    except RuleForgeError as problem:
        return JudgedPair(opinion=None, problem=str(problem))


def _cross(templates: Path, cache: Path, jobs: int, progress: Progress) -> "Corpus":
    """Index the requests of the sources whose product the judge may see."""
    from ruleforge.engine.corpus import Corpus, build_corpus
    from ruleforge.pipeline.run import read_sources

    advisories = [found for _, found in read_sources(list(list_files([templates])), jobs, progress)]
    rows = [row for found in advisories if isinstance(found, Advisory) for row in _rows(found)]
    digest = hashlib.sha256("\n".join(sorted({row.owner for row in rows})).encode()).hexdigest()[:16]
    folder, name = cache / f"cross-{digest}", f"cross {digest}"
    if not Corpus.current(folder, name):
        build_corpus(rows, folder, name=name, jobs=jobs)
    return Corpus(folder)


def _rows(advisory: Advisory) -> Iterator["Row"]:
    from ruleforge.engine.corpus import Row

    product = product_of(advisory)
    if hashlib.sha256(product.encode()).hexdigest()[-1] in EVEN:
        for poc in advisory.requests:
            yield Row(request=poc.request, kind=poc.role, owner=advisory.id, product=product)
