"""Choose a small sample of disclosures by hash, and put the questions of `bench llm` about them into a mailbox.

    python scripts/llm_sample.py TEMPLATES FOLDER --count 8 --half even

FOLDER gets `sample/` (copies of the disclosures), `letters/` (the questions) and `now.json`, `now.md` (the comparison
as far as it is answered). Answer the letters, by any model or agent, and run the same command again. The sample depends
on the CVE numbers alone: the same data give the same one. FOLDER must lie outside of this repository.
"""

import argparse
import hashlib
import re
import shutil
import sys
from pathlib import Path

from ruleforge.cli import cli
from ruleforge.errors import RuleForgeError
from ruleforge.ingest.readers import read_advisory
from ruleforge.ingest.roles import assign_roles
from ruleforge.records.advisory import Advisory

CVE = re.compile(r"CVE-[0-9]{4}-[0-9]{4,}")
EVEN = "02468ace"
HOME = Path(__file__).resolve().parents[1]


def digest(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()


def of_half(name: str, half: str) -> bool:
    return half == "both" or (digest(name)[-1] in EVEN) == (half == "even")


def attacks(file: Path) -> bool:
    """Whether some request of the disclosure is an exploit: the others are refused before anybody is asked."""
    try:
        found = read_advisory(file)
    except RuleForgeError:
        return False
    return isinstance(found, Advisory) and any(poc.role == "exploit" for poc in assign_roles(found).requests)


def choose(folder: Path, count: int, half: str) -> list[Path]:
    named = [(found[0], file) for file in folder.rglob("*.yaml") if (found := CVE.search(file.name))]
    chosen: list[Path] = []
    for _, file in sorted((digest(name), file) for name, file in named if of_half(name, half)):
        if len(chosen) == count:
            break
        if attacks(file):
            chosen.append(file)
    return chosen


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("templates", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, default=8)
    parser.add_argument("--half", choices=("even", "odd", "both"), default="even", help="half of the CVEs, by hash")
    parser.add_argument("--model", default="mailbox", help="name of who answers, for the report")
    parser.epilog = "further options go to bench llm"
    given, rest = parser.parse_known_args()
    if given.folder.resolve().is_relative_to(HOME):
        parser.error("the folder lies in the repository, which holds no disclosures of others")
    sample = given.folder / "sample"
    sample.mkdir(parents=True, exist_ok=True)
    for file in choose(given.templates, given.count, given.half):
        shutil.copy(file, sample / file.name)
    letters = f"mailbox:{given.folder / 'letters'}?model={given.model}"
    report = ["--json", str(given.folder / "now.json"), "--md", str(given.folder / "now.md")]
    cli(["bench", "llm", str(sample), "--provider", letters, *report, *rest], standalone_mode=False)


if __name__ == "__main__":
    sys.exit(main())
