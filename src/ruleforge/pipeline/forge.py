"""Forge one advisory: gather evidence, run the loop, and say how it ended."""

from collections.abc import Mapping, Sequence

import msgspec

from ruleforge.background.table import Background
from ruleforge.cases.anatomy import Anatomy, dissect
from ruleforge.cases.evidence import Case, Evidence, case
from ruleforge.cases.near import endpoint_free, near_miss_exemption, near_misses, neutralise
from ruleforge.cases.variants import variants
from ruleforge.engine.corpus import Corpus
from ruleforge.generate.propose import gather
from ruleforge.pipeline.loop import Attempt, LoopResult, run_loop
from ruleforge.pipeline.refusals import refuse_after, refuse_before
from ruleforge.records.advisory import Advisory
from ruleforge.records.forging import Outcome
from ruleforge.records.products import product_of
from ruleforge.rules.classes import CLASSES, latest_version

EXPLOITS_MOST = 24  # exploit requests of one advisory that are varied; all are replayed

SPRAYED_LEAST = 6  # a source that tries this many paths does not know the endpoint


class Ground(msgspec.Struct, frozen=True):
    """What every advisory of a run is checked against."""

    background: Background
    corpus: Corpus | None = None
    benign: Sequence[Corpus] = ()


class Forged(msgspec.Struct, frozen=True):
    """How one advisory ended, with all its papers."""

    outcome: Outcome
    advisory: Advisory
    best: Attempt | None = None
    evidence: Evidence | None = None
    loop: LoopResult | None = None


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
    judging = judge_evidence(advisory, exploits, classes, evidence.product)
    sprayed = len({a.poc.request.target.split(b"?", 1)[0] for a in exploits}) >= SPRAYED_LEAST
    free = [sprayed or endpoint_free(anatomy, advisory) for anatomy in exploits]
    loop = run_loop(gather(advisory, exploits, free, ground.background, classes), evidence, judging)
    if loop.best is None:
        return Forged(_outcome(advisory, *refuse_after(advisory, loop), loop), advisory, None, evidence, loop)
    outcome = msgspec.structs.replace(
        _outcome(advisory, "", "", loop), outcome="rule", rules=(loop.best.candidate.rule.id,)
    )
    return Forged(outcome, advisory, loop.best, evidence, loop)


def _outcome(advisory: Advisory, reason: str, detail: str, loop: LoopResult | None = None) -> Outcome:
    return Outcome(
        advisory=advisory.id, sources=advisory.sources, cves=advisory.cves, outcome="refused", reason=reason,
        detail=detail, candidates=loop.candidates if loop else 0, rounds=loop.rounds if loop else 0,
    )  # fmt: skip


def gather_evidence(
    advisory: Advisory, exploits: Sequence[Anatomy], ground: Ground, classes: Mapping[str, int]
) -> Evidence:
    """Collect what generator and gates see: replay, FEEDBACK variants and near-misses, own steps, corpora."""
    varied: list[Case] = []
    twins: list[Case] = []
    exemptions: list[str] = []
    for index, anatomy in enumerate(exploits[:EXPLOITS_MOST]):
        varied += [case(v.request, v.mutator, index, v.note) for v in variants(anatomy, advisory, "feedback")]
        made = near_misses(anatomy, advisory, "feedback", ground.background)
        twins += [case(n.request, n.kind, index, n.why) for n in made]
        if not made:
            exemptions.append(near_miss_exemption(anatomy))
    return Evidence(
        advisory=advisory.id,
        product=product_of(advisory),
        exploits=tuple(case(a.poc.request, "exploit", index) for index, a in enumerate(exploits)),
        variants=tuple(varied),
        near_misses=tuple(twins),
        siblings=tuple(case(poc.request, poc.role) for poc in advisory.requests if poc.role != "exploit"),
        exemptions=tuple(exemptions),
        cves=frozenset(advisory.cves),
        corpus=ground.corpus,
        benign=ground.benign,
        classes=classes,
    )


def judge_evidence(
    advisory: Advisory, exploits: Sequence[Anatomy], classes: Mapping[str, int], product: str
) -> Evidence:
    """Collect what only the judge sees: JUDGE variants and near-misses; neutralised exploits stand as `siblings`."""
    varied: list[Case] = []
    twins: list[Case] = []
    neutral: list[Case] = []
    for index, anatomy in enumerate(exploits[:EXPLOITS_MOST]):
        varied += [case(v.request, v.mutator, index, v.note) for v in variants(anatomy, advisory, "judge")]
        twins += [case(n.request, n.kind, index, n.why) for n in near_misses(anatomy, advisory, "judge")]
        plain = neutralise(anatomy, advisory)
        if plain is not None:
            neutral.append(case(plain, "neutralised", index))
    return Evidence(
        advisory=advisory.id, product=product,
        exploits=tuple(case(a.poc.request, "exploit", index) for index, a in enumerate(exploits)),
        variants=tuple(varied), near_misses=tuple(twins), siblings=tuple(neutral), classes=classes,
    )  # fmt: skip
