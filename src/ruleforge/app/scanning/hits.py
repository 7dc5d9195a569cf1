"""What a scan finds: hits, alerts, and the counts of a run. Plain data, so that a checkpoint can hold all of it."""

from typing import Any

import msgspec

from ruleforge.events.kinds import HTTP

SOURCES_KEPT = 100_000  # addresses counted one by one; later ones are counted together
PROBLEMS_KEPT = 100  # of unreadable lines; all of them are counted


class ScanHit(msgspec.Struct, frozen=True, kw_only=True):
    """One event that one rule holds for, or one count that was reached; a line of `scan --format ndjson`."""

    request: str  # the row's id, or "file:ordinal"; of a count or a sequence that of the event that completed it
    file: str
    rule: str
    cves: tuple[str, ...]
    spans: tuple[dict[str, Any], ...]  # what matched, see `matched_spans`
    title: str = ""
    severity: str = "unknown"
    source_address: str = ""
    time: str = ""  # as recorded
    at: str = ""  # the same, RFC 3339 in UTC; empty where it is not recorded or cannot be read
    status: int | None = None  # of the response, where the log has it
    outcome: str = "unknown"  # what the status says of success, see `outcome_of`
    rank: int = 1  # 1: the most specific of the rules that hold for this request; one alert per request is rank 1
    others: tuple[str, ...] = ()  # the other rules that hold for it, most specific first
    method: str = ""
    host: str = ""
    target: str = ""  # as sent, bounded; bytes that are no UTF-8 as `\xff`
    user_agent: str = ""
    revision: int = 1  # of the rule
    summary: str = ""  # "GET /path", escaped and bounded
    event: str = HTTP  # kind of the event, a key of EVENTS
    kind: str = "hit"  # "hit" | "count" | "sequence": the last two are alerts about several events
    count: int = 1  # events, or distinct values, that an alert counted
    key: dict[str, str] = {}  # of an alert: field → value that its events share, escaped and bounded
    start: str = ""  # of an alert: time of the first event that was needed, RFC 3339 in UTC
    sample: tuple[str, ...] = ()  # of an alert: ids of at most 10 of its events


class Alert(msgspec.Struct, frozen=True):
    """One request with every rule that holds for it, the most specific first."""

    hits: tuple[ScanHit, ...]  # never empty

    @property
    def first(self) -> ScanHit:
        """The most specific hit."""
        return self.hits[0]

    @property
    def cves(self) -> tuple[str, ...]:
        """All CVEs of the rules that hold, each once, in their order."""
        return tuple(dict.fromkeys(cve for hit in self.hits for cve in hit.cves))


class Gap(msgspec.Struct, kw_only=True):
    """What one file does not record, and which rules could not be decided for that."""

    requests: int = 0
    rules: dict[str, int] = msgspec.field(default_factory=dict)  # rule → requests of the file it could not decide
    unrecorded: dict[str, int] = msgspec.field(default_factory=dict)  # place → requests without it
    headers: tuple[str, ...] | None = None  # the only headers the file records; None: all, or none at all


class ScanReport(msgspec.Struct, kw_only=True):
    """Counts of a scan; complete once its hits were read to the end."""

    files: int = 0
    requests: int = 0  # that rules were asked about
    events: dict[str, int] = msgspec.field(default_factory=dict)  # kind of other events → how many rules were asked
    hits: int = 0
    alerts: int = 0  # counts that were reached and sequences that were completed
    requests_hit: int = 0
    rules: int = 0
    rules_not_asked: tuple[str, ...] = ()  # about kinds of events that no file had
    not_counted: dict[str, int] = msgspec.field(default_factory=dict)  # why counting left events out → how many
    rules_left_out: int = 0  # by severity, CVE or id, because the user asked for others
    broken: tuple[str, ...] = ()  # rules that failed to load
    unvalidated: int = 0  # rules left out because no evidence says they passed
    unreadable: int = 0  # lines (or whole files) that are no request
    unreadable_files: int = 0  # files that could not be opened or whose format is not known
    outside_window: int = 0  # requests before `since` or from `until` on
    undated: int = 0  # requests without a readable time, while a window was asked for
    undated_dropped: bool = False  # whether these were left out
    since: str = ""
    until: str = ""
    excluded: int = 0  # hits that an exclusion took away
    excluded_events: int = 0  # events that an exclusion kept from being counted by a rule that counts or orders
    excluded_by: dict[str, int] = msgspec.field(default_factory=dict)  # exclusion, in words → hits and events
    exclusion_notes: tuple[str, ...] = ()  # expired ones, unknown rules
    interrupted: bool = False
    resumed: bool = False
    problems: list[str] = msgspec.field(default_factory=list)
    undecidable: dict[str, int] = msgspec.field(default_factory=dict)  # rule → requests it could not decide
    not_evaluated: dict[str, int] = msgspec.field(default_factory=dict)  # rule → requests the slow lane did not get to
    rule_set: str = ""  # digest of the compiled set that was used last; empty: a folder of rules
    rule_set_swaps: int = 0  # how often it was replaced while files were followed
    gaps: dict[str, Gap] = msgspec.field(default_factory=dict)  # file → what it does not record
    by_rule: dict[str, int] = msgspec.field(default_factory=dict)
    by_cve: dict[str, int] = msgspec.field(default_factory=dict)
    by_source: dict[str, int] = msgspec.field(default_factory=dict)
    by_outcome: dict[str, int] = msgspec.field(default_factory=dict)  # of requests that were hit


def bump(counts: dict[str, int], key: str, by: int = 1, *, most: int = SOURCES_KEPT) -> None:
    """Count `key`; beyond `most` different keys, new ones are counted together as "others"."""
    if key not in counts and len(counts) >= most:
        key = "others"
    counts[key] = counts.get(key, 0) + by


def by_count(counts: dict[str, int]) -> dict[str, int]:
    """Return the counts in descending order."""
    return dict(sorted(counts.items(), key=lambda item: -item[1]))
