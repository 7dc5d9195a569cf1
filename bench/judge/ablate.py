"""Say what each part of the loop is worth: label what `ruleforge bench judge-ablate` forged, and make the table.

Usage: python bench/judge/ablate.py RUN --templates DIR --data DIR --benign-hold FILE [--part train] [--json FILE]

RUN holds `ablation.json` and a folder of rules for each configuration. Labels are kept beside them, in NAME.jsonl.gz,
so that the table can be made again; remove them to label anew. The test part is left out unless --part says otherwise:
whoever opens it writes that down.

Each configuration is shown as it ships and behind the gate "count" of the judge's opinion in the evidence. The last
columns hold it against the baseline (--against, tests only) at equal numbers of good rules, as `bench judge` does.
"""

import argparse
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from judge.candidates import read_templates, source_of
from judge.ground import gather
from judge.label_rules import forged
from judge.rows import make_rows, places, write_rows
from ruleforge.app.judging.matching import UNTOLD, Matched, Shipped, match
from ruleforge.app.judging.pairs import Pair, read_pairs
from ruleforge.app.rules import read_evidence

TESTS_ONLY = "5x5-no-judge"
HEAD = (
    "configuration", "gate", "CVEs", "rules", "good", "bad", "unlabelled", "good per 100 CVEs", "bad per 100 shipped",
    "CPU s", "bad saved at equal good", "95 %", "",
)  # fmt: skip


class Forged:
    """The rules of one configuration in one part, with what the judge said of each when it was forged."""

    def __init__(self, folder: Path, pairs: Iterable[Pair], part: str) -> None:
        self.pairs = {pair.advisory: pair for pair in pairs if part in ("all", pair.part)}
        told = {name: read_evidence(folder / name).get("judge") for name in self.pairs}
        self.opinions: dict[str, dict[str, Any]] = {n: o for n, o in told.items() if isinstance(o, dict)}

    def risk(self, advisory: str) -> float:
        """Return the probability of either defect; UNTOLD where the judge has none or was not asked."""
        found = self.opinions.get(advisory, {})
        if found.get("p_defect") is not None:
            return float(found["p_defect"])
        known = [found[name] for name in ("p_miss", "p_off_target") if found.get(name) is not None]
        return float(1 - np.prod([1 - each for each in known])) if known else UNTOLD

    def behind(self, gate: str) -> list[Pair]:
        """Return the rules that a gate lets through; "none" lets all."""
        passing = {"none": None, "count": ("count", "block"), "block": ("block",)}[gate]
        return [
            pair for name, pair in self.pairs.items()
            if passing is None or self.opinions.get(name, {}).get("mode") in passing
        ]  # fmt: skip


def shipped(pairs: Iterable[Pair]) -> Shipped:
    """Count rules by their label "any"."""
    labels = [pair.label("any") for pair in pairs]
    return Shipped(labels.count(False), labels.count(True), labels.count(None))


def against(before: Forged, after: Forged, advisories: Sequence[str], draws: int) -> Matched:
    """Compare what two configurations ship, one rule an advisory, at equal numbers of good rules."""
    first, second = ([which.pairs.get(name) for name in advisories] for which in (before, after))
    risk = np.array([after.risk(name) for name in advisories], dtype=np.float64)
    return match(advisories, first, second, risk, draws)


def rows_of(
    runs: Mapping[str, Forged],
    told: Mapping[str, Mapping[str, Any]],
    advisories: Sequence[str],
    baseline: str = TESTS_ONLY,
    draws: int = 2_000,
) -> list[dict[str, Any]]:
    """Return the table as plain data, one row a configuration and gate."""
    rows = []
    for name, run in runs.items():
        judged = bool(run.opinions)
        compared = against(runs[baseline], run, advisories, draws) if judged else None
        for gate in ("none", "count") if judged else ("none",):
            rows.append(_row(name, gate, shipped(run.behind(gate)), compared if gate == "none" else None, told[name]))
            rows[-1] |= {"advisories": len(advisories)}
    return rows


def _row(name: str, gate: str, found: Shipped, compared: Matched | None, told: Mapping[str, Any]) -> dict[str, Any]:
    interval = compared.interval if compared else None
    return {
        "configuration": name,
        "gate": gate,
        "good": found.good,
        "bad": found.bad,
        "unlabelled": found.unlabelled,
        "bad_per_100_shipped": found.per_hundred,
        "cpu_seconds": told.get("cpu_seconds"),
        "load": told.get("load"),
        "reduction": compared.reduction if compared else None,
        "interval": [interval.low, interval.high] if interval else None,
        "claimed": bool(compared and compared.claimed),
        "note": compared.reason if compared else "",
    }


def table(rows: Iterable[Mapping[str, Any]]) -> str:
    """Return the table as Markdown."""
    lines = ["| " + " | ".join(HEAD) + " |", "|" + " --- |" * len(HEAD)]
    for row in rows:
        saved = "–" if row["reduction"] is None else f"{100 * row['reduction']:.1f} %"
        span = "" if row["interval"] is None else "{:.1f} to {:.1f}".format(*(100 * each for each in row["interval"]))
        share = 100 * row["good"] / row["advisories"] if row["advisories"] else None
        counts = [row["advisories"], row["good"] + row["bad"] + row["unlabelled"]]
        counts += [row[name] for name in ("good", "bad", "unlabelled")]
        rates = (share, row["bad_per_100_shipped"], row["cpu_seconds"])
        cells = [row["configuration"], row["gate"], *(f"{count:,}" for count in counts)]
        cells += ["–" if rate is None else f"{rate:,.1f}" for rate in rates]
        cells += [saved, span, "" if row["reduction"] is None or row["claimed"] else row["note"]]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def label(run: Path, names: Sequence[str], options: argparse.Namespace) -> list[str]:
    """Label the folders that have no labels yet; return every advisory of the templates in the part."""
    read = read_templates(options.templates, options.jobs)
    missing = [name for name in names if not (run / f"{name}.jsonl.gz").is_file()]
    if missing:
        ground = gather(read, options.data / "exploits" / "exploits-dev.jsonl.gz", options.benign_hold, options.jobs)
        sources = {advisory.id: source_of(advisory, options.templates) for advisory in read}
        for name in missing:
            write_rows(make_rows(list(forged(run / name, ground)), ground, sources), run / f"{name}.jsonl.gz")
            print(f"labelled {name}", file=sys.stderr, flush=True)
    where = places({advisory.id: advisory for advisory in read})
    return sorted(name for name, place in where.items() if options.part in ("all", place.part))


def main() -> None:
    options = _options()
    record = json.loads((options.run / "ablation.json").read_bytes())
    told = {each["name"]: each for each in record["configurations"]}
    if options.against not in told:
        sys.exit(f"the run has no configuration {options.against}; it has {', '.join(told)}")
    forged_names = set.intersection(*(set(each["names"]) for each in told.values()))
    advisories = [name for name in label(options.run, list(told), options) if name in forged_names]
    runs = {
        name: Forged(options.run / name, read_pairs(options.run / f"{name}.jsonl.gz").pairs, options.part)
        for name in told
    }
    rows = rows_of(runs, told, advisories, options.against, options.bootstrap)
    print(table(rows))
    if options.json:
        options.json.write_text(json.dumps({"schema": 1, "part": options.part, "rows": rows}, indent=1) + "\n")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="ablate", description=__doc__)
    parser.add_argument("run", type=Path)
    for name in ("templates", "data", "benign-hold"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--part", choices=("train", "test", "all"), default="train")
    parser.add_argument("--against", default=TESTS_ONLY, help="configuration to compare with")
    parser.add_argument("--bootstrap", type=int, default=2_000)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    main()
