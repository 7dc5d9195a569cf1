"""Cases about `http.request`: the forge of requests makes their rule, with its own variants, near-misses and gates."""

import msgspec

from ruleforge.background.table import default_background
from ruleforge.events.request import Request
from ruleforge.pipeline.forge import Ground, forge_advisory
from ruleforge.records.advisory import Advisory, PocRequest
from ruleforge.records.event_case import EventCase
from ruleforge.records.forging import REFUSALS, CheckResult
from ruleforge.rules.tree import Rule

REQUEST = "request"  # the strategy


class Made(msgspec.Struct, frozen=True):
    """A rule, or why there is none."""

    rule: Rule | None
    why: str = ""
    results: tuple[CheckResult, ...] = ()  # of the checks that forging has


def forge_requests(case: EventCase) -> Made:
    """Forge the examples of the attack as the exploit requests of a disclosure.

    Ordinary requests of the case are siblings that a rule must not hit. Only single requests are forged.
    """
    if any(len(example.items) != 1 for example in case.malicious):
        return Made(None, "only single requests are forged; rules that count requests are written by hand")
    roles = (("exploit", case.malicious), ("setup", case.benign))
    requests = [
        PocRequest(request=item, role=role, reason="the case says so", origin=example.name)
        for role, examples in roles
        for example in examples
        for item in example.items
        if isinstance(item, Request)
    ]
    advisory = Advisory(
        id=case.id,
        sources=(case.source or case.id,),
        format="event_case",
        cves=case.cves,
        title=case.title,
        description=case.description,
        severity=case.severity,
        references=case.references,
        requests=tuple(requests),
        digest=case.digest,
    )
    forged = forge_advisory(advisory, Ground(default_background()))
    if forged.best is None:
        reason = forged.outcome.reason
        return Made(None, f"{reason}: {REFUSALS.get(reason, '')} {forged.outcome.detail}".strip())
    rule = forged.best.candidate.rule
    named = msgspec.structs.replace(rule, id=f"RF-{case.id}"[:128], attack=case.attack or rule.attack)
    return Made(named, results=forged.best.trial.results)
