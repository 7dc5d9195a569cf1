"""Two readers of one document: what both found is stronger, what they disagree on is shown."""

import msgspec

from ruleforge.ingest.facts import PROBLEMS_MOST, judged
from ruleforge.records.facts import Confidence, Fact, Facts

_UP: dict[Confidence, Confidence] = {"possible": "likely", "likely": "certain", "certain": "certain"}
_SINGLE = ("weakness", "detectability")  # told by what they mean, whichever words say it


def merge_facts(embedded: Facts, model: Facts) -> Facts:
    """Return the facts of both readers of a document.

    A fact that both found is one step surer and keeps the place of the first. What only one of them found stays, and
    says so. Conflicts are told and nothing is left out for them: a parameter that belongs to different endpoints,
    kinds of attack that have nothing in common, one reader that rules a request out and one that finds a place for it.
    """
    theirs: dict[tuple[str, str], list[Fact]] = {}
    for fact in model.facts:
        theirs.setdefault(_key(fact), []).append(fact)
    merged: list[Fact] = []
    taken: set[tuple[str, str, str]] = set()
    conflicts: list[str] = []
    for fact in embedded.facts:
        others = theirs.get(_key(fact), [])
        if not others:
            merged.append(fact)
            continue
        same = next((other for other in others if other.about == fact.about), None)
        other = same or others[0]
        if same is None and fact.about and other.about:
            conflicts.append(f"{fact.kind} {fact.value}: of {fact.about} (embedded), of {other.about} (model)")
            merged.append(fact)
            continue
        taken.add((*_key(other), other.about))
        about, means = fact.about or other.about, fact.means or other.means
        sure = _UP[fact.confidence]
        merged.append(msgspec.structs.replace(fact, source="both", confidence=sure, about=about, means=means))
    merged += [fact for fact in model.facts if (*_key(fact), fact.about) not in taken]
    facts = tuple(sorted(merged, key=lambda fact: (fact.start, fact.end, fact.kind)))
    conflicts += _disagreements(embedded, model)
    both = Facts(
        document=embedded.document,
        characters=embedded.characters,
        facts=facts,
        conflicts=tuple(dict.fromkeys((*embedded.conflicts, *model.conflicts, *conflicts)))[:PROBLEMS_MOST],
        dropped=(*embedded.dropped, *model.dropped),
        problems=tuple(dict.fromkeys((*embedded.problems, *model.problems)))[:PROBLEMS_MOST],
    )
    return judged(both, max(embedded.requests, model.requests))


def _key(fact: Fact) -> tuple[str, str]:
    if fact.kind in _SINGLE:
        return fact.kind, fact.means
    return fact.kind, fact.value.casefold().strip("/") if fact.kind != "parameter" else fact.value


def _disagreements(embedded: Facts, model: Facts) -> list[str]:
    found = []
    ours = {fact.means for fact in embedded.of("weakness")} - {"access"}
    theirs = {fact.means for fact in model.of("weakness")} - {"access"}
    if ours and theirs and not ours & theirs:
        found.append(f"kind of attack: {', '.join(sorted(ours))} (embedded), {', '.join(sorted(theirs))} (model)")
    for one, name, other in ((embedded, "embedded", model), (model, "model", embedded)):
        if one.verdict in ("not_http", "needs_state", "needs_response") and other.verdict == "enough":
            found.append(f"{name}: {one.why}; the other reader: {other.why}")
    return found
