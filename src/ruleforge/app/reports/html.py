"""A scan as one HTML file that opens from disk: no network, no script but its own, every text of a request escaped."""

import base64
import hashlib
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path

import msgspec

from ruleforge import __version__
from ruleforge.app.reports.marking import marked_runs
from ruleforge.app.scanning.digest import ALERTS_KEPT, NO_CVE, Digest, Tally, rank_of
from ruleforge.app.scanning.histogram import width_words
from ruleforge.app.scanning.hits import Alert, ScanHit, ScanReport
from ruleforge.app.scanning.outcomes import MAY_HAVE_SUCCEEDED, OUTCOMES, UNKNOWN, WORDS
from ruleforge.app.visible import visible
from ruleforge.events.kinds import HTTP
from ruleforge.events.origin import seconds_of, written

MAX_ROWS = 1_000  # of one table
MAX_CELL = 400  # characters of one text
BARS = 120
_WIDTH, _HEIGHT, _FOOT = 1_200, 150, 22  # of the histogram
_NAMES_SHOWN = 5
_LATER = -1.0  # sort key where there is no time


class Cell(msgspec.Struct, frozen=True):
    """One cell of a table: HTML that is already safe, how to sort it, and its class."""

    html: str
    key: float | None = None  # None: by its text
    kind: str = ""


def to_html(digest: Digest, report: ScanReport, started: str) -> str:
    """Return the whole page.

    Args:
        digest: what was found, summed up.
        report: what was counted.
        started: when the scan began, RFC 3339.
    """
    folder = Path(__file__).parent
    css, script = (folder / "report.css").read_text("utf-8"), (folder / "report.js").read_text("utf-8")
    policy = (
        f"default-src 'none'; style-src '{_digest(css)}'; script-src '{_digest(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    sections = "\n".join(part for part in _sections(digest, report) if part)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="referrer" content="no-referrer">\n<title>RuleForge scan</title>\n'
        f"<style>{css}</style>\n</head>\n<body>\n<main>\n{_top(digest, report, started)}\n{sections}\n</main>\n"
        f"<script>{script}</script>\n</body>\n</html>"
    )


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def text(value: str, most: int = MAX_CELL) -> str:
    """Return any text as HTML that shows it, bounded, with control and bidirectional characters visible."""
    shown = value if len(value) <= most else value[: most - 1] + "…"
    return escape(visible(shown))


def _top(digest: Digest, report: ScanReport, started: str) -> str:
    lines = ["<h1>RuleForge scan</h1>"]
    period = f"{_when(digest.first)} to {_when(digest.last)} UTC" if digest.first is not None else "no times recorded"
    made = f"RuleForge {__version__}, {text(started[:16].replace('T', ' '))} UTC"
    lines.append(f'<p class="dim">Hits from {period} · made by {made}</p>')
    if report.interrupted:
        lines.append('<p class="warn">The scan was interrupted: this is what was found until then.</p>')
    sources = sum(1 for name in digest.sources if name != "not recorded")
    answered = report.requests_hit - report.by_outcome.get(UNKNOWN, 0)
    cards = (
        (report.requests, "requests asked about"),
        (report.requests_hit, "requests with hits"),
        (len(digest.cves.keys() - {NO_CVE}), "CVEs"),
        (sources, "source addresses"),
        (digest.episodes.count, "episodes"),
        (report.by_outcome.get(MAY_HAVE_SUCCEEDED, 0), f"may have succeeded, of {answered:,} with a status"),
    )
    shown = "".join(f'<div class="card"><b>{count:,}</b><span>{words}</span></div>' for count, words in cards)
    lines.append(f'<div class="cards">{shown}</div>')
    lines += [f'<p class="dim">{line}</p>' for line in _limits(report)]
    lines.append(
        '<div class="bar"><input id="filter" type="search" placeholder="Filter all tables: address, CVE, path …" '
        'aria-label="Filter all tables"><span id="said" class="dim" role="status"></span></div>'
    )
    return "\n".join(lines)


def _limits(report: ScanReport) -> list[str]:
    lines = [f"{report.rules:,} rules; {report.hits:,} hits in all."]
    if report.events:
        asked = ", ".join(f"{count:,} {text(kind)}" for kind, count in report.events.items())
        lines.append(f"Events that are no requests: {asked}; counts and sequences reached: {report.alerts:,}.")
    elif report.alerts:
        lines.append(f"Counts and sequences reached: {report.alerts:,}.")
    if report.since or report.until:
        span = " ".join(f"{word} {time}" for word, time in (("since", report.since), ("before", report.until)) if time)
        dropped = "left out" if report.undated_dropped else "asked about all the same"
        undated = f" {report.undated:,} without a readable time were {dropped}." if report.undated else ""
        lines.append(f"Only requests {text(span)}: {report.outside_window:,} lie outside.{undated}")
    if report.unreadable:
        lines.append(f"{report.unreadable:,} lines or files could not be read.")
    if report.rules_left_out or report.unvalidated or report.broken:
        lines.append(
            f"Rules left out: {report.rules_left_out:,} as asked, {report.unvalidated:,} without evidence, "
            f"{len(report.broken):,} that would not load."
        )
    return lines


def _sections(digest: Digest, report: ScanReport) -> Iterable[str]:
    if not report.hits and not report.alerts:
        yield '<section class="dim"><h2>No hit</h2><p>No request had the shape that these rules know.</p></section>'
    else:
        yield _histogram(digest)
        yield _outcomes(report)
        yield _cves(digest)
        yield _sources(digest)
        yield _episodes(digest)
        yield _rules(digest)
        yield _alerts(digest)
    yield _excluded(report)
    yield _gaps(report)
    yield _problems(report)


def _histogram(digest: Digest) -> str:
    bars = digest.times.bars(BARS)
    if not bars.counts:
        return ""
    most, high, step = max(bars.counts), _HEIGHT - _FOOT, _WIDTH / len(bars.counts)
    drawn = []
    for at, count in enumerate(bars.counts):
        if count:
            tall = max(2.0, count / most * (high - 4))
            title = f"{_when(bars.start + at * bars.width)} UTC: {count:,}"
            wide = max(1.0, min(step - 1, 40))
            drawn.append(
                f'<rect x="{at * step:.1f}" y="{high - tall:.1f}" width="{wide:.1f}" height="{tall:.1f}">'
                f"<title>{title}</title></rect>"
            )
    foot, end = _HEIGHT - 6, bars.start + bars.width * len(bars.counts)
    label = f"Requests with hits over time, {_when(bars.start)} to {_when(end)} UTC, at most {most:,}"
    undated = f" {digest.undated:,} requests without a readable time are not in it." if digest.undated else ""
    return (
        f'<section><h2>When</h2><svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{label}">'
        f'{"".join(drawn)}<line x1="0" y1="{high}" x2="{_WIDTH}" y2="{high}"/>'
        f'<text x="0" y="{foot}">{_when(bars.start)}</text>'
        f'<text x="{_WIDTH}" y="{foot}" text-anchor="end">{_when(end)}</text></svg>'
        f'<p class="dim">Each bar {width_words(bars.width)}, at most {most:,} requests.{undated}</p></section>'
    )


def _outcomes(report: ScanReport) -> str:
    if not report.by_outcome:  # nothing but other events, which have no answer
        return ""
    counts = ", ".join(f"{WORDS[name]}: {report.by_outcome[name]:,}" for name in OUTCOMES if name in report.by_outcome)
    return (
        f"<section><h2>What the answers say</h2><p>{counts}.</p><p class='dim'>By the status alone, which proves "
        "nothing: 2xx, 302, 303 and 304 may have succeeded; 4xx was refused or is not there; other redirects and 5xx "
        "are unclear.</p></section>"
    )


def _cves(digest: Digest) -> str:
    rows = [
        [
            _id(name),
            _severity(tally.severity),
            *_counts(tally),
            _number(len(tally.names)),
            *_seen(tally),
            _plain("" if name == NO_CVE else tally.title),
        ]
        for name, tally in digest.by_cve()
    ]
    head = ("CVE", "severity", "requests", "succeeded?", "sources", "first seen", "last seen", "what")
    return _table("By CVE", head, rows)


def _sources(digest: Digest) -> str:
    rows = [
        [_id(name), *_counts(tally), _severity(tally.severity), _name_list(tally.names), *_seen(tally)]
        for name, tally in digest.by_source()
    ]
    head = ("source", "requests", "succeeded?", "worst", "CVEs", "first seen", "last seen")
    return _table("By source address", head, rows)


def _episodes(digest: Digest) -> str:
    book = digest.episodes
    rows = [
        [
            _id(each.source),
            _time(each.first),
            _time(each.last),
            _number(each.requests),
            _number(each.may_have_succeeded),
            _severity(each.severity),
            _name_list(each.cves),
            _code(each.sample),
        ]
        for each in book.largest(MAX_ROWS)
        if each.requests > 1
    ]
    lost = book.closed_early or book.forgotten
    said = f"{book.count:,} in all; those of more than one request are shown" + (
        f"; {book.closed_early:,} ended early because too many sources were active, {book.forgotten:,} small ones "
        "not kept."
        if lost
        else "."
    )
    head = ("source", "from", "to", "requests", "succeeded?", "worst", "CVEs", "first request")
    return _table("Episodes: one source without a pause of 30 minutes", head, rows, said) if rows else ""


def _rules(digest: Digest) -> str:
    rows = [
        [
            _severity(tally.severity),
            _plain(", ".join(tally.sample.cves)),
            _id(rule),
            _number(tally.hits),
            _name_list(tally.names),
            Cell("".join(_request(hit).html for hit in tally.samples)),
        ]
        for rule, tally in digest.by_rule()
    ]
    return _table("By rule, with samples", ("severity", "CVE", "rule", "hits", "sources", "samples"), rows)


def _alerts(digest: Digest) -> str:
    rows = [_alert_row(alert) for alert in digest.alerts]
    said = "One row per request (or count that was reached), by its most specific rule."
    if digest.alerts_seen > len(digest.alerts):
        said += (
            f" {len(digest.alerts):,} of {digest.alerts_seen:,} are shown (at most 100 of a rule, {ALERTS_KEPT:,} "
            "in all); --format ndjson has all of them."
        )
    head = ("time (UTC)", "severity", "source", "CVE and rule", "request", "answer", "also")
    return _table("Alerts", head, rows, said, most=ALERTS_KEPT)


def _alert_row(alert: Alert) -> list[Cell]:
    hit = alert.first
    moment = seconds_of(hit.at) if hit.at else None
    when = Cell(text(hit.at.replace("T", " ").rstrip("Z")) or text(hit.time, 40), moment or _LATER, "t")
    whole = "dim t" if len(hit.rule) <= 40 else "dim"
    named = Cell(f"{text(', '.join(hit.cves))}<br><span class='{whole}'>{text(hit.rule)}</span>")
    status = "" if hit.status is None else f"{hit.status}<br>"
    said = f"{status}{WORDS[hit.outcome]}" if hit.event == HTTP else ""  # other events have no answer
    answer = Cell(f'<span class="o-{hit.outcome}">{said}</span>', float(hit.status or 0))
    others = "<br>".join(text(rule) for rule in hit.others[:_NAMES_SHOWN]) + _and_more(len(hit.others))
    also = Cell(others, None, "t" if all(len(rule) <= 40 for rule in hit.others[:_NAMES_SHOWN]) else "")
    return [when, _severity(hit.severity), _id(hit.source_address), named, _request(hit), answer, also]


def _excluded(report: ScanReport) -> str:
    if not report.excluded and not report.exclusion_notes:
        return ""
    rows = [[_plain(what), _number(count)] for what, count in report.excluded_by.items()]
    said = " ".join(f"{text(note)}." for note in report.exclusion_notes)
    return _table(f"Excluded: {report.excluded:,} hits", ("exclusion", "hits"), rows, said)


def _gaps(report: ScanReport) -> str:
    rows = [
        [
            _plain(file),
            _number(len(gap.rules)),
            _number(max(gap.rules.values(), default=0)),
            _number(gap.requests),
            _plain(", ".join(place for place in gap.unrecorded)),
            _plain(", ".join(gap.headers or ())),
        ]
        for file, gap in report.gaps.items()
    ]
    head = ("file", "rules not decided", "requests, at most", "of", "not recorded", "headers recorded")
    said = "These rules asked about places that the files do not record. For them, no hit means little."
    return _table("Not decidable here", head, rows, said) if rows else ""


def _problems(report: ScanReport) -> str:
    lines = [f"<li>{text(line)}</li>" for line in (*report.broken, *report.problems)[:MAX_ROWS]]
    if not lines:
        return ""
    head = f"<summary>What could not be used: {len(lines):,}</summary>"
    return f"<section><details>{head}<ul>{''.join(lines)}</ul></details></section>"


def _table(
    title: str, head: Sequence[str], rows: Sequence[Sequence[Cell]], said: str = "", *, most: int = MAX_ROWS
) -> str:
    numeric = [bool(rows) and rows[0][at].kind == "n" for at in range(len(head))]
    names = "".join(
        f'<th scope="col"{" class=n" if right else ""}><button type="button">{name}</button></th>'
        for name, right in zip(head, numeric, strict=True)
    )
    body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows[:most])
    more = f'<p class="dim">and {len(rows) - most:,} more</p>' if len(rows) > most else ""
    words = f'<p class="dim">{said}</p>' if said else ""
    return (
        f'<section><h2>{text(title)}</h2>{words}<div class="scroll"><table><thead><tr>{names}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>{more}</section>"
    )


def _cell(cell: Cell) -> str:
    key = "" if cell.key is None else f' data-k="{cell.key:g}"' if cell.key < 1e6 else f' data-k="{cell.key:.0f}"'
    return f"<td{f' class={cell.kind}' if cell.kind else ''}{key}>{cell.html}</td>"


def _plain(value: str) -> Cell:
    return Cell(text(value))


def _id(value: str) -> Cell:
    """A name that must not be broken over lines, if it is not too long."""
    return Cell(text(value), None, "t" if len(value) <= 40 else "")


def _code(value: str) -> Cell:
    return Cell(f"<code>{text(value)}</code>")


def _number(value: int) -> Cell:
    return Cell(f"{value:,}" if value else "", float(value), "n")


def _time(seconds: float | None) -> Cell:
    return Cell(_when(seconds), _LATER if seconds is None else seconds, "t")


def _severity(name: str) -> Cell:
    rank = rank_of(name)
    kind = name if name.isalpha() and name.isascii() else "unknown"
    return Cell(f'<span class="sev {kind}">{text(name)}</span>', float(-rank))


def _counts(tally: Tally) -> list[Cell]:
    return [_number(tally.requests), _number(tally.may_have_succeeded)]


def _seen(tally: Tally) -> list[Cell]:
    return [_time(tally.first), _time(tally.last)]


def _name_list(names: dict[str, int]) -> Cell:
    """Some names, none broken over lines."""
    shown = ", ".join(f'<span class="t">{text(name)}</span>' for name in list(names)[:_NAMES_SHOWN])
    rest = len(names) - _NAMES_SHOWN
    return Cell(shown + (f" and {rest:,} more" if rest > 0 else ""))


def _and_more(count: int) -> str:
    return f"<br>and {count - _NAMES_SHOWN:,} more" if count > _NAMES_SHOWN else ""


def _request(hit: ScanHit) -> Cell:
    shown = visible(hit.summary[:MAX_CELL])
    runs = (
        f"<mark>{escape(run.text)}</mark>" if run.matched else escape(run.text) for run in marked_runs(shown, hit.spans)
    )
    places = [f"{span['field']} {span['name']}".strip() + f": {span['text']}" for span in hit.spans[:2]]
    matched = "".join(f"<br><span class='dim'>{text(place, 120)}</span>" for place in places)
    return Cell(f"<code>{''.join(runs)}{matched}</code>")


def _when(seconds: float | None) -> str:
    return written(seconds)[:16].replace("T", " ")
