"""What to forge first: a score with its parts, the dates of the data behind it, or the reason why it was left out."""

import msgspec


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """What one signal says of one advisory."""

    signal: str  # a key of SIGNALS
    value: float | None  # 0 (speaks for later) to 1 (for now); None: could not tell, `reason` says why
    weight: float  # as set, before signals without data are left out of the sum
    points: float  # what it adds to the score; where it could not tell: that of the prior, 0 without any data
    reason: str  # a sentence without its full stop


class DataDate(msgspec.Struct, frozen=True, kw_only=True):
    """Of when a set of data is."""

    data: str  # "KEV", "EPSS"
    date: str = ""  # "2026-08-16"; empty: not known
    age_days: int | None = None  # at the time of the score; negative: dated later than that
    origin: str = ""  # the file it was read from
    warning: str = ""  # why to be careful; empty: nothing against it


class Priority(msgspec.Struct, frozen=True, kw_only=True):
    """One advisory with its place in the order, or with the reason why it has none."""

    advisory: str
    cves: tuple[str, ...] = ()
    title: str = ""
    sources: tuple[str, ...] = ()
    rank: int | None = None  # from 1; None: left out
    score: float | None = None  # 0 to 100; None: no signal could tell, or it was never scored
    told: float = 0.0  # share of the weights whose signals could tell, 0 to 1: how much the score stands on
    parts: tuple[Part, ...] = ()  # in the order of SIGNALS
    data: tuple[DataDate, ...] = ()
    left_out: str = ""  # a key of LEFT_OUT; empty: it has a rank
    detail: str = ""  # more on why it was left out


LEFT_OUT: dict[str, str] = {
    "unreadable": "The file cannot be read as an advisory.",
    "not_http": "The vulnerability is not reached through HTTP, so no rule about requests can see it.",
    "no_request": "The source contains no concrete request to make a rule from.",
    "duplicate_cve": "Another source of the same CVE stands in the list.",
    "no_signal": "No signal could tell anything about it.",
    "below_score": "Its score is below the threshold.",
    "beyond_top": "It comes after the number of entries that was asked for.",
}
