"""What two judges think together: evidence and a model, pooled in log-odds; where they disagree, both are shown.

The weights are plain numbers. As long as nobody has fitted them on labelled rules, a model may raise a probability of
failing and never lower it: it has read text of strangers, which may have asked it to.
"""

import math
from pathlib import Path
from typing import Literal

import msgspec

from ruleforge.errors import InputError
from ruleforge.judge.evidence_judge import bounded, mode_of
from ruleforge.judge.llm_judge import LlmOpinion, Sampled
from ruleforge.judge.llm_prompt import NONE
from ruleforge.judge.model import Model, shipped_model
from ruleforge.records.forging import Opinion

CLAMP = 0.01  # probabilities are held off 0 and 1 by this much: no judge is that sure
LOWERS_LEAST = 200  # labelled rules that weights must come from before a model may lower a probability
WEIGHTS_MOST = 65_536  # bytes of a file of weights
How = Literal["pooled", "evidence alone", "abstains"]


class Weights(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How much each judge counts, in log-odds: logit p = bias + evidence·logit(e) + llm·(scale·logit(m) + shift).

    `llm_scale` and `llm_shift` bring a model's numbers to the frequency of defects: most models speak of misses far
    more often than labelled rules have them.
    """

    evidence: float = 0.75
    llm: float = 0.25
    bias: float = 0.0
    llm_scale: float = 1.0
    llm_shift: float = 0.0
    lowers: bool = False  # whether a model may lower what the evidence says; only after fitting
    disagree: float = 0.5  # difference of probabilities, the model's calibrated, from which on the judges abstain
    spread_most: float = 0.4  # samples that lie further apart say nothing
    rules: int = 0  # labelled rules that these were fitted on; 0: never fitted
    fitted: str = ""  # the day, 2099-12-31


class BothWeights(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The weights of each question."""

    miss: Weights = Weights()
    off_target: Weights = Weights()


DEFAULT = BothWeights()


class Pooled(msgspec.Struct, frozen=True, kw_only=True):
    """One probability, with the two it comes from."""

    p: float | None
    how: How
    evidence: float | None
    llm: float | None
    spread: float | None  # of the model's samples
    note: str = ""  # what a reader must know: a disagreement, a spread, what is missing


class Combined(msgspec.Struct, frozen=True, kw_only=True):
    """What both judges think of one rule."""

    miss: Pooled
    off_target: Pooled

    @property
    def abstains(self) -> bool:
        """Whether the judges disagree so much that a person has to look."""
        return "abstains" in (self.miss.how, self.off_target.how)


def combine(evidence: Opinion, llm: LlmOpinion, weights: BothWeights = DEFAULT) -> Combined:
    """Put the opinion of the evidence judge and that of a model together."""
    return Combined(
        miss=pool(evidence.p_miss, llm.miss, weights.miss),
        off_target=pool(evidence.p_off_target, llm.off_target, weights.off_target),
    )


def pool(evidence: float | None, llm: Sampled, weights: Weights = DEFAULT.miss) -> Pooled:
    """Put two probabilities of the same failure together.

    A model is never the only judge: where the evidence says nothing, the result is None. Where they disagree strongly
    it is None as well, so that nothing passes a gate by it.
    """
    p, how, note = _decide(evidence, llm, weights)
    rounded = None if p is None else round(p, 4)
    return Pooled(p=rounded, how=how, evidence=evidence, llm=llm.probability, spread=llm.spread, note=note)


def _decide(evidence: float | None, llm: Sampled, weights: Weights) -> tuple[float | None, How, str]:
    model = llm.probability
    if evidence is None:
        told = "" if model is None else f"; a model alone, which says {model:.2f}, is not enough"
        return None, "evidence alone", "the evidence does not let it be judged" + told
    if model is None:
        return evidence, "evidence alone", "; ".join(llm.problems[:2]) or "the model could not tell"
    if llm.spread is not None and llm.spread > weights.spread_most:
        return evidence, "evidence alone", f"the samples of the model lie {llm.spread:.2f} apart and say nothing"
    calibrated = weights.llm_scale * _logit(model) + weights.llm_shift
    if abs(evidence - _sigmoid(calibrated)) >= weights.disagree:
        return None, "abstains", f"the judges disagree: evidence {evidence:.2f}, model {model:.2f}; look yourself"
    pooled = _sigmoid(weights.bias + weights.evidence * _logit(evidence) + weights.llm * calibrated)
    if not weights.lowers and pooled < evidence:
        return evidence, "pooled", f"the model says {model:.2f}, which does not raise it"
    return pooled, "pooled", ""


def combined_opinion(
    evidence: Opinion, llm: LlmOpinion, weights: BothWeights = DEFAULT, *, gates: Model | None = None
) -> Opinion:
    """Give the joint opinion in the form that the rest of the program takes, with the reasons of both.

    Args:
        evidence: the opinion of the evidence judge.
        llm: the opinion of a model.
        weights: how much each counts.
        gates: whose thresholds say which mode the rule passes; None: the model that ships.
    """
    both = combine(evidence, llm, weights)
    reasons = [*evidence.reasons]
    for name, key, side, pooled in (
        ("p_miss", "miss", llm.miss, both.miss),
        ("p_off_target", "off_target", llm.off_target, both.off_target),
    ):
        if pooled.note:
            reasons.append(f"{name}: {pooled.note}")
        reasons += [_said(name, key, llm, number) for number in range(len(side.reasons))]
        reasons += [f"{name}: a model says for the rule: {told}" for told in side.speaks_for]
    model = gates or shipped_model()
    thin = evidence.thin or ("the judges disagree" if both.abstains else "")
    p_miss, p_off = both.miss.p, both.off_target.p
    return msgspec.structs.replace(
        evidence,
        judge=f"{evidence.judge} + {llm.judge}",
        p_miss=p_miss,
        p_off_target=p_off,
        p_defect=None if both.abstains else bounded(evidence.p_defect, p_miss, p_off),
        thin=thin,
        mode="review" if both.abstains else mode_of(p_miss, p_off, thin or evidence.unread, model),
        reasons=(*reasons, *llm.warnings),
    )


def _said(name: str, key: str, llm: LlmOpinion, number: int) -> str:
    side = llm.miss if key == "miss" else llm.off_target
    reason = side.reasons[number]
    condition = llm.conditions.get(reason.condition, reason.condition)
    request = llm.requests.get(f"{key} {reason.request}", reason.request)
    about = [f"about: {condition}"] * (reason.condition != NONE) + [f"shown by {request}"] * (reason.request != NONE)
    return f"{name}: a model says: {reason.claim}" + (f" ({'; '.join(about)})" if about else "")


def load_weights(file: Path) -> BothWeights:
    """Read weights from a JSON file, as `bench/judge/fit_weights.py` writes it.

    Raises:
        InputError: it cannot be read as such, or a number lies outside of what makes sense (RF267).
    """
    try:
        with file.open("rb") as stream:
            weights = msgspec.json.decode(stream.read(WEIGHTS_MOST), type=BothWeights)
    except (OSError, msgspec.MsgspecError) as error:
        raise InputError(f"not a file of weights: {error}"[:200], where=str(file), code="RF267") from error
    for each in (weights.miss, weights.off_target):
        _check(each, str(file))
    return weights


def _check(weights: Weights, where: str) -> None:
    shares = (weights.evidence, weights.llm, weights.llm_scale, abs(weights.bias) / 4, abs(weights.llm_shift) / 4)
    if min(shares) < 0 or max(shares) > 3 or not 0 < weights.disagree <= 1 or not 0 <= weights.spread_most <= 1:
        hint = "weights lie from 0 to 3, bias and shift from -12 to 12, disagree and spread_most from 0 to 1"
        raise InputError("weights that make no sense", where=where, hint=hint, code="RF267")
    if weights.lowers and weights.rules < LOWERS_LEAST:
        what = f"a model may lower a probability only by weights that were fitted on {LOWERS_LEAST} labelled rules"
        raise InputError(what, where=where, code="RF267")


def _logit(p: float) -> float:
    p = min(max(p, CLAMP), 1 - CLAMP)
    return math.log(p / (1 - p))


def _sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x))
