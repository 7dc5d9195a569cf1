"""The compiled set: many rules asked about many requests, with exactly the answers of the reference evaluator.

Each rule needs some literal (`literals.requirements`). One pass per zone finds which of these literals a request
has, and only the rules that could hold are evaluated. Where a zone is incomplete a missing literal proves nothing:
then a clause on other zones is used, or the rule is evaluated, so that unknown answers are counted exactly too.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple, TypeAlias

from ruleforge.engine.literals import Clause, clause_zones, requirements
from ruleforge.engine.matching import Matcher, make_matcher
from ruleforge.engine.reference import Ask, compile_rule
from ruleforge.engine.zones import ZoneText, read_zone
from ruleforge.events.places import HttpView
from ruleforge.events.request import Request
from ruleforge.rules.tree import AllOf, AnyOf, Condition, Not, Root, Rule, Some

Rarity: TypeAlias = Callable[[str, bytes], float]  # share of benign requests whose text of a zone holds a literal
MakeMatcher: TypeAlias = Callable[[Sequence[bytes]], Matcher]

_MAX_PLANS = 256  # one per set of incomplete zones that was met; sources have a handful
_SHARE_PER_BYTE = 0.45  # a literal of one more byte stands in so many of the texts, when nothing is known of it
# Literals that stand in most requests, or in whole families of them, although they are long.
_COMMON = frozenset(
    b"accept accept-encoding accept-language action admin ajax api application assets authorization connection content "
    b"content-length content-type cookie css data delete description email file files form-data get gzip home host "
    b"http https html id image images index index.html index.php javascript json keep-alive lang login message mozilla "
    b"name page password path php post put query referer search select session static status submit text title token "
    b"type upload url user user-agent username value version wp-admin wp-content www".split()
)


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


class _Plan(NamedTuple):
    """How to find candidates while some zones are incomplete."""

    matchers: tuple[tuple[str, Matcher, tuple[tuple[int, ...], ...]], ...]  # zone, literals, rules of each literal
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
            rarity: how often benign requests hold a literal; the rarer one of each rule is searched for.
            matcher: what searches for many literals at once.

        Raises:
            RuleError: RF330 a rule counts or orders events; else as parsing does.
        """
        self.rules = tuple(rules)
        self._asks: tuple[Ask, ...] = tuple(compile_rule(rule).ask for rule in self.rules)
        self._rarity, self._matcher = rarity or default_rarity, matcher
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
        candidates, assumed = self._candidates(view)
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

    def _candidates(self, view: HttpView) -> tuple[Mapping[int, None], tuple[int, ...]]:
        """Return the rules to evaluate, and those that are unknown unless they are among the former."""
        texts: dict[str, ZoneText] = {}
        plan, incomplete = self._base, frozenset[str]()
        while True:  # ends: every round either makes `incomplete` larger or leaves
            for zone, _, _ in plan.matchers:
                if zone not in texts:
                    texts[zone] = read_zone(view, zone)
            gaps = frozenset(zone for zone, _, _ in plan.matchers if not texts[zone].complete) - incomplete
            if not gaps:
                break
            incomplete |= gaps
            plan = self._plan(incomplete)
        found = set(plan.always)
        for zone, matcher, owners in plan.matchers:
            text = texts[zone].text
            if text:
                for literal in matcher.find(text):
                    found.update(owners[literal])
        return dict.fromkeys(sorted(found)), plan.unknown

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
            (zone, self._matcher(tuple(texts)), tuple(map(tuple, texts.values()))) for zone, texts in owners.items()
        )
        return _Plan(matchers, tuple(always), tuple(unknown))

    def _priced(self, rule: Rule) -> list[tuple[float, Clause]]:
        """Return the clauses of a rule with their expected share of benign requests, rarest first."""
        assert isinstance(rule.when, AllOf | AnyOf | Not | Some | Condition)  # compile_rule refuses the others
        clauses = requirements(rule.when, dict(rule.classes))
        return sorted(((clause_share(clause, self._rarity), clause) for clause in clauses), key=lambda pair: pair[0])


def clause_share(clause: Clause, rarity: Rarity) -> float:
    """Return the share of benign requests that hold an alternative of `clause`, at most 1."""
    return min(1.0, sum(rarity(zone, text) for zone, text in sorted(clause)))


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
_WHOLE_ZONES = frozenset({"args", "args.raw", "json", "multipart", "xml", "cookies", "body", "body.raw"})


def default_rarity(zone: str, text: bytes) -> float:
    """Guess how often benign requests hold a literal: the longer the rarer, common words of the web apart."""
    words = [word for word in _words(text) if word]
    known = sum(len(word) for word in words if word in _COMMON)
    surprising = len(text) - known
    return min(1.0, _ZONE_SHARE.get(zone, 1.0) * _SHARE_PER_BYTE ** max(surprising - 1, 0))


def _words(text: bytes) -> list[bytes]:
    return text.translate(_BREAKS).split(b" ")


_BREAKS = bytes(byte if chr(byte).isalnum() or byte in b"-." else 0x20 for byte in range(128)) + b" " * 128
_ZONE_SHARE: Mapping[str, float] = {"json": 0.2, "multipart": 0.05, "xml": 0.02, "cookies": 0.5, "body": 0.5}
