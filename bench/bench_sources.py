"""Leave one source out: a rule made of a template and one other source, asked about the requests of a third.

Usage: python bench/bench_sources.py [--data ../shared/data] [--benign FILE] [--hold FILE] [--out DIR] [--misses]

Of each CVE that has a template and two or more independent other sources, every pair (learned from, held out) is one
rotation; it is a hit when the rule of template and learned source fires on some exploit request of the held-out one,
the same measure as for a template alone. Only requests that are no near copy of the template's (`derived` false) are
asked about. Collections that list one another's request, or hold the same, are one source. Each CVE weighs the same.
Halves by the last hex digit of sha256(CVE): misses are named in the even half only.
"""

import argparse
import gzip
import hashlib
import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from ruleforge.background.table import default_background
from ruleforge.engine.corpus import FORMAT, Corpus, build_corpus
from ruleforge.engine.reference import compile_rule
from ruleforge.engine.workers import spread
from ruleforge.events.formats import read_requests
from ruleforge.events.places import HttpView
from ruleforge.events.request import Request
from ruleforge.ingest.readers import list_files
from ruleforge.ingest.roles import assign_roles
from ruleforge.pipeline.documents import forge_documents
from ruleforge.pipeline.forge import Forged, Ground, forge_advisory
from ruleforge.pipeline.merge import merge, request_key
from ruleforge.pipeline.run import _read, _source_rows, benign_corpus
from ruleforge.records.advisory import Advisory, PocRequest
from ruleforge.rules.classes import classes_digest
from ruleforge.rules.render import render_sentence

TARGET = 0.80
# Pages of the one retell pages of the other, also where the requests differ a little.
SAME_AUTHOR = {"vulhub-reproduce": "vulhub"}
GROUND: list[Ground] = []  # set before the processes fork
HOLD: list[Corpus] = []  # normal traffic that no gate saw


class Sample(msgspec.Struct, frozen=True):
    """One request of the exploit corpus."""

    request: Request
    cve: str
    source: str
    also_in: tuple[str, ...]
    step: int
    kind: str
    derived: bool


class Rotation(msgspec.Struct, frozen=True):
    """One forging: the documents it learns from, and the requests it is asked about."""

    cve: str
    learned: str  # "" for the template alone
    held: str
    documents: tuple[Advisory, ...]
    asked: tuple[Request, ...]
    probes: tuple[Request, ...]  # harmless looks of any source: a rule had better not fire on them
    strict: bool  # the source learned from holds more than near copies of the template's requests


class Result(msgspec.Struct, frozen=True):
    """How many of the asked requests the rule hit, and how the forging ended."""

    hit: int
    outcome: str
    left_out: tuple[str, ...]
    rule: str
    probes_hit: int = 0
    hold_hit: int = 0


def even(cve: str) -> bool:
    return int(hashlib.sha256(cve.encode()).hexdigest()[-1], 16) % 2 == 0


def samples(data: Path) -> Iterator[Sample]:
    path = data / "exploits/exploits-dev.jsonl.gz"
    with gzip.open(path) as lines:
        rows = [json.loads(line) for line in lines]
    requests = list(read_requests(path))
    assert len(rows) == len(requests)
    for row, request in zip(rows, requests, strict=True):
        if row["in_nuclei_3077"] and isinstance(request, Request):
            yield Sample(request, row["cve"], row["source"], tuple(row["also_in"]), row["step"], row["kind"],
                         row["derived"])  # fmt: skip


def sources_of(rows: Sequence[Sample]) -> dict[str, list[Sample]]:
    """Requests by independent source: collections that share a request are one."""
    boss: dict[str, str] = {}

    def find(name: str) -> str:
        while boss.setdefault(name, name) != name:
            name = boss[name]
        return name

    first: dict[object, str] = {}
    for row in rows:
        together = [row.source, SAME_AUTHOR.get(row.source, row.source), *row.also_in]
        together.append(first.setdefault(request_key(row.request), row.source))
        names = sorted({find(name) for name in together})
        for name in names[1:]:
            boss[name] = names[0]
    found: dict[str, list[Sample]] = defaultdict(list)
    for row in rows:
        found[find(row.source)].append(row)
    return found


def document(cve: str, source: str, rows: Sequence[Sample]) -> Advisory:
    """What a reader would make of the source: requests without roles, and no metadata."""
    return Advisory(
        id=cve, sources=(f"{cve}.{source}",), format=source, cves=(cve,),
        requests=tuple(
            PocRequest(request=row.request, origin=f"entry {number}", step=number) for number, row in enumerate(rows)
        ),
        digest=hashlib.sha256(f"{cve} {source}".encode()).hexdigest(),
    )  # fmt: skip


def rotations(templates: dict[str, Advisory], rows: Sequence[Sample]) -> Iterator[Rotation]:
    by_cve: dict[str, list[Sample]] = defaultdict(list)
    for row in rows:
        by_cve[row.cve].append(row)
    for cve, mine in sorted(by_cve.items()):
        probes = tuple(row.request for row in mine if row.kind == "probe")
        sources = {
            name: found for name, found in sources_of(mine).items() if any(row.kind == "exploit" for row in found)
        }
        if cve not in templates or len(sources) < 2:
            continue
        for held, found in sorted(sources.items()):
            asked = tuple(row.request for row in found if row.kind == "exploit" and not row.derived)
            if not asked:
                continue
            yield Rotation(cve, "", held, (templates[cve],), asked, probes, False)
            for learned, other in sorted(sources.items()):
                if learned != held:
                    strict = any(row.kind == "exploit" and not row.derived for row in other)
                    documents = (templates[cve], assign_roles(document(cve, learned, other)))
                    yield Rotation(cve, learned, held, documents, asked, probes, strict)


def answer(rotation: Rotation) -> Result:
    forged: Forged
    if len(rotation.documents) == 1:
        forged = forge_advisory(rotation.documents[0], GROUND[0])
    else:
        forged = forge_documents(merge(rotation.documents), rotation.documents, GROUND[0])
    left = tuple(f"{forged.advisory.sources[each.source]}: {each.why}" for each in forged.left_out)
    if forged.best is None:
        return Result(0, f"{forged.outcome.reason} {forged.outcome.detail}"[:200], left, "")
    rule = forged.best.candidate.rule
    ask = compile_rule(rule).ask
    hit = sum(ask(HttpView(request)) is True for request in rotation.asked)
    probes = sum(ask(HttpView(request)) is True for request in rotation.probes)
    hold = sum(len(corpus.hits(rule.when, dict(rule.classes), limit=200)) for corpus in HOLD)  # type: ignore[arg-type]
    told = f"[{forged.best.candidate.strategy}] {render_sentence(rule)}"
    return Result(hit, "rule", left, told, probes, hold)


def ground(templates: Sequence[Advisory], benign: Path | None, out: Path, jobs: int) -> Ground:
    """The index of all templates, kept for the next run as long as their requests and roles stay."""
    rows = list(_source_rows(templates))
    digest = hashlib.sha256(f"{FORMAT} {classes_digest()}".encode())
    for row in rows:
        digest.update(repr((row.owner, row.kind, row.product, row.request.target, row.request.body)).encode())
    name, folder = f"templates {digest.hexdigest()[:16]}", out / ".ruleforge" / "bench-corpus"
    if not Corpus.current(folder, name):
        build_corpus(rows, folder, name=name, jobs=jobs)
    normal = [benign_corpus(benign, out / ".ruleforge", jobs, lambda *_: None)] if benign else []
    return Ground(default_background(), Corpus(folder), tuple(normal))


def table(name: str, pairs: Sequence[tuple[Rotation, Result]]) -> dict[str, float]:
    """Print one line: each CVE weighs the same, however many rotations it has."""
    shares: dict[str, list[bool]] = defaultdict(list)
    for rotation, result in pairs:
        shares[rotation.cve].append(result.hit > 0)
    mean = sum(sum(hits) / len(hits) for hits in shares.values()) / max(1, len(shares))
    asked, hit = sum(len(r.asked) for r, _ in pairs), sum(result.hit for _, result in pairs)
    whole = sum(all(hits) for hits in shares.values())
    print(f"{name:42} CVEs {len(shares):3}  hit {mean:6.1%}  all rotations {whole:3}  rotations {len(pairs):3}  "
          f"requests {hit}/{asked}")  # fmt: skip
    return {"cves": len(shares), "hit": round(mean, 4), "all": whole, "rotations": len(pairs), "requests": asked,
            "requests_hit": hit}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(__file__).parents[2] / "shared" / "data")
    parser.add_argument("--benign", type=Path, help="normal traffic that rules must be silent on")
    parser.add_argument("--hold", type=Path, help="normal traffic that is only reported")
    parser.add_argument("--out", type=Path, default=Path("bench-sources"), help="where the indexes are kept")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--misses", action="store_true", help="print misses of the even half with their rules")
    options = parser.parse_args()
    files = list(list_files([options.data / "nuclei-templates/http/cves"]))
    read = [found for found in spread(_read, files, options.jobs, chunk=64) if isinstance(found, Advisory)]
    templates = {advisory.id: advisory for advisory in read}
    GROUND.append(ground(list(templates.values()), options.benign, options.out, options.jobs))
    if options.hold:
        HOLD.append(benign_corpus(options.hold, options.out / ".ruleforge", options.jobs, lambda *_: None))
    todo = list(rotations(templates, list(samples(options.data))))
    results = [r or Result(0, "died", (), "") for r in spread(answer, todo, options.jobs, chunk=2)]
    pairs = list(zip(todo, results, strict=True))
    report(pairs, options)


def report(pairs: Sequence[tuple[Rotation, Result]], options: argparse.Namespace) -> None:
    with_two = [(r, x) for r, x in pairs if r.learned]
    strict = {r.cve for r, _ in with_two if r.strict}
    figures: dict[str, Any] = {}
    for half, keep in (("all", (True, False)), ("even", (True,)), ("odd", (False,))):
        mine = [(r, x) for r, x in pairs if even(r.cve) in keep]
        both = [(r, x) for r, x in mine if r.learned]
        figures[half] = {
            "template": table(f"{half}: template alone", [(r, x) for r, x in mine if not r.learned]),
            "two": table(f"{half}: template and one source", both),
            "template_strict": table(
                f"{half}: the CVEs below, template alone",
                [(r, x) for r, x in mine if not r.learned and r.cve in strict],
            ),
            "two_strict": table(f"{half}: source is no near copy of it", [(r, x) for r, x in both if r.strict]),
        }
    for name, some in (("template alone", [(r, x) for r, x in pairs if not r.learned]), ("with a source", with_two)):
        probes, fired = sum(len(r.probes) for r, _ in some), sum(x.probes_hit for _, x in some)
        print(f"{name}: fires on probes {fired}/{probes}; rules with a hit on hold traffic "
              f"{sum(x.hold_hit > 0 for _, x in some)}/{len(some)}")  # fmt: skip
    print(f"target {TARGET:.0%} of CVEs; refused with the template alone "
          f"{len({r.cve for r, x in pairs if not r.learned and x.outcome != 'rule'})}, with two "
          f"{len({r.cve for r, x in with_two if x.outcome != 'rule'})}")  # fmt: skip
    fell = [(r, x) for r, x in with_two if x.left_out]
    print(f"merges that fell back to some of their documents: {len(fell)} of {len(with_two)}")
    for rotation, result in fell:
        if even(rotation.cve):
            print(f"  {rotation.cve} + {rotation.learned}: {'; '.join(result.left_out)}"[:300])
    if options.misses:
        for rotation, result in with_two:
            if even(rotation.cve) and not result.hit:
                print(f"\nMISS {rotation.cve} + {rotation.learned}, held out {rotation.held}: {result.outcome}")
                print("   ", result.rule[:700])
                for request in rotation.asked[:3]:
                    print("    asked", request.method, request.target[:160], (request.body or b"")[:160])
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
