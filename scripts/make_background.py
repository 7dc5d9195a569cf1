"""Make the background table that ships: hashed counts from the `fit` part of the development traffic.

Usage: python scripts/make_background.py ../shared/data --made 2026-11-22
"""

import argparse
import gzip
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

from ruleforge.background.table import build_background, save_background
from ruleforge.events.formats import read_requests
from ruleforge.events.request import Request

APART = ("httpparams", "gotestwaf-fp")  # one endpoint with derived values; hand-made texts: no background


def fit_rows(path: Path) -> Iterator[Request]:
    """Yield the requests of the `fit` part (data README: hash of the Host header, else of the source)."""
    with gzip.open(path) as lines:
        for line, request in zip(lines, read_requests(path), strict=True):
            row = json.loads(line)
            host = next((value for name, value in row["headers"] if name.lower() == "host"), row["source"])
            fit = hashlib.sha256(host.encode()).hexdigest()[-1] not in "012"
            if fit and isinstance(request, Request) and not row["source"].startswith(APART):
                yield request


def main() -> None:
    """Build and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--made", required=True)
    parser.add_argument("--least", type=int, default=3)
    options = parser.parse_args()
    background = build_background(
        fit_rows(options.data / "traffic" / "benign-dev.jsonl.gz"),
        made=options.made,
        source="browsing, recorded API calls, URL lists and access logs of many sites",
        least=options.least,
    )
    target = Path(__file__).parents[1] / "src" / "ruleforge" / "background" / "default.msgpack"
    save_background(background, target)
    kept = {kind: len(counts) for kind, counts in background.file.counts.items()}
    print(f"{target.name}: {background.file.rows} requests, kept {kept}, {target.stat().st_size} bytes")


if __name__ == "__main__":
    main()
