"""How fast batches are matched on one core, in CPU time, and whether that is exact.

Usage: python bench/bench_match.py RULES_DIR --traffic FILE [FILE ...] [--rules 100,1000,5000,20000] [--rows N]

Rules are multiplied to each number by copies with mutated literals; what has no literal to mutate is not copied. The
traffic is shuffled and laid in Arrow batches beforehand, as two strata: `url` (no headers, no body: neither was sent)
and `full` (five headers at least, and bodies where they are). `log` is the first stratum as a common log records it:
headers and bodies are not known, and rules that need them are counted as unknown. The last line is flat JSON.
"""

import argparse
import importlib.util
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pyarrow as pa

from ruleforge.app.rules import load_rules
from ruleforge.engine.batches import BatchMatcher, make_batch_matcher
from ruleforge.engine.reference import compile_rule
from ruleforge.events.columns import request_at, to_batches
from ruleforge.events.formats import read_requests
from ruleforge.events.places import HttpView
from ruleforge.events.request import Request
from ruleforge.rules.tree import AllOf, AnyOf, Condition, Name, Not, Root, Rule, Some

REPEAT = 2
CHECKED_ROWS = 60  # of each stratum, each asked about every rule by the reference
FULL_HEADERS = 5


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rules_dir", type=Path)
    parser.add_argument("--traffic", type=Path, nargs="+", required=True)
    parser.add_argument("--rules", default="100,1000,5000,20000")
    parser.add_argument("--rows", type=int, default=100_000, help="requests of each stratum at most")
    parser.add_argument("--json", type=Path, help="write the figures to this file, too")
    options = parser.parse_args()
    forged = load_rules(options.rules_dir).rules
    if not forged:
        print(f"match: no validated rules in {options.rules_dir}", file=sys.stderr)
        return 2
    strata = strata_of(options.traffic, options.rows)
    results: dict[str, float] = {"load_average": os.getloadavg()[0], "rules_forged": len(forged)}
    results |= {f"rows_{name}": sum(batch.num_rows for batch in batches) for name, batches in strata.items()}
    base = rss_mb()  # of this process, which holds traffic and rules; `rss_mb_N` is of one that only matches
    for number in map(int, options.rules.split(",")):
        results |= measure(multiplied(forged, number), number, strata)
        results[f"rss_mb_bench_{number}"] = round(rss_mb() - base, 1)
    results["rss_mb_traffic"] = round(base, 1)
    print(json.dumps(results))
    if options.json:
        options.json.write_text(json.dumps(results))
    return 0 if not any(value for key, value in results.items() if key.startswith("wrong_")) else 1


def measure(rules: Sequence[Rule], number: int, strata: dict[str, list[pa.RecordBatch]]) -> dict[str, float]:
    """Compile, store, load and match; print as it goes."""
    found: dict[str, float] = {f"rules_{number}": len(rules)}
    matcher, found_ms = made(rules, number)
    found |= found_ms
    for name, batches in strata.items():
        infix = "" if name == "url" else f"_{name}"
        for batch in batches[:1]:
            matcher.match(batch)  # kernels, tables and evaluators that are made when they are first needed
        best, hits, verified, doubtful = 1e9, 0, 0, 0
        for _ in range(REPEAT):
            hits = verified = doubtful = 0
            started = time.process_time()
            for batch in batches:
                matches = matcher.match(batch)
                hits, verified = hits + len(matches.rows), verified + matches.verified
                doubtful += getattr(matcher, "work", (0, 0))[1]
            best = min(best, time.process_time() - started)
        rows, size = sum(batch.num_rows for batch in batches), sum(batch.nbytes for batch in batches)
        prefix = f"match_{number}{infix}"
        found |= {
            f"{prefix}_rps": round(rows / best),
            f"{prefix}_mbps": round(size / best / 1e6, 1),
            f"{prefix}_verified_per_row": round(verified / rows, 4),
            f"{prefix}_doubtful_share": round(doubtful / rows, 5),
            f"{prefix}_hits": hits,
            f"wrong_{number}{infix}": wrong_rows(rules, matcher, batches),
        }
        print(f"match.{name} {number} rules: {rows / best:.0f} requests/s, {size / best / 1e6:.0f} MB/s, "
              f"{verified / rows:.3f} pairs verified a row, {hits} hits, wrong {found[f'wrong_{number}{infix}']}",
              flush=True)  # fmt: skip
    return found


def made(rules: Sequence[Rule], number: int) -> tuple[BatchMatcher, dict[str, float]]:
    """Compile the rules; where the fast engine is there, to a file that is then loaded."""
    started = time.process_time()
    if importlib.util.find_spec("numba") is None:
        matcher = make_batch_matcher(rules)
        return matcher, {f"compile_ms_{number}": round(1e3 * (time.process_time() - started), 1)}
    from ruleforge.engine.fast.stored import open_set, write_set

    with tempfile.TemporaryDirectory() as folder:
        started = time.process_time()
        path = write_set(rules, Path(folder))
        compiled = time.process_time()
        size = path.stat().st_size
        matcher = open_set(path)
        loaded = time.process_time()
        seen = plain_process(path)
    return matcher, {
        f"compile_ms_{number}": round(1e3 * (compiled - started), 1),
        f"open_ms_{number}": round(1e3 * (loaded - compiled), 2),
        **{f"{name}_{number}": value for name, value in seen.items()},
        f"set_mb_{number}": round(size / 1e6, 2),
    }


PLAIN = """
import json, sys, time
from pathlib import Path
started = time.process_time()
from ruleforge.engine.fast.stored import open_set
from ruleforge.events.columns import to_batch
from ruleforge.events.request import Request
imported = time.process_time()
matcher = open_set(Path(sys.argv[1]))
opened = time.process_time()
batch = to_batch([Request(method=b"GET", target=b"/page/%d" % n) for n in range(8192)])
built = time.process_time()
matcher.match(batch.slice(0, 1))
ready = time.process_time()
matcher.match(batch)
status = Path("/proc/self/status").read_text().split("VmRSS:")[1].split()[0]
print(json.dumps({"import_ms": round(1e3 * (imported - started), 1), "load_ms": round(1e3 * (opened - imported), 2),
                  "first_match_ms": round(1e3 * (ready - built), 1), "rss_mb": round(int(status) / 1024, 1)}))
"""


def plain_process(path: Path) -> dict[str, float]:
    """Open a stored set in a process that does nothing else and match one batch: CPU times, and all memory it holds.

    The kernels are compiled before, so that a first use on this machine is not measured.
    """
    seen: dict[str, float] = {}
    for _ in range(2):
        done = subprocess.run([sys.executable, "-c", PLAIN, str(path)], check=True, capture_output=True, text=True)
        seen = json.loads(done.stdout)
    return seen


def wrong_rows(rules: Sequence[Rule], matcher: BatchMatcher, batches: list[pa.RecordBatch]) -> int:
    """Ask the reference about a sample of rows and every rule; return how many rows were told otherwise."""
    batch = batches[0].slice(0, CHECKED_ROWS)
    matches = matcher.match(batch)
    told = {(int(row), int(rule)) for row, rule in zip(matches.rows, matches.rules, strict=True)}
    views = [HttpView(request_at(batch, row)) for row in range(batch.num_rows)]
    wrong = 0
    for rule, one in enumerate(rules):
        ask = compile_rule(one).ask
        answers = [ask(view) for view in views]
        wrong += sum((answer is True) != ((row, rule) in told) for row, answer in enumerate(answers))
        wrong += sum(answer is None for answer in answers) != matches.unknowns[rule]
    return int(wrong)


def strata_of(files: Sequence[Path], most: int) -> dict[str, list[pa.RecordBatch]]:
    """Read the traffic, shuffled, as batches of each stratum."""
    requests = [one for file in files for one in read_requests(file) if isinstance(one, Request)]
    random.Random(4).shuffle(requests)
    replace = msgspec.structs.replace
    bare = [replace(one, headers=(), body=None, unrecorded=frozenset(), recorded_headers=None)
            for one in requests[:most]]  # fmt: skip
    full = [one for one in requests if len(one.headers) >= FULL_HEADERS and one.recorded_headers is None]
    logged = [replace(one, unrecorded=frozenset({"headers", "body"})) for one in bare]
    made = {"url": bare, "full": full[:most], "log": logged}
    return {name: list(to_batches(found)) for name, found in made.items() if found}


def multiplied(rules: Sequence[Rule], number: int) -> list[Rule]:
    """Return `number` different rules: the forged ones, then copies of them with other literals."""
    made, seen = list(rules[:number]), {rule.when for rule in rules}
    for copy in range(1, 1 + 10 * number // len(rules)):
        for rule in rules:
            if len(made) >= number:
                return made
            when = mutated(rule.when, copy)
            if when not in seen:
                seen.add(when)
                made.append(msgspec.structs.replace(rule, id=f"{rule.id}-{copy}", when=when))
    return made


def mutated(tree: Root, copy: int) -> Root:
    """Return the tree with other literals; classes, short values and headers stay."""
    match tree:
        case AllOf(parts):
            return AllOf(tuple(mutated(part, copy) for part in parts))  # type: ignore[misc]
        case AnyOf(parts):
            return AnyOf(tuple(mutated(part, copy) for part in parts))  # type: ignore[misc]
        case Not(part):
            return Not(mutated(part, copy))  # type: ignore[arg-type]
        case Some(place, where):
            return Some(place, mutated(where, copy))  # type: ignore[arg-type]
        case Condition(field, op, value, name, transforms):
            changed = op not in ("is_class", "regex") and isinstance(value, bytes) and field != "method"
            if name is not None and name.how == "exact" and field in ("args", "json", "multipart"):
                name = Name(shifted(name.text, copy), name.how)
            return Condition(field, op, shifted(value, copy) if changed else value, name, transforms)  # type: ignore[arg-type]
        case _:
            return tree


def shifted(text: bytes, copy: int) -> bytes:
    """Replace the last letters by others: as long, and as likely in traffic of that shape."""
    letters = [at for at, byte in enumerate(text) if 97 <= byte <= 122]
    if len(letters) < 3:
        return text
    out = bytearray(text)
    for power, at in enumerate(reversed(letters[-3:])):
        out[at] = 97 + (out[at] - 97 + copy // 26**power + (power == 0) * copy) % 26
    return bytes(out)


def rss_mb() -> float:
    """The most memory this process held, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    raise SystemExit(main())
