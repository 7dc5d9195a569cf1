"""Write exploit requests, and each of them written differently, as JSON lines for `ruleforge bench quality --oracle`.

Usage: python bench/oracle OUT.jsonl --templates DIR [--exploits FILE] [--only MUTATOR,…]
"""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import msgspec

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from oracle.case import MUTATORS, Case, mutate
from oracle.mutators import load
from ruleforge.events.formats import read_requests, request_to_json
from ruleforge.events.formats.bounded import Line, open_file, read_lines
from ruleforge.events.request import Request
from ruleforge.ingest.readers import read_advisories
from ruleforge.ingest.roles import assign_roles
from ruleforge.records.advisory import Advisory


def sources(templates: Path, exploits: Path | None) -> Iterator[tuple[Advisory, Request]]:
    """Yield the exploit requests of templates, then those that others wrote for the same CVEs."""
    by_cve: dict[str, Advisory] = {}
    for advisory in read_advisories([templates]):
        if isinstance(advisory, Advisory):
            by_cve |= dict.fromkeys((*advisory.cves, advisory.id), advisory)
            for poc in assign_roles(advisory).requests:
                if poc.role == "exploit":
                    yield advisory, poc.request
    if exploits:
        with open_file(exploits) as stream:
            rows = [json.loads(line.text) for line in read_lines(stream, exploits.name) if isinstance(line, Line)]
        for row, request in zip(rows, read_requests(exploits), strict=True):
            if row["kind"] == "exploit" and row["cve"] in by_cve and isinstance(request, Request):
                yield by_cve[row["cve"]], _versioned(request)


def _versioned(request: Request) -> Request:
    """Give a request the version that its source left out because all have it."""
    if "version" not in request.unrecorded:
        return request
    return msgspec.structs.replace(request, version=b"HTTP/1.1", unrecorded=request.unrecorded - {"version"})


def lines(pairs: Iterator[tuple[Advisory, Request]], only: set[str]) -> Iterator[dict[str, object]]:
    """Yield an original and what is made of it, one row each."""
    for number, (advisory, request) in enumerate(pairs):
        origin = f"{advisory.id}#{number}"
        cve = next(iter(advisory.cves), advisory.id)
        common = {"advisory": advisory.id, "cve": cve, "origin": origin}
        yield _row(request, origin) | common | {"mutator": ""}
        for count, (name, made) in enumerate(mutate(Case(request, advisory))):
            if not only or name in only:
                yield _row(made, f"{origin}~{name}.{count}") | common | {"mutator": name}


def _row(request: Request, name: str) -> dict[str, object]:
    return request_to_json(msgspec.structs.replace(request, id=name))


def main() -> None:
    parser = argparse.ArgumentParser(prog="oracle", description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--templates", type=Path, required=True)
    parser.add_argument("--exploits", type=Path)
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    load()
    only = set(filter(None, options.only.split(",")))
    if unknown := only - set(MUTATORS):
        parser.error(f"no such mutator: {', '.join(sorted(unknown))}")
    made: Counter[str] = Counter()
    with options.out.open("w", encoding="utf-8") as file:
        for row in lines(sources(options.templates, options.exploits), only):
            made[str(row["mutator"]) or "original"] += 1
            file.write(json.dumps(row) + "\n")
    for name, count in made.most_common():
        print(f"{name:24} {count:7,}")


if __name__ == "__main__":
    main()
