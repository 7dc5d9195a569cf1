"""Forge several documents about one vulnerability: one rule for all of them, or for as many as allow one."""

from collections import Counter
from collections.abc import Sequence
from pathlib import PurePath

import msgspec

from ruleforge.engine.reference import compile_rule
from ruleforge.events.places import HttpView
from ruleforge.pipeline.forge import Forged, Ground, LeftOut, forge_advisory, model_told
from ruleforge.pipeline.merge import EXHAUSTIVE_MOST, alone, doubtful, members_of, restrict, selections
from ruleforge.records.advisory import Advisory
from ruleforge.records.forging import ModelUse

DOUBTED = "its requests carry no attack payload, those of the first document do"
WHY_MOST = 240  # characters of the reason why a document is not covered


def forge_documents(merged: Advisory, documents: Sequence[Advisory], ground: Ground) -> Forged:
    """Forge the advisory `merged` of `documents`.

    A document without a payload, where the first one has one, need not be covered as long as the others give a rule.
    Where no rule covers all others, the largest selection that has one is taken. What is left out is named with the
    reason. A document never costs the rule that another one gives alone. Cost: as many times that of one advisory as
    there are selections, 16 at most for four documents, 26 for twelve. A model is asked about the first of them only.
    """
    doubted = doubtful(merged)
    use: ModelUse | None = None
    if doubted:
        chosen = tuple(ordinal for ordinal in range(len(merged.sources)) if ordinal not in doubted)
        forged = forge_advisory(restrict(merged, chosen), ground)
        if forged.best is not None:
            return _less(forged, merged, chosen, DOUBTED)
        use, ground = forged.outcome.model, _embedded(ground)
    whole = forge_advisory(merged, ground)
    if whole.best is not None:
        return _with_use(whole, use)
    use, ground = use or whole.outcome.model, _embedded(ground)
    return _with_use(_selected(merged, documents, ground, whole), use)


def _embedded(ground: Ground) -> Ground:
    return msgspec.structs.replace(ground, writer=None, tester=None)


def _with_use(forged: Forged, use: ModelUse | None) -> Forged:
    """Keep what a model was asked on the way."""
    if use is None or forged.outcome.model is not None:
        return forged
    detail = "; ".join(filter(None, (forged.outcome.detail, model_told(use))))
    return msgspec.structs.replace(forged, outcome=msgspec.structs.replace(forged.outcome, model=use, detail=detail))


def _selected(merged: Advisory, documents: Sequence[Advisory], ground: Ground, whole: Forged) -> Forged:
    """Take the largest selection of documents that has a rule."""
    why = f"no rule covers all documents ({whole.outcome.reason}: {whole.outcome.detail})"[:WHY_MOST]
    for chosen in selections(merged):
        forged = forge_advisory(restrict(merged, chosen), ground)
        if forged.best is not None:
            return _less(forged, merged, chosen, why)
    if len(members_of(merged)) > EXHAUSTIVE_MOST:
        return _one_by_one(merged, documents, ground, whole, why)
    for ordinal, document in enumerate(documents):
        forged = forge_advisory(alone(merged, document, ordinal), ground)
        if forged.best is not None:
            return _less(forged, merged, (ordinal,), why)
    return whole


def _one_by_one(merged: Advisory, documents: Sequence[Advisory], ground: Ground, whole: Forged, why: str) -> Forged:
    """Start with the first document that gives a rule and add each one that leaves it possible."""
    best: Forged | None = None
    chosen: tuple[int, ...] = ()
    for ordinal, document in enumerate(documents):
        more = (*chosen, ordinal)
        given = restrict(merged, more) if chosen else alone(merged, document, ordinal)
        forged = forge_advisory(given, ground)
        if forged.best is not None:
            best, chosen = forged, more
    return whole if best is None else _less(best, merged, chosen, why)


def _less(forged: Forged, merged: Advisory, chosen: Sequence[int], why: str) -> Forged:
    """Say on `forged`, a rule for the chosen documents, which others it does not cover and why.

    A document that was left out may be covered all the same.
    """
    assert forged.best is not None
    ask = compile_rule(forged.best.candidate.rule).ask
    missed = {poc.source for poc in merged.requests if poc.role == "exploit" and ask(HttpView(poc.request)) is not True}
    own = Counter(poc.source for poc in merged.requests if poc.role == "exploit")
    left = tuple(LeftOut(ordinal, why, own[ordinal]) for ordinal in sorted(missed.difference(chosen)))
    names = ", ".join(PurePath(merged.sources[each.source]).name for each in left)
    uncovered = f"not covered: {names}: {why}" if left else ""
    detail = "; ".join(filter(None, (uncovered, model_told(forged.outcome.model))))
    return msgspec.structs.replace(
        forged,
        advisory=msgspec.structs.replace(forged.advisory, digest=merged.digest, problems=merged.problems),
        outcome=msgspec.structs.replace(forged.outcome, detail=detail),
        left_out=left,
    )
