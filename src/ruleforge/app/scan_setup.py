"""What a user asks of a scan, made ready: rules loaded, chosen and compiled, window and exclusions read."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from ruleforge.app.compiling import is_compiled, open_compiled
from ruleforge.app.event_scan import event_rules
from ruleforge.app.rules import Loaded
from ruleforge.app.scanning import checkpoint as checkpoints
from ruleforge.app.scanning.asking import Asker, note
from ruleforge.app.scanning.choosing import Choice, choose
from ruleforge.app.scanning.event_asking import EventAsker
from ruleforge.app.scanning.exclusions import Exclusions, read_exclusions
from ruleforge.app.scanning.hits import ScanReport
from ruleforge.app.scanning.times import window
from ruleforge.engine.batches import BatchMatcher, Engine
from ruleforge.engine.correlation import Correlator, is_correlation
from ruleforge.engine.correlation.correlator import MAX_KEYS
from ruleforge.errors import UsageError
from ruleforge.events.formats import FORMATS, Format, format_from_string
from ruleforge.events.kinds import HTTP
from ruleforge.events.origin import written
from ruleforge.rules.canonical import content_hash
from ruleforge.rules.tree import Rule

if TYPE_CHECKING:
    from ruleforge.engine.sets.files import CompiledRules

_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_DIGITS = 7  # of a number of units
LIVE_LATENESS_SECONDS = 5.0  # several files may be written a little out of order; when all are quiet nothing waits


class ScanOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What a user asks of a scan, as text and paths."""

    choice: Choice = Choice()
    since: str = ""
    until: str = ""
    keep_undated: bool = True
    exclusions: Path | None = None
    unvalidated: bool = False
    log_format: str = ""  # a key of FORMATS, or a format as a server's configuration writes it; empty: found out
    engine: Engine = "auto"  # what matches requests; all give the same answers
    max_skew: str = "1d"  # of a live scan: how far ahead of others an event may be and still move time on
    max_keys: int = MAX_KEYS  # that counting remembers
    slow_lane_ms: float | None = None  # of a live scan: for rules without a usable literal, a batch; None: no bound


class Prepared(msgspec.Struct, frozen=True):
    """Rules and options made ready."""

    asker: Asker
    others: EventAsker
    correlator: Correlator
    report: ScanReport
    key: str  # names rules and options, not files
    started: str  # RFC 3339
    form: Format | None = None  # of the files; None: found out for each


def prepare(
    rules: Path | Loaded, options: ScanOptions | None = None, *, now: datetime | None = None, live: bool = False
) -> Prepared:
    """Load, choose and compile the rules of a scan.

    Raises:
        UsageError: there is no such folder (RF110), it holds no rule that can run (RF111), options that fit nothing
            (RF102, RF127, RF140 to RF142, RF151).
        InputError: the exclusions cannot be read (RF280 to RF286), or a compiled set cannot be used (RF290 to RF292).
    """
    options, now = options or ScanOptions(), now or datetime.now(UTC)
    given = _given(rules, options)
    asked = window(options.since, options.until, now, keep_undated=options.keep_undated)
    exclusions = None if options.exclusions is None else _exclusions(options.exclusions, now.date())
    report = ScanReport(
        broken=tuple(str(problem) for problem in given.loaded.broken),
        unvalidated=len(given.loaded.unvalidated),
        rules=len(given.requests) + len(given.others),
        rules_left_out=len(given.ids) - len(given.requests) - len(given.others),
        since=written(asked.since),
        until=written(asked.until),
        undated_dropped=not options.keep_undated and not asked.is_open,
        exclusion_notes=() if exclusions is None else exclusions.notes(given.ids),
        rule_set=given.compiled.digest if given.compiled else "",
    )
    said = () if exclusions is None else tuple(entry.said() for entry in exclusions.entries)
    parts = [*given.names, str(options), *said]
    started = now.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    lateness = LIVE_LATENESS_SECONDS if live else None  # files need not be in order: there alerts come at the end
    correlator = Correlator(
        [rule for rule in given.others if is_correlation(rule)],
        lateness_seconds=lateness,
        max_skew_seconds=_seconds(options.max_skew),
        max_keys=options.max_keys,
    )
    asker = Asker(
        given.requests,
        asked,
        exclusions,
        engine=options.engine,
        plan=correlator.plan,
        slow_lane_ms=options.slow_lane_ms if live else None,
        matcher=_matcher(given, options, live),
    )
    single = [rule for rule in given.others if not is_correlation(rule)]
    others = EventAsker(single, asked, correlator.plan, exclusions)
    return Prepared(asker, others, correlator, report, checkpoints.key_of(parts), started, _form(options.log_format))


class _Given(NamedTuple):
    """Rules as they come from a folder or a compiled set, those that were chosen."""

    loaded: Loaded  # its rules are not looked at
    requests: Sequence[Rule]  # about single requests
    others: Sequence[Rule]  # about other events, and those that count or order
    ids: Sequence[str]  # of all rules, those that were not chosen among them
    names: Sequence[str]  # what the chosen rules are, for the key of a checkpoint
    compiled: "CompiledRules | None" = None  # where its tables can be used as they are


def _given(rules: Path | Loaded, options: ScanOptions) -> _Given:
    compiled = open_compiled(rules) if isinstance(rules, Path) and is_compiled(rules) else None
    if compiled is not None and options.choice.is_open and len(compiled):
        name = f"compiled set {compiled.digest}"
        return _Given(Loaded(()), compiled.requests, compiled.others, compiled.ids, (name,), compiled)
    # Tables of all rules do not fit some of them, so that these are loaded as those of a folder are.
    loaded = event_rules(rules, unvalidated=options.unvalidated) if compiled is None else Loaded(compiled.rules)
    if not loaded.rules and not loaded.broken:
        raise _no_rules(rules, loaded)
    chosen = choose(loaded, options.choice).rules
    return _Given(
        loaded,
        [rule for rule in chosen if rule.event == HTTP and not is_correlation(rule)],
        [rule for rule in chosen if rule.event != HTTP or is_correlation(rule)],
        [rule.id for rule in loaded.rules],
        [f"{rule.id} {rule.revision} {content_hash(rule)}" for rule in chosen],
    )


def _matcher(given: _Given, options: ScanOptions, live: bool) -> BatchMatcher | None:
    """Return the matcher of a compiled set; None where one must be made."""
    in_two_lanes = live and options.slow_lane_ms is not None  # then it is parted, and its tables do not fit
    return None if given.compiled is None or in_two_lanes else given.compiled.matcher(options.engine, note)


def _seconds(text: str) -> float:
    """Read a length of time such as 90s, 5m, 12h or 1d."""
    number, unit = text.strip()[:-1], text.strip()[-1:]
    if unit not in _UNITS or not number.isascii() or not number.isdigit() or len(number) > _DIGITS:
        raise UsageError("not a length of time", where=text, hint="90s, 5m, 12h or 1d", code="RF151")
    return float(int(number) * _UNITS[unit])


def _form(text: str) -> Format | None:
    if not text:
        return None
    return FORMATS[text] if text in FORMATS or text.isidentifier() else format_from_string(text)


def _exclusions(path: Path, today: date) -> Exclusions:
    if not path.exists():
        hint = "make it with 'ruleforge exclude add'"
        raise UsageError("no such file of exclusions", where=str(path), hint=hint, code="RF146")
    return Exclusions(read_exclusions(path), today)


def _no_rules(rules: Path | Loaded, loaded: Loaded) -> UsageError:
    where = str(rules) if isinstance(rules, Path) else ""
    if loaded.unvalidated:
        what = f"none of {len(loaded.unvalidated)} rules has evidence that it passed validation as it stands"
        return UsageError(what, where=where, hint="forge them, or scan with --unvalidated", code="RF111")
    return UsageError("no rule.json there", where=where, hint="make rules with 'ruleforge forge'", code="RF111")
