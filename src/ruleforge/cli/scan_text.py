"""What `scan` tells a person."""

from collections import Counter
from collections.abc import Sequence
from itertools import groupby

from ruleforge.app.groups import RuleHits
from ruleforge.app.scan import ScanHit, ScanReport
from ruleforge.cli import terminal as term
from ruleforge.cli.forge import cell

SOURCES_SHOWN = 4
UNDECIDABLE_SHOWN = 8
SPANS_SHOWN = 4
MAX_SPAN = 80  # characters


def report_text(groups: Sequence[RuleHits], report: ScanReport) -> list[str]:
    """The whole report, most severe first."""
    lines = [term.paint(headline(groups, report), "bold")]
    for group in groups:
        lines += ["", *group_lines(group)]
    return lines + undecidable_lines(report)


def headline(groups: Sequence[RuleHits], report: ScanReport) -> str:
    """What was read and found, in one line."""
    asked = f"{term.plural(report.rules, 'rule')} over {term.plural(report.requests, 'request')}"
    if not report.hits:
        return f"No hit: {asked}."
    found = f"{term.plural(report.hits, 'hit')} of {term.plural(len(groups), 'rule')}"
    return f"{found} on {term.plural(report.requests_hit, 'request')}: {asked}."


def group_lines(group: RuleHits) -> list[str]:
    """One rule: what it is about, how often it held, from where, and a sample with what matched."""
    sample = group.sample
    style = term.SEVERITY_STYLES.get(sample.severity, "dim")
    head = f"{', '.join(sample.cves) or sample.rule}  {term.shorten(term.visible(sample.title), term.width() - 45)}"
    severity = term.paint(sample.severity.upper().ljust(8), style)
    first = f"{severity}  {term.paint(head, 'bold')}  {term.plural(group.count, 'hit')}"
    rows = [("rule", sample.rule), ("from", counted(group.sources, SOURCES_SHOWN))]
    if set(group.statuses) != {"no status"}:
        rows.append(("answers", counted(group.statuses, SOURCES_SHOWN)))
    lines = [first, *[f"  {term.paint(word.ljust(8), 'dim')} {text}" for word, text in rows]]
    lines.append(f"  {term.paint('sample'.ljust(8), 'dim')} {highlighted(sample)}")
    lines += [f"  {term.paint('matched'.ljust(8), 'dim')} {text}" for text in span_lines(sample)]
    return [
        *lines,
        f"  {term.paint('where'.ljust(8), 'dim')} {term.visible(sample.request)} in {term.visible(sample.file)}",
    ]


def counted(counts: Counter[str], most: int) -> str:
    """The most frequent, each with its count."""
    shown = ", ".join(f"{term.visible(term.shorten(key, 60))} ({n:,})" for key, n in counts.most_common(most))
    return shown + (f" and {len(counts) - most:,} more" if len(counts) > most else "")


def highlighted(hit: ScanHit) -> str:
    """The first line of the request, with what matched in another colour."""
    text = term.visible(term.shorten(hit.summary, 2 * term.width()))
    marked = [False] * len(text)
    for span in hit.spans:
        shown = term.visible(str(span["text"]))
        if span["part"] == "target" and shown and text.count(shown) == 1:
            at = text.index(shown)
            marked[at : at + len(shown)] = [True] * len(shown)
    runs = groupby(zip(text, marked, strict=True), key=lambda pair: pair[1])
    return "".join(term.paint("".join(letter for letter, _ in run), "mark" if on else "") for on, run in runs)


def span_lines(hit: ScanHit) -> list[str]:
    """What matched, one line for each place; the path and method last, for they say least."""
    ordered = sorted(hit.spans, key=lambda span: span["field"] in ("method", "path", "version"))
    lines = []
    for span in ordered[:SPANS_SHOWN]:
        name = f" {term.visible(str(span['name']))}" if span["name"] else ""
        text = term.shorten(term.visible(str(span["text"])), MAX_SPAN)
        lines.append(f"{span['field']}{term.shorten(name, 60)}: {term.paint(text, 'mark')}")
    return list(dict.fromkeys(lines))


def undecidable_lines(report: ScanReport) -> list[str]:
    """Rules that the recorded requests could not answer."""
    if not report.undecidable:
        return []
    total = len(report.undecidable)
    what = f"Not decidable here: {term.plural(total, 'rule')} asked about places that these files do not record."
    rows = [(rule, f"{n:,} of {term.plural(report.requests, 'request')}") for rule, n in report.undecidable.items()]
    lines = ["", term.paint(what, "bold"), *term.columns(rows[:UNDECIDABLE_SHOWN])]
    return lines + ([f"  and {total - UNDECIDABLE_SHOWN:,} more rules"] if total > UNDECIDABLE_SHOWN else [])


def report_markdown(groups: Sequence[RuleHits], report: ScanReport) -> list[str]:
    """The same for a page."""
    lines = ["# Scan", "", headline(groups, report), ""]
    if groups:
        lines += ["| severity | CVE | rule | hits | from | sample |", "|---|---|---|--:|---|---|"]
    for group in groups:
        sample = group.sample
        parts = (sample.severity, ", ".join(sample.cves), sample.rule, f"{group.count:,}")
        where = (counted(group.sources, SOURCES_SHOWN), sample.summary)
        lines.append(f"| {' | '.join(map(cell, (*parts, *where)))} |")
    if report.undecidable:
        lines += ["", "| not decidable here | requests |", "|---|--:|"]
        lines += [f"| {cell(rule)} | {n:,} |" for rule, n in report.undecidable.items()]
    return lines
