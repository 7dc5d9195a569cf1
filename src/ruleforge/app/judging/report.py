"""The papers of a judge bench: tables of measures, comparisons with baselines, operating points, targets."""

import msgspec

from ruleforge.app.judging.bootstrap import Interval
from ruleforge.app.judging.frozen import FrozenCheck, Opening
from ruleforge.app.judging.measuring import Measured
from ruleforge.app.judging.pairs import Group, Label, Part
from ruleforge.app.judging.selection import Selection
from ruleforge.records.quality import Rate

JUDGE, APART, JOINED = "judge", "judge_apart", "judge_joined"
SCORERS = {
    JUDGE: "judge",
    APART: "judge without the features of the label's own kind",
    JOINED: "judge, both answers joined as if independent",
}


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """One score on one set of rows: `answered`: where it let its answer stand; `filled`: all.

    What rests on thin evidence counts as abstained, though there is a number, which `filled` takes; where there is
    none, `filled` takes the base rate of the train part.
    """

    group: Group
    origin: str  # or one of the slices; empty: all
    split: str  # "all" | "product" | "date" | "train"
    label: Label
    scorer: str  # a key of SCORERS or of BASELINES
    answered: Measured
    filled: Measured
    unlabelled: int  # rows left out, for nobody could tell

    @property
    def coverage(self) -> float | None:
        """Share of labelled rows with an answer."""
        return self.answered.rows / self.filled.rows if self.filled.rows else None


class Against(msgspec.Struct, frozen=True, kw_only=True):
    """The judge beside one baseline, on the same rows and the same draws."""

    group: Group
    origin: str  # empty: all, or a slice
    label: Label
    baseline: str
    title: str
    auroc: float | None
    without: int  # rows where the baseline had nothing to look at
    ahead: float | None  # AUROC of the judge less that of the baseline
    interval: Interval | None
    reason: str = ""


class Operating(msgspec.Struct, frozen=True, kw_only=True):
    """What a gate lets through: bad rules among those shipped, and what it costs in good ones. Label "any"."""

    group: Group
    origin: str
    mode: str  # "none" | "count" | "block"
    shipped: Rate  # bad ones of the labelled rules that pass
    good: Rate  # good rules that pass
    abstained: int  # labelled rules that the judge abstains on: no answer, or thin evidence
    unlabelled: int  # rules that pass and have no label


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """One figure beside what was asked of it. `met` None: not to be said, `note` says why."""

    key: str
    title: str
    value: float | None
    interval: Interval | None
    rows: int
    clusters: int
    wanted: str  # "high" | "low"
    target: float | None
    stretch: float | None
    met: bool | None
    note: str = ""


class JudgeReport(msgspec.Struct, frozen=True, kw_only=True):
    """A whole run."""

    schema: int = 1
    judge: str
    part: Part
    command: str
    draws: int
    rows: dict[str, int]  # "natural shipped" → rows of the part
    frozen: FrozenCheck
    openings: tuple[Opening, ...]
    tables: tuple[Table, ...]
    against: tuple[Against, ...]
    operating: tuple[Operating, ...]
    selection: Selection
    targets: tuple[Target, ...]
    words: tuple[str, ...]  # what a reader must know, in sentences
    unreadable: int
    abstained: dict[str, int]  # why the judge abstains → pairs
    problems: tuple[str, ...]
    seconds: dict[str, float]  # CPU time: judge (over all processes), bench
    load: float | None  # of the machine, when the run ended


def table_of(tables: tuple[Table, ...], *, group: str, label: str, scorer: str, origin: str = "") -> Table | None:
    """Return the table of all splits with these names."""
    keys = (group, label, scorer, "all", origin)
    return next((t for t in tables if (t.group, t.label, t.scorer, t.split, t.origin) == keys), None)
