"""How a scan scales: two processes against one, and Spark on two cores against two processes.

Usage: python bench/bench_scale.py RULES [FILE | --stratum url|full] [--rows N] [--spark] [--work DIR] [--json OUT]

Wall time, for that is what more processes buy: the load of the machine is printed beside every figure, and on a
machine that does something else the ratios are too low. `cold` is a run as a user starts it; `warm` leaves out what
does not grow with the input: start of processes, reading and compiling of rules, start of Spark.
"""

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from itertools import chain, islice, repeat
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from ruleforge.app.rules import Loaded, load_rules
from ruleforge.app.scan_runs import run_scan
from ruleforge.events.columns import to_batches
from ruleforge.events.formats import read_requests
from ruleforge.events.request import Request
from traffic import stratum

ROOT = Path(__file__).resolve().parents[1]
DISTINCT_MOST = 100_000  # requests that are repeated
GROUP_ROWS = 50_000
PIECE_BYTES = 1  # a row group each: the last piece must not leave a process idle for long
PIECES_LEAST = 32


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rules", type=Path)
    parser.add_argument("file", type=Path, nargs="?", default=ROOT / "examples/traffic/shop.jsonl")
    parser.add_argument("--stratum", choices=("url", "full"), help="a stratum of the recorded traffic instead of FILE")
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--spark", action="store_true", help="also Spark local[2]; needs ruleforge[spark] and Java")
    parser.add_argument("--work", type=Path, help="keep the generated traffic here")
    parser.add_argument("--json", type=Path, help="add the figures to this file of flat keys")
    options = parser.parse_args()
    rules = load_rules(options.rules, unvalidated=True)
    with tempfile.TemporaryDirectory() as made:
        work = options.work or Path(made)
        asked = stratum(options.stratum) if options.stratum else read(options.file)
        figures = measure(rules, traffic(asked, options.rows, work), work, spark=options.spark)
    figures |= {"scale_rules": len(rules.rules), "scale_rows": options.rows}
    for name, value in figures.items():
        print(f"scale.{name} {value:,.3f}")
    if options.json:
        known = json.loads(options.json.read_text()) if options.json.exists() else {}
        options.json.write_text(json.dumps(known | figures, indent=2, sort_keys=True) + "\n")
    return 0


def read(file: Path) -> Iterator[Request]:
    return (item for item in read_requests(file) if isinstance(item, Request))


def traffic(requests: Iterable[Request], rows: int, work: Path) -> list[Path]:
    """Repeat real requests up to `rows` of them, as Parquet; and one file of a single request."""
    work.mkdir(parents=True, exist_ok=True)
    large, small = work / f"traffic-{rows}.parquet", work / "traffic-1.parquet"
    group = max(1, min(GROUP_ROWS, rows // PIECES_LEAST))
    read = islice(requests, min(DISTINCT_MOST, rows))
    tables = list(to_batches(read, group))  # a row group each: a footer of a thousand groups takes longer than a group
    schema = tables[0].schema.remove_metadata()
    for path, count in ((large, rows), (small, 1)):
        if path.exists():
            continue
        left = count
        with pq.ParquetWriter(path, schema, compression="zstd") as writer:
            for batch in chain.from_iterable(repeat(tables)):
                if left <= 0:
                    break
                taken = batch.slice(0, left).replace_schema_metadata(None)
                left -= taken.num_rows
                writer.write_table(pa.Table.from_batches([taken]), row_group_size=group)
    return [large, small]


def measure(rules: Loaded, files: list[Path], work: Path, *, spark: bool) -> dict[str, float]:
    large, small = files
    figures: dict[str, float] = {"scale_load_before": os.getloadavg()[0]}
    for jobs in (1, 2):
        start = timed("local", rules, small, work, jobs)
        cold = timed("local", rules, large, work, jobs)
        figures |= {f"scale_start_s_{jobs}": start, f"scale_cold_s_{jobs}": cold, f"scale_warm_s_{jobs}": cold - start}
    figures["scale_two_process_ratio"] = figures["scale_warm_s_1"] / figures["scale_warm_s_2"]
    figures["scale_two_process_cold_ratio"] = figures["scale_cold_s_1"] / figures["scale_cold_s_2"]
    if spark:
        figures["spark_start_s"] = timed("spark", rules, small, work, 2)
        first, figures["spark_warm_s"] = (timed("spark", rules, large, work, 2) for _ in range(2))
        figures["spark_cold_s"] = figures["spark_start_s"] + first
        figures["spark_vs_local_ratio"] = figures["scale_warm_s_2"] / figures["spark_warm_s"]
        figures["spark_vs_local_cold_ratio"] = figures["scale_cold_s_2"] / figures["spark_cold_s"]
    return figures | {"scale_load_after": os.getloadavg()[0]}


def timed(runner: str, rules: Loaded, file: Path, work: Path, jobs: int) -> float:
    out = work / "run"
    shutil.rmtree(out, ignore_errors=True)
    start = time.perf_counter()
    report = run_scan(runner, rules, [file], out, jobs=jobs, piece_bytes=PIECE_BYTES)
    seconds = time.perf_counter() - start
    if not report.complete:
        raise SystemExit(f"{runner}: {report.lost} pieces were not done")
    print(f"# {runner} x{jobs}: {report.requests:,} requests, {report.hits:,} hits, {report.pieces} pieces, "
          f"{seconds:.1f} s, load {os.getloadavg()[0]:.1f}", file=sys.stderr)  # fmt: skip
    return seconds


if __name__ == "__main__":
    sys.exit(main())
