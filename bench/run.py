"""Run all benchmarks, write `bench/results.json` and print a table.

Usage: python bench/run.py [RULES_DIR] [--only NAME,NAME] [--quick] [--out FILE] [--docs]
Without RULES_DIR rules are forged first: from the development templates where they are there, else the examples.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

from figures import SUITES, Suite, render_table
from traffic import EXAMPLES, ROOT, data_folder, traffic_files

RESULTS = ROOT / "bench" / "results.json"
PAGE = ROOT / "docs" / "performance.md"
BEGIN, END = "<!-- bench: figures of bench/results.json -->", "<!-- bench: end -->"
_LIBRARIES = ("ruleforge", "pyarrow", "numpy", "hyperscan", "google-re2", "numba", "pyspark")
_REASON_MOST = 160


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rules_dir", type=Path, nargs="?")
    parser.add_argument("--only", default="", help="names of benchmarks; results.json is not written then")
    parser.add_argument("--quick", action="store_true", help="smaller samples: a first look, noisier figures")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--docs", action="store_true", help="only write the figures of results.json into docs")
    options = parser.parse_args()
    if options.docs:
        write_page(json.loads(RESULTS.read_text(encoding="utf-8")))
        return 0
    chosen = [suite for suite in SUITES if not options.only or suite.name in options.only.split(",")]
    with tempfile.TemporaryDirectory() as folder:
        rules = (options.rules_dir or forged(Path(folder) / "rules")).resolve()
        results = machine(rules) | {"quick": options.quick}
        for suite in chosen:
            results |= run(
                suite._replace(command=suite.command + suite.quick) if options.quick else suite,
                rules,
                Path(folder) / f"{suite.name}.json",
            )
    results["load_after"] = _load()
    out = options.out or (None if options.only else RESULTS)
    if out is not None:
        out.write_text(json.dumps(results, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    print(render_table(results))
    return 0


def run(suite: Suite, rules: Path, out: Path) -> dict[str, object]:
    """Run one benchmark; every figure it owes is there afterwards, null with a reason where it failed."""
    print(f"{suite.name} …", file=sys.stderr)
    found: dict[str, object] = {f"{suite.name}_load": _load()}
    reason = _run(suite, rules, out)
    if out.is_file():
        found |= json.loads(out.read_text(encoding="utf-8"))
        reason = reason or str(found.get(f"{suite.name}_skipped", "")) or "the benchmark did not give it"
    for figure in suite.figures:
        if found.setdefault(figure.key, None) is None:
            found.setdefault(f"{figure.key}_reason", reason)
    return found


def _run(suite: Suite, rules: Path, out: Path) -> str:
    """Run the process of a benchmark; return why it failed, empty where it did not."""
    if suite.command[0] != "-m" and not (ROOT / suite.command[0]).is_file():
        return f"no {suite.command[0]} in this version"
    command = [sys.executable]
    for part in suite.command:
        command += list(map(str, traffic_files())) if part == "TRAFFIC" else [str(rules) if part == "RULES" else part]
    environment = dict(os.environ) | {"PYTHONPATH": str(ROOT / "bench")}
    try:
        ended = subprocess.run(
            [*command, "--json", str(out)],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            timeout=suite.limit_seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"not finished after {suite.limit_seconds} s"
    sys.stderr.buffer.write(ended.stderr[-2_000:])
    if ended.returncode == 0:
        return ""
    last = (ended.stderr.decode("utf-8", "replace").strip().splitlines() or ["no message"])[-1]
    return f"failed ({ended.returncode}): {last.replace(str(ROOT), '.')[:_REASON_MOST]}"


def forged(out: Path) -> Path:
    """Forge rules to measure with."""
    from ruleforge.app.forge import ForgeSummary, forge

    templates = data_folder() / "nuclei-templates" / "http" / "cves"
    source = templates if templates.is_dir() else EXAMPLES / "templates"
    print(f"forging rules from {source.name} …", file=sys.stderr)
    for _ in forge([source], out, ForgeSummary(), benign=[EXAMPLES / "benign" / "sample.jsonl"]):
        pass
    return out


def machine(rules: Path) -> dict[str, object]:
    """What a figure depends on besides the code."""
    found: dict[str, object] = {
        "date": datetime.now(UTC).date().isoformat(),
        "git_revision": _git("rev-parse", "--short", "HEAD"),
        "git_changed": bool(_git("status", "--porcelain", "--untracked-files=no")),
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "python_version": platform.python_version(),
        "load_before": _load(),
        "rules": sum(1 for _ in rules.rglob("rule.json")),
        "traffic": "the development traffic" if len(traffic_files()) > 1 else "the examples",
    }
    for name in _LIBRARIES:
        try:
            found[f"{name.replace('-', '_')}_version"] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[f"{name.replace('-', '_')}_version"] = None
    return found


def write_page(results: dict[str, object]) -> None:
    """Write the figures into docs/performance.md, between the marks."""
    text = PAGE.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text(f"{before}{BEGIN}\n{render_table(results)}{END}{after}", encoding="utf-8")


def _load() -> float:
    return round(os.getloadavg()[0], 2)


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return platform.processor() or "unknown"
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or "unknown"


def _git(*arguments: str) -> str:
    ended = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    return ended.stdout.strip()


if __name__ == "__main__":
    raise SystemExit(main())
