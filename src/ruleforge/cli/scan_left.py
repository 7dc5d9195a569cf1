"""What a scan left out, in words: hits that were excluded, events not counted, rules not asked or not decidable."""

from ruleforge.app.scanning.hits import Gap, ScanReport
from ruleforge.cli import terminal as term

FILES_SHOWN = 6
SLOW_SHOWN = 8


def left_out_lines(report: ScanReport) -> list[str]:
    """All of it, each part only where there is something to say."""
    lines = [*exclusion_lines(report), *counting_lines(report), *slow_lane_lines(report), *undecidable_lines(report)]
    if report.rule_set_swaps:
        times = term.plural(report.rule_set_swaps, "time")
        lines += ["", f"The compiled set was replaced {times}; the last one is {report.rule_set}."]
    return lines


def counting_lines(report: ScanReport) -> list[str]:
    """What counting left out, and rules that nothing in these files could answer."""
    lines = []
    if report.not_counted and report.alerts + sum(report.not_counted.values()):
        said = ", ".join(f"{count:,} {reason}" for reason, count in report.not_counted.items())
        lines += ["", f"Events that were not counted: {said}."]
    if report.rules_not_asked:
        shown = ", ".join(report.rules_not_asked[:4]) + _and_more(len(report.rules_not_asked) - 4)
        words = term.plural(len(report.rules_not_asked), "rule")
        lines += ["", f"Not asked: {words} about kinds of events that these files do not hold ({shown})."]
    return lines


def slow_lane_lines(report: ScanReport) -> list[str]:
    """What rules without a usable literal were not asked about, for want of processor time."""
    if not report.not_evaluated:
        return []
    rules = term.plural(len(report.not_evaluated), "rule")
    what = f"Not evaluated: {rules} without a usable literal, beyond what --slow-lane-ms allows."
    rows = [
        (term.visible(term.shorten(rule, 60)), f"{count:,} of {term.plural(report.requests, 'request')}")
        for rule, count in sorted(report.not_evaluated.items(), key=lambda item: -item[1])[:SLOW_SHOWN]
    ]
    more = _and_more(len(report.not_evaluated) - SLOW_SHOWN)
    return ["", term.paint(what, "bold"), *term.columns(rows), *([f" {more}"] if more else [])]


def exclusion_lines(report: ScanReport) -> list[str]:
    """What exclusions took away, and which do not count any more."""
    if not report.excluded and not report.excluded_events and not report.exclusion_notes:
        return []
    taken = [term.plural(report.excluded, "hit")] if report.excluded or not report.excluded_events else []
    taken += [f"{term.plural(report.excluded_events, 'event')} not counted"] if report.excluded_events else []
    lines = ["", term.paint(f"Excluded: {' and '.join(taken)}, as the exclusions say.", "bold")]
    lines += [f"  {n:,}  {term.shorten(term.visible(what), term.width())}" for what, n in report.excluded_by.items()]
    return lines + [f"  {term.shorten(term.visible(note), term.width())}" for note in report.exclusion_notes]


def undecidable_lines(report: ScanReport) -> list[str]:
    """Rules that the recorded requests could not answer, by file."""
    if not report.undecidable:
        return []
    total = len(report.undecidable)
    what = f"Not decidable here: {term.plural(total, 'rule')} asked about places that these files do not record."
    gaps = [(file, gap) for file, gap in report.gaps.items() if gap.rules]
    gaps.sort(key=lambda item: -len(item[1].rules))
    rows = [
        (
            term.visible(term.shorten(file, 50)),
            f"{len(gap.rules):,} of {term.plural(report.rules, 'rule')}",
            f"for up to {max(gap.rules.values()):,} of {term.plural(gap.requests, 'request')}",
            gap_words(gap),
        )
        for file, gap in gaps[:FILES_SHOWN]
    ]
    lines = ["", term.paint(what, "bold"), *term.columns(rows)]
    return lines + ([f"  and {len(gaps) - FILES_SHOWN:,} more files"] if len(gaps) > FILES_SHOWN else [])


def gap_words(gap: Gap) -> str:
    """What a file does not record: "no body; of the headers only referer, user-agent"."""
    words = []
    for place, rows in gap.unrecorded.items():
        if place == "version":
            continue  # hardly a rule asks for it
        noun = {"body": "bodies", "method": "methods", "target": "targets"}.get(place, place)
        words.append(f"no {noun}" if rows == gap.requests else f"no {noun} in {rows:,}")
    if gap.headers is not None:
        words.append(f"of the headers only {', '.join(map(term.visible, gap.headers[:6]))}")
    return "; ".join(words)


def _and_more(count: int) -> str:
    return f" and {count:,} more" if count > 0 else ""
