"""Hits of a scan by rule, for reports: how many, from where, and one to look at."""

from collections.abc import Iterable

from ruleforge.app.scanning.digest import Digest, RuleTally
from ruleforge.app.scanning.hits import Alert, ScanHit


def group_hits(hits: Iterable[ScanHit]) -> list[RuleTally]:
    """Group by rule, the most severe first, then the most frequent. Memory: some samples per rule."""
    digest = Digest()
    for hit in hits:
        digest.add(Alert((hit,)))
    return [tally for _, tally in digest.by_rule()]
