"""A model as further author in the loop: its rules are tried like all others, and told what they got wrong.

Questions of one round are put together. A candidate whose answer is still to come waits for the next run; one that got
no valid answer is left out. The embedded generator needs neither, so that a forging always ends with what there is.
"""

from collections.abc import Sequence

import msgspec

from ruleforge.background.table import Background
from ruleforge.cases.evidence import Case, Evidence
from ruleforge.errors import RuleForgeError
from ruleforge.generate.llm_generate import STRATEGY, RuleAnswer, check_submission, hints, question_of, tree_json
from ruleforge.generate.llm_prompt import Feedback, Hint, Wrongly
from ruleforge.generate.llm_shape import TooManyArmsError, surprise_of
from ruleforge.generate.propose import Material
from ruleforge.llm.door import Answer, Door, InvalidAnswerError, Pending, Result
from ruleforge.pipeline.loop import BY_MODEL, Attempt, Written, better_of, check_rule, is_perfect
from ruleforge.records.advisory import Advisory
from ruleforge.records.forging import Candidate, CheckResult, ModelUse
from ruleforge.rules.tree import AllOf, AnyOf, Condition, Not, Root, Rule, Some
from ruleforge.validate import gates
from ruleforge.validate.checks import Finding

VERSION = "llm generator 1"
GIVEN_UP_AFTER = 3  # disclosures in a row for which every question failed: then the provider is not asked any more
GIVEN_UP = f"not asked: every question failed for {GIVEN_UP_AFTER} disclosures in a row"
TOLD_MOST = 3  # requests shown of one gate
REASONS_MOST, PROBLEMS_MOST = 5, 5
TEXT_MOST = 400  # characters of what a model wrote, in a record
assert STRATEGY == BY_MODEL

# Requests that a generator may see. What the judge keeps for itself never gets here; what other sources and recorded
# traffic hold is told as a number, for it is theirs.
_SHOWN = {
    "replay": "an exploit of the disclosure",
    "variants": "the same attack written another way",
    "siblings": "another step of the disclosure",
    "near_misses": "a harmless request that looks like the exploit",
    "model_tests": "a test that a model proposed",
}


class ModelWriter:
    """Asks a model for candidates. One serves a run; it remembers whether its provider answers at all."""

    def __init__(
        self,
        door: Door,
        background: Background,
        *,
        candidates: int = gates.CANDIDATES_MOST,
        rounds: int = gates.ROUNDS_MOST,
    ) -> None:
        self.door, self.background = door, background
        self.candidates, self.rounds = candidates, rounds
        self._failed_in_a_row = 0

    @property
    def name(self) -> str:
        """What decides its rules, beside the answers: for the key of an outcome."""
        return f"{VERSION} {self.door.provider.url} {self.door.provider.model} {self.candidates}x{self.rounds}"

    def __call__(self, material: Material, evidence: Evidence) -> Written:
        """Ask for all candidates, and for better ones until one is perfect or the rounds are used up."""
        if self._failed_in_a_row >= GIVEN_UP_AFTER:
            return Written(use=ModelUse(provider=self._scheme, failed=self.candidates, problems=(GIVEN_UP,)))
        session = _Session(self, material.advisory, evidence)
        for number in range(self.rounds):
            if not session.open or session.perfect:
                break
            session.ask(number)
        written = session.written()
        all_failed = written.use.failed and not written.use.answered and not written.use.pending
        self._failed_in_a_row = self._failed_in_a_row + 1 if all_failed else 0
        return written

    @property
    def _scheme(self) -> str:
        return self.door.provider.url.partition(":")[0]


class _Slot(msgspec.Struct):
    """One candidate on its way."""

    number: int
    hint: Hint
    open: bool = True
    feedback: Feedback | None = None
    best: Attempt | None = None
    changes: tuple[str, ...] = ()


class _Session:
    """The questions about one advisory."""

    def __init__(self, writer: ModelWriter, advisory: Advisory, evidence: Evidence) -> None:
        self._writer, self._advisory, self._evidence = writer, advisory, evidence
        self._slots = [_Slot(number, hint) for number, hint in enumerate(hints(writer.candidates))]
        self._attempts: list[Attempt] = []
        self._answers: list[Answer[RuleAnswer]] = []
        self._asked = self._pending = self._failed = 0
        self._declined: list[str] = []
        self._problems: dict[str, None] = {}
        self._known: dict[Root, tuple[Attempt, list[Finding]]] = {}
        self._calls_before = self._calls()

    @property
    def open(self) -> list[_Slot]:
        return [slot for slot in self._slots if slot.open]

    @property
    def perfect(self) -> bool:
        return any(slot.best is not None and is_perfect(slot.best) for slot in self._slots)

    def ask(self, round_: int) -> None:
        """Put the questions of one round, and try what comes back."""
        slots, count = self.open, len(self._slots)
        questions = [
            question_of(
                self._advisory,
                slot.hint,
                feedback=slot.feedback,
                number=slot.number,
                candidates=count,
                background=self._writer.background,
            )
            for slot in slots
        ]
        self._asked += len(questions)
        for slot, result in zip(slots, self._writer.door.ask_all(questions), strict=True):
            self._take(slot, result, round_)

    def _take(self, slot: _Slot, result: Result[RuleAnswer], round_: int) -> None:
        if isinstance(result, Answer):
            self._answers.append(result)
            self._submitted(slot, result.value, round_)
            return
        slot.open = False
        if isinstance(result, Pending):
            self._pending += 1
            return
        self._failed += 1
        self._problems[told_problem(result)] = None

    def _submitted(self, slot: _Slot, answer: RuleAnswer, round_: int) -> None:
        found = check_submission(answer, self._advisory, background=self._writer.background)
        if found.rule is None:
            slot.open = False
            self._declined.append(found.no_rule or "; ".join(found.problems))
            return
        rule = found.rule
        known = self._known.get(rule.when)
        if known is None:
            known = self._known[rule.when] = try_rule(
                rule, slot.hint.name, self._evidence, self._writer.background, round=round_, changes=slot.changes
            )
            self._attempts.append(known[0])
        attempt, findings = known
        slot.best = better_of(attempt, slot.best)
        if is_perfect(attempt):
            slot.open = False
            return
        slot.feedback = feedback_of(attempt, findings)
        failed = [result.check for result in attempt.trial.results if result.failed or result.passed is False]
        slot.changes = (*slot.changes, f"round {round_ + 1}: written anew, because of {', '.join(failed)}")

    def written(self) -> Written:
        """What came of it."""
        passed = tuple({id(slot.best): slot.best for slot in self._slots if slot.best is not None}.values())
        tokens = [(answer.usage.tokens_in, answer.usage.tokens_out) for answer in self._answers]
        use = ModelUse(
            provider=self._writer.door.provider.url.partition(":")[0],
            models=tuple(sorted({answer.model for answer in self._answers})),
            asked=self._asked,
            answered=len(self._answers),
            pending=self._pending,
            failed=self._failed,
            declined=tuple(dict.fromkeys(map(plain, self._declined)))[:REASONS_MOST],
            candidates=len(self._slots),
            passed=sum(slot.best is not None for slot in self._slots),
            calls=self._calls() - self._calls_before,
            tokens_in=_sum([sent for sent, _ in tokens]),
            tokens_out=_sum([made for _, made in tokens]),
            cost=_sum([answer.usage.cost for answer in self._answers]) if self._answers else None,
            problems=tuple(self._problems)[:PROBLEMS_MOST],
        )
        return Written(attempts=tuple(self._attempts), passed=passed, use=use)

    def _calls(self) -> int:
        return self._writer.door.meter.run.calls


def _sum(counts: Sequence[int | None]) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if len(known) == len(counts) else None


def told_problem(problem: RuleForgeError) -> str:
    """Say why there is no answer, shortly."""
    more = f": {'; '.join(problem.problems[:3])}" if isinstance(problem, InvalidAnswerError) else ""
    return plain(f"[{problem.code}] {problem.what}{more}")


def plain(text: str) -> str:
    """What a model wrote, short and printable, for records that people open."""
    return "".join(letter if letter.isprintable() else "?" for letter in text[:TEXT_MOST])


def try_rule(
    rule: Rule,
    hint: str,
    evidence: Evidence,
    background: Background,
    *,
    round: int = 0,  # noqa: A002 - as in Candidate
    changes: tuple[str, ...] = (),
) -> tuple[Attempt, list[Finding]]:
    """Put a rule that was not made of facets through every gate that others pass."""
    arms = len(rule.when.parts) if isinstance(rule.when, AnyOf) else 1
    candidate = Candidate(rule=rule, strategy=BY_MODEL + hint, round=round, changes=changes, arms=arms)
    trial, findings = check_rule(rule, evidence)
    results = (*trial.results, _surprise(rule, background))
    return Attempt(candidate, None, msgspec.structs.replace(trial, results=results)), findings


def _surprise(rule: Rule, background: Background) -> CheckResult:
    least = gates.SURPRISE_LEAST_BITS
    tree = rule.when
    if not isinstance(tree, AllOf | AnyOf | Not | Some | Condition):
        return CheckResult(check="surprise", passed=False, tried=1, failed=1, detail="it is not about one request")
    try:
        bits = surprise_of(tree, background)
    except TooManyArmsError as problem:
        return CheckResult(check="surprise", passed=False, tried=1, failed=1, detail=str(problem))
    told = f"the least surprising alternative has {bits:.1f} bits; {least:g} are needed"
    return CheckResult(check="surprise", passed=bits >= least, tried=1, failed=int(bits < least), detail=told)


def feedback_of(attempt: Attempt, findings: Sequence[Finding]) -> Feedback:
    """Say what a rule got wrong, in words by gate, with requests that its author may see.

    Those are the exploits, their FEEDBACK variants and near-misses, and the other steps of the disclosure. Of other
    sources only the names are told, of recorded traffic only how many requests the rule fires on.
    """
    wrong: list[Wrongly] = []
    for finding in findings:
        what = _SHOWN.get(finding.result.check)
        if what:
            wrong += [Wrongly(c.view.request, True, _what(what, c)) for c in _few(finding.missed)]
            wrong += [Wrongly(c.view.request, False, _what(what, c)) for c in _few(finding.hit)]
    failed = tuple(line for result in attempt.trial.results if (line := _line(result)))
    return Feedback(rule=tree_json(attempt.candidate.rule), failed=failed, wrong=tuple(wrong))


def _few(cases: Sequence[Case]) -> list[Case]:
    """A few cases, of each kind one before a second one."""
    seen: dict[str, int] = {}
    turns = []
    for at, each in enumerate(cases):
        turn = seen[each.kind] = seen.get(each.kind, -1) + 1
        turns.append((turn, at, each))
    return [each for *_, each in sorted(turns, key=lambda row: row[:2])[:TOLD_MOST]]


def _what(what: str, one: Case) -> str:
    return f"{what} ({one.note or one.kind})"


def _line(result: CheckResult) -> str:
    count = f"{result.failed} of {result.tried}"
    match result.check:
        case "replay":
            return f"It misses {count} exploit requests." if result.failed else ""
        case "variants":
            least = f"{gates.VARIANT_SURVIVAL_LEAST:.0%}"
            return f"It misses {count} variants ({result.detail}); {least} have to be hit." if result.failed else ""
        case "siblings":
            return f"It fires on {count} other steps of the disclosure." if result.failed else ""
        case "near_misses":
            return f"It fires on {count} harmless look-alikes: {result.detail}." if result.failed else ""
        case "other_products":
            return f"It fires on {result.failed} requests of other sources: {result.detail}." if result.failed else ""
        case "benign_traffic":
            return f"It fires on {count} requests of recorded ordinary traffic." if result.failed else ""
        case "static_proof" | "surprise" | "model_tests":
            return f"{result.check}: {result.detail}." if result.passed is False else ""
    return f"The check {result.check} failed." if result.passed is False else ""
