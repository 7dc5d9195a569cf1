"""The embedded judge: two questions about how a rule could fail, answered from evidence the generator never saw.

First version: interpretable terms with fixed weights, not yet calibrated on labelled rules (a later issue does that).
The judge sees the rule and the evidence of the JUDGE family; never the author's strategy or rationale.
"""

from collections import Counter
from collections.abc import Callable

import msgspec

from ruleforge.cases.anatomy import Part
from ruleforge.cases.evidence import Case, Evidence
from ruleforge.cases.significance import is_selector
from ruleforge.engine.reference import compile_rule
from ruleforge.records.forging import Opinion
from ruleforge.rules.tree import AnyOf, Condition, Rule, conditions_of

VERSION = "evidence judge 2"
PRIOR_MISS, PRIOR_TRIALS = 0.15, 2.0  # what is assumed before any variant was tried
LITERAL_VALUE_MISS = 0.06  # per condition that wants one exact value the attacker could change
NEUTRAL_OFF = 0.6  # fires although the payload was replaced by ordinary values
NO_PAYLOAD_OFF = 0.25  # no condition reads what the attacker controls
LISTED_MISS = 0.3  # scaled by the share of documents whose exploits only an alternative of their own hits
AGREED_OFF = 0.5  # what remains of NO_PAYLOAD_OFF where several documents agree on a value that the rule wants
WORD_MOST = 40  # bytes of a value on which agreement says something
NEAR_MISS_OFF = 0.8  # scaled by the share of judge near-misses it fires on


def judge_rule(rule: Rule, evidence: Evidence) -> Opinion:
    """Answer both questions on `rule`, each None where there is nothing to go by, with the reasons.

    Args:
        rule: the rule only; its author's rationale is withheld.
        evidence: variants and near-misses of the JUDGE family; `siblings` are neutralised exploits here.
    """
    ask_view = compile_rule(rule).ask

    def fires(case: Case) -> bool:
        return ask_view(case.view) is True

    p_miss, miss_reasons = _p_miss(rule, evidence, fires)
    p_off, off_reasons = _p_off_target(rule, evidence, fires)
    return Opinion(judge=VERSION, p_miss=p_miss, p_off_target=p_off, reasons=(*miss_reasons, *off_reasons))


def _p_miss(rule: Rule, evidence: Evidence, fires: Callable[[Case], bool]) -> tuple[float | None, list[str]]:
    if not evidence.variants and not evidence.exploits:
        return None, ["p_miss: there is no exploit request to vary, so misses cannot be judged"]
    tried = len(evidence.variants)
    missed = Counter(case.kind for case in evidence.variants if not fires(case))
    share = (sum(missed.values()) + PRIOR_MISS * PRIOR_TRIALS) / (tried + PRIOR_TRIALS)
    fixed = [c for c in conditions_of(rule.when) if _wants_exact_value(c)]
    documents, listed = _by_document(rule, evidence)
    p_miss = 1 - (1 - share) * (1 - LITERAL_VALUE_MISS) ** min(len(fixed), 5)
    if listed:
        p_miss = 1 - (1 - p_miss) * (1 - LISTED_MISS * listed / documents)
    reasons = [f"p_miss: misses {sum(missed.values())} of {tried} unseen variants"]
    if missed:
        reasons[0] += " (" + ", ".join(f"{kind} {count}" for kind, count in sorted(missed.items())) + ")"
    if fixed:
        reasons.append(f"p_miss: {len(fixed)} conditions want one exact value ({_name(fixed[0])} …)")
    if listed:
        reasons.append(f"p_miss: {listed} of {documents} documents are hit by an alternative of their own only")
    return round(p_miss, 4), reasons


def _by_document(rule: Rule, evidence: Evidence) -> tuple[int, int]:
    """How many documents the exploits come from, and how many of these no alternative shares with another.

    A rule that lists what each author showed says little of what the next one will do.
    """
    documents = set(evidence.documents)
    if len(documents) < 2:
        return len(documents), 0
    parts = rule.when.parts if isinstance(rule.when, AnyOf) else (rule.when,)
    shared: set[int] = set()
    for part in parts:
        ask = compile_rule(msgspec.structs.replace(rule, when=part)).ask
        hit = {d for d, c in zip(evidence.documents, evidence.exploits, strict=True) if ask(c.view) is True}
        shared |= hit if len(hit) > 1 else set()
    return len(documents), len(documents - shared)


def _p_off_target(rule: Rule, evidence: Evidence, fires: Callable[[Case], bool]) -> tuple[float | None, list[str]]:
    terms: list[float] = []
    reasons: list[str] = []
    reads_payload = any(c.op in ("is_class", "regex") for c in conditions_of(rule.when))
    neutral_hits = [case for case in evidence.siblings if fires(case)]
    if neutral_hits:
        share = len(neutral_hits) / len(evidence.siblings)
        terms.append(NEUTRAL_OFF * share)
        told = f"{len(neutral_hits)} of {len(evidence.siblings)} exploits whose payload was replaced by ordinary values"
        reasons.append(f"p_off_target: still fires on {told}")
    elif evidence.siblings:
        reasons.append(f"p_off_target: silent on all {len(evidence.siblings)} exploits with the payload taken out")
    near_hits = Counter(case.kind for case in evidence.near_misses if fires(case))
    if near_hits:
        terms.append(NEAR_MISS_OFF * sum(near_hits.values()) / len(evidence.near_misses))
        kinds = ", ".join(sorted(near_hits))
        told = f"{sum(near_hits.values())} of {len(evidence.near_misses)} unseen near-misses ({kinds})"
        reasons.append(f"p_off_target: fires on {told}")
    elif evidence.near_misses:
        reasons.append(f"p_off_target: silent on all {len(evidence.near_misses)} unseen near-misses")
    if not reads_payload:
        documents, listed = _by_document(rule, evidence)
        agreed = documents > 1 and not listed and any(map(_wants_word, conditions_of(rule.when)))
        terms.append(NO_PAYLOAD_OFF * (AGREED_OFF if agreed else 1))
        told = "no condition reads an attack payload; the rule recognises the call, not the abuse of it"
        reasons.append(f"p_off_target: {told}")
    if not evidence.near_misses and not evidence.siblings and reads_payload:
        return None, ["p_off_target: no near-miss can be made of these requests, so correlation cannot be judged"]
    p_off = 0.02
    for term in terms:
        p_off = 1 - (1 - p_off) * (1 - term)
    return round(p_off, 4), reasons


def _wants_word(condition: Condition) -> bool:
    """Whether it wants a value that a person can read: two authors may have copied a longer one from a third."""
    return _wants_exact_value(condition) and isinstance(condition.value, bytes) and len(condition.value) <= WORD_MOST


def _wants_exact_value(condition: Condition) -> bool:
    if condition.op not in ("equals", "contains", "starts_with", "ends_with"):
        return False
    if condition.field in ("path", "path.decoded", "method", "name"):
        return False
    # What chooses the function belongs to the endpoint: the attacker cannot change it.
    return not (condition.name and is_selector(Part(condition.field, condition.name.text, b"")))


def _name(condition: Condition) -> str:
    name = f" {condition.name.text.decode('latin-1')}" if condition.name else ""
    return f"{condition.field}{name} {condition.op}"
