"""Gather what the judge sees of one advisory, beside what the gates see."""

from collections.abc import Mapping, Sequence
from functools import lru_cache

from ruleforge.background.table import Background
from ruleforge.cases.anatomy import Anatomy
from ruleforge.cases.evidence import Case, Evidence, case
from ruleforge.cases.near import near_misses, neutralise
from ruleforge.cases.variants import variants
from ruleforge.generate.rates import class_bits
from ruleforge.judge.evidence import JudgeEvidence, show
from ruleforge.records.advisory import Advisory

EXPLOITS_MOST = 24  # exploit requests of one advisory that are varied; all are replayed


def varied_exploits(exploits: Sequence[Anatomy]) -> list[int]:
    """Choose the exploit requests to vary, at most EXPLOITS_MOST: each document gets its turn."""
    seen: dict[int, int] = {}
    turns = []
    for index, anatomy in enumerate(exploits):
        turn = seen[anatomy.poc.source] = seen.get(anatomy.poc.source, -1) + 1
        turns.append((turn, index))
    return sorted(index for _, index in sorted(turns)[:EXPLOITS_MOST])


def judge_evidence(
    advisory: Advisory, exploits: Sequence[Anatomy], gates: Evidence, background: Background
) -> JudgeEvidence:
    """Collect what only the judge sees: JUDGE variants and near-misses; neutralised exploits stand as `siblings`.

    Args:
        advisory: whose requests have roles.
        exploits: its exploit requests, taken apart.
        gates: what the gates see of it, with the corpora.
        background: what normal traffic looks like.
    """
    varied: list[Case] = []
    twins: list[Case] = []
    neutral: list[Case] = []
    for index in varied_exploits(exploits):
        anatomy = exploits[index]
        varied += [case(v.request, v.mutator, index, v.note) for v in variants(anatomy, advisory, "judge")]
        twins += [case(n.request, n.kind, index, n.why) for n in near_misses(anatomy, advisory, "judge")]
        plain = neutralise(anatomy, advisory)
        if plain is not None:
            neutral.append(case(plain, "neutralised", index))
    judged = Evidence(
        advisory=advisory.id, product=gates.product, exploits=gates.exploits, variants=tuple(varied),
        near_misses=tuple(twins), siblings=tuple(neutral), classes=gates.classes, documents=gates.documents,
    )  # fmt: skip
    return show(judged, advisory, tuple(exploits), gates, background, _class_bits())


@lru_cache(maxsize=1)
def _class_bits() -> Mapping[str, float]:
    return class_bits()
