"""What all rows of the table share: the rules under test, how their forging ended, and which half may be read."""

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import msgspec

from ruleforge.app.rules import Loaded
from ruleforge.engine.compiled import CompiledSet
from ruleforge.engine.first_cause import Cause, first_cause
from ruleforge.errors import InputError, OutsideError
from ruleforge.events.request import Request
from ruleforge.records.advisory import Advisory, PocRequest
from ruleforge.records.forging import Outcome
from ruleforge.records.quality import Miss, WorstRule
from ruleforge.store.state import State

SHOWN = 120  # bytes of a target in a miss
MISSES_KEPT = 20_000
MAX_TEXT_BYTES = 256 << 20
EXAMPLES_KEPT = 3


def half_of(cve: str) -> str:
    """Name the half a CVE belongs to: misses of "even" may be read and mended, those of "odd" are only counted."""
    return "odd" if int(hashlib.sha256(cve.encode()).hexdigest()[-1], 16) % 2 else "even"


class Template(msgspec.Struct, frozen=True):
    """One source with its roles assigned."""

    advisory: Advisory

    @property
    def names(self) -> tuple[str, ...]:
        """Return what the source is known by: its CVEs and its id."""
        return tuple(dict.fromkeys((*self.advisory.cves, self.advisory.id)))

    def exploits(self) -> Iterator[PocRequest]:
        """Yield the requests that carry the attack."""
        return (poc for poc in self.advisory.requests if poc.role == "exploit")


class Ground:
    """Rules ready to scan, with what is known about each; collects misses and what counts against rules."""

    def __init__(self, loaded: Loaded, outcomes: Iterable[Outcome], templates: Iterable[Template], half: str) -> None:
        self.rules = loaded.rules
        self.compiled = CompiledSet(loaded.rules)
        self.outcomes = {outcome.advisory: outcome for outcome in outcomes}
        self.templates = tuple(templates)
        self.half = half
        self.problems: Counter[str] = Counter()
        self.misses: list[Miss] = []
        self.own = _own(loaded)
        self.template_names = {name for template in self.templates for name in template.names}
        self._refused = _refusals(self.outcomes)
        self._against: dict[int, Counter[str]] = defaultdict(Counter)
        self._examples: dict[int, list[str]] = defaultdict(list)

    def rules_for(self, names: Iterable[str]) -> frozenset[int]:
        """Return the rules, by position, that belong to a CVE or to a source's id."""
        return frozenset(rule for name in names for rule in self.own.get(name, ()))

    def readable(self, cve: str) -> bool:
        """Whether a miss of this CVE may be shown."""
        return half_of(cve) == "even"

    def counted(self, cve: str) -> bool:
        """Whether the half asked for holds this CVE."""
        return self.half in ("both", half_of(cve))

    def blame(self, rule: int, row: str, example: str = "") -> None:
        """Count something against a rule."""
        self._against[rule][row] += 1
        if example and len(self._examples[rule]) < EXAMPLES_KEPT and example not in self._examples[rule]:
            self._examples[rule].append(example)

    def worst(self, most: int) -> tuple[WorstRule, ...]:
        """Return the rules with most against them, worst first."""
        found = [
            WorstRule(rule=self.rules[rule].id, counts=dict(counts), examples=tuple(self._examples[rule]))
            for rule, counts in self._against.items()
        ]
        return tuple(sorted(found, key=lambda worst: (-len(worst.counts), -worst.total, worst.rule))[:most])

    def cause_of(self, names: Iterable[str], request: Request) -> Cause:
        """Say why no rule of these names holds for a request; the closest of several rules answers."""
        own = self.rules_for(names)
        causes = [cause for rule in own if (cause := first_cause(self.rules[rule], request))]
        if causes:
            return min(causes, key=lambda cause: cause.distance)
        reason = next((self._refused[name] for name in names if name in self._refused), "not known why")
        return Cause("no rule", f"refused: {reason}", distance=1_000_000)

    def miss(self, row: str, cve: str, request: Request, cause: Cause) -> None:
        """Record a miss, if it may be shown."""
        if not self.readable(cve) or len(self.misses) >= MISSES_KEPT:
            return
        shown = _printable(request.method) + " " + _printable(request.target[:SHOWN])
        detail = cause.condition + (f" (there is one in {cause.place})" if cause.place else "")
        self.misses.append(
            Miss(row=row, cve=cve, request=request.id, shown=shown, cause=cause_name(cause), detail=detail)
        )

    def take(self, items: Iterable[Request | InputError]) -> Iterator[Request]:
        """Yield requests and count what could not be read."""
        for item in items:
            if isinstance(item, InputError):
                self.problems[f"{item.code} {item.where.partition(':')[0]}"] += 1
            else:
                yield item


def cause_name(cause: Cause) -> str:
    """Name a cause as the confusion counts it: "no rule (normal_use)", "place not read (json)"."""
    if cause.kind == "no rule":
        return f"no rule ({cause.condition.removeprefix('refused: ')})"
    return f"{cause.kind} ({cause.place})" if cause.place else cause.kind


def _own(loaded: Loaded) -> Mapping[str, frozenset[int]]:
    own: dict[str, set[int]] = defaultdict(set)
    for number, rule in enumerate(loaded.rules):
        for name in (*rule.cves, rule.id.removeprefix("RF-").rpartition("-")[0]):
            own[name].add(number)
    return {name: frozenset(numbers) for name, numbers in own.items()}


def _refusals(outcomes: Mapping[str, Outcome]) -> dict[str, str]:
    ended = [outcome for outcome in outcomes.values() if outcome.outcome != "rule"]
    return {name: outcome.reason for outcome in ended for name in (*outcome.cves, outcome.advisory)}


def read_outcomes(rules: Path, file: Path | None) -> list[Outcome]:
    """Return how forging ended: from lines of `forge --format ndjson`, else from the state beside the rules.

    Returns:
        An empty list where neither is there.

    Raises:
        InputError: a line is no outcome (RF245).
        OutsideError: the file cannot be opened (RF501).
    """
    if file is not None:
        return [_outcome(line, f"{file}:{number}") for number, line in enumerate(_lines(file), 1) if line.strip()]
    if not (rules / ".ruleforge" / "state.db").is_file():
        return []
    state = State.beside(rules)
    try:
        return [msgspec.convert(found, Outcome) for _, found in state.known().values()]
    finally:
        state.close()


def _lines(file: Path) -> list[str]:
    return read_text(file).splitlines()


def read_text(file: Path) -> str:
    """Read a file of labels, outcomes or an earlier run.

    Raises:
        InputError: it is larger than 256 MiB (RF222).
        OutsideError: it cannot be opened (RF501).
    """
    try:
        with file.open("rb") as stream:
            text = stream.read(MAX_TEXT_BYTES + 1)
    except OSError as error:
        raise OutsideError(f"cannot read the file: {error.strerror}", where=str(file), code="RF501") from error
    if len(text) > MAX_TEXT_BYTES:
        raise InputError(f"more than {MAX_TEXT_BYTES} bytes", where=str(file), code="RF222")
    return text.decode("utf-8", "replace")


def _outcome(line: str, where: str) -> Outcome:
    try:
        return msgspec.convert(json.loads(line), Outcome)
    except (ValueError, RecursionError) as error:
        hint = "lines of 'ruleforge forge --format ndjson' are expected"
        raise InputError(f"no outcome: {error}", where=where, hint=hint, code="RF245") from error


def _printable(text: bytes) -> str:
    return text.decode("utf-8", "backslashreplace")
