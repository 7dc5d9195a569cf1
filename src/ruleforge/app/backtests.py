"""Run rules back over stored traffic, before they are approved: since when would they have fired?"""

import re
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from ruleforge.app.rules import Loaded, load_rules, read_evidence, without_correlation
from ruleforge.errors import InputError, UsageError
from ruleforge.events.formats import read_requests
from ruleforge.events.origin import seconds_of
from ruleforge.pipeline.backtest import Backtesting, write_backtests
from ruleforge.pipeline.event_tests import needs_events
from ruleforge.records.backtest import Backtest
from ruleforge.rules.tree import Rule

Progress = Callable[[str, int, int], None]
_COMPACT = re.compile(r"[0-9]{1,8}|[0-9]{12}|[0-9]{14}")  # 20990131, with hours and minutes, with seconds


class BacktestReport(msgspec.Struct, frozen=True, kw_only=True):
    """All rules, those seen first at the top."""

    results: tuple[Backtest, ...]
    requests: int
    left_out: int  # outside the chosen time
    untimed: int
    unreadable: int
    broken: tuple[str, ...] = ()
    unvalidated: int = 0


def backtest(
    rules: Path | Loaded,
    logs: Sequence[Path],
    *,
    since: str = "",
    until: str = "",
    unvalidated: bool = False,
    progress: Progress = lambda *_: None,
) -> BacktestReport:
    """Ask rules about all requests of `logs`, and count by time and source.

    Args:
        rules: a folder of rules, one rule, or rules already loaded.
        logs: any format that FORMATS reads, plain or gzip.
        since: leave out what is earlier, "2099-01-31" or a whole RFC 3339 time; empty: no bound.
        until: leave out what is at this time or later.
        unvalidated: ask rules without evidence, too.
        progress: told (file, requests so far, 0) now and then.

    Raises:
        UsageError: no such folder (RF110), no rule (RF111), a time that cannot be read (RF127), no such file (RF117).
        InputError: the format of a log is not known (RF220).
    """
    loaded = without_correlation(rules if isinstance(rules, Loaded) else load_rules(rules, unvalidated=unvalidated))
    if not loaded.rules and not loaded.broken:
        hint = "make rules with 'ruleforge forge', or give --unvalidated"
        raise UsageError("no rule to run", where=str(rules), hint=hint, code="RF111")
    counting = Backtesting(loaded.rules, since=_bound(since), until=_bound(until))
    unreadable = _read(logs, counting, progress)
    return BacktestReport(
        results=tuple(sorted(counting.results(), key=lambda found: (not found.hits, found.first_seen, found.rule))),
        requests=counting.requests,
        left_out=counting.left_out,
        untimed=counting.untimed,
        unreadable=unreadable,
        broken=tuple(str(problem) for problem in loaded.broken),
        unvalidated=len(loaded.unvalidated),
    )


def backtest_forged(folders: Sequence[Path], logs: Sequence[Path], progress: Progress = lambda *_: None) -> int:
    """Run the rules of folders over `logs` and write what is found into their evidence; returns how many were run.

    A rule whose evidence tells of logs of these names already is left as it is.
    """
    names = [log.name for log in logs]
    pairs: list[tuple[Path, Rule]] = []
    for folder in folders:
        told = read_evidence(folder).get("backtest")
        if isinstance(told, dict) and told.get("logs") == names:
            continue
        rules = load_rules(folder).rules if (folder / "rule.json").is_file() else ()
        pairs += [(folder, rule) for rule in rules if not needs_events(rule)]
    if pairs:
        counting = Backtesting([rule for _, rule in pairs])
        _read(logs, counting, progress)
        write_backtests([folder for folder, _ in pairs], counting.results(), names)
    return len(pairs)


def _bound(text: str) -> float | None:
    if not text:
        return None
    if _COMPACT.fullmatch(text.strip()):  # as seconds it would be a day of the seventies
        hint = "a day is written 2099-01-31; seconds since 1970 have nine digits and more"
        raise UsageError("a number that is no time", where=text, hint=hint, code="RF127")
    found = seconds_of(text)
    if found is None:
        raise UsageError("not a time", where=text, hint="2099-01-31 or 2099-01-31T13:00:00Z", code="RF127")
    return found


def _read(logs: Sequence[Path], counting: Backtesting, progress: Progress) -> int:
    unreadable = 0
    for log in logs:
        if not log.exists():
            raise UsageError("no such file or folder", where=str(log), hint="check the path", code="RF117")
        for number, request in enumerate(read_requests(log), 1):
            if isinstance(request, InputError):
                unreadable += 1
            else:
                counting.add(request)
            if number % 1000 == 0:
                progress(log.name, number, 0)
    return unreadable
