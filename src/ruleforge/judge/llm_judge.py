"""A model as judge: one question a call, asked several times, with an answer that must cite what it speaks of.

It sees the rule, the disclosure and requests of the JUDGE family; never the author's strategy or rationale. It may be
wrong, be talked into something or be silent: `combine` decides what its opinion is worth.
"""

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Annotated, TypeAlias

import msgspec

from ruleforge.cases.evidence import Evidence
from ruleforge.errors import RuleForgeError
from ruleforge.judge.llm_prompt import Brief, Side, brief, condition_said
from ruleforge.llm.door import Answer, Door, Pending, Question, Result
from ruleforge.llm.provider import Tuning, family_of
from ruleforge.records.advisory import Advisory
from ruleforge.rules.render import quote_bytes
from ruleforge.rules.tree import Count, Rule
from ruleforge.rules.tree import Sequence as InSequence

VERSION = "llm judge 2"
SAMPLES = 3  # of each question
SAMPLES_MOST = 20
WARM_PERCENT = 70  # temperature of samples, where there is more than one
REASONS_MOST = 8  # kept of all samples of a question
SIDES: tuple[Side, Side] = ("miss", "off_target")


class CitedReason(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One reason, tied to what it is about."""

    claim: Annotated[str, msgspec.Meta(min_length=10, max_length=600, description="what goes wrong, and for what")]
    condition: Annotated[
        str,
        msgspec.Meta(description="id of the condition it is about, or none", extra_json_schema={"x-ids": "condition"}),
    ]
    request: Annotated[
        str, msgspec.Meta(description="id of a request that shows it, or none", extra_json_schema={"x-ids": "request"})
    ]


class SideAnswer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a model answers to one question: first why, then how probable."""

    reasons: Annotated[tuple[CitedReason, ...], msgspec.Meta(min_length=1, max_length=5)]
    probability: Annotated[float, msgspec.Meta(ge=0, le=1)] | None
    speaks_for: Annotated[
        tuple[Annotated[str, msgspec.Meta(max_length=600)], ...],
        msgspec.Meta(max_length=3, description="what was found against the defect"),
    ] = ()


class Sampled(msgspec.Struct, frozen=True, kw_only=True):
    """The answers to one question."""

    probability: float | None  # median of those that could tell; None where most could not
    spread: float | None = None  # greatest less least of them; None where fewer than two could tell
    samples: tuple[float | None, ...] = ()  # in the order asked; None: this one could not tell
    reasons: tuple[CitedReason, ...] = ()
    speaks_for: tuple[str, ...] = ()  # what the samples found against the defect
    problems: tuple[str, ...] = ()  # why samples are missing


class LlmOpinion(msgspec.Struct, frozen=True, kw_only=True):
    """What a model thinks of a rule, with what its reasons cite."""

    judge: str  # version and provider
    models: tuple[str, ...]  # who answered
    miss: Sampled
    off_target: Sampled
    conditions: Mapping[str, str]  # id → clause
    requests: Mapping[str, str]  # "miss r1" → the request in a line
    warnings: tuple[str, ...] = ()
    calls: int = 0
    tokens: int | None = 0  # None: the provider does not count


class LlmPending(msgspec.Struct, frozen=True, kw_only=True):
    """Not all questions are answered yet; asking again goes on from here."""

    ids: tuple[str, ...]
    where: str
    answered: int
    problems: tuple[str, ...] = ()  # of answers that were refused


Asked: TypeAlias = tuple[Side, Brief]


def ask_llm_judge(
    rule: Rule, advisory: Advisory, evidence: Evidence, door: Door, k: int = SAMPLES, *, generator: str = ""
) -> LlmOpinion | LlmPending:
    """Ask a model both questions about `rule`, `k` times each.

    Args:
        rule: the rule only; its author's words are withheld.
        advisory: what was disclosed.
        evidence: variants, near-misses and neutralised exploits of the JUDGE family.
        door: to the provider that judges.
        k: samples of each question, 1 to 20.
        generator: the model that wrote the rule, where one did; one family is a reason to distrust the opinion.

    Returns:
        The opinion, whose probabilities are None where the model was not asked or could not tell; or what is pending.
    """
    if (why := _not_askable(rule, evidence)) is not None:
        return _without(door, why)
    k = min(max(k, 1), SAMPLES_MOST)
    briefs = {side: brief(side, rule, advisory, evidence) for side in SIDES}
    questions = [_question(briefs[side], advisory, sample, k) for side in SIDES for sample in range(k)]
    results = door.ask_all(questions)
    waiting = [result for result in results if isinstance(result, Pending)]
    if waiting:
        answered = sum(isinstance(result, Answer) for result in results)
        problems = tuple(problem for result in waiting for problem in result.problems)
        ids = tuple(result.id for result in waiting)
        return LlmPending(ids=ids, where=waiting[0].where, answered=answered, problems=problems)
    return _opinion(door, briefs, results, k, generator)


def _not_askable(rule: Rule, evidence: Evidence) -> str | None:
    if isinstance(rule.when, Count | InSequence) or rule.event != "http.request":
        return "only rules about single requests are put to a model"
    if not evidence.exploits:
        return "there is no exploit request that an answer could cite"
    return None


def _question(of: Brief, advisory: Advisory, sample: int, k: int) -> Question[SideAnswer]:
    tuning = Tuning(temperature_percent=WARM_PERCENT if k > 1 else 0, sample=sample)
    subject = (advisory.cves[0] if advisory.cves else advisory.id)[:80]
    return Question(
        role="judge",
        subject=subject,
        prompt=of.prompt,
        output=SideAnswer,
        ids=of.ids,
        check=_check,
        tuning=tuning,
    )


def _check(answer: SideAnswer) -> tuple[str, ...]:
    blank = [at for at, reason in enumerate(answer.reasons) if not reason.claim.strip()]
    return tuple(f"reasons[{at}].claim says nothing" for at in blank)


def _opinion(
    door: Door, briefs: Mapping[Side, Brief], results: Sequence[Result[SideAnswer]], k: int, generator: str
) -> LlmOpinion:
    answers = [result for result in results if isinstance(result, Answer)]
    models = tuple(sorted({answer.model for answer in answers}))
    tokens = [(answer.usage.tokens_in, answer.usage.tokens_out) for answer in answers]
    counted = [one + other for one, other in tokens if one is not None and other is not None]
    return LlmOpinion(
        judge=f"{VERSION} ({door.provider.url.partition(':')[0]})",
        models=models,
        miss=_sampled(results[:k]),
        off_target=_sampled(results[k:]),
        conditions={id_: condition_said(c) for id_, c in briefs["miss"].conditions.items()},
        requests={
            f"{side} {id_}": _line(exhibit.request.method + b" " + exhibit.request.target)
            for side, of in briefs.items()
            for id_, exhibit in of.exhibits.items()
        },
        warnings=_warnings(models, generator),
        calls=sum(answer.usage.calls for answer in answers),
        tokens=sum(counted) if len(counted) == len(tokens) else None,
    )


def _line(data: bytes) -> str:
    return quote_bytes(data, 200)[1:-1]


def _sampled(results: Sequence[Result[SideAnswer]]) -> Sampled:
    answers = [result.value for result in results if isinstance(result, Answer)]
    told = sorted(answer.probability for answer in answers if answer.probability is not None)
    problems = tuple(dict.fromkeys(str(result) for result in results if isinstance(result, RuleForgeError)))
    reasons: dict[tuple[str, str], CitedReason] = {}
    for answer in answers:
        for reason in answer.reasons:
            reasons.setdefault((reason.condition, reason.request), reason)
    return Sampled(
        probability=round(median(told), 4) if len(told) * 2 > len(results) else None,
        spread=round(told[-1] - told[0], 4) if len(told) > 1 else None,
        samples=tuple(answer.probability for answer in answers),
        reasons=tuple(reasons.values())[:REASONS_MOST],
        speaks_for=tuple(dict.fromkeys(told.strip() for a in answers for told in a.speaks_for if told.strip()))[:3],
        problems=problems,
    )


def _warnings(models: Sequence[str], generator: str) -> tuple[str, ...]:
    own = family_of(generator)
    same = [model for model in models if (own and family_of(model) == own) or (generator and model == generator)]
    if same:
        return (f"the judge {same[0]} is of the same family as {generator}, which wrote the rule; choose another",)
    if generator and any(not family_of(model) for model in models):
        return ("whether the judge is of another family than the author of the rule is not known",)
    return ()


def _without(door: Door, why: str) -> LlmOpinion:
    nothing = Sampled(probability=None, problems=(why,))
    judge = f"{VERSION} ({door.provider.url.partition(':')[0]})"
    return LlmOpinion(judge=judge, models=(), miss=nothing, off_target=nothing, conditions={}, requests={})
