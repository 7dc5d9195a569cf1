"""Label the rules of forged folders as `make_pairs.py` labels its pairs: for ablations of the loop.

Usage: python bench/judge/label_rules.py --templates DIR --data DIR --benign-hold FILE RULES OUT.jsonl.gz [RULES OUT …]

RULES is what `ruleforge forge` wrote: a folder for each advisory, with `rule.json` and `evidence.json` in it. Several
folders share the ground, which takes longest. The templates are all of them, whatever part was forged, so that
strangers and the split are the same everywhere.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from judge.candidates import read_templates, source_of
from judge.ground import Ground, gather
from judge.rows import Offered, make_rows, write_rows
from judge.table import label_table
from ruleforge.rules.parse import load_rule


def forged(folder: Path, ground: Ground) -> Iterator[Offered]:
    """Yield the rules below `folder` whose advisory is one of the templates."""
    for file in sorted(folder.glob("*/rule.json")):
        evidence = file.parent / "evidence.json"
        papers: dict[str, Any] = json.loads(evidence.read_bytes()) if evidence.is_file() else {}
        advisory = str(papers.get("advisory", {}).get("id", file.parent.name))
        if advisory not in ground.advisories:
            continue
        gates = {check["check"]: check["passed"] for check in papers.get("checks", ())}
        made = papers.get("generator", {})
        yield Offered(
            rule=load_rule(file).require(), advisory=advisory, group="natural", origin="shipped",
            strategy=made.get("strategy", ""), round=made.get("round", 0),
            tests_passed=all(passed is not False for passed in gates.values()) if gates else None, gates=gates,
        )  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(prog="label_rules", description=__doc__)
    parser.add_argument("folders", type=Path, nargs="+", metavar="RULES OUT")
    for name in ("templates", "data", "benign-hold"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    if len(options.folders) % 2:
        parser.error("each folder of rules needs a file to write to")
    read = read_templates(options.templates, options.jobs)
    ground = gather(read, options.data / "exploits" / "exploits-dev.jsonl.gz", options.benign_hold, options.jobs)
    sources = {advisory.id: source_of(advisory, options.templates) for advisory in read}
    for rules, out in zip(options.folders[::2], options.folders[1::2], strict=True):
        rows = make_rows(list(forged(rules, ground)), ground, sources)
        write_rows(rows, out)
        print(f"{rules}: {len(rows)} rules\n{label_table(rows)}")


if __name__ == "__main__":
    main()
