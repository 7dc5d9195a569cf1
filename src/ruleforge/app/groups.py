"""Hits of a scan by rule, for reports: how many, from where, and one to look at."""

from collections import Counter
from collections.abc import Iterable

import msgspec

from ruleforge.app.scan import SOURCES_KEPT, ScanHit

SEVERITIES = ("critical", "high", "medium", "low", "info", "unknown")


class RuleHits(msgspec.Struct, kw_only=True):
    """All hits of one rule."""

    sample: ScanHit  # the first; it names rule, CVEs, title and severity
    count: int = 0
    sources: Counter[str] = msgspec.field(default_factory=Counter)
    statuses: Counter[str] = msgspec.field(default_factory=Counter)


def group_hits(hits: Iterable[ScanHit]) -> list[RuleHits]:
    """Group by rule, the most severe first, then the most frequent. Memory: one sample per rule, and the addresses."""
    groups: dict[str, RuleHits] = {}
    for hit in hits:
        group = groups.get(hit.rule)
        if group is None:
            group = groups[hit.rule] = RuleHits(sample=hit)
        group.count += 1
        source = hit.source_address or "not recorded"
        group.sources[source if source in group.sources or len(group.sources) < SOURCES_KEPT else "others"] += 1
        group.statuses["no status" if hit.status is None else str(hit.status)] += 1
    return sorted(groups.values(), key=lambda group: (_rank(group.sample.severity), -group.count, group.sample.rule))


def _rank(severity: str) -> int:
    return SEVERITIES.index(severity) if severity in SEVERITIES else len(SEVERITIES)
