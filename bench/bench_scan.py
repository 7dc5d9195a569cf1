"""How fast rules run over recorded requests, in CPU time.

Usage: python bench/bench_scan.py [RULES_DIR] [FILE]
Without arguments: rules forged from the examples, over the development traffic where it is there, else the examples.
"""

import argparse
import sys
import tempfile
import time
from itertools import islice
from pathlib import Path

from ruleforge.app.forge import ForgeSummary, forge
from ruleforge.app.rules import load_rules
from ruleforge.engine.compiled import CompiledSet, Tally
from ruleforge.events.formats import read_requests
from ruleforge.events.request import Request

ROOT = Path(__file__).resolve().parents[1]
EXAMPLES = ROOT / "examples"
DATA = ROOT.parent / "shared" / "data" / "traffic" / "benign-dev.jsonl.gz"
REQUESTS_MOST = 5_000
REPEAT = 3


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rules", type=Path, nargs="?")
    traffic = DATA if DATA.exists() else EXAMPLES / "traffic/shop.jsonl"
    parser.add_argument("file", type=Path, nargs="?", default=traffic)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        folder = options.rules or Path(made)
        if options.rules is None:
            list(forge([EXAMPLES / "templates"], folder, ForgeSummary()))
        rules = load_rules(folder).rules
    if not rules:
        print(f"scan: no validated rules in {folder}", file=sys.stderr)
        return 2
    started = time.process_time()
    compiled = CompiledSet(rules)
    compiling = time.process_time() - started
    read, scan, hits, size = [], [], 0, 0
    for _ in range(REPEAT):
        started = time.process_time()
        # Read anew each time: what a request shows is remembered with it.
        requests = [item for item in islice(read_requests(options.file), REQUESTS_MOST) if isinstance(item, Request)]
        read.append(time.process_time() - started)
        tally = Tally(len(rules))
        started = time.process_time()
        hits = sum(1 for _ in compiled.scan(requests, tally=tally))
        scan.append(time.process_time() - started)
        size = len(requests)
    if not size:
        print(f"scan: no requests in {options.file}", file=sys.stderr)
        return 2
    print(f"scan.rules {len(rules)} rules")
    print(f"scan.rules_without_literal {len(compiled.slow_rules)} rules")
    print(f"scan.requests {size} requests of {options.file.name}")
    print(f"scan.hits {hits} hits")
    print(f"scan.compile_ms {compiling * 1e3:.0f} ms")
    print(f"scan.read_per_cpu_second {size / min(read):.0f} requests/s")
    print(f"scan.match_per_cpu_second {size / min(scan):.0f} requests/s")
    print(f"scan.both_per_cpu_second {size / (min(read) + min(scan)):.0f} requests/s")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
