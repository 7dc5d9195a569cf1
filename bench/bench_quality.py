"""Quality of a folder of forged rules on the development data: one table, as text and JSON.

Usage: python bench/bench_quality.py RULES_DIR [--data ../shared/data] [--json FILE] [--misses]
Counts with their denominators; 0 of n bounds a rate at 3/n (95 %).
"""

import argparse
import gzip
import hashlib
import json
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ruleforge.app.rules import load_rules
from ruleforge.engine.compiled import CompiledSet
from ruleforge.engine.reference import compile_rule
from ruleforge.events.formats import read_requests
from ruleforge.events.places import HttpView
from ruleforge.events.request import Request
from ruleforge.ingest.readers import read_advisories
from ruleforge.ingest.roles import assign_roles
from ruleforge.records.advisory import Advisory
from ruleforge.records.products import product_of
from ruleforge.rules.tree import Rule

PROBES = ("exposed-panels", "technologies", "osint")


def part_of(row: dict[str, Any]) -> str:
    """Fit or hold, by the data README: hash of the Host header, or of the source where there is none."""
    host = next((value for name, value in row["headers"] if name.lower() == "host"), row["source"])
    return "hold" if hashlib.sha256(host.encode()).hexdigest()[-1] in "012" else "fit"


def stratum(source: str) -> str:
    return source.split("/", 1)[0]


def requests_of(folder: Path) -> Iterator[tuple[Advisory, Request, str]]:
    for advisory in read_advisories([folder]):
        if isinstance(advisory, Advisory):
            for poc in assign_roles(advisory).requests:
                yield advisory, poc.request, poc.role


def hits_of(rules: list[Rule], requests: list[Request]) -> dict[int, list[int]]:
    found: dict[int, list[int]] = defaultdict(list)
    for hit in CompiledSet(rules).scan(requests):
        found[hit.request_index].append(hit.rule_index)
    return found


def exploits(rules: list[Rule], data: Path, misses: bool) -> dict[str, Any]:
    with gzip.open(data / "exploits/exploits-dev.jsonl.gz") as lines:
        rows = [json.loads(line) for line in lines]
    requests = [r for r in read_requests(data / "exploits/exploits-dev.jsonl.gz") if isinstance(r, Request)]
    assert len(rows) == len(requests)
    found = hits_of(rules, requests)
    by_cve: dict[str, set[int]] = defaultdict(set)
    for number, rule in enumerate(rules):
        for cve in rule.cves:
            by_cve[cve].add(number)
    result: dict[str, Any] = {}
    for name, derived in (("derived", True), ("independent", False)):
        state: dict[str, bool] = {}
        for index, row in enumerate(rows):
            if row["in_nuclei_3077"] and row["kind"] == "exploit" and row["derived"] is derived:
                mine = bool(by_cve[row["cve"]] & set(found.get(index, ())))
                state[row["cve"]] = state.get(row["cve"], False) or mine
        result[f"{name}_cves"] = len(state)
        result[f"{name}_cves_hit"] = sum(state.values())
        missed = sorted(cve for cve, hit in state.items() if not hit)
        result[f"{name}_missed_without_rule"] = sum(not by_cve[cve] for cve in missed)
        readable = [c for c in missed if int(hashlib.sha256(c.encode()).hexdigest()[-1], 16) % 2 == 0]
        if misses:
            print(
                f"missed {name} (even half only): {' '.join(c + ('' if by_cve[c] else '(no rule)') for c in readable)}"
            )
    probes = [i for i, row in enumerate(rows) if row["kind"] == "probe" and row["in_nuclei_3077"]]
    result["probes"] = len(probes)
    result["probes_fired"] = sum(bool(by_cve[rows[i]["cve"]] & set(found.get(i, ()))) for i in probes)
    return result


def harmless(rules: list[Rule], data: Path, misses: bool) -> dict[str, Any]:
    requests, owners = [], []
    for folder in PROBES:
        for advisory, request, _ in requests_of(data / "nuclei-templates/http" / folder):
            requests.append(request)
            owners.append(f"{folder}/{advisory.id}")
    firing: dict[int, set[str]] = defaultdict(set)
    for index, numbers in hits_of(rules, requests).items():
        for number in numbers:
            firing[number].add(owners[index])
    if misses:
        for number, names in sorted(firing.items()):
            print("probe", rules[number].id, sorted(names)[:3])
    return {"harmless_requests": len(requests), "rules_firing_on_harmless": len(firing), "rules": len(rules)}


def cross(rules: list[Rule], data: Path, misses: bool) -> dict[str, Any]:
    requests, owners = [], []
    for advisory, request, role in requests_of(data / "nuclei-templates/http/cves"):
        if role == "exploit":
            requests.append(request)
            owners.append(advisory)
    by_cve = {cve: product_of(advisory) for advisory in owners for cve in (*advisory.cves, advisory.id)}
    raw: dict[int, set[str]] = defaultdict(set)
    aliased: dict[int, set[str]] = defaultdict(set)
    for index, numbers in hits_of(rules, requests).items():
        for number in numbers:
            rule, owner = rules[number], owners[index]
            if owner.id in rule.cves or owner.id in rule.id or set(owner.cves) & set(rule.cves):
                continue
            raw[number].add(owner.id)
            mine = by_cve.get(rule.cves[0], "") if rule.cves else ""
            if not mine or mine != product_of(owner):
                aliased[number].add(owner.id)
    if misses:
        for number, names in sorted(aliased.items()):
            print("cross", rules[number].id, sorted(names)[:4])
    return {
        "exploit_requests": len(requests),
        "rules_on_other_cve_raw": len(raw),
        "rules_on_other_product": len(aliased),
    }


def benign(rules: list[Rule], data: Path, misses: bool) -> dict[str, Any]:
    path = data / "traffic/benign-dev.jsonl.gz"
    with gzip.open(path) as lines:
        rows = [json.loads(line) for line in lines]
    requests = [r for r in read_requests(path) if isinstance(r, Request)]
    started = time.process_time()
    found = hits_of(rules, requests)
    seconds = time.process_time() - started
    total: Counter[str] = Counter()
    hit: Counter[str] = Counter()
    for index, row in enumerate(rows):
        key = f"{part_of(row)}/{stratum(row['source'])}"
        total[key] += 1
        if index in found:
            hit[key] += 1
            if misses:
                names = [rules[n].id for n in found[index]]
                print("benign", key, row["id"], row["method"], row["target"][:120], names[:3])
    return {
        "benign_requests_per_cpu_second": round(len(rows) / seconds),
        "hold_hit": sum(count for key, count in hit.items() if key.startswith("hold")),
        "fit_hit": sum(count for key, count in hit.items() if key.startswith("fit")),
        "hold_strata": {k: [hit[k], total[k]] for k in sorted(total) if k.startswith("hold") and hit[k]},
        "hold_requests": sum(count for key, count in total.items() if key.startswith("hold")),
    }


def replay(rules: list[Rule], data: Path, misses: bool) -> dict[str, Any]:
    """Every rule against the exploit requests of its own template; fast set against reference on mixed traffic."""
    by_id = {rule.id.removeprefix("RF-").rsplit("-", 1)[0]: number for number, rule in enumerate(rules)}
    requests, owners = [], []
    for advisory, request, role in requests_of(data / "nuclei-templates/http/cves"):
        if role == "exploit" and advisory.id in by_id:
            requests.append(request)
            owners.append(by_id[advisory.id])
    found = hits_of(rules, requests)
    missed = [i for i, owner in enumerate(owners) if owner not in found.get(i, ())]
    if misses:
        print("replay misses", [rules[owners[i]].id for i in missed][:20])
    return {"replayed": len(requests), "replay_missed": len(missed)}


def differential(rules: list[Rule], data: Path, misses: bool) -> dict[str, Any]:
    """Fast set against the reference evaluator: hits and unknowns, on attack-rich and benign requests."""
    del misses
    sample: list[Request] = []
    for name, step in (
        ("exploits/exploits-dev", 1),
        ("traffic/attack-dev", 40),
        ("traffic/benign-dev", 300),
        ("traffic/honeypot-dev", 200),
    ):
        found = [r for r in read_requests(data / f"{name}.jsonl.gz") if isinstance(r, Request)]
        sample += found[::step]
    compiled = CompiledSet(rules)
    asks = [compile_rule(rule).ask for rule in rules]
    differences = 0
    for request in sample:
        view = HttpView(request)
        answers = compiled.answers(request)
        slow = [ask(view) for ask in asks]
        differences += [i for i, a in enumerate(slow) if a] != list(answers.hits)
        differences += [i for i, a in enumerate(slow) if a is None] != list(answers.unknowns)
    return {"differential_pairs": len(sample) * len(rules), "differences": differences}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rules", type=Path)
    parser.add_argument("--data", type=Path, default=Path(__file__).parents[2] / "shared" / "data")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--misses", action="store_true", help="print what was missed or wrongly hit")
    parser.add_argument("--only", default="replay,exploits,harmless,cross,benign")
    options = parser.parse_args()
    rules = list(load_rules(options.rules).rules)
    parts = {
        "replay": replay,
        "exploits": exploits,
        "harmless": harmless,
        "cross": cross,
        "benign": benign,
        "differential": differential,
    }
    table: dict[str, Any] = {}
    for name in options.only.split(","):
        table |= parts[name](rules, options.data, options.misses)
    for key, value in table.items():
        print(f"{key:36} {value}")
    if options.json:
        options.json.write_text(json.dumps(table, indent=2) + "\n")


if __name__ == "__main__":
    main()
