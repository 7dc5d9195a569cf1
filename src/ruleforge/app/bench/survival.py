"""Rows about exploits written differently: does the rule still hold for what a server would still fall for?

The mutated requests come from a file, one a line in the schema of `events.formats.jsonl`, with `cve`, `advisory`,
`mutator` and `origin` (id of the request it was made from) beside it. A line without a mutator is an original.
What makes them lies outside of this package, so that no generator can learn it.
"""

import json
from collections import Counter, defaultdict
from pathlib import Path

import msgspec

from ruleforge.app.bench.ground import Ground, cause_name, half_of
from ruleforge.app.bench.tally import Tally
from ruleforge.engine.reference import compile_rule
from ruleforge.errors import InputError
from ruleforge.events.formats import read_requests
from ruleforge.events.formats.bounded import Line, open_file, read_lines
from ruleforge.events.places import HttpView
from ruleforge.events.request import Request
from ruleforge.records.quality import Part, Row, rate

TARGET, STRETCH = 0.97, 0.995


class _Label(msgspec.Struct):
    advisory: str
    cve: str = ""
    mutator: str = ""  # empty: the request as it was published
    origin: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(name for name in (self.cve, self.advisory) if name)


def survival_rows(ground: Ground, file: Path | None) -> list[Row]:
    """One row over all mutators, with one part each, and one row for every mutator that falls short."""
    title = "exploits written differently still found, worst mutator"
    if file is None:
        return [Row(key="oracle", title=title, unit="requests", rate=None, target=TARGET, note="needs --oracle FILE")]
    asks = [compile_rule(rule).ask for rule in ground.rules]
    held: set[str] = set()  # originals that are found, so that a rule's own gap is not counted as lost by a mutator
    tallies: dict[str, Tally] = defaultdict(Tally)
    skipped: Counter[str] = Counter()
    for label, request in _read(ground, file):
        own = ground.rules_for([label.advisory]) or ground.rules_for(label.names)
        if not own:
            continue
        if label.mutator and label.origin not in held:
            skipped[label.mutator] += 1
            continue
        view = HttpView(request)
        hit = any(asks[rule](view) for rule in own)
        if not label.mutator:
            held |= {request.id} if hit else set()
            continue
        _count(ground, tallies[label.mutator], label, request, hit)
    return _rows(title, tallies, skipped.total())


def _count(ground: Ground, tally: Tally, label: _Label, request: Request, hit: bool) -> None:
    cve = label.cve or label.advisory
    tally.add(hit)
    if hit:
        return
    cause = ground.cause_of([label.advisory], request)
    tally.causes[cause_name(cause)][half_of(cve)] += 1
    ground.miss(f"oracle:{label.mutator}", cve, request, cause)
    for rule in ground.rules_for([label.advisory]) if ground.readable(cve) else ():
        ground.blame(rule, "oracle", label.mutator)


def _rows(title: str, tallies: dict[str, Tally], skipped: int) -> list[Row]:
    parts = sorted(
        (Part("mutator", name, tally.rate()) for name, tally in tallies.items()),
        key=lambda part: (part.rate.share or 0.0, part.name),
    )
    short = [part.name for part in parts if (part.rate.share or 0.0) < TARGET]
    hits, of = sum(part.rate.hits for part in parts), sum(part.rate.of for part in parts)
    note = f"{skipped:,} left out: the rule does not hold for the original" if skipped else ""
    every = Row(
        key="oracle",
        title=title,
        unit="requests",
        rate=parts[0].rate if parts else rate(0, 0),
        target=TARGET,
        stretch=STRETCH,
        parts=tuple(parts),
        note=f"{len(parts)} mutators, {len(short)} below the target; {hits:,} of {of:,} over all. {note}".strip(),
    )
    return [every, *(_mutator_row(name, tallies[name]) for name in sorted(tallies))]


def _mutator_row(name: str, tally: Tally) -> Row:
    return Row(
        key=f"oracle:{name}",
        title=f"written differently: {name}",
        unit="requests",
        rate=tally.rate(),
        target=TARGET,
        stretch=STRETCH,
        causes=tally.confusion(),
    )


def _read(ground: Ground, file: Path) -> list[tuple[_Label, Request]]:
    with open_file(file) as stream:
        lines = [line for line in read_lines(stream, file.name) if isinstance(line, Line)]
    found: list[tuple[_Label, Request]] = []
    requests = {}
    for item in read_requests(file, "jsonl"):
        for request in ground.take([item]):
            requests[request.id] = request
    for line in lines:
        label, name = _label(line.text, f"{file.name}:{line.number}")
        if name in requests:
            found.append((label, requests[name]))
    return sorted(found, key=lambda each: bool(each[0].mutator))  # originals first


def _label(text: bytes, where: str) -> tuple[_Label, str]:
    try:
        row = json.loads(text)
        return msgspec.convert(row, _Label), str(row["id"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        hint = "each line is a request with `id`, `advisory`, `cve`, `mutator` and `origin`"
        raise InputError(f"no mutated request: {error}", where=where, hint=hint, code="RF249") from error
