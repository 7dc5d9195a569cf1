"""What `demo` tells a person."""

from collections import Counter
from typing import Any

from ruleforge.app.demo import DemoReport, Verdicts
from ruleforge.app.forge import refusal_sentence
from ruleforge.cli import terminal as term
from ruleforge.cli.forge import summary_dict
from ruleforge.cli.scan_text import counted
from ruleforge.records.forging import Outcome

SENTENCES_SHOWN = 5
HITS_SHOWN = 12


def demo_lines(report: DemoReport) -> list[str]:
    """The whole report."""
    return [
        *_forging(report),
        *_refusals(report),
        *_rules(report),
        *_scanning(report),
        *_labels(report),
        *_next(report),
    ]


def _title(number: int, text: str) -> list[str]:
    return ["", term.paint(f"{number}. {text}", "bold"), ""]


def _forging(report: DemoReport) -> list[str]:
    forged = report.forged
    failed = sum(forged.failed.values())
    rows = [
        ("templates read", f"{report.templates:,}", ""),
        ("rules made", f"{forged.with_rule:,}", "each passed every check"),
        ("refused", f"{sum(forged.refused.values()):,}", "no safe rule can be made; reasons below"),
        ("unreadable", f"{failed:,}", "the rest goes on" if failed else ""),
        ("candidates tried", f"{forged.candidates:,}", f"in {forged.seconds:.1f} s, without a model or a network"),
    ]
    return [*_title(1, "Forge: from disclosures to rules")[1:], *term.columns(rows, right=(1,))]


def _refusals(report: DemoReport) -> list[str]:
    rows = []
    for outcome in report.outcomes:
        if outcome.outcome != "rule":
            said = refusal_sentence(outcome.reason) or _said(outcome)
            name = outcome.advisory or outcome.sources[0].rpartition("/")[2]
            rows.append((term.visible(name), outcome.reason, term.visible(term.shorten(said, 110))))
    return ["", "  Not made into rules, and why:", *term.columns(rows, indent="    ")] if rows else []


def _said(outcome: Outcome) -> str:
    """The detail of a failure without its code and file, which stand beside it."""
    said = outcome.detail.removeprefix(f"[{outcome.reason}] ")
    for source in outcome.sources:
        said = said.removeprefix(source).lstrip(" :")
    return said


def _rules(report: DemoReport) -> list[str]:
    """A few rules as sentences: the shortest ones read best."""
    lines = _title(2, "Rules, read aloud")
    shortest = sorted(report.sentences, key=lambda rule: (len(report.sentences[rule]), rule))[: 3 * SENTENCES_SHOWN]
    for rule in sorted(shortest[::3]):
        lines.append(f"  {term.paint(rule, 'cyan')}  {term.visible(report.rules[rule].title)}")
        lines.append(f"    {term.visible(term.shorten(report.sentences[rule], 400))}")
    return lines


def _scanning(report: DemoReport) -> list[str]:
    scanned = report.scanned
    lines = _title(3, "Scan: the rules over sample traffic")
    files = term.plural(scanned.files, "file")
    asked = f"{term.plural(scanned.rules, 'rule')} over {term.plural(scanned.requests, 'request')} in {files}"
    lines.append(f"  {asked}: {term.plural(scanned.hits, 'hit')} on {term.plural(scanned.requests_hit, 'request')}.")
    titles = {cve: rule.title for rule in report.rules.values() for cve in rule.cves}
    rows = [(cve, f"{n:,}", term.visible(term.shorten(titles.get(cve, ""), 70))) for cve, n in scanned.by_cve.items()]
    lines += ["", "  Hits by vulnerability:", *term.columns(rows[:HITS_SHOWN], indent="    ", right=(1,))]
    if len(rows) > HITS_SHOWN:
        lines.append(f"    and {len(rows) - HITS_SHOWN} more")
    lines += ["", f"  Hits by sender: {counted(Counter(scanned.by_source), 6)}"]
    for file, (requests, hits) in report.unlabelled.items():
        lines.append(f"  In {file}: {term.plural(hits, 'hit')} on {term.plural(requests, 'line')}.")
    if scanned.undecidable:
        most = max(scanned.undecidable.values())
        rules = term.plural(len(scanned.undecidable), "rule")
        lines.append(f"  Not decidable: {rules} asked for what an access log lacks, on up to {most:,} lines each.")
    return lines


def _labels(report: DemoReport) -> list[str]:
    verdicts = report.verdicts
    ordinary = verdicts.requests - verdicts.attacks
    alarmed = len({hit.request for hit in verdicts.false_alarms})
    rows = [
        ("attacks found", f"{verdicts.caught} of {verdicts.attacks}", term.percent(verdicts.caught, verdicts.attacks)),
        ("found by another rule", f"{verdicts.caught_otherwise}", ""),
        ("missed", f"{len(verdicts.missed)}", ""),
        ("false alarms", f"{alarmed} of {ordinary}", "ordinary requests that a rule held for"),
    ]
    lines = _title(4, "Against the labels of the sample")
    lines += term.columns([row for row in rows if row[0] != "found by another rule" or row[1] != "0"], right=(1,))
    return lines + _missed(report, verdicts) + _alarms(verdicts)


def _missed(report: DemoReport, verdicts: Verdicts) -> list[str]:
    known = {cve for rule in report.rules.values() for cve in rule.cves}
    rows = []
    for name, label in verdicts.missed:
        why = "" if label.cve in known else "no rule for it"
        rows.append((name, label.cve, term.visible(term.shorten(label.target, 70)), why))
    return ["", "  Missed:", *term.columns(rows, indent="    ")] if rows else []


def _alarms(verdicts: Verdicts) -> list[str]:
    rows = [(hit.request, hit.rule, term.visible(term.shorten(hit.summary, 70))) for hit in verdicts.false_alarms]
    return ["", "  False alarms:", *term.columns(rows, indent="    ")] if rows else []


def _next(report: DemoReport) -> list[str]:
    folder = term.visible(report.rules_folder)
    caught = [hit for hit in report.hits if hit.cves]
    first = (
        caught[0].cves[0] if caught else (next(iter(report.rules.values())).cves or ("",))[0] if report.rules else ""
    )
    lines = ["", f"The rules are in {folder}, one folder each: rule.json, tests.yaml, evidence.json. Go on with", ""]
    commands = [f"ruleforge show {folder}/{first}"] if first else []
    commands += [
        f"ruleforge test {folder}",
        f"ruleforge scan --rules {folder} YOUR-LOG",
        "ruleforge forge YOUR-TEMPLATES --out rules",
    ]
    return [*lines, *[f"  {command}" for command in commands]]


def demo_dict(report: DemoReport) -> dict[str, Any]:
    """The counts as plain data."""
    import msgspec

    verdicts = report.verdicts
    data: dict[str, Any] = {
        "templates": report.templates,
        "forge": summary_dict(report.forged),
        "scan": msgspec.to_builtins(report.scanned),
        "labels": {
            "requests": verdicts.requests,
            "attacks": verdicts.attacks,
            "found": verdicts.caught,
            "found_by_another_rule": verdicts.caught_otherwise,
            "missed": [name for name, _ in verdicts.missed],
            "false_alarms": sorted({hit.request for hit in verdicts.false_alarms}),
        },
        "sentences": report.sentences,
    }
    return data
