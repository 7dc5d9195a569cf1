"""What the judge saves: bad rules shipped with tests only, and with tests and judge, at equal numbers of good rules.

Of each advisory the candidates that passed every test are a pool. Policy A ships the generator's own first choice.
Policy B lets the judge choose the candidate it expects least of all to fail, and drops those above a threshold
(see `matching`). What the shipped gate does is in the table of operating points.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence

import msgspec
import numpy as np

from ruleforge.app.judging.matching import UNTOLD, Matched, match
from ruleforge.app.judging.pairs import Pair
from ruleforge.app.judging.scores import Score, probability
from ruleforge.generate.strategies import GENERATORS

POOL = ("shipped", "passed")


class Selection(msgspec.Struct, frozen=True, kw_only=True):
    """Both policies on the same pools."""

    matched: Matched  # by the label "any"
    sure: Matched  # by "sure"; rules without it are shipped and not counted
    choices: int  # advisories with more than one candidate
    ranked: bool  # whether the pairs say the generator's own order; else it is guessed from the strategies


def select(pairs: Sequence[Pair], scores: Mapping[str, Score], draws: int) -> Selection:
    """Run both policies on the natural pairs that passed the tests."""
    pools: dict[str, list[Pair]] = defaultdict(list)
    for pair in pairs:
        if pair.group == "natural" and pair.origin in POOL:
            pools[pair.advisory].append(pair)
    names = sorted(pools)
    first = [min(pools[name], key=own_order) for name in names]
    chosen = [min(pools[name], key=lambda pair: (risk_of(scores.get(pair.pair)), own_order(pair))) for name in names]
    risk = np.array([risk_of(scores.get(pair.pair)) for pair in chosen], dtype=np.float64)
    return Selection(
        matched=match(names, first, chosen, risk, draws),
        sure=match(names, first, chosen, risk, draws, "sure"),
        choices=sum(len(pools[name]) > 1 for name in names),
        ranked=all(pair.rank is not None for pool in pools.values() for pair in pool),
    )


def own_order(pair: Pair) -> tuple[float, ...]:
    """Sort key: the generator's first choice comes first, without anything a judge said."""
    known = GENERATORS.names()
    strategy = known.index(pair.strategy) if pair.strategy in known else len(known)
    rank = float("inf") if pair.rank is None else pair.rank
    return rank, strategy, -(pair.confidence or 0.0), pair.round, int(pair.pair, 16)


def risk_of(score: Score | None) -> float:
    """Return the probability of either defect; where the judge has none, a number behind every probability."""
    found = None if score is None or score.problem else probability(score, "any")
    return UNTOLD if found is None else found
