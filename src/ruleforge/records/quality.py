"""What a set of rules was measured to be worth: counts with their denominators and 95 % intervals."""

import math

import msgspec

Z = 1.959963984540054  # two-sided 95 %


class Rate(msgspec.Struct, frozen=True):
    """`hits` of `of`, with the Wilson 95 % interval of the share; `of` 0 gives the interval that says nothing."""

    hits: int
    of: int
    low: float
    high: float

    @property
    def share(self) -> float | None:
        """Share in [0, 1]; None where nothing was counted."""
        return self.hits / self.of if self.of else None


def rate(hits: int, of: int) -> Rate:
    """Count with its Wilson score interval, each bound in [0, 1].

    Raises:
        ValueError: not 0 <= hits <= of.
    """
    if not 0 <= hits <= of:
        raise ValueError(f"{hits} of {of}")
    if not of:
        return Rate(0, 0, 0.0, 1.0)
    share, square = hits / of, Z * Z
    middle = (share + square / (2 * of)) / (1 + square / of)
    half = Z * math.sqrt(share * (1 - share) / of + square / (4 * of * of)) / (1 + square / of)
    low = 0.0 if hits == 0 else max(0.0, middle - half)
    high = 1.0 if hits == of else min(1.0, middle + half)
    return Rate(hits, of, low, high)


class Part(msgspec.Struct, frozen=True):
    """A row's rate for one stratum, class, half or mutator."""

    group: str  # what it is a part by: "half" | "class" | "source" | "mutator" | …
    name: str
    rate: Rate
    note: str = ""  # "12 hosts"


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the table.

    `rate` None: not measured, `note` says why. `target` None: for information. `wanted` says on which side of the
    target the share has to be.
    """

    key: str  # stable, for comparing runs: "independent"
    title: str
    unit: str  # what is counted: "CVEs", "requests", "rules"
    rate: Rate | None
    wanted: str = "high"  # "high" | "low"
    target: float | None = None  # share in [0, 1]
    stretch: float | None = None
    parts: tuple[Part, ...] = ()
    causes: dict[str, dict[str, int]] = {}  # first cause → half ("even", "odd") or "all" → misses
    hit: tuple[str, ...] = ()  # CVEs (or mutators) counted as hit, of the half that may be read only
    missed: tuple[str, ...] = ()
    note: str = ""

    @property
    def met(self) -> bool | None:
        """Whether the share reaches the target; None where there is nothing to compare."""
        share = self.rate.share if self.rate else None
        if share is None or self.target is None:
            return None
        return share >= self.target if self.wanted == "high" else share <= self.target


class Miss(msgspec.Struct, frozen=True, kw_only=True):
    """One request that should have been hit, of the half that may be read."""

    row: str
    cve: str
    request: str  # its id
    shown: str  # "POST /a/b?c=d", cut
    cause: str  # a key of CAUSES
    detail: str = ""  # the condition that is false, or the reason for the refusal


class WorstRule(msgspec.Struct, frozen=True, kw_only=True):
    """A rule with what counts against it, by row."""

    rule: str
    counts: dict[str, int]  # row → requests or sources wrongly hit, or variants lost
    examples: tuple[str, ...] = ()

    @property
    def total(self) -> int:
        """How much counts against it."""
        return sum(self.counts.values())


class Quality(msgspec.Struct, frozen=True, kw_only=True):
    """The whole table."""

    schema: int = 1
    rules: tuple[str, ...]  # ids of the rules measured
    rows: tuple[Row, ...]
    misses: tuple[Miss, ...] = ()
    worst: tuple[WorstRule, ...] = ()
    problems: tuple[str, ...] = ()  # what could not be read
    half: str = "both"
    seconds: dict[str, float] = {}  # CPU time by part


CAUSES: dict[str, str] = {
    "no rule": "the source was refused, or gave no rule",
    "another endpoint": "the path is not the rule's",
    "another method": "the method is not the rule's",
    "another parameter": "the value the rule asks about is not sent under that name",
    "payload not of the class": "the value is there, but no payload of the class",
    "place not read": "name or payload is in a place the rule does not read",
    "selector or literal differs": "a literal the rule asks for is not there, or another value stands in its place",
    "not decidable": "the request does not record the place, or a bound cut it off",
}
