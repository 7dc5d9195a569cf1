"""When a rule would have fired in stored traffic."""

import msgspec


class Backtest(msgspec.Struct, frozen=True, kw_only=True):
    """What stored traffic says of one rule. Times are RFC 3339 in UTC; empty: none was recorded."""

    rule: str
    requests: int  # asked, in the chosen time
    since: str  # of the first and the last request asked
    until: str
    hits: int
    sources: int  # distinct source addresses of the hits
    first_seen: str
    last_seen: str
    untimed: int  # hits whose time is unknown
    undecidable: int  # requests that do not record what the rule asks about
    days: dict[str, int]  # "2099-01-31" in UTC → hits; days without a hit are left out
    sentence: str  # all of it for people
