"""Sheets for reading chains of reasons by eye: what the reviewer sees first, and what the judge said, apart.

Usage: python bench/judge/chains.py PAIRS OUT --templates DIR --benign FILE [--part train] [--rules 63] [--seed NAME]
       [--cache DIR]

Rules that the labels call bad, half of them among those that passed every check. `OUT/blind/N.md` holds a rule and what
was disclosed; the reviewer writes into `OUT/verdicts.tsv`, for each N, what is wrong with the rule, before opening
`OUT/judge/N.md`, where the judge's reasons stand. `OUT/key.json` holds the labels: for whoever counts, afterwards.
"""

import argparse
import json
from pathlib import Path

from sampling import Row, advisory_of, choose, is_bad, read_part, rule_of

from ruleforge.app.judge import judge_pairs
from ruleforge.records.advisory import Advisory
from ruleforge.records.forging import Opinion
from ruleforge.rules.dump import dump_rule
from ruleforge.rules.render import render_sentence

REQUESTS_MOST, REQUEST_MOST, TEXT_MOST = 6, 1_500, 1_500  # shown of an advisory; characters of a request, of a text


def shown_request(advisory: Advisory) -> list[str]:
    """Write out the requests of a disclosure that carry the attack."""
    lines = []
    for poc in [poc for poc in advisory.requests if poc.role == "exploit"][:REQUESTS_MOST]:
        request = poc.request
        head = [request.method + b" " + request.target, *(b"%s: %s" % pair for pair in request.headers)]
        text = (b"\n".join(head) + b"\n\n" + (request.body or b"")).decode("utf-8", "backslashreplace")
        lines += ["```", text[:REQUEST_MOST].strip(), "```", ""]
    return lines


def blind_sheet(number: int, row: Row, advisory: Advisory) -> str:
    """The rule and the disclosure, without a word of any judge."""
    rule = rule_of(row)
    told = dump_rule(rule)
    lines = [f"# {number}: {advisory.id}", "", advisory.title, "", advisory.description[:TEXT_MOST], ""]
    lines += ["## The disclosed exploit", "", *shown_request(advisory)]
    lines += ["## The rule", "", render_sentence(rule), "", "```json", json.dumps(told["when"], indent=1), "```", ""]
    return "\n".join(lines)


def judge_sheet(number: int, opinion: Opinion) -> str:
    """What the judge said, in the order of weight."""
    lines = [f"# {number}", "", f"p_miss {opinion.p_miss}  p_off_target {opinion.p_off_target}  mode {opinion.mode}"]
    lines += [f"thin: {opinion.thin}"] if opinion.thin else []
    for at, reason in enumerate(opinion.chain, 1):
        lines += ["", f"{at}. ({reason.question}, {reason.weight:+.2f}) {reason.text}"]
        lines += [f"   condition {reason.condition}"] if reason.condition else []
        lines += [f"   request {reason.request}"] if reason.request else []
    return "\n".join(lines) + "\n"


def main() -> None:
    options = _options()
    rows = read_part(options.pairs, options.part)
    half = options.rules // 2
    passed = choose(rows, half, options.seed, lambda row: is_bad(row) is True and row["origin"] != "rejected")
    taken = {row["advisory"] for row in passed}
    rest = [row for row in rows if row["advisory"] not in taken]
    failed = choose(
        rest, options.rules - len(passed), options.seed, lambda row: is_bad(row) is True and row["origin"] == "rejected"
    )
    chosen = sorted([*passed, *failed], key=lambda row: str(row["pair"]))
    found = judge_pairs(chosen, options.templates, benign=options.benign, cross=True, cache=options.cache)
    for folder in ("blind", "judge"):
        (options.out / folder).mkdir(parents=True, exist_ok=True)
    key = []
    for number, (row, judged) in enumerate(zip(chosen, found, strict=True), 1):
        advisory = advisory_of(row, options.templates)
        (options.out / "blind" / f"{number}.md").write_text(blind_sheet(number, row, advisory))
        sheet = judge_sheet(number, judged.opinion) if judged.opinion else f"# {number}\n\n{judged.problem}\n"
        (options.out / "judge" / f"{number}.md").write_text(sheet)
        told = {name: row[name] for name in ("pair", "advisory", "origin", "gates", "miss", "off")}
        key.append({"number": number, "mode": judged.opinion.mode if judged.opinion else None, **told})
    (options.out / "key.json").write_text(json.dumps(key, indent=1) + "\n")
    print(f"{len(chosen)} rules, {len(passed)} of them passed every check")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("pairs", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--templates", type=Path, required=True)
    parser.add_argument("--benign", type=Path, action="append", default=[])
    parser.add_argument("--part", choices=("train", "test"), default="train")
    parser.add_argument("--rules", type=int, default=63)
    parser.add_argument("--seed", default="chains")
    parser.add_argument("--cache", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    main()
