"""Count hits by group, and make rows of what was counted."""

from collections import Counter, defaultdict
from collections.abc import Iterable

from ruleforge.records.quality import Part, Rate, rate


class Tally:
    """Hits and totals of a row and of its parts."""

    def __init__(self) -> None:
        self.hits = self.of = 0
        self.groups: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0])
        self.causes: dict[str, Counter[str]] = defaultdict(Counter)

    def add(self, hit: bool, groups: Iterable[tuple[str, str]] = ()) -> None:
        """Count one thing, for the row and for each of its (group, name)."""
        self.hits += hit
        self.of += 1
        for group in groups:
            found = self.groups[group]
            found[0] += hit
            found[1] += 1

    def rate(self) -> Rate:
        """Return the row's rate."""
        return rate(self.hits, self.of)

    def parts(self, notes: dict[tuple[str, str], str] | None = None) -> tuple[Part, ...]:
        """Return the rates of the parts, by group, then by name."""
        notes = notes or {}
        return tuple(
            Part(group, name, rate(hits, of), notes.get((group, name), ""))
            for (group, name), (hits, of) in sorted(self.groups.items())
        )

    def confusion(self) -> dict[str, dict[str, int]]:
        """Return cause → half → misses, most frequent cause first."""
        ranked = sorted(self.causes.items(), key=lambda item: (-item[1].total(), item[0]))
        return {cause: dict(sorted(counts.items())) for cause, counts in ranked}
