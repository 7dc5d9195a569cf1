"""The loop: five candidates, each checked, refined by its counterexamples up to five times; the best one is kept."""

from collections.abc import Callable, Iterator
from collections.abc import Sequence as Items
from typing import TypeAlias

import msgspec

from ruleforge.cases.anatomy import SPECIFICITY
from ruleforge.cases.evidence import Case, Evidence
from ruleforge.engine.reference import compile_rule, compile_tree
from ruleforge.events.places import HttpView
from ruleforge.generate.advise import advised
from ruleforge.generate.compose import compose
from ruleforge.generate.draft import Arm, Draft, arm_tree, enough_bits
from ruleforge.generate.facet import Facet
from ruleforge.generate.llm_shape import strategy_of
from ruleforge.generate.propose import Material, propose
from ruleforge.generate.refine import Wrong, refine
from ruleforge.generate.strategies import ENDPOINT_BITS, GENERATORS
from ruleforge.judge.advice import advice_of
from ruleforge.judge.evidence_judge import by_documents, judge_rule
from ruleforge.judge.observe import observe
from ruleforge.records.advisory import shown_title
from ruleforge.records.forging import Candidate, CheckResult, ModelUse, Opinion, Trial
from ruleforge.rules.tree import Rule, conditions_of
from ruleforge.validate import gates
from ruleforge.validate.checks import CHECKS, Finding, sibling_sources
from ruleforge.validate.llm_tests import model_tests

ADVICE_TRIED_MOST = 3  # of one opinion: each costs a check and an opinion
UNBACKED_OFF = 0.25  # what counts for p_off_target of several documents where it is unknown
LEAST_GAIN = 0.02  # of the two probabilities together, for which a rule is changed
BY_MODEL = "llm/"  # before the hint, in the strategy of what a model wrote
BEFORE_JUDGING = 3  # keys of `_order`
OBJECTION = 0.1  # by so much less must another candidate be suspected to go before the strategies' first choice
PAYLOADS = ("payload", "anywhere")  # the kinds of facet that say what the attack is


class Attempt(msgspec.Struct, frozen=True):
    """A candidate with its trial, its bits of surprise, and a judge's opinion once it passed."""

    candidate: Candidate
    draft: Draft | None  # None: the rule was not made of arms, a model wrote it
    trial: Trial
    opinion: Opinion | None = None

    @property
    def arms(self) -> tuple[Arm, ...]:
        """What the rule was made of; none where a model wrote it."""
        return self.draft.arms if self.draft else ()

    @property
    def survival(self) -> float:
        """Share of variants still hit; 1.0 where none is known."""
        for result in self.trial.results:
            if result.check == "variants" and result.tried:
                return 1 - result.failed / result.tried
        return 1.0


class LoopResult(msgspec.Struct, frozen=True):
    """All attempts, in the order they were made; `best` is None when none passed."""

    attempts: tuple[Attempt, ...]
    best: Attempt | None
    candidates: int
    rounds: int
    model: ModelUse | None = None


class Written(msgspec.Struct, frozen=True, kw_only=True):
    """What a further author made: every attempt, and of each candidate the best that passed every gate."""

    attempts: tuple[Attempt, ...] = ()
    passed: tuple[Attempt, ...] = ()
    use: ModelUse


Writer: TypeAlias = Callable[[Material, Evidence], Written]


class LoopOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How hard the loop tries; the defaults are what ships, others are for measuring what each part is worth."""

    candidates: int = gates.CANDIDATES_MOST  # first drafts
    rounds: int = gates.ROUNDS_MOST  # refinements of each
    judge: bool = True  # False: candidates are ordered without an opinion, and none is recorded
    judge_feedback: bool = True  # what the judge minds is changed in the next round


def run_loop(
    material: Material,
    evidence: Evidence,
    judging: Evidence,
    options: LoopOptions | None = None,
    writer: Writer | None = None,
) -> LoopResult:
    """Propose, check, refine; judge those that pass; keep the best by evidence, then by simplicity.

    `judging` is evidence of the JUDGE family, which no generator or refinement sees: of the judge's reasons only the
    conditions it minds go back. `writer` is a further author, whose candidates compete under the same evidence.
    """
    options = options or LoopOptions()
    attempts: list[Attempt] = []
    judged: list[Attempt] = []
    drafts = propose(material)[: options.candidates * min(material.documents, 2)]
    for draft in drafts:
        best = _refined(draft, material, evidence, options, attempts)
        if best is None:
            continue
        best = _simplify(best, material, evidence)
        if options.judge:
            best = _opined(best, judging)
            if options.judge_feedback:
                best = _heeded(best, material, evidence, judging, options, attempts)
        judged.append(best)
    written = writer(material, evidence) if writer else None
    if written:
        attempts += written.attempts
        judged += [_opined(attempt, judging) if options.judge else attempt for attempt in written.passed]
    chosen = _chosen(judged, evidence)
    if chosen is not None and options.judge:
        chosen = msgspec.structs.replace(chosen, opinion=judge_rule(chosen.candidate.rule, judging))
    rounds = max((attempt.candidate.round for attempt in attempts), default=0)
    count = len(drafts) + (written.use.candidates if written else 0)
    return LoopResult(tuple(attempts), chosen, count, rounds, written.use if written else None)


def _opined(attempt: Attempt, judging: Evidence) -> Attempt:
    return msgspec.structs.replace(attempt, opinion=judge_rule(attempt.candidate.rule, judging, reasons=False))


def _refined(
    draft: Draft, material: Material, evidence: Evidence, options: LoopOptions, attempts: list[Attempt]
) -> Attempt | None:
    """Check a draft and change it by its counterexamples; the best that passed, None where none did."""
    current: Draft | None = draft
    best: Attempt | None = None
    known: list[Wrong] = [
        Wrong(c.view, missed=True, why=f"the variant {c.kind}", poc=c.poc)
        for c in (*evidence.exploits, *evidence.variants)
    ]
    while current is not None:
        attempt, findings = _try(current, material, evidence)
        attempts.append(attempt)
        best = better_of(attempt, best)
        if current.round >= options.rounds or is_perfect(attempt):
            break
        current = refine(current, _wrongs(findings), material, known)
    return best


def _heeded(
    attempt: Attempt,
    material: Material,
    evidence: Evidence,
    judging: Evidence,
    options: LoopOptions,
    attempts: list[Attempt],
) -> Attempt:
    """Where a rule fails the judge's gate: change what it minds, as long as rounds are left and that helps."""
    while attempt.opinion is not None and attempt.opinion.mode == "review" and attempt.candidate.round < options.rounds:
        better = next(_answers(attempt, material, evidence, judging, attempts), None)
        if better is None:
            break
        attempt = better
    return attempt


def _answers(
    attempt: Attempt, material: Material, evidence: Evidence, judging: Evidence, attempts: list[Attempt]
) -> Iterator[Attempt]:
    """Try each advice; yield those that pass every gate and that the judge thinks better of."""
    before = judge_rule(attempt.candidate.rule, judging)
    for advice in advice_of(before, attempt.candidate.rule)[:ADVICE_TRIED_MOST]:
        draft = advised(attempt.draft, advice, material) if attempt.draft else None
        if draft is None:
            continue
        tried, _ = _try(draft, material, evidence)
        attempts.append(tried)
        if not tried.trial.passed or _grade(tried) < _grade(attempt):
            continue
        opinion = judge_rule(tried.candidate.rule, judging, reasons=False)
        if _doubt(opinion) < _doubt(before) - LEAST_GAIN:
            yield msgspec.structs.replace(tried, opinion=opinion)


def _chosen(judged: Items[Attempt], evidence: Evidence) -> Attempt | None:
    """Take the strategies' first choice, unless the judge thinks clearly better of another that is as good otherwise.

    Within a smaller margin the judge does not tell candidates that passed every check apart well enough to overrule
    the strategies (decision 32).
    """
    ranked = sorted(((_order(attempt, evidence), attempt) for attempt in judged), key=lambda pair: pair[0])
    if not ranked:
        return None
    before, first = ranked[0]
    equals = [attempt for order, attempt in ranked if order[:BEFORE_JUDGING] == before[:BEFORE_JUDGING]]
    best = min(equals, key=lambda attempt: _suspicion(attempt, evidence))
    return best if _suspicion(best, evidence) <= _suspicion(first, evidence) - OBJECTION else first


def _suspicion(attempt: Attempt, evidence: Evidence) -> float:
    """The two probabilities together, with what stands for an unknown one; 0 where no judge was asked."""
    return _doubt(attempt.opinion) + _unbacked(attempt, evidence)


def _unbacked(attempt: Attempt, evidence: Evidence) -> float:
    """What counts for p_off_target where the judge could not tell: of several documents, how little they agree.

    A value that several authors send speaks for a rule.
    """
    opinion = attempt.opinion
    if opinion is None or opinion.p_off_target is not None or len(set(evidence.documents)) < 2:
        return 0.0
    bare = msgspec.structs.replace(evidence, variants=(), near_misses=(), siblings=(), corpus=None, benign=())
    return UNBACKED_OFF * by_documents(observe(attempt.candidate.rule, bare))[1]


def _doubt(opinion: Opinion | None) -> float:
    """How much the judge has against a rule; where it could not tell, candidates of one advisory are equal in it."""
    if opinion is None:
        return 0.0
    return (opinion.p_miss or 0.0) + (opinion.p_off_target or 0.0)


def _endpoint_bits(arm: Arm) -> float:
    return max((facet.bits for facet in arm.facets if facet.kind == "endpoint"), default=0.0)


def better_of(attempt: Attempt, best: Attempt | None) -> Attempt | None:
    """Return the better of two attempts among those that passed every gate; `best` where they are alike."""
    if attempt.trial.passed and (best is None or _grade(attempt) > _grade(best)):
        return attempt
    return best


def is_perfect(attempt: Attempt) -> bool:
    """Whether it passed every gate, hits all variants and no other source."""
    return attempt.trial.passed and _grade(attempt) == (0, 1.0)


def _grade(attempt: Attempt) -> tuple[int, float]:
    """Fewest hits on other sources, then most variants survived."""
    return -sum(r.failed for r in attempt.trial.results if r.check == "other_products"), attempt.survival


def _simplify(attempt: Attempt, material: Material, evidence: Evidence) -> Attempt:
    """Leave out one condition after the other as long as every gate still passes and nothing more is missed.

    What the endpoint says stays, and one payload: a rule must name what it protects. Then arms are left out whose
    exploits the others hit as well.
    """
    for index, arm in enumerate(attempt.arms):
        for facet in sorted(arm.facets, key=_worth):
            now = attempt.arms[index]
            if facet.kind == "endpoint" or facet not in now.facets or len(now.facets) < 2:
                continue
            if facet.kind in PAYLOADS and sum(other.kind in PAYLOADS for other in now.facets) < 2:
                continue
            if facet.kind == "selector" and _endpoint_bits(now) < ENDPOINT_BITS:
                continue  # there the selector is the endpoint
            if now.others and facet.kind in ("selector", "literal") and any(f.kind == "session" for f in now.facets):
                continue  # what two authors share says more than that they were not signed in
            shorter = now.without(facet)
            if shorter.bits < enough_bits(shorter, endpoint_free=material.free[now.poc]):
                continue
            arms = (*attempt.arms[:index], shorter, *attempt.arms[index + 1 :])
            attempt = _with_arms(attempt, arms, material, evidence)
    for arm in attempt.arms:
        fewer = tuple(other for other in attempt.arms if other is not arm)
        if fewer and _hit_all(fewer, material):
            attempt = _with_arms(attempt, fewer, material, evidence)
    return attempt


def _with_arms(attempt: Attempt, arms: tuple[Arm, ...], material: Material, evidence: Evidence) -> Attempt:
    """The same with other arms where that passes and is no worse; else as it is."""
    assert attempt.draft is not None
    tried, _ = _try(msgspec.structs.replace(attempt.draft, arms=arms), material, evidence)
    return tried if tried.trial.passed and _grade(tried) >= _grade(attempt) else attempt


def _worth(facet: Facet) -> tuple[bool, int, float]:
    """Sort key: what is left out first. Of two payloads the more telling class stays, whatever its name is worth."""
    asked = [c.value for c in conditions_of(facet.tree) if c.op == "is_class" and isinstance(c.value, bytes)]
    name = asked[0].decode() if facet.kind in PAYLOADS and asked else ""
    return facet.kind in PAYLOADS, -SPECIFICITY.index(name) if name in SPECIFICITY else 0, facet.bits


def _hit_all(arms: Items[Arm], material: Material) -> bool:
    """Whether these arms hit every exploit request by themselves."""
    asks = [compile_tree(arm_tree(arm), material.classes) for arm in arms]
    views = (HttpView(anatomy.poc.request) for anatomy in material.exploits)
    return all(any(ask(view) is True for ask in asks) for view in views)


def _order(attempt: Attempt, evidence: Evidence) -> tuple[float, ...]:
    """Least hits on other sources, of siblings, no session asked for; then what documents agree on, then strategies.

    What the first BEFORE_JUDGING keys decide no judge overrules.
    """
    rule = attempt.candidate.rule
    by_model = attempt.draft is None
    # What a model was asked for is not what it wrote.
    shape = strategy_of(rule.when) if by_model else attempt.candidate.strategy  # type: ignore[arg-type]
    # Any parameter of an endpoint is too wide where the product has other flaws at it: they stay apart by parameter.
    family = sibling_sources(rule, evidence) if shape == "endpoint_any_parameter" else 0
    # Of two alike, the one that is made again without a model.
    strategy = GENERATORS.names().index(shape) + by_model / 2
    # What holds for several documents generalises better than a list of what each of them shows.
    apart = float(not any(arm.others for arm in attempt.arms))
    size = sum(1 for _ in conditions_of(rule.when))
    # A made-up cookie is all it takes to be "signed in": a rule that sees the attack itself is better.
    no_session = float(
        _asks_no_session(rule) if by_model else any(f.kind == "session" for arm in attempt.arms for f in arm.facets)
    )
    return (
        -_grade(attempt)[0],
        family,
        no_session,
        _unbacked(attempt, evidence),
        strategy,
        -attempt.survival,
        apart,
        size,
    )


def _asks_no_session(rule: Rule) -> bool:
    return any(c.op == "absent" and c.field in ("headers", "cookies") for c in conditions_of(rule.when))


def _try(draft: Draft, material: Material, evidence: Evidence) -> tuple[Attempt, list[Finding]]:
    # What is shown is no fact about the flaw: nothing but the rule's title is made of it.
    rule = compose(draft, msgspec.structs.replace(material.advisory, title=shown_title(material.advisory)))
    candidate = Candidate(
        rule=rule, strategy=draft.strategy, round=draft.round, changes=draft.changes, arms=len(draft.arms)
    )
    trial, findings = check_rule(rule, evidence)
    surprise = _surprise(draft)
    return Attempt(candidate, draft, msgspec.structs.replace(trial, results=(*trial.results, surprise))), findings


def _surprise(draft: Draft) -> CheckResult:
    least = min(arm.bits for arm in draft.arms)
    return CheckResult(
        check="surprise",
        passed=least >= gates.SURPRISE_LEAST_BITS,
        tried=len(draft.arms),
        detail=f"the least surprising arm has {least:.1f} bits; {gates.SURPRISE_LEAST_BITS:g} are needed",
    )


def check_rule(rule: Rule, evidence: Evidence) -> tuple[Trial, list[Finding]]:
    """Run every check on `rule`; a crash of one check is recorded as its failure and the others go on."""
    ask_view = compile_rule(rule).ask

    def ask(case: Case) -> bool:
        return ask_view(case.view) is True

    findings = []
    for name, check in CHECKS.items():
        try:
            findings.append(check(rule, ask, evidence))
        except Exception as problem:  # noqa: BLE001 - a process boundary of parts: recorded, never swallowed
            result = CheckResult(
                check=name, passed=False, detail=f"the check crashed: {type(problem).__name__}: {problem}"
            )
            findings.append(Finding(result))
    if evidence.proposed:
        findings.append(model_tests(rule, ask, evidence))
    feedback = tuple(line for finding in findings for line in finding.feedback)
    return Trial(rule_id=rule.id, results=tuple(f.result for f in findings), feedback=feedback), findings


def _wrongs(findings: Items[Finding]) -> list[Wrong]:
    wrongs = []
    for finding in findings:
        wrongs += [Wrong(c.view, missed=True, why=f"the missed {c.kind}", poc=c.poc) for c in finding.missed]
        wrongs += [
            Wrong(c.view, missed=False, why=f"{finding.result.check}: {c.kind} {c.note}".strip()) for c in finding.hit
        ]
    return wrongs
