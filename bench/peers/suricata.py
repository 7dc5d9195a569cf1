"""Suricata over a capture of the same requests: requests per CPU second, loading apart.

Usage: PYTHONPATH=bench python -m peers.suricata RULES_DIR [--rules 0,1000,5000] [--requests 10000] [--json OUT]
One packet thread (`--runmode single`), no output but the hits.
"""

import argparse
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec

from multiply import multiply
from peers.agreement import Pairs, compare, reference_hits, told_agreement
from peers.capture import flow_of, write_capture
from peers.suricata_rules import convert, rule_of
from report import write_report
from ruleforge.app.rules import load_rules
from ruleforge.events.request import Request
from ruleforge.rules.tree import Rule
from traffic import stratum

LIMIT_SECONDS = 900
CONFIG = """%YAML 1.1
---
vars:
  address-groups: {HOME_NET: "any", EXTERNAL_NET: "any"}
  port-groups: {HTTP_PORTS: "80"}
default-log-dir: .
stats: {enabled: no}
outputs:
  - fast: {enabled: yes, filename: fast.log, append: no}
logging:
  default-log-level: notice
  outputs:
    - file: {enabled: yes, level: info, filename: suricata.log}
app-layer:
  protocols:
    http:
      enabled: yes
      libhtp:
        default-config:
          personality: IDS
          request-body-limit: 1mb
          response-body-limit: 1kb
          double-decode-path: no
          double-decode-query: no
stream: {checksum-validation: no, inline: no, midstream: false, memcap: 512mb, reassembly: {memcap: 1gb, depth: 2mb}}
flow: {memcap: 512mb, hash-size: 65536, prealloc: 10000}
mpm-algo: auto
spm-algo: auto
detect: {profile: medium, sgh-mpm-context: auto, inspection-recursion-limit: 3000}
"""
_HIT = re.compile(r"\[1:(\d{1,9}):1\].* (10\.[0-9.]{1,12}):(\d{1,5}) -> ")
_TICKS = os.sysconf("SC_CLK_TCK")


class Run(msgspec.Struct, frozen=True):
    """One run of the program."""

    load_seconds: float  # of CPU, until the engine said it had started
    match_seconds: float  # of CPU, from then on
    pairs: Pairs
    complaints: int  # signatures that it would not load


def measure(program: str, rules: str, capture: Path, requests: int) -> Run:
    """Run Suricata over a capture."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        (place / "suricata.yaml").write_text(CONFIG, encoding="utf-8")
        (place / "our.rules").write_text(rules, encoding="utf-8")
        for name in ("classification.config", "reference.config"):
            (place / name).write_text("", encoding="utf-8")
        options = ["-c", "suricata.yaml", "-S", "our.rules", "-l", ".", "-k", "none", "--runmode", "single"]
        options += [
            "--set",
            "classification-file=classification.config",
            "--set",
            "reference-config-file=reference.config",
        ]
        started = subprocess.Popen(
            [program, *options, "-r", str(capture)], cwd=place, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        load, total = _watch(started, place / "suricata.log")
        log = (place / "suricata.log").read_text(encoding="utf-8", errors="replace")
        if started.returncode:
            raise RuntimeError(log[-300:])
        hits = (place / "fast.log").read_text(encoding="utf-8", errors="replace")
    complaints = sum("error parsing signature" in line for line in log.splitlines())
    return Run(load, total - load, _pairs(hits, requests), complaints)


def _watch(process: "subprocess.Popen[bytes]", log: Path) -> tuple[float, float]:
    """Return CPU seconds until the log says that the engine has started, and in all."""
    load, ends = 0.0, time.monotonic() + LIMIT_SECONDS
    while True:
        now = _cpu_seconds(process.pid)
        if not load and log.exists() and "Engine started" in log.read_text(encoding="utf-8", errors="replace"):
            load = now
        done, status, used = os.wait4(process.pid, os.WNOHANG)
        if done:
            process.returncode = os.waitstatus_to_exitcode(status)
            return load, used.ru_utime + used.ru_stime
        if time.monotonic() > ends:
            process.kill()
        time.sleep(0.01)


def _cpu_seconds(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _pairs(hits: str, requests: int) -> Pairs:
    rows = {flow_of(row): row for row in range(requests)}
    found = (_HIT.search(line) for line in hits.splitlines())
    known = ((rows.get((hit[2], int(hit[3]))), int(hit[1])) for hit in found if hit)
    return frozenset((row, rule_of(sid)) for row, sid in known if row is not None)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rules_dir", type=Path)
    parser.add_argument("--rules", default="0,1000,5000")
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--exploits", type=int, default=400)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    program = shutil.which("suricata")
    if program is None:
        write_report(options.json, {"suricata_skipped": "suricata is not installed (see bench/README.md)"})
        return 0
    forged = load_rules(options.rules_dir).rules
    strata = {"sample": stratum("mixed", options.requests), "exploits": stratum("exploits", options.exploits)}
    version = subprocess.run([program, "-V"], capture_output=True, text=True, check=False).stdout.strip()
    found: dict[str, object] = {"suricata_version": version, "suricata_requests": len(strata["sample"])}
    with tempfile.TemporaryDirectory() as folder:
        captures = {name: Path(folder) / f"{name}.pcap" for name in strata}
        packets = {name: write_capture(requests, captures[name]) for name, requests in strata.items()}
        for count in map(int, options.rules.split(",")):
            rules = multiply(forged, count) if count else ()
            converted = convert(rules)
            prefix = f"suricata_{count}"
            for name, requests in strata.items() if count else [("sample", strata["sample"])]:
                run = measure(program, converted.text, captures[name], len(requests))
                if name == "sample":
                    found |= _told(prefix, run, len(requests), packets[name])
                if count:
                    found |= _agreed(f"{prefix}_{name}", run, rules, requests, converted.rules)
            if count:
                found |= {
                    f"{prefix}_converted_rules": len(converted.rules),
                    f"{prefix}_signatures": converted.count,
                    f"{prefix}_signatures_not_loaded": run.complaints,
                    f"{prefix}_refused": dict(converted.refused.most_common()),
                    f"{prefix}_inexact": dict(converted.inexact.most_common()),
                }
    write_report(options.json, found)
    return 0


def _told(prefix: str, run: Run, requests: int, packets: int) -> dict[str, object]:
    return {
        f"{prefix}_rps": round(requests / run.match_seconds),
        f"{prefix}_packets_per_second": round(packets / run.match_seconds),
        f"{prefix}_load_ms": round(run.load_seconds * 1e3),
    }


def _agreed(
    prefix: str, run: Run, rules: Sequence[Rule], requests: Sequence[Request], among: frozenset[int]
) -> dict[str, object]:
    return told_agreement(prefix, compare(reference_hits(rules, requests, among), run.pairs))


if __name__ == "__main__":
    raise SystemExit(main())
