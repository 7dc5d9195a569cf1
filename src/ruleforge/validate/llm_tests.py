"""The check of requests that a model proposed as tests: further ones, beside those that are made without a model."""

from ruleforge.cases.evidence import Evidence
from ruleforge.records.forging import CheckResult
from ruleforge.rules.tree import Rule
from ruleforge.validate import gates
from ruleforge.validate.checks import Ask, Finding

NAME = "model_tests"
_MALICIOUS = "model_malicious"


def model_tests(rule: Rule, ask: Ask, evidence: Evidence) -> Finding:
    """Count malicious ones as further variants, harmless ones as further near-misses; alone they decide nothing.

    A rule fails where the variants with them fall below the gate of variants, or where it fires on a harmless one.
    """
    del rule
    attacks = [one for one in evidence.proposed if one.kind == _MALICIOUS]
    harmless = [one for one in evidence.proposed if one.kind != _MALICIOUS]
    missed = tuple(one for one in attacks if not ask(one))
    hit = tuple(one for one in harmless if ask(one))
    told = [f"{len(attacks)} malicious, {len(missed)} missed", f"{len(harmless)} harmless, {len(hit)} hit"]
    passed: bool | None = True
    if missed and not evidence.variants:
        passed = None
        told.append("no variant made without a model bears a miss out")
    elif missed:
        lost = sum(1 for one in evidence.variants if not ask(one)) + len(missed)
        share = 1 - lost / (len(evidence.variants) + len(attacks))
        passed = share >= gates.VARIANT_SURVIVAL_LEAST
    if hit and not evidence.near_misses:
        passed = passed and None
        told.append("no look-alike made without a model bears a hit out")
    elif hit:
        passed = False
    names = tuple(one.view.request.id for one in (*missed, *hit))[: gates.EXAMPLES_MOST]
    result = CheckResult(
        check=NAME,
        passed=passed,
        tried=len(evidence.proposed),
        failed=len(missed) + len(hit),
        detail="; ".join(told),
        examples=names,
    )
    counted = passed is False
    return Finding(result, missed=missed if counted else (), hit=hit if counted else ())
