"""What a scan found, summed up: by CVE, source, time and rule. Bounded memory, and a checkpoint can hold it."""

import msgspec

from ruleforge.app.scanning.episodes import MAX_NAMES, EpisodeBook
from ruleforge.app.scanning.histogram import Histogram
from ruleforge.app.scanning.hits import SOURCES_KEPT, Alert, ScanHit, bump
from ruleforge.app.scanning.outcomes import MAY_HAVE_SUCCEEDED
from ruleforge.events.origin import seconds_of

SEVERITIES = ("critical", "high", "medium", "low", "info", "unknown")
NAMES_KEPT = 10_000  # sources of one CVE or rule that are counted one by one
SAMPLES = 3  # hits of one rule, from different sources where there are any
ALERTS_OF_A_RULE = 100  # kept whole for the HTML report, by the most specific rule
ALERTS_KEPT = 2_000  # in all
NO_CVE, NO_SOURCE = "no CVE", "not recorded"


class Tally(msgspec.Struct, kw_only=True):
    """Counts of one CVE, source or rule."""

    hits: int = 0
    requests: int = 0
    may_have_succeeded: int = 0  # requests
    first: float | None = None  # seconds since 1970
    last: float | None = None
    severity: str = "unknown"  # the most severe
    title: str = ""
    names: dict[str, int] = msgspec.field(default_factory=dict)  # of a source its CVEs, of a CVE and a rule its sources

    def see(self, hit: ScanHit, at: float | None, name: str, most: int) -> None:
        """Count one hit."""
        self.hits += 1
        bump(self.names, name, most=most)
        if at is not None:
            self.first = at if self.first is None else min(self.first, at)
            self.last = at if self.last is None else max(self.last, at)
        if rank_of(hit.severity) < rank_of(self.severity):
            self.severity = hit.severity
        self.title = self.title or hit.title

    def end(self, outcome: str) -> None:
        """Count the request that the hits seen before were on."""
        self.requests += 1
        self.may_have_succeeded += outcome == MAY_HAVE_SUCCEEDED


class RuleTally(Tally, kw_only=True):
    """Counts of one rule, with hits to look at."""

    samples: list[ScanHit] = msgspec.field(default_factory=list)
    statuses: dict[str, int] = msgspec.field(default_factory=dict)

    @property
    def sample(self) -> ScanHit:
        """The hit to show first."""
        return self.samples[0]


class Digest(msgspec.Struct, kw_only=True):
    """Everything the reports for people say."""

    rules: dict[str, RuleTally] = msgspec.field(default_factory=dict)
    cves: dict[str, Tally] = msgspec.field(default_factory=dict)
    sources: dict[str, Tally] = msgspec.field(default_factory=dict)
    times: Histogram = msgspec.field(default_factory=Histogram)
    episodes: EpisodeBook = msgspec.field(default_factory=EpisodeBook)
    alerts: list[Alert] = msgspec.field(default_factory=list)
    alerts_of: dict[str, int] = msgspec.field(default_factory=dict)  # rule → alerts kept
    alerts_seen: int = 0
    undated: int = 0  # alerts without a readable time
    first: float | None = None
    last: float | None = None

    def add(self, alert: Alert) -> None:
        """Count one request with its hits."""
        hit = alert.first
        at = seconds_of(hit.at) if hit.at else None
        source = hit.source_address or NO_SOURCE
        touched = [*self._count_rules(alert, at, source), *self._count_cves(alert, at, source)]
        touched.append(self._count_source(alert, at, source))
        for tally in {id(tally): tally for tally in touched}.values():
            tally.end(hit.outcome)
        self._count_time(at)
        episode = self.episodes.add(hit.source_address, at, hits=len(alert.hits), outcome=hit.outcome)
        if episode is not None:
            for cve in alert.cves or (NO_CVE,):
                bump(episode.cves, cve, most=MAX_NAMES)
            worst = min(alert.hits, key=lambda each: rank_of(each.severity)).severity
            episode.severity = min(episode.severity, worst, key=rank_of)
            episode.sample = episode.sample or hit.summary
        self._keep(alert)

    def _count_rules(self, alert: Alert, at: float | None, source: str) -> list[Tally]:
        tallies: list[Tally] = []
        for hit in alert.hits:
            tally = self.rules.setdefault(hit.rule, RuleTally())
            if len(tally.samples) < SAMPLES and (not tally.samples or source not in tally.names):
                tally.samples.append(hit)
            tally.see(hit, at, source, NAMES_KEPT)
            bump(tally.statuses, "no status" if hit.status is None else str(hit.status))
            tallies.append(tally)
        return tallies

    def _count_cves(self, alert: Alert, at: float | None, source: str) -> list[Tally]:
        tallies: list[Tally] = []
        for hit in alert.hits:
            for cve in hit.cves or (NO_CVE,):
                tally = self.cves.setdefault(cve, Tally())
                tally.see(hit, at, source, NAMES_KEPT)
                tallies.append(tally)
        return tallies

    def _count_source(self, alert: Alert, at: float | None, source: str) -> Tally:
        if source not in self.sources and len(self.sources) >= SOURCES_KEPT:
            source = "others"
        tally = self.sources.setdefault(source, Tally())
        for hit in alert.hits:
            tally.see(hit, at, (hit.cves or (NO_CVE,))[0], MAX_NAMES)
        tally.title = ""
        return tally

    def _count_time(self, at: float | None) -> None:
        if at is None:
            self.undated += 1
            return
        self.times.add(at)
        self.first = at if self.first is None else min(self.first, at)
        self.last = at if self.last is None else max(self.last, at)

    def _keep(self, alert: Alert) -> None:
        self.alerts_seen += 1
        rule = alert.first.rule
        if len(self.alerts) < ALERTS_KEPT and self.alerts_of.get(rule, 0) < ALERTS_OF_A_RULE:
            self.alerts_of[rule] = self.alerts_of.get(rule, 0) + 1
            self.alerts.append(alert)

    def by_rule(self) -> list[tuple[str, RuleTally]]:
        """Rules, the most severe first, then the most frequent."""
        return sorted(self.rules.items(), key=lambda item: (rank_of(item[1].severity), -item[1].hits, item[0]))

    def by_cve(self) -> list[tuple[str, Tally]]:
        """CVEs: those that may have been exploited first, then by severity and number of requests."""
        return sorted(self.cves.items(), key=_to_look_at)

    def by_source(self) -> list[tuple[str, Tally]]:
        """Sources, in the same order."""
        return sorted(self.sources.items(), key=lambda item: (-item[1].requests, item[0]))


def _to_look_at(item: tuple[str, Tally]) -> tuple[int, int, int, str]:
    name, tally = item
    return rank_of(tally.severity), -tally.may_have_succeeded, -tally.requests, name


def rank_of(severity: str) -> int:
    """Place of a severity, 0 the most severe; one that is not known comes last."""
    return SEVERITIES.index(severity) if severity in SEVERITIES else len(SEVERITIES)
