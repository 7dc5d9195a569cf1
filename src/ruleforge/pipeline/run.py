"""A whole run: read sources, index them, forge each on all cores, write what came out, resume what was done."""

import hashlib
import multiprocessing
import re
import time
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeAlias

import msgspec

from ruleforge import __version__
from ruleforge.background.table import Background, default_background
from ruleforge.engine.corpus import FORMAT, Corpus, Row, build_corpus
from ruleforge.engine.literals import Clause
from ruleforge.engine.sensor_logs import Kind, Sensors, gather_sensors, open_sensor_log
from ruleforge.engine.workers import OutOfTimeError, deadline, spread
from ruleforge.errors import InputError, RuleForgeError
from ruleforge.events.formats import read_requests
from ruleforge.events.request import Request
from ruleforge.ingest.readers import SKIPPED, list_files, read_advisory
from ruleforge.ingest.roles import assign_roles
from ruleforge.pipeline.documents import forge_documents
from ruleforge.pipeline.forge import Ground, forge_advisory
from ruleforge.pipeline.history import gave_up, read_revision
from ruleforge.pipeline.increment import Increment, Key, clear_steps, note_step, read_steps, write_asked
from ruleforge.pipeline.llm_loop import ModelWriter
from ruleforge.pipeline.llm_testing import ModelTester
from ruleforge.pipeline.loop import LoopOptions
from ruleforge.pipeline.merge import group, merge, precedence
from ruleforge.pipeline.papers import PAPERS, remove_papers, write_papers
from ruleforge.records.advisory import Advisory
from ruleforge.records.forging import Outcome
from ruleforge.records.products import product_of
from ruleforge.rules.classes import classes_digest
from ruleforge.sources.reputation import load_reputation
from ruleforge.store.state import State

NOT_DECIDING = frozenset(("app", "cli", "mcp", "_examples", "triage"))  # they show or order what is forged, no more
Progress = Callable[[str, int, int], None]  # (stage, done, of)


class RunOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What a run is given."""

    out: Path
    benign: tuple[Path, ...] = ()  # request files of normal traffic
    sensors: tuple[Path, ...] = ()  # logs that only receive attacks
    mixed: tuple[Path, ...] = ()  # logs of a site: visitors and attackers
    known_bad: tuple[Path, ...] = ()  # lists of addresses with a bad name
    background: Background | None = None  # None: the table that ships
    jobs: int = 0  # processes; 0: one per core
    again: bool = False  # forge unchanged sources too
    merge: bool = True  # one rule for all documents about a vulnerability; False: one for each document
    loop: LoopOptions = LoopOptions()  # how hard to try; others than these are for measuring
    writer: ModelWriter | None = None  # a model as further author of rules
    tester: ModelTester | None = None  # a model as further author of tests
    incremental: bool = False  # keep outcomes that sources which came, went or changed cannot touch


Read: TypeAlias = Sequence[tuple[str, Advisory | InputError]]  # each source file with what was read from it


class _Done(msgspec.Struct, frozen=True):
    """The outcome of one advisory, and what the corpus was asked meanwhile (None: it broke off)."""

    outcome: Outcome
    asked: bytes | None


class _Work(msgspec.Struct, frozen=True):
    """One advisory with the place it goes to and the key of everything its outcome depends on."""

    advisory: Advisory
    folder: str
    key: str
    documents: tuple[Advisory, ...] = ()  # what the advisory was merged from, in the order of its sources


# Set before the pool forks, read by its processes: indexes are shared through the page cache, never pickled.
_SHARED: dict[str, Any] = {}
# Last bounds on hostile input, far above what honest sources take (a second; some seconds on a busy machine).
READ_SECONDS_MOST = 120.0
FORGE_SECONDS_MOST = 600.0
MODEL_SECONDS_MOST = 24 * 3_600.0  # with a model to wait for: as many rounds as there may be, an hour each at most


def run(paths: Sequence[Path], options: RunOptions, progress: Progress = lambda *_: None) -> Iterator[Outcome]:
    """Forge everything below `paths`; yield one outcome per advisory (or unreadable file), in the order of the files.

    Documents about one vulnerability are one advisory; its outcome stands in the place of the first of them. Every
    input file stands in exactly one outcome. A part that fails is an outcome with its code; the rest goes on.
    """
    jobs = options.jobs or multiprocessing.cpu_count()
    read = list(read_sources(list(list_files(paths)), jobs, progress))
    yield from forge_read(read, options, progress)


def forge_read(read: Read, options: RunOptions, progress: Progress = lambda *_: None) -> Iterator[Outcome]:
    """Forge what was read; see `run`."""
    jobs = options.jobs or multiprocessing.cpu_count()
    works = _name(read, together=options.merge)
    advisories = [work.advisory for work in works if isinstance(work, _Work)]
    ground = _ground(advisories, options, jobs, progress)
    state = State.beside(options.out)
    try:
        yield from _forge_all(works, ground, options, state, jobs, progress)
    finally:
        state.close()


class Prepared(msgspec.Struct, frozen=True):
    """What forging would start from: advisories by folder, what could not be read, and what all are checked against."""

    key: str  # hash of all that was read: the same sources and traffic have the same key
    advisories: dict[str, Advisory]
    unread: tuple[tuple[str, InputError], ...]
    ground: Ground
    place: Path  # where the indexes lie


def prepare(paths: Sequence[Path], options: RunOptions, progress: Progress = lambda *_: None) -> Prepared:
    """Read, merge and index like `run`, and forge nothing. Indexes go to a folder below `options.out`, named by key."""
    jobs = options.jobs or multiprocessing.cpu_count()
    works = _name(list(read_sources(list(list_files(paths)), jobs, progress)), together=options.merge)
    advisories = {work.folder: work.advisory for work in works if isinstance(work, _Work)}
    digest = hashlib.sha256("\n".join(sorted(f"{a.id} {a.digest}" for a in advisories.values())).encode())
    digest.update(str(options.background and options.background.name).encode())
    for path in options.benign:
        digest.update(traffic_folder(path, Path(), "benign").name.encode())
    key = digest.hexdigest()[:16]
    options = msgspec.structs.replace(options, out=options.out / key)
    ground = _ground(list(advisories.values()), options, jobs, progress)
    unread = tuple(work for work in works if not isinstance(work, _Work))
    return Prepared(key, advisories, unread, ground, options.out / ".ruleforge")


def read_sources(
    files: Sequence[Path], jobs: int, progress: Progress = lambda *_: None
) -> Iterator[tuple[str, Advisory | InputError]]:
    """Read each file on `jobs` processes; yield its name and the advisory, roles assigned, or the reason why not."""
    for done, (file, item) in enumerate(zip(files, spread(_read, files, jobs, chunk=16), strict=True), 1):
        yield str(file), item or _died(str(file))
        progress("read", done, len(files))


def _died(where: str) -> InputError:
    return InputError("the process that worked on it died", where=where, hint="is there enough memory?", code="RF298")


def _read(file: Path) -> Advisory | InputError:
    try:
        with deadline(READ_SECONDS_MOST):
            found = read_advisory(file)
            return assign_roles(found) if isinstance(found, Advisory) else found
    except OutOfTimeError:
        told = f"not read within {READ_SECONDS_MOST:g} s"
        return InputError(told, where=str(file), hint="split the file", code="RF297")
    except RecursionError:
        return InputError("nested too deeply", where=str(file), code="RF211")
    except Exception as problem:  # noqa: BLE001 - a reader that crashes must not lose the batch
        told = f"the reader failed: {type(problem).__name__}: {problem}"[:300]
        return InputError(told, where=str(file), code="RF299")


def _name(
    read: Sequence[tuple[str, Advisory | InputError]], *, together: bool = True
) -> list[_Work | tuple[str, InputError]]:
    """Merge what belongs together, and give each advisory a folder of its own; a second one of an id gets a number.

    Which one gets the number depends on the documents, not on the order of the files.
    """
    found = [document for _, document in read if isinstance(document, Advisory)]
    groups = group(found) if together else [(document,) for document in found]
    works = {id(documents[0]): _Work(merge(documents), "", "", documents) for documents in groups}
    first = {id(document): id(documents[0]) for documents in groups for document in documents}
    taken: set[str] = set()
    for key, work in sorted(works.items(), key=lambda item: (len(item[1].documents) < 2, precedence(item[1].advisory))):
        folder = _folder(work.advisory.id, taken)
        works[key] = _Work(msgspec.structs.replace(work.advisory, id=folder), folder, "", work.documents)
    placed: dict[int | str, _Work | tuple[str, InputError]] = {}
    for source, document in read:
        if isinstance(document, Advisory):
            placed.setdefault(first[id(document)], works[first[id(document)]])
        else:
            placed[source] = (source, document)
    return list(placed.values())


def _folder(name: str, taken: set[str]) -> str:
    """Spell a name as a folder that no other advisory of the run has."""
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip(".-")[:100] or "unnamed"
    folder, number = plain, 1
    while folder.lower() in taken:
        number += 1
        folder = f"{plain}-{number}"
    taken.add(folder.lower())
    return folder


def _ground(advisories: Sequence[Advisory], options: RunOptions, jobs: int, progress: Progress) -> Ground:
    background = options.background or default_background()
    cache = options.out / ".ruleforge"
    digest = hashlib.sha256("\n".join(sorted(a.id + a.digest for a in advisories)).encode()).hexdigest()[:16]
    name = f"sources {digest} code {code_digest()}"
    folder = cache / "corpus"
    progress("index", 0, 1)
    if not Corpus.current(folder, name):
        note_step(cache, folder, name, _source_rows(advisories))
        build_corpus(_source_rows(advisories), folder, name=name, jobs=jobs)
    progress("index", 1, 1)
    benign = [benign_corpus(path, cache, jobs, progress) for path in options.benign]
    sensors = _sensors(options, cache, jobs, progress)
    return Ground(background, Corpus(folder), tuple(benign), sensors, options.loop, options.writer, options.tester)


def _sensors(options: RunOptions, cache: Path, jobs: int, progress: Progress) -> Sensors | None:
    logs = []
    given: tuple[tuple[Kind, tuple[Path, ...]], ...] = (("sensor", options.sensors), ("mixed", options.mixed))
    for kind, paths in given:
        for path in paths:
            corpus = benign_corpus(path, cache, jobs, progress, kind=kind)
            folder = traffic_folder(path, cache, kind)
            logs.append(open_sensor_log(corpus, folder, corpus.name.partition(" classes ")[0], kind))
    return gather_sensors(logs, load_reputation(options.known_bad)) if logs else None


def _source_rows(advisories: Sequence[Advisory]) -> Iterator[Row]:
    for advisory in advisories:
        product = product_of(advisory)
        for poc in advisory.requests:
            yield Row(request=poc.request, kind=poc.role, owner=advisory.id, product=product)


def benign_corpus(path: Path, cache: Path, jobs: int, progress: Progress, *, kind: str = "benign") -> Corpus:
    """Index a file of traffic, or open its index from an earlier run (by content)."""
    folder = traffic_folder(path, cache, kind)
    name = f"{path.name} {folder.name.rpartition('-')[2]} classes {classes_digest()}"
    if not Corpus.current(folder, name):
        build_corpus(_traffic_rows(path, kind, progress), folder, name=name, jobs=jobs)
    return Corpus(folder)


def traffic_folder(path: Path, cache: Path, kind: str) -> Path:
    """Name the folder of the index of a file of traffic, by its content."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()[:16]
    return cache / f"{kind}-{digest}"


def _traffic_rows(path: Path, kind: str, progress: Progress) -> Iterator[Row]:
    for number, request in enumerate(read_requests(path), 1):
        if isinstance(request, Request):
            if number % 1000 == 0:
                progress(f"index {path.name}", number, 0)
            yield Row(request=request, kind=kind)


def _forge_all(
    works: Sequence[_Work | tuple[str, InputError]],
    ground: Ground,
    options: RunOptions,
    state: State,
    jobs: int,
    progress: Progress,
) -> Iterator[Outcome]:
    known = {} if options.again else state.known()
    cache, base = options.out / ".ruleforge", _base_key(ground)
    increment = Increment(read_steps(cache)) if options.incremental else None
    asked = state.asked() if increment else {}
    stand: dict[str, str] = {}
    todo: list[_Work] = []
    ready: dict[str, Outcome] = {}
    for work in works:
        if not isinstance(work, _Work):
            continue
        key = Key.of(base, ground.corpus.name if ground.corpus else "", work.advisory.digest)
        keyed = msgspec.structs.replace(work, key=key.text)
        old = known.get(work.folder)
        if not old or not _papers_fit(options.out / work.folder, old[1]):
            todo.append(keyed)
        elif old[0] == key.text:
            ready[work.folder] = msgspec.convert(old[1], Outcome)
        elif increment and (made := Key.read(old[0])) and increment.stands(made, key, asked.get(work.folder)):
            ready[work.folder] = msgspec.convert(old[1], Outcome)
            stand[work.folder] = key.text
        else:
            todo.append(keyed)
    state.rekey(stand)
    _SHARED.update(ground=ground, out=options.out)
    # A model is asked from this process alone: what a run may spend is counted in one place.
    done_ones = map(_forge_one, todo) if options.writer or options.tester else spread(_forge_one, todo, jobs, chunk=4)
    results = zip(todo, done_ones, strict=True)
    batch: list[tuple[str, str, _Done]] = []
    try:
        for done, work in enumerate(works, 1):
            progress("forge", done, len(works))
            if not isinstance(work, _Work):
                yield _unread(*work)
            elif work.folder in ready:
                yield _unchanged(ready[work.folder], work)
            else:
                keyed, found = next(results)
                found = found or _Done(_failed(work.advisory, _died(work.folder)), None)
                asked_models = (found.outcome.model, found.outcome.tester)
                # What a model still owes is asked for in the next run.
                owed = "" if all(use is None or use.complete for use in asked_models) else "|asked again"
                batch.append((work.folder, keyed.key + owed, found))
                if len(batch) >= 50:
                    _store(state, batch)
                    batch = []
                yield found.outcome
        clear_steps(cache)
    finally:
        _store(state, batch)


def _unchanged(outcome: Outcome, work: _Work) -> Outcome:
    """An outcome of an earlier run as one of this run, which changed nothing and cost nothing."""
    use, tester = (
        each and msgspec.structs.replace(each, calls=0, tokens_in=0, tokens_out=0, cost=None)
        for each in (outcome.model, outcome.tester)
    )
    return msgspec.structs.replace(outcome, sources=work.advisory.sources, changes=(), model=use, tester=tester)


def _store(state: State, batch: Sequence[tuple[str, str, _Done]]) -> None:
    done = [(folder, key, msgspec.to_builtins(found.outcome)) for folder, key, found in batch]
    state.put(done, {folder: found.asked for folder, _, found in batch if found.asked is not None})


def _base_key(ground: Ground) -> str:
    parts = [code_digest(), str(FORMAT), ground.background.name]
    parts += [ground.sensors.name] if ground.sensors else []
    parts += [str(ground.loop)] if ground.loop != LoopOptions() else []
    parts += [each.name for each in (ground.writer, ground.tester) if isinstance(each, ModelWriter | ModelTester)]
    return "|".join([*parts, *(benign.name for benign in ground.benign)])


@lru_cache(maxsize=1)
def code_digest() -> str:
    """Hash the code and data that forging depends on: another version of them forges everything again."""
    root = Path(__file__).parents[1]
    digest = hashlib.sha256(__version__.encode())
    for file in sorted(root.rglob("*")):
        if file.suffix in (".py", ".json", ".msgpack") and not NOT_DECIDING.intersection(file.relative_to(root).parts):
            digest.update(str(file.relative_to(root)).encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()[:16]


def _papers_fit(folder: Path, outcome: dict[str, Any]) -> bool:
    wanted = outcome["outcome"] == "rule"
    return all((folder / name).is_file() == wanted for name in PAPERS)


def _unread(source: str, problem: InputError) -> Outcome:
    return Outcome(
        advisory="",
        sources=(source,),
        cves=(),
        outcome="skipped" if problem.code == SKIPPED else "failed",
        reason=problem.code,
        detail=str(problem),
    )


def _failed(advisory: Advisory, problem: Exception) -> Outcome:
    known = isinstance(problem, RuleForgeError)
    detail = str(problem) if known else f"{type(problem).__name__}: {problem}"
    return Outcome(
        advisory=advisory.id,
        sources=advisory.sources,
        cves=advisory.cves,
        outcome="failed",
        reason=problem.code if isinstance(problem, RuleForgeError) else "RF299",
        detail=detail[:500],
    )


def _forge_one(work: _Work) -> _Done:
    ground: Ground = _SHARED["ground"]
    seconds = MODEL_SECONDS_MOST if ground.writer or ground.tester else FORGE_SECONDS_MOST
    asked: set[tuple[Clause, ...]] = set()
    if ground.corpus is not None:
        ground.corpus.asked = asked
    try:
        with deadline(seconds):
            outcome = _forge_work(work, ground)
    except OutOfTimeError:
        told = f"not forged within {seconds:g} s"
        outcome = _failed(work.advisory, InputError(told, where=work.folder, code="RF297"))
    return _Done(outcome, write_asked(asked) if outcome.outcome != "failed" else None)


def _forge_work(work: _Work, ground: Ground) -> Outcome:
    started = time.perf_counter()
    folder: Path = _SHARED["out"] / work.folder
    try:
        if len(work.documents) > 1:
            forged = forge_documents(work.advisory, work.documents, ground)
        else:
            forged = forge_advisory(work.advisory, ground)
        outcome = forged.outcome
        before = read_revision(folder / "rule.json")
        if outcome.outcome == "rule":
            revised, problem = write_papers(forged, ground, folder)
            is_new = before is None or before.revision != revised.rule.revision
            changes = (*revised.lost, *(revised.changes if is_new else ()))
            detail = "; ".join(filter(None, (outcome.detail, problem)))
            outcome = msgspec.structs.replace(outcome, revision=revised.rule.revision, changes=changes, detail=detail)
        else:
            outcome = msgspec.structs.replace(outcome, changes=gave_up(remove_papers(folder)))
    except Exception as problem:  # noqa: BLE001 - one advisory that breaks a part must not lose the batch
        outcome = msgspec.structs.replace(_failed(work.advisory, problem), changes=_cleared(folder))
    return msgspec.structs.replace(outcome, seconds=round(time.perf_counter() - started, 3))


def _cleared(folder: Path) -> tuple[str, ...]:
    """Remove the papers of an advisory that failed; a disk that refuses that must not lose the batch either."""
    try:
        return gave_up(remove_papers(folder))
    except OSError as problem:
        return (f"the papers of an earlier run could not be removed: {problem.strerror or type(problem).__name__}",)
