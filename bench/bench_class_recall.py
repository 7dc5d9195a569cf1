"""How many attacks carry a value that a fitting payload class knows: recall of the classes, not of rules.

Usage: python bench/bench_class_recall.py [--data ../shared/data] [--json FILE] [--misses]
Exploits of CVEs are told apart by what their hints say (`signals`) and by the hash of the CVE: the even half may be
read and mended, the odd half is only counted. Generic attacks have no such hint: any telling class counts.
"""

import argparse
import gzip
import hashlib
import json
from collections import Counter
from pathlib import Path

from ruleforge.events.formats import read_requests
from ruleforge.events.places import HttpView
from ruleforge.events.request import Request
from ruleforge.rules.classes import classes_of

ROOT = Path(__file__).resolve().parents[1]
PLACES = ("path.raw", "args", "headers", "cookies", "json", "xml", "multipart", "body")
WEAK = frozenset(("url_value", "upload_name", "mass_assignment"))
NORMAL = {"path.raw": WEAK, "headers": ("url_value", "internal_address")}  # Referer, Origin and Host hold addresses
RUNS_CODE = frozenset(
    ["command_injection", "code_injection", "template_injection", "shellshock", "jndi", "serialized_object"]
)
# Classes of an earlier version of the data are named too, so that two versions can be compared.
FITTING = {
    "sqli": frozenset(("sql_injection",)),
    "xss": frozenset(("xss", "template_injection")),
    "cmdi": RUNS_CODE,
    "code": RUNS_CODE,
    "traversal": frozenset(("traversal",)),
    "ssrf_redirect": frozenset(("url_value", "internal_address", "url_trick", "jndi")),
    "xxe": frozenset(("xxe",)),
    "serial": frozenset(("serialized_object",)),
    "upload": frozenset(("upload_name", "code_injection")),
    "authbypass": frozenset(("path_bypass", "traversal")),
}  # fmt: skip


def classes_in(request: Request) -> frozenset[str]:
    """The classes of all values, names and file names of a request."""
    found: set[str] = set()
    view = HttpView(request)
    for place in PLACES:
        for element in view.read(place).elements:
            found.update(name for name in classes_of(element.value) if name not in NORMAL.get(place, ()))
            if element.filename:
                found.update(classes_of(element.filename))
            if element.name and place in ("args", "json", "multipart"):
                found.update(name for name in classes_of(element.name) if name not in WEAK)
    return frozenset(found)


def half_of(cve: str) -> str:
    """The even half may be read and mended, the odd half is only counted."""
    return "odd" if int(hashlib.sha256(cve.encode()).hexdigest()[-1], 16) % 2 else "even"


def count(data: Path, *, misses: bool) -> dict[str, dict[str, int]]:
    """Requests and requests known, by hint and half, and by collection of generic attacks."""
    file = data / "exploits/exploits-dev.jsonl.gz"
    with gzip.open(file) as lines:
        rows = [json.loads(line) for line in lines]
    requests = [request for request in read_requests(file) if isinstance(request, Request)]
    asked: Counter[str] = Counter()
    known: Counter[str] = Counter()
    for row, request in zip(rows, requests, strict=True):
        found = classes_in(request) if row["kind"] == "exploit" else frozenset()
        for signal in row["signals"] if row["kind"] == "exploit" else ():
            if signal in FITTING:
                key = f"{signal} {half_of(row['cve'])}"
                asked[key] += 1
                known[key] += bool(found & FITTING[signal])
                if misses and key.endswith("even") and not found & FITTING[signal]:
                    body = (request.body or b"")[:300].decode("latin-1")
                    print(f"missed {signal} {row['id']} {sorted(found)} {row['method']} {row['target'][:400]} {body!r}")
    for request in read_requests(data / "traffic/attack-dev.jsonl.gz"):
        if isinstance(request, Request):
            key = f"attack {request.source}"
            asked[key] += 1
            known[key] += bool(classes_in(request) - WEAK)
    return {key: {"requests": asked[key], "known": known[key]} for key in sorted(asked)}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--misses", action="store_true", help="show the unknown requests of the even half")
    options = parser.parse_args()
    table = count(options.data, misses=options.misses)
    for key, row in table.items():
        print(f"class_recall.{key.replace(' ', '.')} {row['known']} of {row['requests']}")
    if options.json:
        options.json.write_text(json.dumps(table, indent=1) + "\n", "utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
