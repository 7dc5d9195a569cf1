"""Measure `ruleforge agent` on events it never saw.

    python bench/bench_events.py [--json FILE]

Every example case becomes a rule (questions for a person are answered with yes, as its author would); the rule is then
asked about further attacks and further ordinary use of `event_held_out.py`, and about every test of a rule of ours for
the same kind of event that must not match. Figures: recall by example, false hits.
"""

import argparse
import json
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from event_held_out import HELD_OUT
from ruleforge.app.detections import FOLDER as DETECTIONS
from ruleforge.app.detections import load_detections
from ruleforge.engine.event_watch import ask_stream
from ruleforge.events.kinds import HTTP
from ruleforge.ingest.event_cases import read_case
from ruleforge.pipeline.event_agent import run_case
from ruleforge.pipeline.event_bench import Bench
from ruleforge.pipeline.event_tests import read_event_tests
from ruleforge.records.event_case import QUESTIONS
from ruleforge.rules.tree import Rule
from ruleforge.sources.event_streams import written_out

CASES = Path(__file__).resolve().parents[1] / "examples" / "events"


def hits(rule: Rule, stream: list[dict[str, Any]]) -> bool:
    """Whether a rule fires on a stream as cases hold it."""
    texts = json.loads(json.dumps({"events": stream}))
    return ask_stream(rule, tuple(written_out(texts, rule.event, "held out"))) is True


def measure() -> list[dict[str, Any]]:
    """Make every rule and ask it."""
    rows = []
    for file in sorted(CASES.glob("*.yaml")):
        case = read_case(file)
        first = run_case(Bench(case)).outcome
        if first.outcome == "escalated":
            case = msgspec.structs.replace(case, answers=dict.fromkeys(QUESTIONS, True))
        run = run_case(Bench(case))
        row: dict[str, Any] = {"case": case.id, "event": case.event, "outcome": first.outcome, "reason": first.reason}
        if run.rule is not None and case.id in HELD_OUT:
            make, ordinary = HELD_OUT[case.id]
            attacks = list(make())
            found = [hits(run.rule, stream) for stream in attacks]
            false = [hits(run.rule, stream) for stream in ordinary]
            row |= {
                "strategy": run.outcome.strategy, "attacks": len(found), "found": sum(found),
                "missed": [n for n, hit in enumerate(found, 1) if not hit], "ordinary": len(false), "false": sum(false),
                "false_hits": [n for n, hit in enumerate(false, 1) if hit],
            }  # fmt: skip
        if run.rule is not None and case.event != HTTP:
            known = [name for name, items in beside(case.event) if ask_stream(run.rule, items) is True]
            row |= {"beside": len(beside(case.event)), "beside_hit": known}
        rows.append(row)
    return rows


@cache
def beside(kind: str) -> list[tuple[str, tuple[Any, ...]]]:
    """The tests of our own rules that must not match: edges of other attacks, written long before."""
    found = []
    for rule in load_detections().rules:
        folder = next(
            file.parent for file in DETECTIONS.rglob("rule.json") if f'"{rule.id}"' in file.read_text("utf-8")
        )
        if rule.event == kind:
            tests = read_event_tests(folder / "tests.yaml", rule)
            found += [(f"{rule.id}: {test.name}", test.items) for test in tests if test.verdict == "no_match"]
    return found


def main() -> None:
    """Print a table; with --json write the rows, too."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])  # type: ignore[union-attr]
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    rows = measure()
    for row in rows:
        told = (
            f"{row['found']}/{row['attacks']} found, {row['false']}/{row['ordinary']} false" if "found" in row else ""
        )
        print(
            f"{row['case']:30} {row['outcome']:10} {row['reason']:18} {row.get('strategy', ''):10} {told}",
            row.get("missed", ""),
            row.get("false_hits", ""),
        )
    asked = [row for row in rows if "found" in row]
    found, attacks = sum(row["found"] for row in asked), sum(row["attacks"] for row in asked)
    false, ordinary = sum(row["false"] for row in asked), sum(row["ordinary"] for row in asked)
    edges = sum(row.get("beside", 0) for row in rows)
    hit = [f"{row['case']} at {name}" for row in rows for name in row.get("beside_hit", ())]
    print(f"tests of our own rules that must not match: {len(hit)}/{edges} hit", *hit, sep="\n  ")
    print(f"{len(rows)} cases, {len(asked)} rules measured: recall {found}/{attacks}, false hits {false}/{ordinary}")
    if given.json:
        given.json.write_text(json.dumps(rows, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
