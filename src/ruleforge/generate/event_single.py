"""Rules about one event: what all examples share, a few shapes of it, or a name that the attacker picked."""

from collections.abc import Sequence

from ruleforge.engine.reference import Ask
from ruleforge.events.event import Event, EventView
from ruleforge.generate.event_draft import Chosen, EventDraft, EventMaterial, conjoin
from ruleforge.generate.event_facets import EventFacet, facets_of, tree_of
from ruleforge.rules.tree import AnyOf, Tree

ARMS_MOST = 3
ARM_LEAST = 2  # examples of one arm: what one alone shows is chance
EXAMPLES_MOST = 24  # that arms are grown from; the others must fit one
SEEDS_MOST = 12  # events of a stream that may be the decisive one


def single(material: EventMaterial, banned: frozenset[str]) -> EventDraft | None:
    """One conjunction for all examples; of a stream, the event that decides."""
    return _single(material, banned, indicator=False)


def indicator(material: EventMaterial, banned: frozenset[str]) -> EventDraft | None:
    """The same with a name that the attacker picked, for a person to decide on."""
    return _single(material, banned, indicator=True)


def _single(material: EventMaterial, banned: frozenset[str], *, indicator: bool) -> EventDraft | None:
    name = "indicator" if indicator else "single"
    for events in _decisive(material):
        chosen = conjoin(events, material, banned, indicator=indicator)
        if chosen is not None:
            return EventDraft(
                strategy=name, root=tree_of(chosen.facets), facets=chosen.facets, bits=chosen.bits,
                is_indicator=indicator, banned=banned,
            )  # fmt: skip
    return None


def _decisive(material: EventMaterial) -> list[list[Event]]:
    """For each event of the first stream that may be the one: the events of the others most like it."""
    streams = [material.stream(example) for example in material.case.malicious]
    if all(len(stream) == 1 for stream in streams):
        return [[stream[0] for stream in streams]]
    found: list[list[Event]] = []
    seen: set[str] = set()
    for seed in streams[0]:
        facets = facets_of([seed], material.kind)
        key = " ".join(facet.id for facet in facets)
        if key in seen or len(found) >= SEEDS_MOST:
            continue
        seen.add(key)
        # What is rare in ordinary events makes an event the counterpart of another.
        asks = [(facet.ask, material.bits(facet)) for facet in facets if facet.rank <= 2]
        likest = [max(stream[:200], key=lambda event: _alike(event, asks)) for stream in streams[1:]]
        found.append([seed, *likest])
    return found


def _alike(event: Event, asks: Sequence[tuple[Ask, float]]) -> float:
    view = EventView(event)
    return sum(bits for ask, bits in asks if ask(view) is True)


def arms(material: EventMaterial, banned: frozenset[str]) -> EventDraft | None:
    """Up to three conjunctions, each for several of the examples."""
    if material.case.is_stream:
        return None
    left = [material.stream(example)[0] for example in material.case.malicious]
    if len(left) < 2 or len(left) > EXAMPLES_MOST:
        return None
    made: list[Chosen] = []
    while left and len(made) < ARMS_MOST:
        group, chosen = [left[0]], conjoin([left[0]], material, banned)
        if chosen is None:
            return None
        for event in left[1:]:
            wider = conjoin([*group, event], material, banned)
            if wider is not None and wider.bits >= material.least_bits:
                group, chosen = [*group, event], wider
        if len(group) < ARM_LEAST:
            return None
        made.append(chosen)
        left = [event for event in left if event not in group]
    if left or len(made) < 2:
        return None
    trees: tuple[Tree, ...] = tuple(tree_of(chosen.facets) for chosen in made)
    facets = tuple(dict.fromkeys(facet for chosen in made for facet in chosen.facets))
    least_bits = min(chosen.bits for chosen in made)
    return EventDraft(strategy="arms", root=AnyOf(trees), facets=facets, bits=least_bits, banned=banned)


def of_facets(material: EventMaterial, facets: Sequence[EventFacet]) -> EventDraft:
    """The conjunction that somebody asked for, whatever it is worth; the checks say."""
    ordered = tuple(sorted(facets, key=lambda f: (f.rank, f.tree.field)))
    bits = round(sum(map(material.bits, ordered)), 2)
    is_indicator = any(facet.kind == "indicator" for facet in ordered)
    return EventDraft(strategy="composed", root=tree_of(ordered), facets=ordered, bits=bits, is_indicator=is_indicator)


def catalogue(material: EventMaterial) -> tuple[EventFacet, ...]:
    """Every facet that all examples of single events share; empty for streams."""
    if material.case.is_stream:
        return ()
    return facets_of([material.stream(example)[0] for example in material.case.malicious], material.kind)
