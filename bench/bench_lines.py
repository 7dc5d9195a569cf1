"""A combined access log, read and matched: lines per CPU second at 5,000 rules, from bytes on disk to hits.

Usage: PYTHONPATH=bench python bench/bench_lines.py RULES_DIR [--rules 5000] [--lines 70000] [--json OUT]
The lines are made of recorded requests (the `url` stratum of traffic.py), written as nginx and Apache would.
"""

import argparse
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

from engines import batch_matcher, read_batches
from multiply import multiply
from report import write_report
from ruleforge.app.rules import load_rules
from ruleforge.events.request import Request
from traffic import stratum

REPEAT = 3
LEAST_LINES = 1_000


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rules_dir", type=Path)
    parser.add_argument("--rules", type=int, default=5_000)
    parser.add_argument("--lines", type=int, default=70_000)
    parser.add_argument("--seconds", type=float, default=30, help="of CPU for all repetitions: else fewer lines")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    rules = multiply(load_rules(options.rules_dir).rules, options.rules)
    matcher = batch_matcher(rules)
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "access.log"
        lines = list(combined_lines(stratum("url", options.lines)))
        log.write_bytes(b"".join(lines[:LEAST_LINES]))
        _run(log, matcher)  # warm: what is built on first use does not recur
        seconds, some, _ = _run(log, matcher)
        log.write_bytes(b"".join(lines[: max(LEAST_LINES, int(some / seconds * options.seconds / REPEAT))]))
        runs = [_run(log, matcher) for _ in range(REPEAT)]
        size = log.stat().st_size
    seconds, count, hits = min(runs)
    key = f"combined_log_match_{options.rules}"
    found = {f"{key}_lps": round(count / seconds), f"{key}_mbps": round(size / seconds / 1e6, 1)}
    write_report(options.json, found | {f"{key}_lines": count, f"{key}_hits": hits, f"{key}_rules": len(rules)})
    return 0


def _run(log: Path, matcher: object) -> tuple[float, int, int]:
    lines = hits = 0
    started = time.process_time()
    for batch in read_batches(log, "combined"):
        hits += len(matcher.match(batch).rows)  # type: ignore[attr-defined]
        lines += batch.num_rows
    return time.process_time() - started, lines, hits


def combined_lines(requests: Iterable[Request]) -> Iterable[bytes]:
    """Yield `requests` as lines of a combined access log."""
    for at, request in enumerate(requests):
        address = b"198.51.100.%d" % (at % 250 + 1)
        clock = b"%02d:%02d:%02d" % (at // 3600 % 24, at // 60 % 60, at % 60)
        asked = b" ".join((request.method, escaped(request.target), request.version or b"HTTP/1.1"))
        head = b'%b - - [01/Mar/2099:%b +0000] "%b" ' % (address, clock, asked)
        yield head + b'%d %d "-" "Mozilla/5.0 (X11; Linux x86_64) Orchard/1.%d"\n' % (200, 512 + at % 4_096, at % 40)


def escaped(text: bytes) -> bytes:
    r"""Write bytes as a log does: quotes, backslashes and what is not printable ASCII as `\xHH`."""
    if text.isascii() and b'"' not in text and b"\\" not in text and text.decode("ascii").isprintable():
        return text
    return b"".join(
        bytes((byte,)) if 0x20 <= byte < 0x7F and byte not in b'"\\' else b"\\x%02X" % byte for byte in text
    )


if __name__ == "__main__":
    raise SystemExit(main())
