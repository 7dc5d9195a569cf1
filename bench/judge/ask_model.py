"""Ask a language model about labelled rules, to fit how much it counts: rows for fit_weights.py.

Usage: python bench/judge/ask_model.py PAIRS ROWS.jsonl --templates DIR --llm mailbox:FOLDER [--rules 60] [--k 1]

Rules of the training part, one of an advisory: a third that the labels call bad in each way, a third that they call
good. With a mailbox the first run writes the letters, and a later one reads the answers; rows are written of the rules
whose questions are all answered. The evidence judge is asked as `ruleforge judge` asks it, without traffic or other
sources.
"""

import argparse
import json
from pathlib import Path

import msgspec
from sampling import Row, advisory_of, choose, read_part, rule_of

from ruleforge.app.models import open_door
from ruleforge.background.table import default_background
from ruleforge.judge.evidence_judge import judge_rule
from ruleforge.judge.llm_judge import LlmPending, ask_llm_judge
from ruleforge.llm.budget import Budget, Limits
from ruleforge.pipeline.forge import Ground
from ruleforge.pipeline.judging import judging_of


def sample(rows: list[dict[str, object]], count: int, seed: str) -> list[Row]:
    """A third bad in each way, and a third good, as far as there are such rules; each advisory once."""
    chosen: list[Row] = []
    for wanted in (
        lambda row: row["miss"]["label"] is True,
        lambda row: row["off"]["label"] is True,
        lambda row: row["miss"]["label"] is False and row["off"]["label"] is False,
    ):
        taken = {row["advisory"] for row in chosen}
        rest = [row for row in rows if row["advisory"] not in taken]
        chosen += choose(rest, (count + 2 - len(chosen) % 3) // 3, seed, wanted)
    return chosen[:count]


def main() -> None:
    options = _options()
    chosen = sample(read_part(options.pairs, "train"), options.rules, options.seed)
    budget = Budget(run=Limits(), cve=Limits(), day=Limits())  # a mailbox costs nothing; a server's user sets limits
    door = open_door(options.llm, budget=budget if options.llm.startswith("mailbox:") else None)
    ground = Ground(default_background(), None, ())
    pending = answered = 0
    with options.out.open("w") as out:
        for row in chosen:
            advisory, rule = advisory_of(row, options.templates), rule_of(row)
            evidence = judging_of(advisory, ground)
            told = ask_llm_judge(rule, advisory, evidence, door, options.k)
            if isinstance(told, LlmPending):
                pending += len(told.ids)
                continue
            answered += 1
            opinion = judge_rule(rule, evidence)
            for question, label, own, model in (
                ("miss", row["miss"]["label"], opinion.p_miss, told.miss),
                ("off_target", row["off"]["label"], opinion.p_off_target, told.off_target),
            ):
                if None not in (label, own, model.probability):
                    line = {"question": question, "evidence": own, "llm": model.probability, "label": label}
                    line |= {"pair": row["pair"], "reasons": msgspec.to_builtins(model.reasons)}
                    out.write(json.dumps(line) + "\n")
    print(f"{len(chosen)} rules, {answered} answered; {pending} letters wait")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("pairs", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--templates", type=Path, required=True)
    parser.add_argument("--llm", required=True)
    parser.add_argument("--rules", type=int, default=60)
    parser.add_argument("--k", type=int, default=1)
    parser.add_argument("--seed", default="letters")
    return parser.parse_args()


if __name__ == "__main__":
    main()
