"""Forge one advisory: gather evidence, run the loop, and say how it ended."""

import re
from collections.abc import Callable, Sequence
from typing import TypeAlias

import msgspec

from ruleforge.cases.anatomy import Anatomy, dissect
from ruleforge.cases.evidence import Case, Evidence
from ruleforge.cases.near import endpoint_free
from ruleforge.generate.propose import gather
from ruleforge.pipeline.judging import Surroundings, gather_evidence, judge_evidence
from ruleforge.pipeline.loop import Attempt, LoopOptions, LoopResult, Writer, run_loop
from ruleforge.pipeline.needed import conditions_needed
from ruleforge.pipeline.refusals import refuse_after, refuse_before
from ruleforge.records.advisory import Advisory
from ruleforge.records.forging import ModelUse, Needed, Outcome
from ruleforge.rules.classes import CLASSES, latest_version
from ruleforge.validate.checks import family

_CVE = re.compile(r"CVE-[0-9]{4}-[0-9]{4,}")
SPRAYED_LEAST = 6  # a source that tries this many paths does not know the endpoint


Tester: TypeAlias = Callable[[Advisory, Sequence[Anatomy]], tuple[tuple[Case, ...], ModelUse]]


class Ground(Surroundings, frozen=True):
    """What every advisory of a run is checked against, and how hard to try."""

    loop: LoopOptions = LoopOptions()
    writer: Writer | None = None  # a further author of candidates; None: the embedded generator alone
    tester: Tester | None = None  # a further author of tests; None: those that are made from the exploits alone


class Forged(msgspec.Struct, frozen=True):
    """How one advisory ended, with all its papers."""

    outcome: Outcome
    advisory: Advisory
    best: Attempt | None = None
    evidence: Evidence | None = None
    loop: LoopResult | None = None
    left_out: tuple["LeftOut", ...] = ()  # documents that the rule does not cover
    conditions: tuple[Needed, ...] = ()  # why each condition of the rule stands there


class LeftOut(msgspec.Struct, frozen=True):
    """A document whose exploit requests the rule need not hit."""

    source: int  # ordinal among the advisory's sources
    why: str
    exploits: int = 0  # its exploit requests that no earlier document holds


def forge_advisory(advisory: Advisory, ground: Ground) -> Forged:
    """Forge one advisory whose requests have roles.

    Returns:
        A rule that passed every gate, or a refusal with its reason. Cost: 20-200 ms of CPU.
    """
    refusal = refuse_before(advisory)
    if refusal:
        return Forged(_outcome(advisory, *refusal), advisory)
    exploits = [dissect(poc) for poc in advisory.requests if poc.role == "exploit"]
    classes = {name: latest_version(name) for name in CLASSES}
    evidence = gather_evidence(advisory, exploits, ground, classes)
    tester: ModelUse | None = None
    if ground.tester:
        proposed, tester = ground.tester(advisory, exploits)
        evidence = msgspec.structs.replace(evidence, proposed=proposed)
    judging = judge_evidence(advisory, exploits, evidence, ground.background)
    sprayed = len({a.poc.request.target.split(b"?", 1)[0] for a in exploits}) >= SPRAYED_LEAST
    free = [sprayed or endpoint_free(anatomy, advisory) for anatomy in exploits]
    material = gather(advisory, exploits, free, ground.background, classes)
    loop = run_loop(material, evidence, judging, ground.loop, ground.writer)
    if loop.best is None:
        refused = _outcome(advisory, *refuse_after(advisory, loop), loop, tester)
        return Forged(refused, advisory, None, evidence, loop)
    loop = _named_after_all(loop)
    assert loop.best is not None
    outcome = msgspec.structs.replace(
        _outcome(advisory, "", "", loop, tester), outcome="rule", rules=(loop.best.candidate.rule.id,)
    )
    needed = conditions_needed(loop.best, material, evidence, judging)
    return Forged(outcome, advisory, loop.best, evidence, loop, conditions=needed)


def _named_after_all(loop: LoopResult) -> LoopResult:
    """Let a rule that detects the way of several vulnerabilities carry the names of all of them."""
    best = loop.best
    others = tuple(name for name in family(best.trial) if _CVE.fullmatch(name)) if best else ()
    if best is None or not others:
        return loop
    rule = best.candidate.rule
    title = f"{rule.title[:150]} (and {len(others)} more that are attacked in this very way)"
    named = msgspec.structs.replace(rule, cves=tuple(dict.fromkeys((*rule.cves, *others))), title=title)
    candidate = msgspec.structs.replace(best.candidate, rule=named)
    return msgspec.structs.replace(loop, best=msgspec.structs.replace(best, candidate=candidate))


def _outcome(
    advisory: Advisory,
    reason: str,
    detail: str,
    loop: LoopResult | None = None,
    tester: ModelUse | None = None,
) -> Outcome:
    use = loop.model if loop else None
    return Outcome(
        advisory=advisory.id, sources=advisory.sources, cves=advisory.cves, outcome="refused", reason=reason,
        detail="; ".join(filter(None, (detail, model_told(use), model_told(tester, "model of tests")))),
        candidates=loop.candidates if loop else 0, rounds=loop.rounds if loop else 0, model=use, tester=tester,
    )  # fmt: skip


def model_told(use: ModelUse | None, who: str = "model") -> str:
    """Say what a model was asked in vain; empty where nothing is left to tell."""
    told = []
    if use and use.pending:
        answers = "answer is" if use.pending == 1 else "answers are"
        told.append(f"{who}: {use.pending} {answers} pending, run again to include them")
    if use and use.failed:
        why = f" ({use.problems[0]})" if use.problems else ""
        told.append(f"{who}: {use.failed} of {use.asked or use.failed} questions failed, without it so far{why}")
    return "; ".join(told)
