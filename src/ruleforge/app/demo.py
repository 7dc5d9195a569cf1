"""The whole way on our own examples: forge, scan, and compare with what the sample traffic really was."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from ruleforge.app.forge import ForgeSummary, forge
from ruleforge.app.rules import load_rules
from ruleforge.app.scan import ScanHit, ScanReport, scan
from ruleforge.errors import OutsideError
from ruleforge.ingest.readers import read_advisory
from ruleforge.records.advisory import Advisory
from ruleforge.records.forging import Outcome
from ruleforge.rules.render import render_sentence
from ruleforge.rules.tree import Rule

Progress = Callable[[str, int, int], None]


class Label(msgspec.Struct, frozen=True):
    """What a row of the sample traffic really was."""

    attack: bool
    cve: str = ""
    target: str = ""
    file: str = ""


class Verdicts(msgspec.Struct, frozen=True, kw_only=True):
    """The scan of the labelled sample against its labels."""

    requests: int
    attacks: int
    caught: int  # attacks that a rule for their own CVE found
    caught_otherwise: int  # attacks that only a rule for another CVE found
    missed: tuple[tuple[str, Label], ...] = ()  # (id, label) of attacks that no rule found
    false_alarms: tuple[ScanHit, ...] = ()  # hits on ordinary requests


class DemoReport(msgspec.Struct, frozen=True, kw_only=True):
    """Everything the demonstration found out."""

    rules_folder: str
    templates: int  # files read
    forged: ForgeSummary
    outcomes: tuple[Outcome, ...]
    rules: dict[str, Rule]
    sentences: dict[str, str]  # rule id → sentence
    scanned: ScanReport
    hits: tuple[ScanHit, ...]
    verdicts: Verdicts
    titles: dict[str, str]  # source without a rule → title, where it has one


def examples_folder() -> Path:
    """Where the packaged examples are; in a checkout they lie beside `src`.

    Raises:
        OutsideError: the installation lacks them (RF510).
    """
    package = Path(__file__).resolve().parents[1]
    for folder in (package / "_examples", package.parents[1] / "examples"):
        if (folder / "templates").is_dir() and (folder / "traffic").is_dir():
            return folder
    raise OutsideError("the examples are not there", where=str(package), hint="install the package again", code="RF510")


def demo(out: Path, progress: Progress = lambda *_: None, *, examples: Path | None = None) -> DemoReport:
    """Forge the example templates into `out`/rules, scan the example traffic with them, and compare with its labels.

    Raises:
        OutsideError: the examples are missing (RF510), or `out` cannot be written.
    """
    folder = examples or examples_folder()
    rules_folder, summary, scanned = out / "rules", ForgeSummary(), ScanReport()
    benign = sorted((folder / "benign").glob("*.jsonl"))
    outcomes = tuple(forge([folder / "templates"], rules_folder, summary, progress, benign=benign))
    loaded = load_rules(rules_folder)
    traffic = sorted(file for file in (folder / "traffic").iterdir() if file.is_file())
    hits: list[ScanHit] = []
    labels: dict[str, Label] = {}
    for file in traffic:
        report = ScanReport()
        hits += scan(loaded, [file], report, progress)
        _add(scanned, report)
        labels |= read_labels(file)
    return DemoReport(
        rules_folder=str(rules_folder),
        templates=sum(len(outcome.sources) for outcome in outcomes),
        forged=summary,
        outcomes=outcomes,
        rules={rule.id: rule for rule in loaded.rules},
        sentences={rule.id: render_sentence(rule) for rule in loaded.rules},
        scanned=scanned,
        hits=tuple(hits),
        verdicts=compare(labels, hits),
        titles={outcome.sources[0]: _title(outcome.sources[0]) for outcome in outcomes if outcome.outcome != "rule"},
    )


def _title(source: str) -> str:
    found = read_advisory(Path(source))
    return found.title if isinstance(found, Advisory) else ""


def _add(total: ScanReport, part: ScanReport) -> None:
    for name in ("files", "requests", "hits", "requests_hit", "unreadable", "unreadable_files"):
        setattr(total, name, getattr(total, name) + getattr(part, name))
    total.rules, total.broken, total.unvalidated = part.rules, part.broken, part.unvalidated
    total.problems += part.problems
    for name in ("undecidable", "by_rule", "by_cve", "by_source"):
        counts: dict[str, int] = getattr(total, name)
        for key, count in getattr(part, name).items():
            counts[key] = counts.get(key, 0) + count
        setattr(total, name, dict(sorted(counts.items(), key=lambda item: -item[1])))


def read_labels(file: Path) -> dict[str, Label]:
    """Return id → label of a file of JSON lines; empty for a file without labels."""
    if file.suffix != ".jsonl":
        return {}
    rows = [json.loads(line) for line in file.read_bytes().splitlines() if line.strip()]
    return {
        row["id"]: Label(
            row["label"] == "attack", row.get("cve", ""), f"{row.get('method', '')} {row.get('target', '')}", str(file)
        )
        for row in rows
        if "label" in row
    }


def compare(labels: dict[str, Label], hits: Sequence[ScanHit]) -> Verdicts:
    """Count what was caught and missed, and collect the false alarms. Hits on rows without a label are left out."""
    found: dict[str, set[str]] = {}
    for hit in hits:
        if hit.request in labels:
            found.setdefault(hit.request, set()).update(hit.cves)
    attacks = {name: label for name, label in labels.items() if label.attack}
    own = {name for name, label in attacks.items() if label.cve in found.get(name, ())}
    return Verdicts(
        requests=len(labels),
        attacks=len(attacks),
        caught=len(own),
        caught_otherwise=sum(name in found and name not in own for name in attacks),
        missed=tuple((name, label) for name, label in attacks.items() if name not in found),
        false_alarms=tuple(hit for hit in hits if hit.request in labels and not labels[hit.request].attack),
    )
