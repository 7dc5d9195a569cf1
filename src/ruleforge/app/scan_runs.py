"""Scan many files on many processes or a cluster, into a folder that a run can be resumed in."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from ruleforge.app.compiling import is_compiled, open_compiled
from ruleforge.app.event_scan import event_rules
from ruleforge.app.rules import Loaded, about_requests
from ruleforge.app.scanning.event_asking import alert_of, not_counted
from ruleforge.app.scanning.hits import ScanHit
from ruleforge.engine.correlation import Tally as Counted
from ruleforge.engine.correlation import is_correlation
from ruleforge.engine.runners import COUNTERS, RUNNERS, Outcome
from ruleforge.engine.runners.ledger import PARTS, Ledger, open_ledger
from ruleforge.engine.runners.pieces import PIECE_BYTES, Piece
from ruleforge.engine.runners.rulesets import RuleSet
from ruleforge.engine.runners.work import Tally, settle
from ruleforge.errors import UsageError

if TYPE_CHECKING:
    import pyarrow as pa

REPORT_FILE = "report.json"
ALERTS_FILE = "alerts.parquet"  # what rules that count or order came to
PROBLEMS_KEPT = 100  # of unreadable lines; all of them are counted
SOURCES_KEPT = 100_000  # addresses counted one by one; later ones are counted together
Progress = Callable[[str, int, int], None]


class RunReport(msgspec.Struct, kw_only=True):
    """Counts of a run over all its pieces, those of earlier attempts among them; also `report.json` of its folder."""

    runner: str = "local"
    folder: str = ""
    files: int = 0
    pieces: int = 0
    resumed: int = 0  # pieces that an earlier attempt had done
    lost: int = 0  # pieces that were not done; `--resume` tries them again
    requests: int = 0
    hits: int = 0
    alerts: int = 0  # counts that were reached and sequences that were completed
    not_counted: dict[str, int] = msgspec.field(default_factory=dict)  # why counting left events out → how many
    requests_hit: int = 0
    verified: int = 0  # pairs of request and rule that were evaluated
    rules: int = 0
    broken: tuple[str, ...] = ()  # rules that failed to load
    unvalidated: int = 0  # rules left out because no evidence says they passed
    unreadable: int = 0  # lines (or whole files) that are no request
    unreadable_files: int = 0  # files of which a part could not be read, or not to its end
    problems: list[str] = msgspec.field(default_factory=list)
    deaths: list[str] = msgspec.field(default_factory=list)  # processes that ended before their piece
    undecidable: dict[str, int] = msgspec.field(default_factory=dict)  # rule → requests it could not decide
    by_rule: dict[str, int] = msgspec.field(default_factory=dict)
    by_cve: dict[str, int] = msgspec.field(default_factory=dict)
    by_source: dict[str, int] = msgspec.field(default_factory=dict)

    @property
    def complete(self) -> bool:
        """Whether every piece was done."""
        return self.lost == 0


def run_scan(
    runner: str,
    rules: Path | Loaded,
    inputs: Sequence[Path],
    out: Path,
    *,
    jobs: int,
    resume: bool = False,
    unvalidated: bool = False,
    piece_bytes: int = PIECE_BYTES,
    progress: Progress = lambda *_: None,
) -> RunReport:
    """Scan `inputs` into `out`; read the hits with `read_hits`.

    Args:
        runner: a key of RUNNERS.
        rules: a folder of rules, one rule, or rules already loaded.
        inputs: files in any format that FORMATS reads, Parquet and Arrow files of requests; of a folder all of them.
        out: folder of the run: `hits/*.parquet`, `run.json`, `report.json`.
        jobs: processes at a time.
        resume: go on with the run that is there: pieces that are done are not done again.
        unvalidated: run rules without evidence, too.
        piece_bytes: how large pieces should be.
        progress: told (file, pieces done, pieces so far) now and then.

    Raises:
        UsageError: no such runner (RF102), folder of rules (RF110), rule in it (RF111) or input (RF161); a folder that
            does not fit (RF162, RF163, RF164); PySpark is not installed (RF160).
        OutsideError: `out` cannot be written (RF502) or is in use (RF561); Spark gave up (RF560).
    """
    run = RUNNERS[runner]
    loaded, ruleset = _ruleset(rules, unvalidated)
    if not loaded.rules:
        hint = "forge them, or scan with --unvalidated" if loaded.unvalidated else "make rules with 'ruleforge forge'"
        raise UsageError("no rule there that can run", where=str(out), hint=hint, code="RF111")
    files = input_files(inputs)
    report = RunReport(runner=runner, folder=str(out), files=len(files), rules=len(loaded.rules))
    report.broken, report.unvalidated = tuple(map(str, loaded.broken)), len(loaded.unvalidated)
    with open_ledger(out, ruleset, files, resume=resume, piece_bytes=piece_bytes) as ledger:
        adding = _Adding(report, ledger)
        for outcome in run(ledger.work, adding.todo(), max(1, jobs)):
            adding.add(outcome)
            progress(outcome.piece.file, adding.done, report.pieces)
        adding.finish()
        _count_hits(report, out)
        if ruleset.counting:
            _count_events(report, ledger, runner, out)
        _write_report(out, report)
    return report


def _ruleset(rules: Path | Loaded, unvalidated: bool) -> tuple[Loaded, RuleSet]:
    """Load what a run can ask; a compiled set goes to the processes as the file that it is."""
    file, digest = "", ""
    if isinstance(rules, Path) and is_compiled(rules):
        compiled = open_compiled(rules)
        file, digest, rules = str(rules.absolute()), compiled.digest, Loaded(compiled.rules)
    loaded = about_requests(event_rules(rules, unvalidated=unvalidated))
    single = [rule for rule in loaded.rules if not is_correlation(rule)]
    counting = [rule for rule in loaded.rules if is_correlation(rule)]
    if loaded.broken:  # perhaps rules about other events that count, whose parts the file does not number as we do
        file = ""
    return loaded, RuleSet.of(single, counting, compiled=file, digest=digest)


def input_files(inputs: Sequence[Path]) -> list[Path]:
    """Return the files that `inputs` name, those of folders in order of their names, none twice.

    Raises:
        UsageError: there is no such file or folder (RF161).
    """
    found: dict[Path, None] = {}
    for path in inputs:
        if not path.exists():
            raise UsageError("no such file or folder", where=str(path), code="RF161")
        files = sorted(each for each in path.rglob("*") if each.is_file()) if path.is_dir() else [path]
        found |= dict.fromkeys(each for each in files if each == path or not _is_hidden(each.relative_to(path)))
    return list(found)


def _is_hidden(path: Path) -> bool:
    """Whether tools that write folders of tables mean a file for themselves."""
    return any(part.startswith((".", "_")) for part in path.parts)


class _Adding:
    """A report that is filled while pieces come to an end."""

    def __init__(self, report: RunReport, ledger: Ledger) -> None:
        self._report, self._ledger = report, ledger
        self.done = 0
        self._tallies: dict[int, Tally] = {}
        self._by_rule: Counter[str] = Counter()
        self._undecidable: Counter[str] = Counter()
        self._damaged: set[str] = set()
        self.untimed = self.unkeyed = 0

    def todo(self) -> Iterator[Piece]:
        """Yield the pieces that are not done yet; count the others from what they left."""
        for piece in self._ledger.pieces():
            self._report.pieces += 1
            tally = self._ledger.tally_of(piece)
            if tally is None:
                yield piece
            else:
                self._report.resumed += 1
                self.add(Outcome(piece, tally))

    def add(self, outcome: Outcome) -> None:
        """Count what became of a piece."""
        piece, tally = outcome.piece, outcome.tally
        self._report.deaths += [f"{piece.file}, piece {piece.number}: {problem}" for problem in outcome.problems]
        if tally is None:
            self._report.lost += 1
            return
        self.done += 1
        for name in ("requests", "hits", "requests_hit", "verified", "unreadable"):
            setattr(self._report, name, getattr(self._report, name) + getattr(tally, name))
        if tally.unreadable_files:
            self._damaged.add(piece.file)
        self.untimed += tally.untimed
        self.unkeyed += tally.unkeyed
        self._by_rule.update(tally.by_rule)
        self._undecidable.update(tally.undecidable)
        if tally.problems:
            self._tallies[piece.number] = tally

    def finish(self) -> None:
        """Put in order what came in any order."""
        self._report.unreadable_files = len(self._damaged)
        self._report.by_rule = dict(self._by_rule.most_common())
        self._report.undecidable = dict(self._undecidable.most_common())
        self._report.not_counted = not_counted(Counted(untimed=self.untimed, unkeyed=self.unkeyed))
        problems = [text for _, tally in sorted(self._tallies.items()) for text in tally.problems]
        self._report.problems = problems[:PROBLEMS_KEPT]


def read_hits(out: Path) -> Iterator[dict[str, Any]]:
    """Yield the hits of a run in the order of its files and their rows, as plain data with the keys of HITS."""
    import pyarrow.parquet as pq

    for part in _parts(out):
        with pq.ParquetFile(part) as table:
            for batch in table.iter_batches():
                yield from batch.to_pylist()


def read_alerts(out: Path) -> Iterator[dict[str, Any]]:
    """Yield the alerts of a run in order of time, as plain data with the keys of a hit of `scan`."""
    from ruleforge.app.reports.parquet import read_parquet

    if (out / ALERTS_FILE).exists():
        yield from read_parquet(out / ALERTS_FILE)


def _count_events(report: RunReport, ledger: Ledger, runner: str, out: Path) -> None:
    """Put together what pieces saw, and write the alerts; doing it again gives the same."""
    from ruleforge.app.reports.parquet import write_parquet

    work = ledger.work
    files = [path for piece in ledger.pieces() if (path := work.seen(piece)).exists() and work.part(piece).exists()]
    reached = COUNTERS[runner](files, work.ruleset.counting)
    rules = {rule.id: rule for rule in work.ruleset.counting}
    hits: list[ScanHit] = [alert_of(alert, rules[alert.rule]).first for alert in reached.alerts]
    report.alerts = write_parquet(hits, out / ALERTS_FILE)
    for counts, names in (
        (report.by_rule, [(hit.rule,) for hit in hits]),
        (report.by_cve, [hit.cves or ("no CVE",) for hit in hits]),
    ):
        for name in (each for some in names for each in some):
            counts[name] = counts.get(name, 0) + 1
    report.not_counted = report.not_counted | not_counted(reached.tally)


def _parts(out: Path) -> list[Path]:
    return sorted((out / PARTS).glob("part-*.parquet"))


def _count_hits(report: RunReport, out: Path) -> None:
    """Count hits by vulnerability and by source address, a column at a time."""
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    cves: Counter[str] = Counter()
    sources: Counter[str] = Counter()
    for part in _parts(out):
        table = pq.read_table(part, columns=["cves", "source_address"])
        cves.update(_counts(pc.value_counts(pc.list_flatten(table["cves"]))))
        cves["no CVE"] += pc.sum(pc.equal(pc.list_value_length(table["cves"]), 0)).as_py() or 0
        for address, count in _counts(pc.value_counts(table["source_address"])).items():
            known = address in sources or len(sources) < SOURCES_KEPT
            sources[(address or "not recorded") if known else "others"] += count
    report.by_cve, report.by_source = dict((+cves).most_common()), dict(sources.most_common())


def _counts(pairs: "pa.StructArray") -> dict[str, int]:
    return {pair["values"]: pair["counts"] for pair in pairs.to_pylist()}


def _write_report(out: Path, report: RunReport) -> None:
    unfinished = out / f".{REPORT_FILE}.tmp"
    unfinished.write_bytes(msgspec.json.format(msgspec.json.encode(report)) + b"\n")
    settle(unfinished, out / REPORT_FILE)
