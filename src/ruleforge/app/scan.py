"""Scan recorded requests with a folder of rules."""

import gzip
import io
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from ruleforge.app.rules import Loaded, load_rules, without_correlation
from ruleforge.app.spans import matched_spans
from ruleforge.engine.compiled import CompiledSet, Tally
from ruleforge.engine.explain import explain
from ruleforge.errors import InputError, RuleForgeError, UsageError
from ruleforge.events.formats import FORMATS, detect_format, read_requests, request_to_text
from ruleforge.events.formats.bounded import MAX_TOTAL_BYTES
from ruleforge.events.request import Request
from ruleforge.rules.tree import Rule

Progress = Callable[[str, int, int], None]
PROBLEMS_KEPT = 100  # of unreadable lines; all of them are counted
SOURCES_KEPT = 100_000  # addresses counted one by one; later ones are counted together
MAX_SUMMARY = 300  # characters
STDIN = Path("-")


class ScanHit(msgspec.Struct, frozen=True, kw_only=True):
    """One request that one rule holds for; a line of `scan --format ndjson`."""

    request: str  # the row's id, or "file:ordinal"
    file: str
    rule: str
    cves: tuple[str, ...]
    spans: tuple[dict[str, Any], ...]  # what matched, see `matched_spans`
    title: str = ""
    severity: str = "unknown"
    source_address: str = ""
    time: str = ""
    status: int | None = None  # of the response, where the log has it
    summary: str = ""  # "GET /path", escaped and bounded


class ScanReport(msgspec.Struct, kw_only=True):
    """Counts of a scan; complete once its hits were read to the end."""

    files: int = 0
    requests: int = 0
    hits: int = 0
    requests_hit: int = 0
    rules: int = 0
    broken: tuple[str, ...] = ()  # rules that failed to load
    unvalidated: int = 0  # rules left out because no evidence says they passed
    unreadable: int = 0  # lines (or whole files) that are no request
    unreadable_files: int = 0  # files that could not be opened or whose format is not known
    problems: list[str] = msgspec.field(default_factory=list)
    undecidable: dict[str, int] = msgspec.field(default_factory=dict)  # rule → requests it could not decide
    by_rule: dict[str, int] = msgspec.field(default_factory=dict)
    by_cve: dict[str, int] = msgspec.field(default_factory=dict)
    by_source: dict[str, int] = msgspec.field(default_factory=dict)


def scan(
    rules: Path | Loaded,
    files: Sequence[Path],
    report: ScanReport,
    progress: Progress = lambda *_: None,
    *,
    stdin: BinaryIO | None = None,
    unvalidated: bool = False,
) -> Iterator[ScanHit]:
    """Run every validated rule of a folder over `files`; yield hits in order and fill `report` as it goes.

    Args:
        rules: a folder of rules, one rule, or rules already loaded.
        files: any format that FORMATS reads, plain or gzip; `-` is `stdin`.
        report: filled while the hits are read; rules that failed to load are there, too.
        progress: told (file, requests so far, 0) now and then.
        stdin: what `-` reads.
        unvalidated: run rules without evidence, too.

    Raises:
        UsageError: there is no such folder (RF110), it holds no rule that can run (RF111), or `-` without `stdin`.
    """
    loaded = without_correlation(rules if isinstance(rules, Loaded) else load_rules(rules, unvalidated=unvalidated))
    report.broken = tuple(str(problem) for problem in loaded.broken)
    report.unvalidated, report.rules = len(loaded.unvalidated), len(loaded.rules)
    if not loaded.rules and not loaded.broken:
        raise _no_rules(rules, loaded)
    compiled, tally = CompiledSet(loaded.rules), Tally(len(loaded.rules))
    sources: Counter[str] = Counter()
    cves: Counter[str] = Counter()
    for file in files:
        report.files += 1
        for request in _requests(file, report, stdin):
            answers = compiled.answers(request)
            tally.add(answers)
            report.requests += 1
            report.requests_hit += bool(answers.hits)
            if report.requests % 1000 == 0:
                progress(str(file), report.requests, 0)
            for number in answers.hits:
                hit = _hit(loaded.rules[number], request, file)
                report.hits += 1
                cves.update(hit.cves or ("no CVE",))
                sources[_counted(hit.source_address, sources)] += 1
                yield hit
    report.by_source, report.by_cve = dict(sources.most_common()), dict(cves.most_common())
    report.by_rule = _per_rule(loaded.rules, tally.hits)
    report.undecidable = _per_rule(loaded.rules, tally.unknowns)


def _no_rules(rules: Path | Loaded, loaded: Loaded) -> UsageError:
    where = str(rules) if isinstance(rules, Path) else ""
    if loaded.unvalidated:
        what = f"none of {len(loaded.unvalidated)} rules has evidence that it passed validation as it stands"
        return UsageError(what, where=where, hint="forge them, or scan with --unvalidated", code="RF111")
    return UsageError("no rule.json there", where=where, hint="make rules with 'ruleforge forge'", code="RF111")


def _per_rule(rules: Sequence[Rule], counts: Sequence[int]) -> dict[str, int]:
    found: Counter[str] = Counter()
    for rule, count in zip(rules, counts, strict=True):
        found[rule.id] += count
    return {rule: count for rule, count in found.most_common() if count}


def _counted(address: str, sources: Counter[str]) -> str:
    address = address or "not recorded"
    return address if address in sources or len(sources) < SOURCES_KEPT else "others"


def _requests(file: Path, report: ScanReport, stdin: BinaryIO | None) -> Iterator[Request]:
    try:
        for request in _read(file, stdin):
            if isinstance(request, InputError):
                report.unreadable += 1
                if len(report.problems) < PROBLEMS_KEPT:
                    report.problems.append(str(request))
            else:
                yield request
    except (RuleForgeError, OSError, EOFError, zlib.error) as problem:  # the last three: a damaged gzip file
        report.unreadable += 1
        report.unreadable_files += 1
        damaged = InputError(f"the file is damaged: {problem}", where=str(file), code="RF225")
        report.problems.append(str(problem if isinstance(problem, RuleForgeError) else damaged))


def _read(file: Path, stdin: BinaryIO | None) -> Iterator[Request | InputError]:
    if file != STDIN:
        # A log that was rotated a moment ago is empty: nothing to find, and nothing to complain about.
        return iter(()) if file.is_file() and not file.stat().st_size else read_requests(file)
    if stdin is None:
        raise UsageError("there is no standard input to read", where="-", code="RF116")
    return read_stream(stdin)


def read_stream(stdin: BinaryIO) -> Iterator[Request | InputError]:
    """Read requests from a stream that cannot be opened twice; its first bytes say the format and whether it is gzip.

    Raises:
        InputError: the format is not known (RF220).
    """
    stream = stdin if isinstance(stdin, io.BufferedReader) else io.BufferedReader(stdin)  # type: ignore[type-var]
    if not stream.peek(1):
        return iter(())
    if stream.peek(2)[:2] == b"\x1f\x8b":
        stream = io.BufferedReader(gzip.GzipFile(fileobj=stream))  # type: ignore[type-var,arg-type,unused-ignore]
    name = detect_format(Path("stdin"), stream.peek(1 << 16))
    return FORMATS[name].read(stream, "stdin", MAX_TOTAL_BYTES)


def _hit(rule: Rule, request: Request, file: Path) -> ScanHit:
    return ScanHit(
        request=request.id,
        file=str(file),
        rule=rule.id,
        cves=rule.cves,
        spans=tuple(matched_spans(explain(rule, request))),
        title=rule.title,
        severity=rule.severity,
        source_address=request.source_address.decode("utf-8", "backslashreplace"),
        time=request.time,
        status=request.status,
        summary=summary(request),
    )


def summary(request: Request) -> str:
    """Show the first line of a request, safe for a terminal, at most 300 characters."""
    line = request_to_text(request, MAX_SUMMARY).partition("\n")[0]
    return line if len(line) <= MAX_SUMMARY else line[: MAX_SUMMARY - 1] + "…"
