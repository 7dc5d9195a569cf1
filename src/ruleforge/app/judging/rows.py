"""The rows that are measured, by group, origin and slice, with what the judge said of each."""

from collections.abc import Callable, Mapping, Sequence

import msgspec

from ruleforge.app.judging import scores as told
from ruleforge.app.judging.pairs import CONSTRUCTED, NATURAL, Group, Label, Pair
from ruleforge.app.judging.report import APART, JOINED, JUDGE
from ruleforge.app.judging.scores import Score

GROUPS: tuple[Group, ...] = ("natural", "constructed")
ORIGINS: Mapping[Group, Sequence[str]] = {"natural": NATURAL, "constructed": CONSTRUCTED}
TESTED, TWINS = "passed tests", "tried on harmless twins"
# Parts of a group that say more than an origin: rows on which the tests alone cannot tell good from bad; and rows whose
# label "off" rests on more than the traffic of strangers.
SLICES: Mapping[str, Callable[[Pair], bool]] = {
    TESTED: lambda pair: pair.tests_passed is True,
    TWINS: lambda pair: pair.has_twins,
}
BESIDE: tuple[tuple[Group, str], ...] = (("natural", ""), ("natural", TESTED), ("constructed", ""))
MODES = ("none", "count", "block")
Answer = Callable[[Score, Label], float | None]
ANSWERS: Mapping[str, Answer] = {
    JUDGE: lambda score, label: told.probability(score, label),
    APART: lambda score, label: told.probability(score, label, apart=True),
    JOINED: lambda score, label: told.joined(score) if label in ("any", "sure") else None,
}


class Rows(msgspec.Struct, frozen=True):
    """What is measured: the pairs of the part, those of the train part, and what the judge said of each."""

    pairs: Sequence[Pair]
    train: Sequence[Pair]
    scores: Mapping[str, Score]
    draws: int

    def chosen(self, group: Group, origin: str = "", split: str = "all") -> list[Pair]:
        """Return the pairs of a group, of one origin (or slice) and split where these are named."""
        return [pair for pair in self.pairs if _is_of(pair, group, origin) and split in ("all", pair.split)]

    def trained(self, group: Group, origin: str = "") -> list[Pair]:
        """Return the same of the train part."""
        return [pair for pair in self.train if _is_of(pair, group, origin)]

    def answer(self, pair: Pair, label: Label, scorer: str) -> float | None:
        """Return what a scorer said; None where it said nothing."""
        score = self.scores.get(pair.pair)
        return None if score is None or score.problem else ANSWERS[scorer](score, label)

    def abstains(self, pair: Pair) -> bool:
        """Whether the judge lets no answer stand."""
        return told.abstains(self.scores.get(pair.pair))

    def base(self, group: Group, origin: str, label: Label) -> float:
        """Return the share of bad rules in the train part of a group and slice; one half where there is none."""
        known = [pair.label(label) for pair in self.trained(group, origin) if pair.label(label) is not None]
        return sum(map(bool, known)) / len(known) if known else 0.5


def _is_of(pair: Pair, group: Group, origin: str) -> bool:
    fits = SLICES[origin](pair) if origin in SLICES else origin in ("", pair.origin)
    return pair.group == group and fits
