"""The compiled set: many rules asked about many requests, with exactly the answers of the reference evaluator.

Each rule needs some literal (`literals.requirements`). One pass per zone finds which of these literals a request
has, and only the rules that could hold are evaluated. Where a zone is incomplete a missing literal proves nothing:
then a clause on other zones is used, or the rule is evaluated, so that unknown answers are counted exactly too.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple, TypeAlias

from ruleforge.engine.literals import Clause, clause_zones, requirements
from ruleforge.engine.matching import Matcher, make_matcher
from ruleforge.engine.rarity import Rarity, background_rarity
from ruleforge.engine.reference import Ask, compile_rule
from ruleforge.engine.zones import BODY_ZONES, OWN_ZONE, READERS, ZONES, ReadZone, ZoneText
from ruleforge.events.places import HttpView
from ruleforge.events.request import Request
from ruleforge.rules.tree import AllOf, AnyOf, Condition, Not, Root, Rule, Some

MakeMatcher: TypeAlias = Callable[[Sequence[bytes]], Matcher]

_MAX_PLANS = 256  # one per set of incomplete zones that was met; sources have a handful


class Hit(NamedTuple):
    """A request, by its position in what was scanned, and a rule, by its position in the set, that holds for it."""

    request_index: int
    rule_index: int


class Answers(NamedTuple):
    """What a set says of one request, as indexes of rules in ascending order; all other rules are false."""

    hits: tuple[int, ...]
    unknowns: tuple[int, ...]
    verified: int  # rules that had to be evaluated


class Tally:
    """Counts of a scan so far: requests, evaluations, and per rule how often it held and could not be decided."""

    def __init__(self, rules: int) -> None:
        self.requests = 0
        self.verified = 0
        self.hits = [0] * rules
        self.unknowns = [0] * rules

    def add(self, answers: Answers) -> None:
        """Count what was said of one more request."""
        self.requests += 1
        self.verified += answers.verified
        for rule in answers.hits:
            self.hits[rule] += 1
        for rule in answers.unknowns:
            self.unknowns[rule] += 1


class _Zone(NamedTuple):
    """What is searched for in one zone."""

    name: str
    read: ReadZone
    matcher: Matcher
    owners: tuple[tuple[int, ...], ...]  # rules of each literal


class _Plan(NamedTuple):
    """How to find candidates while some zones are incomplete."""

    matchers: tuple[_Zone, ...]
    bodiless: tuple[_Zone, ...]  # those of `matchers` that a request without a body can have something in
    always: tuple[int, ...]  # rules to evaluate for every request
    unknown: tuple[int, ...]  # rules that are unknown unless one of their literals is found


class CompiledSet:
    """Rules made ready for scanning. Safe to share between threads; build it once, it costs about 0.1 ms a rule."""

    def __init__(
        self, rules: Sequence[Rule], *, rarity: Rarity | None = None, matcher: MakeMatcher = make_matcher
    ) -> None:
        """Compile `rules`.

        Args:
            rules: rules over `http.request` that ask about one request.
            rarity: how often benign requests hold a literal; the rarest one of each rule is searched for. By default
                what the background table that ships says.
            matcher: what searches for many literals at once.

        Raises:
            RuleError: RF330 a rule counts or orders events; else as parsing does.
        """
        self.rules = tuple(rules)
        self._asks: tuple[Ask, ...] = tuple(compile_rule(rule).ask for rule in self.rules)
        self._rarity, self._matcher = rarity or background_rarity(), matcher
        self._clauses = [self._priced(rule) for rule in self.rules]
        self._plans: dict[frozenset[str], _Plan] = {}
        self._base = self._plan(frozenset())

    @property
    def slow_rules(self) -> tuple[int, ...]:
        """Rules without a literal to search for: they are evaluated for every request."""
        return self._base.always

    def cost(self, rule_index: int) -> float:
        """Return how many of 1,000 benign requests the rule is expected to be evaluated for."""
        clauses = self._clauses[rule_index]
        return 1_000 * clauses[0][0] if clauses else 1_000.0

    def scan(self, requests: Iterable[Request], *, tally: Tally | None = None) -> Iterator[Hit]:
        """Yield every (request, rule) that holds, in order; `tally` counts the rest while the scan goes on.

        Requests are read one at a time: nothing is held back, and any iterable will do.
        """
        for index, request in enumerate(requests):
            answers = self.answers(request)
            if tally is not None:
                tally.add(answers)
            for rule in answers.hits:
                yield Hit(index, rule)

    def answers(self, request: Request | HttpView) -> Answers:
        """Return which rules hold for one request, and which cannot be decided."""
        view = request if isinstance(request, HttpView) else HttpView(request)
        if view.memo is None:
            view.memo = {}
        candidates, assumed = self._candidates(view)
        if not candidates and not assumed:
            return _NO_ANSWERS
        asks = self._asks
        hits: list[int] = []
        unknowns: list[int] = []
        for rule in candidates:
            answer = asks[rule](view)
            if answer:
                hits.append(rule)
            elif answer is None:
                unknowns.append(rule)
        if assumed:
            unknowns = sorted(unknowns + [rule for rule in assumed if rule not in candidates])
        return Answers(tuple(hits), tuple(unknowns), len(candidates))

    def _candidates(self, view: HttpView) -> tuple[Sequence[int], tuple[int, ...]]:
        """Return the rules to evaluate, and those that are unknown unless they are among the former."""
        plan = self._base
        found: list[int] = []
        for _, read, matcher, owners in plan.bodiless if view.has_no_body() else plan.matchers:
            made = read(view)
            if not made.complete:
                return self._candidates_despite_gaps(view)
            if made.text:
                for literal in matcher.find(made.text):
                    found += owners[literal]
        return sorted({*found, *plan.always}) if found or plan.always else (), plan.unknown

    def _candidates_despite_gaps(self, view: HttpView) -> tuple[Sequence[int], tuple[int, ...]]:
        """Do the same for a request of which not every zone is complete."""
        incomplete = _GAPS.get(view.request.unrecorded, _NO_ZONES)
        texts: dict[str, ZoneText] = {}
        while True:  # ends: every round makes `incomplete` larger, or is the last
            plan = self._plan(incomplete)
            gaps = incomplete
            found: list[int] = []
            for zone, read, matcher, owners in plan.bodiless if view.has_no_body() else plan.matchers:
                made = texts.get(zone)
                if made is None:
                    made = texts[zone] = read(view)
                if not made.complete:
                    gaps |= {zone}
                if made.text:
                    for literal in matcher.find(made.text):
                        found += owners[literal]
            if gaps == incomplete:
                break
            incomplete = gaps
        return sorted({*found, *plan.always}), plan.unknown

    def _plan(self, incomplete: frozenset[str]) -> _Plan:
        plan = self._plans.get(incomplete)
        if plan is None:
            if len(self._plans) >= _MAX_PLANS:
                self._plans.clear()
            plan = self._plans[incomplete] = self._make_plan(incomplete)
        return plan

    def _make_plan(self, incomplete: frozenset[str]) -> _Plan:
        always: list[int] = []
        unknown: list[int] = []
        owners: dict[str, dict[bytes, list[int]]] = {}
        for rule, clauses in enumerate(self._clauses):
            clause = next((clause for _, clause in clauses if clause_zones(clause).isdisjoint(incomplete)), None)
            if clause is None and clauses and _is_unknown(self.rules[rule].when, incomplete):
                clause = clauses[0][1]
                unknown.append(rule)
            if clause is None:
                always.append(rule)
                continue
            for zone, text in sorted(clause):
                owners.setdefault(zone, {}).setdefault(text, []).append(rule)
        matchers = tuple(
            _Zone(zone, READERS[zone], self._matcher(tuple(texts)), tuple(map(tuple, texts.values())))
            for zone, texts in owners.items()
        )
        bodiless = tuple(zone for zone in matchers if zone.name not in BODY_ZONES)
        return _Plan(matchers, bodiless, tuple(always), tuple(unknown))

    def _priced(self, rule: Rule) -> list[tuple[float, Clause]]:
        """Return the clauses of a rule with their expected share of benign requests, rarest first."""
        assert isinstance(rule.when, AllOf | AnyOf | Not | Some | Condition)  # compile_rule refuses the others
        clauses = requirements(rule.when, dict(rule.classes), OWN_ZONE)
        return sorted(((clause_share(clause, self._rarity), clause) for clause in clauses), key=lambda pair: pair[0])


def clause_share(clause: Clause, rarity: Rarity) -> float:
    """Return the share of benign requests that hold an alternative of `clause`, at most 1."""
    return min(1.0, sum(rarity(zone, text) for zone, text in sorted(clause)))


_NO_ZONES: frozenset[str] = frozenset()
_NO_ANSWERS = Answers((), (), 0)
# What is incomplete at least, by what the source does not record, so that most requests need one round.
_GAPS: Mapping[frozenset[str], frozenset[str]] = {
    frozenset({"body"}): BODY_ZONES | {"args", "args.raw"},
    frozenset({"body", "headers"}): BODY_ZONES | {"args", "args.raw", "headers", "cookies"},
    frozenset({"headers"}): frozenset({"headers", "cookies"}),
}


def _is_unknown(tree: Root, incomplete: frozenset[str]) -> bool:
    """Say whether the tree cannot be false while these zones are incomplete: no part of it can."""
    match tree:
        case AllOf(parts) | AnyOf(parts):
            return all(_is_unknown(part, incomplete) for part in parts)
        case Some(place):
            return place in incomplete and place in _WHOLE_ZONES
        case Condition(field, op):
            return field in incomplete and field in _WHOLE_ZONES and op != "absent"
        case _:
            return False


# Fields that are incomplete, whatever name is asked for, exactly when the zone of the same name is.
_WHOLE_ZONES = frozenset(ZONES) - {"headers", "method", "target", "path"}
