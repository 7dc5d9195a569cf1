"""Ask the evidence judge of the program about labelled pairs. It sees the rule and the source, and never a label."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ruleforge.app.judging.pairs import Pair
from ruleforge.app.judging.scores import Judged, Score
from ruleforge.errors import UsageError

if TYPE_CHECKING:
    from ruleforge.app.judge import JudgedPair

Progress = Callable[[str, int, int], None]
OWN_MISS = frozenset({"variation"})  # kinds of features made like the label "miss"
OWN_OFF = frozenset({"neutral", "near", "cross", "benign"})  # … like the label "off"
APART = (OWN_MISS, OWN_OFF, OWN_MISS | OWN_OFF)


def ask_judge(
    pairs: Sequence[Pair],
    templates: Path | None,
    *,
    benign: Sequence[Path],
    cross: bool,
    cache: Path | None,
    jobs: int,
    progress: Progress,
) -> Judged:
    """Ask about each pair, on `jobs` processes (0: one per core).

    Raises:
        UsageError: there is no such folder of templates (RF117).
    """
    from ruleforge.app.judge import judge_pairs
    from ruleforge.judge.model import shipped_model

    if templates is None or not templates.is_dir():
        hint = "give --templates DIR, the folder that the sources of the pairs lie in, or --scores FILE"
        raise UsageError("no such folder of templates", where=str(templates or ""), hint=hint, code="RF117")
    started = cpu_seconds()
    rows = [{"rule": pair.rule, "source": pair.source} for pair in pairs]
    found = judge_pairs(
        rows, templates, benign=benign, cross=cross, cache=cache, also_without=APART, jobs=jobs, progress=progress
    )
    scores = {pair.pair: _score(pair, judged) for pair, judged in zip(pairs, found, strict=True)}
    return Judged(shipped_model().judge, scores, round(cpu_seconds() - started, 2))


def cpu_seconds() -> float:
    """Return CPU seconds of this process and of those of its own that ended."""
    spent = os.times()
    return spent.user + spent.system + spent.children_user + spent.children_system


def _score(pair: Pair, judged: "JudgedPair") -> Score:
    opinion = judged.opinion
    if opinion is None:
        return Score(pair=pair.pair, problem=judged.problem or "not judged")
    miss, off, both = (judged.apart.get(kinds) for kinds in APART)
    return Score(
        pair=pair.pair,
        p_miss=opinion.p_miss,
        p_off=opinion.p_off_target,
        p_any=opinion.p_defect,
        apart_miss=miss.p_miss if miss else None,
        apart_off=off.p_off_target if off else None,
        apart_any=both.p_defect if both else None,
        mode=opinion.mode,
        thin=opinion.thin,
        problem=judged.problem,
    )
