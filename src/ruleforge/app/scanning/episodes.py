"""Hits of one source that follow each other closely are one episode: one visitor at work, not forty alarms."""

import msgspec

from ruleforge.app.scanning.outcomes import MAY_HAVE_SUCCEEDED

GAP_SECONDS = 30 * 60
MAX_OPEN = 20_000  # sources with an episode that may still grow; the one that was quiet longest is closed early
MAX_KEPT = 1_000  # closed episodes; the smallest are forgotten, and counted
MAX_NAMES = 50  # rules and CVEs of one episode


class Episode(msgspec.Struct, kw_only=True):
    """What one source did without a pause of 30 minutes."""

    source: str
    first: float  # seconds since 1970
    last: float
    requests: int = 0
    hits: int = 0
    may_have_succeeded: int = 0  # requests
    cves: dict[str, int] = msgspec.field(default_factory=dict)
    severity: str = "unknown"  # of the most severe rule
    sample: str = ""


class EpisodeBook(msgspec.Struct, kw_only=True):
    """Open and closed episodes, in bounded memory. Requests may come out of order by less than the gap."""

    open: dict[str, Episode] = msgspec.field(default_factory=dict)  # source → episode; the longest quiet first
    closed: list[Episode] = msgspec.field(default_factory=list)
    count: int = 0  # all episodes so far
    closed_early: int = 0  # because too many sources were active at once
    forgotten: int = 0  # closed ones that are not kept
    undated: int = 0  # requests without a time or a source: they belong to no episode

    def add(self, source: str, at: float | None, *, hits: int, outcome: str) -> Episode | None:
        """Count one request with hits; return its episode."""
        if at is None or not source:
            self.undated += 1
            return None
        episode = self.open.pop(source, None)
        if episode is not None and not episode.first - GAP_SECONDS <= at <= episode.last + GAP_SECONDS:
            self._close(episode)
            episode = None
        if episode is None:
            self.count += 1
            episode = Episode(source=source, first=at, last=at)
        self.open[source] = episode  # at the end: it is the one that was active last
        episode.first, episode.last = min(episode.first, at), max(episode.last, at)
        episode.requests += 1
        episode.hits += hits
        episode.may_have_succeeded += outcome == MAY_HAVE_SUCCEEDED
        while len(self.open) > MAX_OPEN:
            self.closed_early += 1
            self._close(self.open.pop(next(iter(self.open))))
        return episode

    def _close(self, episode: Episode) -> None:
        self.closed.append(episode)
        if len(self.closed) >= 2 * MAX_KEPT:
            self.closed.sort(key=_weight)
            self.forgotten += len(self.closed) - MAX_KEPT
            del self.closed[MAX_KEPT:]

    def largest(self, most: int) -> list[Episode]:
        """Return the episodes to look at first: most requests that may have succeeded, then most requests."""
        return sorted([*self.open.values(), *self.closed], key=_weight)[:most]


def _weight(episode: Episode) -> tuple[int, int, float, str]:
    return -episode.may_have_succeeded, -episode.requests, episode.first, episode.source
