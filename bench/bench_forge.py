"""How fast templates become rules, and how much memory that takes.

Usage: python bench/bench_forge.py [TEMPLATES ...] [--benign FILE] [--most N]
Without arguments: 200 development templates where they are there, else the examples.
"""

import argparse
import resource
import tempfile
import time
from pathlib import Path

from ruleforge.app.forge import ForgeSummary, forge
from ruleforge.ingest.readers import list_files

ROOT = Path(__file__).resolve().parents[1]
EXAMPLES = ROOT / "examples"
DATA = ROOT.parent / "shared" / "data" / "nuclei-templates" / "http" / "cves"
BENIGN = EXAMPLES / "benign" / "sample.jsonl"


def cpu_seconds() -> float:
    mine, theirs = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return mine.ru_utime + mine.ru_stime + theirs.ru_utime + theirs.ru_stime


def peak_mib() -> float:
    """Of the largest process; the worker processes share pages with it."""
    return max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)) / 1024


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("templates", type=Path, nargs="*")
    parser.add_argument("--benign", type=Path, default=BENIGN)
    parser.add_argument("--most", type=int, default=200, help="templates taken, spread evenly; 0: all")
    options = parser.parse_args()
    files = sorted(list_files(options.templates or [DATA if DATA.exists() else EXAMPLES / "templates"]))
    if options.most and len(files) > options.most:
        files = [files[number * len(files) // options.most] for number in range(options.most)]
    summary = ForgeSummary()
    started, cpu = time.perf_counter(), cpu_seconds()
    with tempfile.TemporaryDirectory() as out:
        outcomes = sum(1 for _ in forge(files, Path(out), summary, benign=[options.benign]))
    seconds, cpu = time.perf_counter() - started, cpu_seconds() - cpu
    print(f"forge.files {len(files)} files")
    print(f"forge.outcomes {outcomes} outcomes")
    print(f"forge.rules {summary.with_rule} rules")
    print(f"forge.candidates {summary.candidates} candidates")
    print(f"forge.seconds {seconds:.1f} s")
    print(f"forge.files_per_second {len(files) / seconds:.1f} files/s")
    print(f"forge.cpu_per_file_ms {cpu / max(len(files), 1) * 1e3:.0f} ms")
    print(f"forge.peak_rss_mib {peak_mib():.0f} MiB")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
