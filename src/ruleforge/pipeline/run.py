"""A whole run: read sources, index them, forge each on all cores, write what came out, resume what was done."""

import hashlib
import multiprocessing
import re
import time
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec

from ruleforge import __version__
from ruleforge.background.table import Background, default_background
from ruleforge.engine.corpus import FORMAT, Corpus, Row, build_corpus
from ruleforge.engine.workers import spread
from ruleforge.errors import InputError, RuleForgeError
from ruleforge.events.formats import read_requests
from ruleforge.events.request import Request
from ruleforge.ingest.readers import list_files, read_advisory
from ruleforge.ingest.roles import assign_roles
from ruleforge.pipeline.forge import Ground, forge_advisory
from ruleforge.pipeline.papers import PAPERS, remove_papers, write_papers
from ruleforge.records.advisory import Advisory
from ruleforge.records.forging import Outcome
from ruleforge.records.products import product_of
from ruleforge.rules.classes import classes_digest
from ruleforge.store.state import State

NOT_DECIDING = frozenset(("app", "cli", "_examples", "triage"))  # they show or order what is forged, no more
Progress = Callable[[str, int, int], None]  # (stage, done, of)


class RunOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What a run is given."""

    out: Path
    benign: tuple[Path, ...] = ()  # request files of normal traffic
    background: Background | None = None  # None: the table that ships
    jobs: int = 0  # processes; 0: one per core
    again: bool = False  # forge unchanged sources too


class _Work(msgspec.Struct, frozen=True):
    """One advisory with the place it goes to and the key of everything its outcome depends on."""

    advisory: Advisory
    folder: str
    key: str


# Set before the pool forks, read by its processes: indexes are shared through the page cache, never pickled.
_SHARED: dict[str, Any] = {}


def run(paths: Sequence[Path], options: RunOptions, progress: Progress = lambda *_: None) -> Iterator[Outcome]:
    """Forge everything below `paths`; yield one outcome per advisory (or unreadable file), in the order of the files.

    Every input file stands in exactly one outcome. A part that fails is an outcome with its code; the rest goes on.
    """
    jobs = options.jobs or multiprocessing.cpu_count()
    files = list(list_files(paths))
    works = _name(list(read_sources(files, jobs, progress)))
    advisories = [work.advisory for work in works if isinstance(work, _Work)]
    ground = _ground(advisories, options, jobs, progress)
    state = State.beside(options.out)
    try:
        yield from _forge_all(works, ground, options, state, jobs, progress)
    finally:
        state.close()


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
        found = read_advisory(file)
        return assign_roles(found) if isinstance(found, Advisory) else found
    except RecursionError:
        return InputError("nested too deeply", where=str(file), code="RF211")
    except Exception as problem:  # noqa: BLE001 - a reader that crashes must not lose the batch
        told = f"the reader failed: {type(problem).__name__}: {problem}"[:300]
        return InputError(told, where=str(file), code="RF299")


def _name(read: Sequence[tuple[str, Advisory | InputError]]) -> list[_Work | tuple[str, InputError]]:
    """Give each advisory a folder of its own; a second source of the same id gets a number."""
    taken: set[str] = set()
    works: list[_Work | tuple[str, InputError]] = []
    for source, found in read:
        if not isinstance(found, Advisory):
            works.append((source, found))
            continue
        plain = re.sub(r"[^A-Za-z0-9._-]+", "-", found.id).strip(".-")[:100] or "unnamed"
        name, number = plain, 1
        while name.lower() in taken:
            number += 1
            name = f"{plain}-{number}"
        taken.add(name.lower())
        works.append(_Work(msgspec.structs.replace(found, id=name), name, ""))
    return works


def _ground(advisories: Sequence[Advisory], options: RunOptions, jobs: int, progress: Progress) -> Ground:
    background = options.background or default_background()
    cache = options.out / ".ruleforge"
    digest = hashlib.sha256("\n".join(sorted(a.id + a.digest for a in advisories)).encode()).hexdigest()[:16]
    name = f"sources {digest} code {code_digest()}"
    folder = cache / "corpus"
    progress("index", 0, 1)
    if not Corpus.current(folder, name):
        build_corpus(_source_rows(advisories), folder, name=name, jobs=jobs)
    progress("index", 1, 1)
    benign = [benign_corpus(path, cache, jobs, progress) for path in options.benign]
    return Ground(background, Corpus(folder), tuple(benign))


def _source_rows(advisories: Sequence[Advisory]) -> Iterator[Row]:
    for advisory in advisories:
        product = product_of(advisory)
        for poc in advisory.requests:
            yield Row(request=poc.request, kind=poc.role, owner=advisory.id, product=product)


def benign_corpus(path: Path, cache: Path, jobs: int, progress: Progress) -> Corpus:
    """Index a file of normal traffic, or open its index from an earlier run (by content)."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()[:16]
    name = f"{path.name} {digest} classes {classes_digest()}"
    folder = cache / f"benign-{digest}"
    if not Corpus.current(folder, name):
        build_corpus(_benign_rows(path, progress), folder, name=name, jobs=jobs)
    return Corpus(folder)


def _benign_rows(path: Path, progress: Progress) -> Iterator[Row]:
    for number, request in enumerate(read_requests(path), 1):
        if isinstance(request, Request):
            if number % 1000 == 0:
                progress(f"index {path.name}", number, 0)
            yield Row(request=request, kind="benign")


def _forge_all(
    works: Sequence[_Work | tuple[str, InputError]],
    ground: Ground,
    options: RunOptions,
    state: State,
    jobs: int,
    progress: Progress,
) -> Iterator[Outcome]:
    known = {} if options.again else state.known()
    base = _base_key(ground)
    todo: list[_Work] = []
    ready: dict[str, Outcome] = {}
    for work in works:
        if not isinstance(work, _Work):
            continue
        keyed = _Work(
            work.advisory, work.folder, hashlib.sha256(f"{base}\n{work.advisory.digest}".encode()).hexdigest()
        )
        old = known.get(work.folder)
        if old and old[0] == keyed.key and _papers_fit(options.out / work.folder, old[1]):
            ready[work.folder] = msgspec.convert(old[1], Outcome)
        else:
            todo.append(keyed)
    _SHARED.update(ground=ground, out=options.out)
    results = zip(todo, spread(_forge_one, todo, jobs, chunk=4), strict=True)
    batch: list[tuple[str, str, dict[str, Any]]] = []
    try:
        for done, work in enumerate(works, 1):
            progress("forge", done, len(works))
            if not isinstance(work, _Work):
                yield _unread(*work)
            elif work.folder in ready:
                yield msgspec.structs.replace(ready[work.folder], sources=work.advisory.sources)
            else:
                keyed, outcome = next(results)
                outcome = outcome or _failed(work.advisory, _died(work.folder))
                batch.append((work.folder, keyed.key, msgspec.to_builtins(outcome)))
                if len(batch) >= 50:
                    state.put(batch)
                    batch = []
                yield outcome
    finally:
        state.put(batch)


def _base_key(ground: Ground) -> str:
    parts = [code_digest(), str(FORMAT), ground.background.name, ground.corpus.name if ground.corpus else ""]
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
    return Outcome(advisory="", sources=(source,), cves=(), outcome="failed", reason=problem.code, detail=str(problem))


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


def _forge_one(work: _Work) -> Outcome:
    started = time.perf_counter()
    ground: Ground = _SHARED["ground"]
    folder: Path = _SHARED["out"] / work.folder
    try:
        forged = forge_advisory(work.advisory, ground)
        outcome = forged.outcome
        if outcome.outcome == "rule":
            write_papers(forged, ground, folder)
        else:
            remove_papers(folder)
    except Exception as problem:  # noqa: BLE001 - one advisory that breaks a part must not lose the batch
        remove_papers(folder)
        outcome = _failed(work.advisory, problem)
    return msgspec.structs.replace(outcome, seconds=round(time.perf_counter() - started, 3))
