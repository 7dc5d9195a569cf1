"""Our engine on the sample of the peers, and the floor: our reference evaluator, one rule after the other.

Usage: PYTHONPATH=bench python -m peers.ours RULES_DIR [--rules 1000,5000] [--requests 20000] [--floor 40] [--json OUT]
"""

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

from engines import batch_matcher
from multiply import multiply
from report import write_report
from ruleforge.app.rules import load_rules
from ruleforge.engine.reference import SharedView, compile_rule
from ruleforge.events.request import Request
from ruleforge.rules.tree import Rule
from traffic import batches, stratum

REPEAT = 3


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rules_dir", type=Path)
    parser.add_argument("--rules", default="1000,5000")
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--floor", type=int, default=40, help="requests asked one rule after the other")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    forged = load_rules(options.rules_dir).rules
    requests = stratum("mixed", options.requests)
    found: dict[str, object] = {"ours_requests": len(requests), "python_loop_requests": options.floor}
    for count in map(int, options.rules.split(",")):
        rules = multiply(forged, count)
        seconds, hits = _match(rules, requests)
        found |= {f"ours_{count}_rps": round(len(requests) / seconds), f"ours_{count}_hits": hits}
        floor, floor_hits = _loop(rules, requests[: options.floor])
        found |= {f"python_loop_{count}_rps": round(options.floor / floor, 1), f"python_loop_{count}_hits": floor_hits}
    write_report(options.json, found)
    return 0


def _match(rules: Sequence[Rule], requests: Sequence[Request]) -> tuple[float, int]:
    """Return the CPU seconds of one pass, best of three, and how many pairs held."""
    matcher, made = batch_matcher(rules), batches(requests)
    matcher.match(made[0])  # warm: what is built on first use does not recur
    runs = []
    for _ in range(REPEAT):
        started = time.process_time()
        hits = sum(len(matcher.match(batch).rows) for batch in made)
        runs.append((time.process_time() - started, hits))
    return min(runs)


def _loop(rules: Sequence[Rule], requests: Sequence[Request]) -> tuple[float, int]:
    """Ask every rule about every request; a view remembers what rules share, as any sensible loop would."""
    asks = [compile_rule(rule).ask for rule in rules]
    started, hits = time.process_time(), 0
    for request in requests:
        view = SharedView(request)
        hits += sum(ask(view) is True for ask in asks)
    return time.process_time() - started, hits


if __name__ == "__main__":
    raise SystemExit(main())
