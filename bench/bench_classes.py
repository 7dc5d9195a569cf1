"""How often each payload class holds for values of ordinary traffic: the figures of docs/reference/payload-classes.md.

Usage: python bench/bench_classes.py [FILE] [--json src/ruleforge/generate/class_rates.json] [--hard]
FILE is ordinary traffic that `scan` reads; the development data by default, which is not part of the project. The
generator reads what --json wrote: how surprising a class is follows from the counts.
"""

import argparse
import gzip
import hashlib
import json
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ruleforge.events.formats import read_requests
from ruleforge.events.places import HttpView
from ruleforge.events.request import Request
from ruleforge.rules.classes import CLASSES, classes_digest, classes_of

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT.parent / "shared" / "data" / "traffic" / "benign-dev.jsonl.gz"
PLACES = ("args", "headers", "cookies", "json", "xml", "multipart", "path.raw", "body")
NAMED = {"args": "arg_names", "json": "json_names", "multipart": "part_names"}
WEAK = frozenset(("url_value", "upload_name", "mass_assignment"))
MOST = 1e-4  # of argument values, for a class that is not weak


def part_of(request: Request) -> str:
    """fit: may be looked at while classes are written; hold: is only counted."""
    host = next((value for name, value in request.headers if name.lower() == b"host"), request.source.encode())
    return "hold" if hashlib.sha256(host).hexdigest()[-1] in "012" else "fit"


def values_of(request: Request) -> Iterator[tuple[str, bytes]]:
    """Every value of a request with the kind of place it stands in; names and file names are kinds of their own."""
    view = HttpView(request)
    for place in PLACES:
        for element in view.read(place).elements:
            yield place, element.value
            if element.name and place in NAMED:
                yield NAMED[place], element.name
            if element.filename:
                yield "file_names", element.filename


def count(file: Path) -> dict[str, Any]:
    """Counts by part and place; a value counts as often as it was sent."""
    seen: dict[str, Counter[bytes]] = {}
    for request in read_requests(file):
        if isinstance(request, Request):
            part = part_of(request)
            for place, value in values_of(request):
                seen.setdefault(f"{part} {place}", Counter())[value] += 1
    hits: dict[str, Counter[str]] = {name: Counter() for name in CLASSES}
    for key in sorted(seen):
        for value, times in seen[key].items():
            for name in classes_of(value):
                hits[name][key] += times
    return {
        "versions": {name: versions[-1] for name, versions in CLASSES.items()},
        "classes": classes_digest(),
        "values": {key: seen[key].total() for key in sorted(seen)},
        "hits": {name: dict(sorted(found.items())) for name, found in hits.items()},
    }


def hard_rows(file: Path) -> Iterator[str]:
    """The rows that are marked as hard, and what takes them for an attack."""
    with gzip.open(file) as lines:
        hard = {row["id"] for row in map(json.loads, lines) if row.get("sig") or row["source"] == "gotestwaf-fp"}
    for request in read_requests(file):
        if isinstance(request, Request) and request.id in hard and part_of(request) == "fit":
            found = {(place, name) for place, value in values_of(request) for name in classes_of(value)}
            yield f"classes.hard {request.id} " + (", ".join(f"{p} is {n}" for p, n in sorted(found)) or "none")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path, nargs="?", default=DATA)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--hard", action="store_true", help="list the rows that are marked as hard")
    options = parser.parse_args()
    if not options.file.exists():
        print("classes: the development data is not here; name a file of ordinary traffic", file=sys.stderr)
        return 0
    table = count(options.file)
    for key, total in table["values"].items():
        print(f"classes.{key.replace(' ', '.')} {total} values")
    for name, found in table["hits"].items():
        for key, hit in found.items():
            print(f"classes.{name}.{key.replace(' ', '.')} {hit} hits")
        if name not in WEAK and found.get("fit args", 0) > MOST * table["values"]["fit args"]:
            print(f"classes.{name} holds for more than {MOST:g} of argument values")
    for line in hard_rows(options.file) if options.hard else ():
        print(line)
    if options.json:
        options.json.write_text(json.dumps(table, indent=1) + "\n", "utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
