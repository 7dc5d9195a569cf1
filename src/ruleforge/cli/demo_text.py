"""What `demo` tells a person."""

import shlex
from collections import Counter
from typing import Any

from ruleforge.app.demo import DemoReport, Verdicts
from ruleforge.app.forge import refusal_sentence
from ruleforge.cli import terminal as term
from ruleforge.cli.forge import summary_dict
from ruleforge.records.forging import Outcome
from ruleforge.rules.tree import Rule

KNOWN_SHOWN, INVENTED_SHOWN = 2, 3  # rules read aloud
LONGEST_READ = 260  # characters of a sentence
HITS_SHOWN = 12
INVENTED = "CVE-2099-"


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
    time = "" if forged.unchanged else f"in {forged.seconds:.1f} s, "
    rows = [
        ("templates read", f"{report.templates:,}", f"{INVENTED}… and their products are invented, the others public"),
        ("rules made", f"{forged.with_rule:,}", "each passed every check"),
        ("refused", f"{sum(forged.refused.values()):,}", "no safe rule can be made; reasons below"),
        ("unreadable", f"{failed:,}", "the rest goes on" if failed else ""),
        ("candidates tried", f"{forged.candidates:,}", f"{time}without a model or a network"),
    ]
    lines = [*_title(1, "Forge: from disclosures to rules")[1:], *term.columns(rows, right=(1,))]
    return [*lines, f"  unchanged, not forged again: {forged.unchanged:,}"] if forged.unchanged else lines


def _refusals(report: DemoReport) -> list[str]:
    """What became no rule, by reason; what could not be read comes last."""
    lines = []
    for reason in report.forged.refused:
        lines += ["", f"  Refused: {refusal_sentence(reason)}"]
        rows = [
            (term.visible(outcome.advisory), term.visible(term.shorten(report.titles[outcome.sources[0]], 80)))
            for outcome in report.outcomes
            if (outcome.outcome, outcome.reason) == ("refused", reason)
        ]
        lines += term.columns(rows, indent="    ")
    failed = [outcome for outcome in report.outcomes if outcome.outcome == "failed"]
    if failed:
        rows = [(outcome.sources[0].rpartition("/")[2], term.shorten(_said(outcome), 110)) for outcome in failed]
        lines += ["", "  Unreadable:", *map(term.visible, term.columns(rows, indent="    "))]
    return lines


def _said(outcome: Outcome) -> str:
    """The detail of a failure without its code and file, which stand beside it."""
    said = outcome.detail.removeprefix(f"[{outcome.reason}] ")
    for source in outcome.sources:
        said = said.removeprefix(source).lstrip(" :")
    return said


def _rules(report: DemoReport) -> list[str]:
    """A few rules as sentences."""
    lines = _title(2, "Rules, read aloud")
    for rule in _telling(report):
        lines.append(f"  {term.paint(rule, 'cyan')}  {term.visible(report.rules[rule].title)}")
        lines.append(f"    {term.visible(report.sentences[rule])}")
    return lines


def _telling(report: DemoReport) -> list[str]:
    """Choose rules that ask for an attack: of well-known vulnerabilities, and of invented ones at an endpoint."""
    readable = {rule: text for rule, text in report.sentences.items() if len(text) <= LONGEST_READ}
    asking = [rule for rule in readable if report.rules[rule].classes]
    known = [rule for rule in asking if report.rules[rule].cves and not _is_invented(report.rules[rule])]
    known.sort(key=lambda rule: -max(report.scanned.by_cve.get(cve, 0) for cve in report.rules[rule].cves))
    invented: dict[tuple[tuple[str, int], ...], str] = {}  # one for each kind of payload
    for rule in asking:
        if rule not in known and " path ends with " in readable[rule]:
            invented.setdefault(report.rules[rule].classes, rule)
    return known[:KNOWN_SHOWN] + list(invented.values())[:INVENTED_SHOWN]


def _is_invented(rule: Rule) -> bool:
    return any(cve.startswith(INVENTED) for cve in rule.cves)


def _scanning(report: DemoReport) -> list[str]:
    scanned = report.scanned
    files = list(dict.fromkeys(hit.file for hit in report.hits))
    lines = _title(3, "Scan: the rules over sample traffic")
    asked = f"{term.plural(scanned.rules, 'rule')} over {term.plural(scanned.requests, 'request')}"
    where = Counter(hit.file for hit in report.hits)
    places = ", ".join(f"{where[file]:,} in {_name(file)}" for file in files)
    lines.append(f"  {asked}: {term.plural(scanned.hits, 'hit')}" + (f" ({places})." if places else "."))
    lines += ["", "  Hits by vulnerability:", *_by_cve(report, files)]
    if scanned.undecidable:
        most = max(scanned.undecidable.values())
        rules = term.plural(len(scanned.undecidable), "rule")
        lines += ["", f"  Not decidable: {rules} asked for what an access log lacks, on up to {most:,} lines each."]
    return lines


def _by_cve(report: DemoReport, files: list[str]) -> list[str]:
    titles = {cve: rule.title for rule in report.rules.values() for cve in rule.cves}
    counts = Counter((cve, hit.file) for hit in report.hits for cve in hit.cves)
    rows = [("", "hits", *map(_name, files), "")]
    for cve, n in list(report.scanned.by_cve.items())[:HITS_SHOWN]:
        each = (f"{counts[cve, file]:,}" for file in files)
        rows.append((cve, f"{n:,}", *each, term.visible(term.shorten(titles.get(cve, ""), 70))))
    rest = list(report.scanned.by_cve.items())[HITS_SHOWN:]
    if rest:
        each = (f"{sum(counts[cve, file] for cve, _ in rest):,}" for file in files)
        rows.append((f"{len(rest)} others", f"{sum(n for _, n in rest):,}", *each, ""))
    return term.columns(rows, indent="    ", right=range(1, 2 + len(files)))


def _name(file: str) -> str:
    return term.visible(file.rpartition("/")[2])


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
    rows = []
    asked = ""
    for name, label in verdicts.missed:
        folder = _folder(report, label.cve)
        asked = asked or (f"{folder} {_path(label.file)} --id {shlex.quote(name)}" if folder else "")
        why = "" if folder else "no rule for it"
        rows.append((name, label.cve, term.visible(term.shorten(label.target, 70)), why))
    lines = ["", "  Missed:", *term.columns(rows, indent="    ")] if rows else []
    return (
        [*lines, "", "  Why, condition by condition:", "", f"    {term.program()} explain {asked}"] if asked else lines
    )


def _folder(report: DemoReport, cve: str) -> str:
    """Where the rule about a CVE is, as a word of a command; empty: there is none."""
    made = [outcome.advisory for outcome in report.outcomes if outcome.outcome == "rule" and cve in outcome.cves]
    return _path(f"{report.rules_folder}/{made[0]}") if made else ""


def _path(path: str) -> str:
    return term.visible(shlex.quote(term.near(path)))


def _alarms(verdicts: Verdicts) -> list[str]:
    rows = [(hit.request, hit.rule, term.visible(term.shorten(hit.summary, 70))) for hit in verdicts.false_alarms]
    return ["", "  False alarms:", *term.columns(rows, indent="    ")] if rows else []


def _next(report: DemoReport) -> list[str]:
    folder, program = _path(report.rules_folder), term.program()
    hit = next((found for hit in report.hits for cve in hit.cves if (found := _folder(report, cve))), "")
    lines = ["", f"The rules are in {folder}, one folder each: rule.json, tests.yaml, evidence.json. Go on with", ""]
    commands = [f"{program} show {hit}"] if hit else []
    commands += [
        f"{program} test {folder}",
        f"{program} scan --rules {folder} YOUR-LOG",
        f"{program} forge YOUR-TEMPLATES --out rules",
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
