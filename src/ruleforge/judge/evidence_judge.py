"""The embedded judge: two questions about how a rule could fail, answered from evidence the generator never saw.

Both are answered by measuring (`features`) and a small calibrated sum (`model`); the reasons (`chain`) name the
conditions and requests. The judge sees the rule and the evidence; never the author's strategy or rationale.
"""

from collections.abc import Collection, Mapping

from ruleforge.cases.evidence import Evidence
from ruleforge.judge.chain import chain_of, not_varied, sentence, unmeasured
from ruleforge.judge.features import (
    FACTS,
    FEATURES,
    documents_listed,
    is_quiet,
    measured,
    tell_read,
)
from ruleforge.judge.model import QUESTIONS, Model, shipped_model
from ruleforge.judge.observe import Observed, observe
from ruleforge.judge.shape import Question, wants_value
from ruleforge.records.forging import Mode, Opinion, Reason
from ruleforge.rules.tree import Rule

LISTED_MISS = 0.3  # scaled by the share of documents whose exploits only an alternative of their own hits
AGREED_OFF = 0.5  # what remains of p_off_target where several documents agree on a value that the rule wants
WORD_MOST = 40  # bytes of a value on which agreement says something: a longer one may have been copied from a third
VARIANTS_LEAST = 5  # fewer ways of writing the attack say little of misses
# Near-misses that are the call of the exploit with nothing of the attack in it.
SAME_CALL = frozenset(
    ("ordinary_values", "all_ordinary", "learned_value", "other_content", "path_ordinary", "own_page")
)
HARMLESS_LEAST = 3  # fewer harmless requests say little of what the rule looks at


def judge_rule(
    rule: Rule,
    evidence: Evidence,
    *,
    model: Model | None = None,
    without: Collection[str] = (),
    reasons: bool = True,
) -> Opinion:
    """Answer both questions on `rule`, each None where there is nothing to go by, with the reasons.

    Args:
        rule: the rule only; its author's rationale is withheld.
        evidence: variants and near-misses of the JUDGE family; `siblings` are neutralised exploits here.
        model: None: the one that ships.
        without: kinds of features that are withheld.
        reasons: False: the probabilities and the mode only, at half the cost.
    """
    observed, model = observe(rule, evidence), model or shipped_model()
    if reasons:
        return opinion_of(observed, measured(observed), model, without)
    absent = {*without, *_not_there(observed)}
    used = {t.feature for fit in model.fits for t in fit.terms if set(fit.without) >= absent} | {*FACTS, "seen_missed"}
    return opinion_of(observed, measured(observed, used), model, without, reasons=False)


def opinion_of(
    observed: Observed,
    features: Mapping[str, float | None],
    model: Model,
    without: Collection[str] = (),
    *,
    reasons: bool = True,
) -> Opinion:
    """Form the opinion on what was observed and measured."""
    absent = {*without, *_not_there(observed)}
    kept = {name: value for name, value in features.items() if FEATURES[name].kind not in absent}
    quiet = is_quiet(kept)
    fits = {question: model.fit(question, absent, quiet=quiet) for question in QUESTIONS}
    blind_miss, blind_off = _blind_miss(observed), _blind_off(observed)
    likelier, rarer = by_documents(observed)
    p_miss = None if blind_miss else _with(fits["miss"].probability(kept), likelier, 1.0)
    p_off = None if blind_off else _with(fits["off"].probability(kept), 0.0, rarer)
    p_any = None if blind_miss else _with(fits["any"].probability(kept), likelier, rarer)
    p_any = bounded(p_any, p_miss, p_off)
    thin, unread = blind_miss or blind_off or _thin(observed), _unread(observed)
    mode = mode_of(p_miss, p_off, thin or unread, model)
    if not reasons:
        return Opinion(
            judge=model.judge, p_miss=p_miss, p_off_target=p_off, p_defect=p_any, thin=thin, unread=unread, mode=mode
        )
    contributions = {question: fit.contributions(kept) for question, fit in fits.items()}
    probable = {"miss": p_miss, "off_target": p_off}
    chain = (*chain_of(observed, contributions, probable), *not_varied(observed), *_blind(blind_miss, blind_off))
    if not blind_miss and not blind_off:
        chain += tuple(unmeasured(kept, [term.feature for term in fits["off"].terms], "off_target"))
    return Opinion(
        judge=model.judge, p_miss=p_miss, p_off_target=p_off, p_defect=p_any, thin=thin, unread=unread, chain=chain,
        reasons=tuple(map(sentence, chain)), features=dict(kept), mode=mode,
    )  # fmt: skip


def by_documents(observed: Observed) -> tuple[float, float]:
    """What several documents add to a miss, and what they leave of being off target.

    Stated, not fitted: every labelled pair comes of one document. A rule that lists what each author showed says little
    of what the next one will do; a value that several authors send, and a person can read, is no accident of one.
    """
    listed = documents_listed(observed)
    if listed is None:
        return 0.0, 1.0
    reads_payload = any(conjunct.kind == "payload" for conjunct in observed.conjuncts)
    agreed = not listed and not reads_payload and any(_wants_word(q) for c in observed.conjuncts for q in c.questions)
    return LISTED_MISS * listed, AGREED_OFF if agreed else 1.0


def bounded(p_any: float | None, p_miss: float | None, p_off: float | None) -> float | None:
    """Keep the probability of either defect where those of both allow it: not below the larger, nor above the sum."""
    if p_any is None:
        return None
    known = [p for p in (p_miss, p_off) if p is not None]
    most = min(1.0, sum(known)) if len(known) == 2 else 1.0
    return round(min(max([p_any, *known]), most), 4)


def _wants_word(question: Question) -> bool:
    return wants_value(question) and all(len(text) <= WORD_MOST for text in question.literals)


def _with(p: float, more: float, of: float) -> float:
    return round((1 - (1 - p) * (1 - more)) * of, 4)


def mode_of(p_miss: float | None, p_off: float | None, doubt: str, model: Model) -> Mode:
    """Return the strictest use whose gate a rule passes.

    Where there is a doubt (the evidence is thin, or no condition reads the attack) or nothing tells whether it is off
    target, no rule may block; it may count.
    """
    if p_miss is None or not passes("count", p_miss, p_off, model):
        return "review"
    return "block" if p_off is not None and passes("block", p_miss, p_off, model) and not doubt else "count"


def passes(mode: str, p_miss: float | None, p_off: float | None, model: Model) -> bool:
    """Whether no probability that is known is beyond the thresholds of a mode."""
    most = model.thresholds[mode]
    return all(p is None or p <= most.get(question, 1.0) for question, p in (("miss", p_miss), ("off", p_off)))


def _not_there(observed: Observed) -> set[str]:
    """Kinds of features that nothing was given for."""
    given = {"cross": observed.strangers, "benign": observed.benign}
    return {"cross", "benign"} if any(value is None for value in given.values()) else set()


def _blind_miss(observed: Observed) -> str:
    return "" if observed.exploits else "there is no exploit request to vary, so misses cannot be judged"


def _blind_off(observed: Observed) -> str:
    if observed.neutral or any(one.case.kind in SAME_CALL for one in (*observed.near, *observed.seen_near)):
        return ""
    return "the same call without the attack cannot be made of these requests, so correlation cannot be judged"


def _blind(blind_miss: str, blind_off: str) -> tuple[Reason, ...]:
    found = []
    if blind_miss:
        found.append(Reason(code="not_measured", question="miss", text=f"Not judged: {blind_miss}."))
    if blind_off:
        found.append(Reason(code="not_measured", question="off_target", text=f"Not judged: {blind_off}."))
    return tuple(found)


def _unread(observed: Observed) -> str:
    """Why a rule that is hit by exploits cannot be said to know the attack: it reads nothing of it."""
    read = tell_read(observed)
    if observed.silent_neutralised:
        return ""
    if read is not None:
        return "" if read > 0 else "no condition reads what makes the request an attack"
    if any(conjunct.kind == "payload" for conjunct in observed.conjuncts) or not observed.exploits:
        return ""
    return "no condition reads a payload"


def _thin(observed: Observed) -> str:
    varied = len(observed.variants) + len(observed.seen_variants)
    if varied < VARIANTS_LEAST:
        return f"only {varied} other ways of writing the attack are known"
    if len(observed.harmless) < HARMLESS_LEAST:
        return f"only {len(observed.harmless)} harmless requests could be tried"
    return ""
