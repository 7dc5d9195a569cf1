"""Our own candidates for every template: what the loop tried, what it shipped, and what its gates said.

Usage: python bench/judge/candidates.py OUT.jsonl --templates DIR --benign-fit FILE [--work FOLDER] [--jobs N]

One line per advisory. A file that is half written is gone on with, so that a run can be broken off.
"""

import argparse
import json
import resource
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from ruleforge.background.table import default_background
from ruleforge.engine.corpus import Corpus, Row, build_corpus
from ruleforge.engine.workers import spread
from ruleforge.ingest.readers import list_files
from ruleforge.pipeline.forge import Forged, Ground, forge_advisory
from ruleforge.pipeline.loop import Attempt, _order
from ruleforge.pipeline.run import benign_corpus, read_sources
from ruleforge.records.advisory import Advisory
from ruleforge.records.products import product_of
from ruleforge.rules.canonical import content_hash
from ruleforge.rules.dump import dump_rule
from ruleforge.validate import gates

ATTEMPTS_MOST = 8  # pairs of one advisory, all strategies among them
CHUNK = 4

SHARED: dict[str, Any] = {}  # set before the pool forks


class Tried(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt of the loop, as it is written."""

    origin: str  # "shipped" | "passed" | "rejected"
    strategy: str
    round: int
    rule: dict[str, Any]
    meaning: str  # content hash of the rule
    passed: bool  # every gate
    gates: dict[str, bool | None]
    confidence: float  # what the generator knows before any judge
    rank: int | None = None  # of those that passed: 0 is what the loop would ship if no judge were asked


class Tries(msgspec.Struct, frozen=True, kw_only=True):
    """All attempts of one advisory that are kept."""

    advisory: str
    source: str  # path of the template, relative to the folder of templates
    outcome: str
    made: int  # attempts, before equal ones were dropped and the bound was applied
    attempts: tuple[Tried, ...]


def confidence(attempt: Attempt) -> float:
    """Return share of FEEDBACK variants hit x bits of surprise of the weakest arm over the bits needed, in [0, 1]."""
    bits = min((arm.bits for arm in attempt.draft.arms), default=0.0)
    return round(attempt.survival * min(1.0, max(0.0, bits) / gates.SURPRISE_LEAST_BITS), 4)


def kept(forged: Forged) -> tuple[Tried, ...]:
    """Return the rule that was shipped and the others, each meaning once, at most ATTEMPTS_MOST.

    Those that passed come first, then those that failed; of each, one of every strategy before a second of any.
    """
    loop = forged.loop
    if loop is None:
        return ()
    found: dict[str, Tried] = {}
    orders: dict[str, tuple[float, ...]] = {}
    first = [loop.best] if loop.best is not None else []
    for passed in (True, False):
        for attempt in first + _in_turns([a for a in loop.attempts if a.trial.passed is passed]):
            tried = _tried(attempt, "shipped" if attempt is loop.best else "passed" if passed else "rejected")
            if found.setdefault(tried.meaning, tried) is tried and passed and forged.evidence is not None:
                unjudged = msgspec.structs.replace(attempt, opinion=None)
                orders[tried.meaning] = _order(unjudged, forged.evidence)
        first = []
    ranks = {meaning: rank for rank, meaning in enumerate(sorted(orders, key=lambda each: orders[each]))}
    ranked = [msgspec.structs.replace(tried, rank=ranks.get(meaning)) for meaning, tried in found.items()]
    return tuple(bounded(ranked, ATTEMPTS_MOST))


def bounded(tries: Sequence[Tried], most: int) -> list[Tried]:
    """Keep the shipped one, half of the rest for those that passed, and what is left for those that did not."""
    by = {origin: [t for t in tries if t.origin == origin] for origin in ("shipped", "passed", "rejected")}
    by["passed"].sort(key=lambda tried: tried.rank != 0)  # what would ship without a judge is always there
    room = most - len(by["shipped"])
    passed = by["passed"][: max(room - len(by["rejected"]), room // 2)]
    return [*by["shipped"], *passed, *by["rejected"][: room - len(passed)]]


def _in_turns(attempts: Sequence[Attempt]) -> list[Attempt]:
    """Order attempts so that every strategy gets its turn: first rounds first."""
    turns: dict[str, int] = {}
    keyed = []
    for number, attempt in enumerate(attempts):
        turn = turns[attempt.candidate.strategy] = turns.get(attempt.candidate.strategy, -1) + 1
        keyed.append((turn, number, attempt))
    return [attempt for _, _, attempt in sorted(keyed, key=lambda each: each[:2])]


def _tried(attempt: Attempt, origin: str) -> Tried:
    candidate = attempt.candidate
    return Tried(
        origin=origin, strategy=candidate.strategy, round=candidate.round, rule=dump_rule(candidate.rule),
        meaning=content_hash(candidate.rule), passed=attempt.trial.passed,
        gates={result.check: result.passed for result in attempt.trial.results}, confidence=confidence(attempt),
    )  # fmt: skip


def read_templates(folder: Path, jobs: int) -> list[Advisory]:
    """Read every template below `folder`, roles assigned; what cannot be read is left out and said so."""
    found, broken = [], 0
    for _, item in read_sources(list(list_files([folder])), jobs):
        if isinstance(item, Advisory):
            found.append(item)
        else:
            broken += 1
    if broken:
        print(f"{broken} files could not be read", file=sys.stderr)
    return found


def source_of(advisory: Advisory, folder: Path) -> str:
    """Name the template of an advisory, relative to the folder of templates."""
    return Path(advisory.sources[0]).resolve().relative_to(folder.resolve()).as_posix()


def _forge_one(number: int) -> Tries:
    advisory: Advisory = SHARED["advisories"][number]
    forged = forge_advisory(advisory, SHARED["ground"])
    return Tries(
        advisory=advisory.id, source=source_of(advisory, SHARED["folder"]), outcome=forged.outcome.outcome,
        made=len(forged.loop.attempts) if forged.loop else 0, attempts=kept(forged),
    )  # fmt: skip


def open_ground(advisories: Sequence[Advisory], benign_fit: Path, work: Path, jobs: int) -> None:
    """Index what the gates look at: the requests of all templates, and ordinary traffic of the part `fit`."""
    rows = (
        Row(request=poc.request, kind=poc.role, owner=advisory.id, product=product_of(advisory))
        for advisory in advisories
        for poc in advisory.requests
    )
    corpus: Corpus = build_corpus(rows, work / "sources", name="judge", jobs=jobs)
    benign = benign_corpus(benign_fit, work, jobs, lambda *_: None)
    SHARED["ground"] = Ground(default_background(), corpus, (benign,))


def run_loops(
    advisories: Sequence[Advisory], folder: Path, benign_fit: Path, work: Path, jobs: int, done: frozenset[str]
) -> Iterator[Tries]:
    """Run the loop of every advisory that is not done yet. Cost: 0.1 to 1 s of CPU each."""
    open_ground(advisories, benign_fit, work, jobs)
    SHARED.update(advisories=advisories, folder=folder)
    todo = [number for number, advisory in enumerate(advisories) if advisory.id not in done]
    for tries in spread(_forge_one, todo, jobs, chunk=CHUNK):
        if tries is not None:
            yield tries


def read_tries(file: Path) -> list[Tries]:
    """Read what was written; the last line may be half written and is then left out."""
    found = []
    for line in file.read_bytes().splitlines() if file.is_file() else ():
        try:
            found.append(msgspec.json.decode(line, type=Tries))
        except msgspec.DecodeError:
            continue
    return found


def write_tries(
    out: Path, advisories: Sequence[Advisory], folder: Path, benign_fit: Path, work: Path, jobs: int
) -> None:
    """Go on with `out` until every advisory stands in it."""
    known = read_tries(out)
    out.write_bytes(b"".join(msgspec.json.encode(tries) + b"\n" for tries in known))
    done = frozenset(tries.advisory for tries in known)
    if len(done) >= len({advisory.id for advisory in advisories}):
        return
    with out.open("ab") as file:
        for number, tries in enumerate(run_loops(advisories, folder, benign_fit, work, jobs, done), 1):
            file.write(msgspec.json.encode(tries) + b"\n")
            if number % 100 == 0:
                file.flush()
                print(json.dumps({"done": len(done) + number, "cpu_seconds": cpu_seconds()}), file=sys.stderr)


def cpu_seconds() -> float:
    """Return CPU seconds of this process and of those that it waited for."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return round(sum(each.ru_utime + each.ru_stime for each in used), 1)


def main() -> None:
    parser = argparse.ArgumentParser(prog="candidates", description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--templates", type=Path, required=True)
    parser.add_argument("--benign-fit", type=Path, required=True)
    parser.add_argument("--work", type=Path, help="where indexes are kept; default: beside OUT")
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    advisories = read_templates(options.templates, options.jobs)
    work = options.work or options.out.with_suffix(".work")
    write_tries(options.out, advisories, options.templates, options.benign_fit, work, options.jobs)


if __name__ == "__main__":
    main()
