"""What `scan` tells a person."""

from collections.abc import Sequence

from ruleforge.app.reports.marking import marked_runs
from ruleforge.app.scanning.digest import NO_CVE, NO_SOURCE, Digest, RuleTally, Tally
from ruleforge.app.scanning.episodes import Episode
from ruleforge.app.scanning.histogram import width_words
from ruleforge.app.scanning.hits import ScanHit, ScanReport
from ruleforge.app.scanning.outcomes import MAY_HAVE_SUCCEEDED, OUTCOMES, UNKNOWN, WORDS
from ruleforge.cli import terminal as term
from ruleforge.cli.forge import cell
from ruleforge.cli.scan_left import counting_lines, gap_words, left_out_lines
from ruleforge.events.origin import written

CVES_SHOWN, SOURCES_IN_TABLE, EPISODES_SHOWN, RULES_SHOWN = 15, 10, 5, 20
SOURCES_SHOWN = 4
SPANS_SHOWN = 4
MAX_SPAN = 80  # characters
BARS = 60
_BLOCKS = "▁▂▃▄▅▆▇█"
_LEFT = 10  # columns of the words at the left of a rule


def report_text(digest: Digest, report: ScanReport) -> list[str]:
    """The whole report: the sum first, then what to look at, most severe first."""
    lines = [term.paint(headline(digest, report), "bold"), *period_lines(digest, report)]
    if report.hits or report.alerts:
        lines += [*time_lines(digest), *cve_lines(digest), *source_lines(digest), *episode_lines(digest)]
    rules = digest.by_rule()
    for rule, tally in rules[:RULES_SHOWN]:
        lines += ["", *rule_lines(rule, tally)]
    if len(rules) > RULES_SHOWN:
        lines += ["", f"and {term.plural(len(rules) - RULES_SHOWN, 'more rule')}; --format html shows all of them"]
    return [*lines, *left_out_lines(report)]


def headline(digest: Digest, report: ScanReport) -> str:
    """What was read and found, in one line."""
    asked = f"{term.plural(report.rules, 'rule')} over {_asked(report)}"
    end = " Interrupted: this is what was found so far." if report.interrupted else ""
    if not report.hits and not report.alerts:
        return f"No hit: {asked}.{end}"
    reached = f"{term.plural(report.alerts, 'alert')} of rules that count or order" if report.alerts else ""
    if not report.hits:
        return f"{reached}: {asked}.{end}"
    found = f"{term.plural(report.hits, 'hit')}" + (f" and {reached}" if reached else "")
    if not reached and not report.events:
        found += f" of {term.plural(len(digest.rules), 'rule')} on {term.plural(report.requests_hit, 'request')}"
    return f"{found}: {asked}.{end}"


def _asked(report: ScanReport) -> str:
    """What rules were asked about: "300 requests and 12 auth_log events"."""
    words = [term.plural(report.requests, "request")] if report.requests or not report.events else []
    return " and ".join([*words, *(term.plural(count, f"{kind} event") for kind, count in report.events.items())])


def period_lines(digest: Digest, report: ScanReport) -> list[str]:
    """From when to when, what the answers say, and what was left out."""
    lines = []
    if digest.first is not None:
        undated = f" ({term.plural(digest.undated, 'request')} without a readable time)" if digest.undated else ""
        lines.append(f"{_when(digest.first)} to {_when(digest.last)} UTC{undated}, {_sources(digest)}.")
    if report.hits:
        counted = [(WORDS[name], report.by_outcome.get(name, 0)) for name in OUTCOMES]
        said = ", ".join(f"{word} {count:,}" for word, count in counted if count)
        if set(report.by_outcome) - {UNKNOWN}:
            lines.append(f"By the status of the answer: {said}.")
    if report.since or report.until:
        words = " ".join(f"{word} {time}" for word, time in (("since", report.since), ("before", report.until)) if time)
        left = f"{term.plural(report.outside_window, 'request')} outside {words}"
        what = "left out" if report.undated_dropped else "asked about all the same"
        undated = f"; {term.plural(report.undated, 'request')} without a readable time {what}" if report.undated else ""
        lines.append(f"Not asked about: {left}{undated}.")
    if report.rules_left_out:
        lines.append(f"{term.plural(report.rules_left_out, 'rule')} left out, as asked.")
    return lines


def _sources(digest: Digest) -> str:
    unnamed = digest.sources.get(NO_SOURCE)
    words = term.plural(len(digest.sources) - (unnamed is not None), "source")
    return f"{words} ({term.plural(unnamed.requests, 'request')} without one)" if unnamed else words


def time_lines(digest: Digest) -> list[str]:
    """Requests with hits over time, as small bars."""
    bars = digest.times.bars(BARS)
    if len(bars.counts) < 2:
        return []
    most = max(bars.counts)
    drawn = "".join(" " if not count else _BLOCKS[min(7, count * 8 // (most + 1))] for count in bars.counts)
    end = bars.start + bars.width * len(bars.counts)
    legend = f"each bar {width_words(bars.width)}, at most {term.plural(most, 'request')}"
    return [
        "",
        term.paint("When", "bold"),
        f"  {_when(bars.start)} {term.paint(drawn, 'cyan')} {_when(end)}  {term.paint(legend, 'dim')}",
    ]


def _cve_rows(digest: Digest) -> list[tuple[str, ...]]:
    return [
        (
            name,
            tally.severity,
            f"{tally.requests:,}",
            _may(tally),
            f"{len(tally.names):,}",
            *_seen(tally, digest),
            "" if name == NO_CVE else tally.title,
        )
        for name, tally in digest.by_cve()
    ]


def cve_lines(digest: Digest) -> list[str]:
    """One line for each CVE."""
    rows = _cve_rows(digest)
    head = ("CVE", "severity", "requests", "succeeded?", "sources", "first seen", "last seen", "what")
    return _table("By CVE", head, rows, CVES_SHOWN, right=(2, 3, 4))


def source_lines(digest: Digest) -> list[str]:
    """One line for each source address."""
    rows = [
        (
            name,
            f"{tally.requests:,}",
            _may(tally),
            ", ".join(list(tally.names)[:3]) + _more(tally.names),
            *_seen(tally, digest),
        )
        for name, tally in digest.by_source()
    ]
    head = ("source", "requests", "succeeded?", "CVEs", "first seen", "last seen")
    return _table("By source address", head, rows, SOURCES_IN_TABLE, right=(1, 2))


def episode_lines(digest: Digest) -> list[str]:
    """Sources at work without a pause of half an hour."""
    book = digest.episodes
    rows = [_episode_row(episode, digest) for episode in book.largest(EPISODES_SHOWN) if episode.requests > 1]
    if not rows:
        return []
    head = ("source", "from", "to", "requests", "succeeded?", "CVEs")
    lines = _table(f"Episodes (one source, no pause of 30 minutes): {book.count:,}", head, rows, EPISODES_SHOWN, (3, 4))
    return [*lines, f"  {book.closed_early:,} were ended early, too many at once"] if book.closed_early else lines


def _episode_row(episode: Episode, digest: Digest) -> tuple[str, ...]:
    names = ", ".join(list(episode.cves)[:3]) + _more(episode.cves)
    times = (_short(episode.first, digest), _short(episode.last, digest))
    may = f"{episode.may_have_succeeded:,}" if episode.may_have_succeeded else ""
    return (episode.source, *times, f"{episode.requests:,}", may, names)


def _table(
    title: str, head: Sequence[str], rows: Sequence[Sequence[str]], most: int, right: Sequence[int] = ()
) -> list[str]:
    """A titled table, cut to the width of the terminal; columns that are empty everywhere are left out."""
    kept = [at for at in range(len(head)) if any(row[at] for row in rows[:most])]
    shown = [[term.visible(term.shorten(row[at], 60)) for at in kept] for row in rows[:most]]
    at_right = [place for place, at in enumerate(kept) if at in right]
    table = term.columns([[head[at] for at in kept], *shown], right=at_right)
    lines = [term.shorten(line, term.width()) for line in table]
    rest = [f"  and {len(rows) - most:,} more"] if len(rows) > most else []
    return ["", term.paint(title, "bold"), term.paint(lines[0], "dim"), *lines[1:], *rest]


def _more(names: dict[str, int]) -> str:
    return f" +{len(names) - 3:,}" if len(names) > 3 else ""


def _may(tally: Tally) -> str:
    return f"{tally.may_have_succeeded:,}" if tally.may_have_succeeded else ""


def _seen(tally: Tally, digest: Digest) -> tuple[str, str]:
    return _short(tally.first, digest), _short(tally.last, digest)


def _short(seconds: float | None, digest: Digest) -> str:
    """A time without its year, where the report is about one year."""
    whole = _when(seconds)
    one_year = _when(digest.first)[:4] == _when(digest.last)[:4]
    return whole[5:] if one_year and seconds is not None else whole


def _when(seconds: float | None) -> str:
    """A time in UTC, to the minute."""
    return written(seconds)[:16].replace("T", " ")


def rule_lines(rule: str, tally: RuleTally) -> list[str]:
    """One rule: what it is about, how often it held, from where, and samples with what matched."""
    sample = tally.sample
    style = term.SEVERITY_STYLES.get(sample.severity, "dim")
    head = f"{', '.join(sample.cves) or rule}  {term.shorten(term.visible(sample.title), term.width() - 45)}"
    severity = term.paint(sample.severity.upper().ljust(8), style)
    rows = [("rule", rule), ("from", counted(tally.names, SOURCES_SHOWN))]
    if set(tally.statuses) != {"no status"}:
        may = f"; {tally.may_have_succeeded:,} may have succeeded" if tally.may_have_succeeded else ""
        rows.append(("answers", counted(tally.statuses, SOURCES_SHOWN) + may))
    if tally.first is not None:
        first, last = _when(tally.first), _when(tally.last)
        rows.append(("seen", f"{first} UTC" if first == last else f"{first} to {last} UTC"))
    lines = [f"{severity}  {term.paint(head, 'bold')}  {term.plural(tally.hits, 'hit')}"]
    lines += [_line(word, text) for word, text in rows]
    lines.append(_line("sample", highlighted(sample)))
    lines += [_line("matched", text) for text in span_lines(sample)]
    place = term.visible(sample.request) + (f" in {term.visible(sample.file)}" if sample.file else "")
    lines.append(_line("where" if sample.kind == "hit" else "last", place))
    if sample.others:
        lines.append(_line("also", term.shorten(", ".join(sample.others), 2 * term.width())))
    return lines


def _line(word: str, text: str) -> str:
    return f"  {term.paint(word.ljust(_LEFT - 2), 'dim')} {text}"


def counted(counts: dict[str, int], most: int) -> str:
    """The most frequent, each with its count."""
    first = sorted(counts.items(), key=lambda item: -item[1])[:most]
    shown = ", ".join(f"{term.visible(term.shorten(key, 60))} ({n:,})" for key, n in first)
    return shown + (f" and {len(counts) - most:,} more" if len(counts) > most else "")


def highlighted(hit: ScanHit) -> str:
    """The first line of the request, with what matched in another colour."""
    text = term.visible(term.shorten(hit.summary, 2 * term.width()))
    return "".join(term.paint(run.text, "mark" if run.matched else "") for run in marked_runs(text, hit.spans))


def span_lines(hit: ScanHit) -> list[str]:
    """What matched, one line for each place; the path and method last, for they say least."""
    ordered = sorted(hit.spans, key=lambda span: span["field"] in ("method", "path", "version"))
    lines = []
    for span in ordered[:SPANS_SHOWN]:
        name = f" {term.visible(str(span['name']))}" if span["name"] else ""
        text = term.shorten(term.visible(str(span["text"])), MAX_SPAN)
        lines.append(f"{span['field']}{term.shorten(name, 60)}: {term.paint(text, 'mark')}")
    return list(dict.fromkeys(lines))


def alert_line(hit: ScanHit) -> str:
    """One alert in one line, for who follows a log."""
    severity = term.paint(hit.severity.upper().ljust(8), term.SEVERITY_STYLES.get(hit.severity, "dim"))
    source = (term.visible(hit.source_address) or "not recorded").ljust(15)
    status = "" if hit.status is None else f" → {hit.status}" + " !" * (hit.outcome == MAY_HAVE_SUCCEEDED)
    also = f"  (and {len(hit.others)} more rules)" if hit.others else ""
    named = ", ".join(hit.cves) or hit.rule
    when = hit.at or term.visible(hit.time) or "no time"
    return f"{when}  {severity} {named}  {source} {highlighted(hit)}{status}{also}"


def report_markdown(digest: Digest, report: ScanReport) -> list[str]:
    """The same for a page."""
    lines = ["# Scan", "", headline(digest, report), "", *(f"{line}\n" for line in period_lines(digest, report))]
    lines += [f"{line}\n" for line in counting_lines(report) if line]
    if not report.hits and not report.alerts:
        return [*lines, *_gaps_markdown(report)]
    cves = _cve_rows(digest)
    lines += _markdown(
        ("CVE", "severity", "requests", "succeeded?", "sources", "first", "last", "what"), cves, (2, 3, 4)
    )
    rules = [
        (
            tally.sample.severity,
            ", ".join(tally.sample.cves),
            rule,
            f"{tally.hits:,}",
            counted(tally.names, SOURCES_SHOWN),
            tally.sample.summary,
        )
        for rule, tally in digest.by_rule()
    ]
    lines += _markdown(("severity", "CVE", "rule", "hits", "from", "sample"), rules, (3,))
    sources = [
        (
            name,
            f"{tally.requests:,}",
            _may(tally),
            ", ".join(list(tally.names)[:3]) + _more(tally.names),
            *_seen(tally, digest),
        )
        for name, tally in digest.by_source()[:SOURCES_IN_TABLE]
    ]
    lines += _markdown(("source", "requests", "succeeded?", "CVEs", "first", "last"), sources, (1, 2))
    excluded = [(what, f"{n:,}") for what, n in report.excluded_by.items()]
    return lines + (_markdown(("excluded", "hits"), excluded, (1,)) if excluded else []) + _gaps_markdown(report)


def _gaps_markdown(report: ScanReport) -> list[str]:
    if not report.undecidable:
        return []
    gaps = [
        (file, f"{len(gap.rules):,}", f"{gap.requests:,}", gap_words(gap))
        for file, gap in report.gaps.items()
        if gap.rules
    ]
    return _markdown(("not decidable here: file", "rules", "requests", "not recorded"), gaps, (1, 2))


def _markdown(head: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[int]) -> list[str]:
    rule = "|".join("--:" if at in right else "---" for at in range(len(head)))
    return [f"| {' | '.join(head)} |", f"|{rule}|", *(f"| {' | '.join(map(cell, row))} |" for row in rows), ""]
