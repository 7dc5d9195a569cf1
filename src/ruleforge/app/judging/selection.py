"""What the judge saves: bad rules shipped with tests only, and with tests and judge, at equal numbers of good rules.

Of each advisory the candidates that passed every test are a pool. Policy A ships the generator's own first choice.
Policy B lets the judge choose the candidate it expects least of all to fail, and drops those above a threshold, which
is moved until B ships as many good rules as A, as nearly as can be. The threshold of the comparison is thus set on the
very labels that are counted: it says what the judge's order is worth, not what its shipped gate does (the table of
operating points says that). Each resample of the interval draws advisories and moves the threshold anew.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence

import msgspec
import numpy as np

from ruleforge.app.judging.bootstrap import Clusters, Interval, interval_of
from ruleforge.app.judging.metrics import Bools, Floats
from ruleforge.app.judging.pairs import Pair
from ruleforge.app.judging.scores import Score, probability
from ruleforge.generate.strategies import GENERATORS

POOL = ("shipped", "passed")
BAD_LEAST = 60  # bad rules before, below which no reduction is claimed
ABSTAINED = 2.0  # stands behind every answer: what the judge has no number for is shipped last


class Shipped(msgspec.Struct, frozen=True):
    """What a policy ships, by label ("any")."""

    good: int
    bad: int
    unlabelled: int = 0

    @property
    def per_hundred(self) -> float | None:
        """Bad rules in a hundred labelled ones that were shipped."""
        return 100 * self.bad / (self.good + self.bad) if self.good + self.bad else None


class Selection(msgspec.Struct, frozen=True, kw_only=True):
    """Both policies on the same advisories."""

    advisories: int
    choices: int  # advisories with more than one candidate
    ranked: bool  # whether the pairs say the generator's own order; else it is guessed from the strategies
    tests_only: Shipped
    with_judge: Shipped
    chosen_only: Shipped  # the judge chooses, and drops nothing
    threshold: float | None  # largest probability of a defect that B ships
    reduction: float | None  # share of the bad rules that B saves
    interval: Interval | None
    claimed: bool
    reason: str = ""  # why nothing is claimed


def select(pairs: Sequence[Pair], scores: Mapping[str, Score], draws: int) -> Selection:
    """Run both policies on the natural pairs that passed the tests."""
    pools: dict[str, list[Pair]] = defaultdict(list)
    for pair in pairs:
        if pair.group == "natural" and pair.origin in POOL:
            pools[pair.advisory].append(pair)
    names = sorted(pools)
    first = [min(pools[name], key=own_order) for name in names]
    chosen = [min(pools[name], key=lambda pair: (_risk(scores, pair), own_order(pair))) for name in names]
    risk = np.array([_risk(scores, pair) for pair in chosen], dtype=np.float64)
    before, after = _Labels.of(first), _Labels.of(chosen)
    threshold = _threshold(after, risk, float(before.good.sum())) if names else None
    kept = risk <= threshold if threshold is not None else np.zeros(0, dtype=np.bool_)
    tests_only, with_judge = before.shipped(), after.shipped(kept)
    interval = _interval(names, before, after, risk, draws)
    claimed = tests_only.bad >= BAD_LEAST and interval is not None
    return Selection(
        advisories=len(names),
        choices=sum(len(pools[name]) > 1 for name in names),
        ranked=all(pair.rank is not None for pool in pools.values() for pair in pool),
        tests_only=tests_only,
        with_judge=with_judge,
        chosen_only=after.shipped(),
        threshold=threshold,
        reduction=1 - with_judge.bad / tests_only.bad if tests_only.bad else None,
        interval=interval,
        claimed=claimed,
        reason="" if claimed else f"{tests_only.bad} bad rules before; {BAD_LEAST} are needed to claim a reduction",
    )


def own_order(pair: Pair) -> tuple[float, ...]:
    """Sort key: the generator's first choice comes first, without anything a judge said."""
    known = GENERATORS.names()
    strategy = known.index(pair.strategy) if pair.strategy in known else len(known)
    rank = float("inf") if pair.rank is None else pair.rank
    return rank, strategy, -(pair.confidence or 0.0), pair.round, int(pair.pair, 16)


def _risk(scores: Mapping[str, Score], pair: Pair) -> float:
    score = scores.get(pair.pair)
    found = None if score is None or score.problem else probability(score, "any")
    return ABSTAINED if found is None else found


class _Labels(msgspec.Struct, frozen=True):
    good: Bools
    bad: Bools

    @staticmethod
    def of(pairs: Sequence[Pair]) -> "_Labels":
        labels = [pair.label("any") for pair in pairs]
        good = np.array([label is False for label in labels], dtype=np.bool_)
        return _Labels(good, np.array([label is True for label in labels], dtype=np.bool_))

    def shipped(self, kept: Bools | None = None) -> Shipped:
        kept = np.ones(len(self.good), dtype=np.bool_) if kept is None else kept
        good, bad = int((self.good & kept).sum()), int((self.bad & kept).sum())
        return Shipped(good, bad, int(kept.sum()) - good - bad)


def _threshold(after: _Labels, risk: Floats, wanted: float) -> float:
    """Return the smallest risk at which the number of good rules is nearest to `wanted`."""
    levels, at = np.unique(risk, return_inverse=True)
    good = np.cumsum(np.bincount(at, weights=after.good, minlength=len(levels)))
    return float(levels[np.argmin(np.abs(good - wanted))])


def _interval(names: Sequence[str], before: _Labels, after: _Labels, risk: Floats, draws: int) -> Interval | None:
    """Return the paired interval of the reduction: advisories are drawn, and the threshold moved in each draw."""
    if len(names) < 2 or not draws:
        return None
    levels, at = np.unique(risk, return_inverse=True)
    member = np.argsort(at, kind="stable")
    starts = np.searchsorted(at[member], np.arange(len(levels)))

    def curve(weights: Floats, which: Bools) -> Floats:
        return np.cumsum(np.add.reduceat((weights * which)[:, member], starts, axis=1), axis=1)

    found = []
    for weights in Clusters(names, draws).weights():
        wanted, bad_before = weights @ before.good, weights @ before.bad
        cut = np.argmin(np.abs(curve(weights, after.good) - wanted[:, None]), axis=1)
        bad_after = curve(weights, after.bad)[np.arange(len(weights)), cut]
        share = np.divide(bad_after, bad_before, out=np.full(len(weights), np.nan), where=bad_before > 0)
        found.append(1 - share)
    return interval_of(np.concatenate(found))
