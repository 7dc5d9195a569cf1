"""How often each payload class holds for values of ordinary traffic: the figures of docs/reference/payload-classes.md.

Usage: python bench/bench_classes.py [FILE] [--json bench/class_rates.json]
FILE is ordinary traffic that `scan` reads; the development data by default, which is not part of the project.
"""

import argparse
import hashlib
import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from ruleforge.events.formats import read_requests
from ruleforge.events.places import HttpView
from ruleforge.events.request import Request
from ruleforge.rules.classes import CLASSES, load_class

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT.parent / "shared" / "data" / "traffic" / "benign-dev.jsonl.gz"
PLACES = ("args", "headers")


def part_of(request: Request) -> str:
    """fit: may be looked at while classes are written; hold: is only counted."""
    host = next((value for name, value in request.headers if name.lower() == b"host"), request.source.encode())
    return "hold" if hashlib.sha256(host).hexdigest()[-1] in "012" else "fit"


def count(file: Path) -> dict[str, Any]:
    classes = {name: load_class(name, versions[-1]) for name, versions in CLASSES.items()}
    values: Counter[str] = Counter()
    hits: dict[str, Counter[str]] = {name: Counter() for name in classes}
    for request in read_requests(file):
        if not isinstance(request, Request):
            continue
        part, view = part_of(request), HttpView(request)
        for place in PLACES:
            for element in view.read(place).elements:
                values[f"{part} {place}"] += 1
                for name, payload_class in classes.items():
                    hits[name][f"{part} {place}"] += payload_class.matches(element.value)
    counted = {name: dict(found) for name, found in hits.items()}
    return {"versions": {name: CLASSES[name][-1] for name in classes}, "values": dict(values), "hits": counted}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path, nargs="?", default=DATA)
    parser.add_argument("--json", type=Path)
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
    if options.json:
        options.json.write_text(json.dumps(table, indent=1) + "\n", "utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
