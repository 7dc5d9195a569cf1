"""Compare what two policies ship at equal numbers of good rules: the bad ones that the second saves.

The second policy drops rules above a threshold of risk, which is moved until it ships as many good rules as the first,
as nearly as can be. The threshold is thus set on the very labels that are counted: it says what the order of the risks
is worth, not what a gate does. Each resample of the interval draws advisories and moves the threshold anew.
"""

from collections.abc import Sequence

import msgspec
import numpy as np

from ruleforge.app.judging.bootstrap import Clusters, Interval, interval_of
from ruleforge.app.judging.metrics import Bools, Floats
from ruleforge.app.judging.pairs import Label, Pair

BAD_LEAST = 60  # bad rules before, below which no reduction is claimed
UNTOLD = 2.0  # risk that stands behind every probability: what has none is shipped last


class Shipped(msgspec.Struct, frozen=True):
    """What a policy ships, by one label."""

    good: int
    bad: int
    unlabelled: int = 0

    @property
    def per_hundred(self) -> float | None:
        """Bad rules in a hundred labelled ones that were shipped."""
        return 100 * self.bad / (self.good + self.bad) if self.good + self.bad else None


class Matched(msgspec.Struct, frozen=True, kw_only=True):
    """Both policies on the same advisories."""

    advisories: int
    before: Shipped  # the first policy
    whole: Shipped  # the second, nothing dropped
    after: Shipped  # the second at as many good rules
    threshold: float | None  # largest risk that it ships then
    reduction: float | None  # share of the bad rules that are saved
    interval: Interval | None
    claimed: bool
    reason: str = ""  # why nothing is claimed


class _Labels(msgspec.Struct, frozen=True):
    good: Bools
    bad: Bools
    unknown: Bools

    @staticmethod
    def of(shipped: Sequence[Pair | None], name: Label) -> "_Labels":
        labels = ["none" if pair is None else pair.label(name) for pair in shipped]
        return _Labels(*(np.array([label is kind for label in labels], np.bool_) for kind in (False, True, None)))

    def count(self, kept: Bools | None = None) -> Shipped:
        kept = np.ones(len(self.good), dtype=np.bool_) if kept is None else kept
        return Shipped(*(int((which & kept).sum()) for which in (self.good, self.bad, self.unknown)))


def match(
    advisories: Sequence[str],
    first: Sequence[Pair | None],
    second: Sequence[Pair | None],
    risk: Floats,
    draws: int,
    label: Label = "any",
) -> Matched:
    """Compare two policies, one rule (or None) an advisory.

    Args:
        advisories: names, each once.
        first: what the first policy ships for each.
        second: what the second one would ship.
        risk: how bad each rule of the second looks, in [0, 1], or UNTOLD; of None it does not matter.
        draws: resamples of the interval; 0: none.
        label: what says whether a rule is bad.
    """
    before, after = _Labels.of(first, label), _Labels.of(second, label)
    threshold = _threshold(after, risk, float(before.good.sum())) if advisories else None
    kept = risk <= threshold if threshold is not None else np.zeros(0, dtype=np.bool_)
    told, left = before.count(), after.count(kept)
    interval = _interval(advisories, before, after, risk, draws)
    why = f"{told.bad} bad rules before; {BAD_LEAST} are needed to claim a reduction" if told.bad < BAD_LEAST else ""
    return Matched(
        advisories=len(advisories),
        before=told,
        whole=after.count(),
        after=left,
        threshold=threshold,
        reduction=1 - left.bad / told.bad if told.bad else None,
        interval=interval,
        claimed=not why and interval is not None,
        reason=why or ("" if interval else "no interval: too few advisories or resamples"),
    )


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
