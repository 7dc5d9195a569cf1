"""Ask a rule about everything the judge is shown, condition by condition; features and reasons read the answers."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from ruleforge.cases.anatomy import Part
from ruleforge.cases.evidence import Case, Evidence
from ruleforge.engine.reference import Ask, compile_tree
from ruleforge.events.places import HttpView
from ruleforge.judge.evidence import JudgeEvidence
from ruleforge.judge.shape import Conjunct, Question, conjuncts_of
from ruleforge.rules.patterns import compile_pattern
from ruleforge.rules.tree import AllOf, Rule

if TYPE_CHECKING:
    from ruleforge.engine.corpus import Row

PLACE_HITS_MOST = 100  # requests of others at one place that are asked about
PLACE_ARMS_MOST = 8
TRAFFIC_HITS_MOST = 50  # rows of one corpus that are counted; more says no more
Answers = tuple[bool, ...]  # of one request: one answer for each conjunct, in order


class Asked(NamedTuple):
    """A request with the rule's answer, and that of each of its conditions."""

    case: Case
    fires: bool
    answers: Answers


class Observed(msgspec.Struct, frozen=True, kw_only=True):
    """What a rule answered."""

    rule: Rule
    evidence: JudgeEvidence
    arms: tuple[tuple[Conjunct, ...], ...]
    exploits: tuple[Asked, ...]
    variants: tuple[Asked, ...]  # JUDGE family
    seen_variants: tuple[Asked, ...]
    near: tuple[Asked, ...]  # JUDGE family
    seen_near: tuple[Asked, ...]
    neutral: tuple[Asked, ...]
    steps: tuple[Asked, ...]
    choices: tuple[Asked, ...]  # something is chosen otherwise
    benign: tuple[Case, ...] | None  # rows of normal traffic it fires on; None: there is none
    strangers: tuple[Case, ...] | None  # exploits of other products it fires on; None: there are no other sources
    nearly: tuple[tuple[str, int], ...] = ()  # others at the same place: who, and how many conditions keep it silent
    kin: tuple[Case, ...] = ()  # exploits of other vulnerabilities of the same product it fires on

    @property
    def conjuncts(self) -> tuple[Conjunct, ...]:
        """All conditions of all alternatives, in the order of the answers."""
        return tuple(conjunct for arm in self.arms for conjunct in arm)

    @property
    def harmless(self) -> tuple[Asked, ...]:
        """Requests that are no attack."""
        return (*self.neutral, *self.near, *self.seen_near, *self.steps)

    @property
    def silent_neutralised(self) -> bool:
        """Whether the rule is silent on the exploits with their payload taken out, where some could be made."""
        return bool(self.neutral) and not any(one.fires for one in self.neutral)

    def arm_of(self, asked: Asked) -> int | None:
        """The first alternative that holds for a request; None where none does."""
        return next((number for number in range(len(self.arms)) if self.holds(number, asked.answers)), None)

    def span(self, arm: int) -> range:
        """Where the answers of an alternative stand."""
        start = sum(len(each) for each in self.arms[:arm])
        return range(start, start + len(self.arms[arm]))

    def holds(self, arm: int, answers: Answers, without: int = -1) -> bool:
        """Whether an alternative holds, leaving out the condition at `without`."""
        return all(answers[at] for at in self.span(arm) if at != without)

    def fires_without(self, at: int, answers: Answers) -> bool:
        """Whether the rule would fire if the condition at `at` did not stand there."""
        return any(self.holds(arm, answers, at) for arm in range(len(self.arms)))

    def blamed(self, asked: Asked) -> tuple[int, ...]:
        """Which conditions keep a missed request from being hit: those of the alternative that misses it least."""
        gaps = [[at for at in self.span(arm) if not asked.answers[at]] for arm in range(len(self.arms))]
        fewest: list[int] = min(gaps, key=len, default=[])
        return tuple(fewest)


def observe(rule: Rule, evidence: Evidence) -> Observed:
    """Ask `rule` about all of `evidence`.

    Raises:
        RuleError: RF330 the rule counts or orders events.
    """
    shown = evidence if isinstance(evidence, JudgeEvidence) else _plain(evidence)
    arms = conjuncts_of(rule.when)
    whole = compile_tree(rule.when, dict(rule.classes))
    asks = [compile_tree(conjunct.tree, dict(rule.classes)) for arm in arms for conjunct in arm]

    def ask(cases: Sequence[Case]) -> tuple[Asked, ...]:
        return tuple(_asked(case, whole, asks) for case in cases)

    foreign = _strangers(rule, shown)
    return Observed(
        rule=rule, evidence=shown, arms=arms, exploits=ask(shown.exploits), variants=ask(shown.variants),
        seen_variants=ask(shown.seen_variants), near=ask(shown.near_misses), seen_near=ask(shown.seen_near),
        neutral=ask(shown.siblings), steps=ask(shown.steps), choices=ask(shown.choices), benign=_benign(rule, shown),
        strangers=foreign[0] if foreign else None, kin=foreign[1] if foreign else (),
        nearly=_nearly(shown, arms, asks),
    )  # fmt: skip


def _plain(evidence: Evidence) -> JudgeEvidence:
    return JudgeEvidence(**{name: getattr(evidence, name) for name in Evidence.__struct_fields__})


def _asked(case: Case, whole: Ask, asks: Sequence[Ask]) -> Asked:
    return Asked(case, whole(case.view) is True, tuple(ask(case.view) is True for ask in asks))


def _benign(rule: Rule, evidence: JudgeEvidence) -> tuple[Case, ...] | None:
    if not evidence.benign:
        return None
    found: list[Case] = []
    for corpus in evidence.benign:
        numbers = corpus.hits(rule.when, evidence.classes, limit=TRAFFIC_HITS_MOST)  # type: ignore[arg-type]
        found += [Case(HttpView(corpus.row(number).request), "benign") for number in numbers]
    return tuple(found)


def _strangers(rule: Rule, evidence: JudgeEvidence) -> tuple[tuple[Case, ...], tuple[Case, ...]] | None:
    """Exploits of other products, and of other vulnerabilities of the same one."""
    if evidence.corpus is None:
        return None
    corpus = evidence.corpus

    def own(row: "Row") -> bool:
        return row.owner == evidence.advisory or row.owner in evidence.cves or row.owner in rule.cves

    numbers = corpus.hits(rule.when, evidence.classes, limit=TRAFFIC_HITS_MOST, skip=own)  # type: ignore[arg-type]
    rows = [corpus.row(number) for number in numbers]
    cases = [(Case(HttpView(row.request), row.kind, note=row.owner), row.product) for row in rows]
    same = bool(evidence.product)
    return (
        tuple(one for one, product in cases if not (same and product == evidence.product)),
        tuple(one for one, product in cases if same and product == evidence.product),
    )


def _nearly(
    evidence: JudgeEvidence, arms: tuple[tuple[Conjunct, ...], ...], asks: Sequence[Ask]
) -> tuple[tuple[str, int], ...]:
    """Who else is attacked where an alternative looks: of each owner, how many further conditions do not hold.

    Only alternatives that say something of the place are asked about, and at most PLACE_HITS_MOST requests of each.
    """
    corpus = evidence.corpus
    if corpus is None:
        return ()

    def own(row: "Row") -> bool:
        same = bool(row.product) and row.product == evidence.product
        return same or row.owner == evidence.advisory or row.owner in evidence.cves

    found: dict[str, int] = {}
    start = 0
    for arm in arms[:PLACE_ARMS_MOST]:
        places = [conjunct.tree for conjunct in arm if conjunct.kind == "endpoint"]
        rest = [asks[start + at] for at, conjunct in enumerate(arm) if conjunct.kind not in ("endpoint", "method")]
        start += len(arm)
        if not places:
            continue
        for number in corpus.hits(AllOf(tuple(places)), evidence.classes, limit=PLACE_HITS_MOST, skip=own):
            row = corpus.row(number)
            view = HttpView(row.request)
            lacking = sum(ask(view) is not True for ask in rest)
            found[row.owner] = min(lacking, found.get(row.owner, lacking))
    return tuple(found.items())


def reads(question: Question, part: Part) -> bool:
    """Whether a question looks at the value of a part of a request."""
    place = question.place.partition(".")[0] if question.place.startswith("args") else question.place
    if place in ("body", "body.raw"):
        return part.place in ("body", "form_args", "json", "xml", "multipart")
    if place.startswith(("query", "target")) and place != "query_args":
        return part.place == "query_args"
    fits = part.place in (("query_args", "form_args") if place == "args" else (place,))
    return fits and (not question.names or any(_named(name.text, name.how, part) for name in question.names))


def _named(text: bytes, how: str, part: Part) -> bool:
    if how == "regex":
        return compile_pattern(text).test(part.name)
    if how == "lower" or part.place == "headers":
        return text.lower() == part.name.lower()
    return text == part.name or (b"*" in text and text.rpartition(b"/")[2] == part.name.rpartition(b"/")[2])
