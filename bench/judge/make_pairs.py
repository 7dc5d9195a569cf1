"""Make the pairs file: rules natural and constructed, for every template, labelled.

Usage: python bench/judge/make_pairs.py OUT.jsonl.gz --templates DIR --data DIR --benign-fit FILE --benign-hold FILE
       [--tries FILE] [--work FOLDER] [--most N] [--constructed N] [--jobs N] [--freeze FILE]

What the loop tried is kept in --tries (made if it is not there), and what the gates said of other rules in --work, so
that labels can be made again without forging.
"""

import argparse
import json
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from judge.candidates import Tries, bounded, cpu_seconds, read_templates, read_tries, source_of, write_tries
from judge.constructed import construct
from judge.given import Gates
from judge.ground import gather
from judge.others import read_crowdsec
from judge.rows import Offered, frozen, make_rows, write_rows
from judge.table import label_table, reasons
from ruleforge.records.advisory import Advisory
from ruleforge.rules.parse import parse_rule
from ruleforge.rules.tree import Rule


def natural(tries: Sequence[Tries], most: int) -> Iterator[Offered]:
    """Yield our own candidates, at most `most` an advisory."""
    for tried in tries:
        for each in bounded(list(tried.attempts), most):
            yield Offered(
                rule=parse_rule(each.rule).require(), advisory=tried.advisory, group="natural", origin=each.origin,
                strategy=each.strategy, round=each.round, tests_passed=each.passed, gates=each.gates,
                confidence=each.confidence, rank=each.rank,
            )  # fmt: skip


def given(advisories: dict[str, Advisory], tries: Sequence[Tries], options: argparse.Namespace) -> Iterator[Offered]:
    """Yield the rules of others and the constructed ones, with what our gates say of them."""
    shipped = {t.advisory: parse_rule(a.rule).require() for t in tries for a in t.attempts if a.origin == "shipped"}
    made: dict[str, list[tuple[Rule, str, str]]] = defaultdict(list)
    for foreign in read_crowdsec(options.data / "documents" / "crowdsec", list(advisories.values())):
        made[foreign.advisory].append((foreign.rule, "natural", "crowdsec"))
    for advisory in advisories.values():
        for each in construct(advisory, shipped.get(advisory.id), options.constructed):
            made[advisory.id].append((each.rule, "constructed", each.origin))
    gates = Gates(options.work / "gates.jsonl")
    asked = {name: [rule for rule, _, _ in its if gates.of(rule, name) is None] for name, its in made.items()}
    gates.ask(asked, advisories, options.benign_fit, options.work, options.jobs)
    for name, its in made.items():
        for rule, group, origin in its:
            found = gates.of(rule, name)
            if found is not None:  # None: the process that asked them died
                yield Offered(
                    rule=rule, advisory=name, group=group, origin=origin, tests_passed=found.passed, gates=found.gates
                )


def note(what: str) -> None:
    """Say what is done, with the CPU seconds so far."""
    print(f"{cpu_seconds():8.1f} s CPU  {what}", file=sys.stderr, flush=True)


def main() -> None:
    options = _options()
    read = read_templates(options.templates, options.jobs)
    advisories = {advisory.id: advisory for advisory in read}
    note(f"{len(advisories)} templates read")
    tries_file = options.tries or options.work / "tries.jsonl"
    write_tries(tries_file, read, options.templates, options.benign_fit, options.work, options.jobs)
    tries = [tried for tried in read_tries(tries_file) if tried.advisory in advisories]
    note(f"{sum(len(t.attempts) for t in tries)} attempts of our own")
    offered = list(natural(tries, options.most))
    note(f"{len(offered)} of them offered")
    offered += given(advisories, tries, options)
    note(f"{len(offered)} rules with those of others and constructed ones")
    ground = gather(read, options.data / "exploits" / "exploits-dev.jsonl.gz", options.benign_hold, options.jobs)
    note(f"ground: {len(ground.strangers)} strangers, {len(ground.benign)} ordinary requests")
    sources = {advisory.id: source_of(advisory, options.templates) for advisory in read}
    rows = make_rows(offered, ground, sources)
    write_rows(rows, options.out)
    note(f"{len(rows)} pairs written")
    print(label_table(rows))
    print(json.dumps(reasons(row for row in rows if row["group"] == "natural")))
    if options.freeze:
        options.freeze.write_text(json.dumps(frozen(rows), indent=2, sort_keys=True) + "\n")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make_pairs", description=__doc__)
    parser.add_argument("out", type=Path)
    for name in ("templates", "data", "benign-fit", "benign-hold"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    for name in ("tries", "work", "freeze"):
        parser.add_argument(f"--{name}", type=Path)
    parser.add_argument("--most", type=int, default=5, help="pairs of our own candidates of one advisory")
    parser.add_argument("--constructed", type=int, default=1, help="constructed pairs of one advisory")
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    options.work = options.work or options.out.with_suffix(".work")
    options.work.mkdir(parents=True, exist_ok=True)
    return options


if __name__ == "__main__":
    main()
