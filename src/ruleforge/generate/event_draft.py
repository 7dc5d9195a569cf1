"""What rules about events are made of: the examples as the generator sees them, and a rule in the making."""

from collections.abc import Sequence

import msgspec

from ruleforge.cases.event_variants import OF_THE_NAME, Varied
from ruleforge.events.event import Event, EventView
from ruleforge.events.kinds import EVENTS, EventKind
from ruleforge.generate.event_facets import EventFacet, bits_of, facets_of, holds_for
from ruleforge.records.event_case import EventCase, Example
from ruleforge.rules.tree import Root, Rule

AUTHOR = "ruleforge (embedded generator for events)"
TITLE_MOST, DESCRIPTION_MOST, REFERENCES_MOST = 200, 2_000, 20


class EventDraft(msgspec.Struct, frozen=True, kw_only=True):
    """A proposed rule, with what its makers know of it."""

    strategy: str  # a key of EVENT_STRATEGIES
    root: Root
    facets: tuple[EventFacet, ...]  # all it asks for
    bits: float | None = None  # of surprise, of its least surprising arm; None: it counts or orders
    margin: float | None = None  # of a count: what the attack reaches against what ordinary use does
    is_indicator: bool = False
    banned: frozenset[str] = frozenset()  # facets that refinements left out


class EventMaterial:
    """The examples of a case, and all that a rule for it must not hit."""

    def __init__(
        self,
        case: EventCase,
        near_misses: Sequence[Varied],
        ordinary: Sequence[Event],
        *,
        least_bits: float,
        least_margin: float,
    ) -> None:
        """Prepare.

        Args:
            case: about events, not requests.
            near_misses: harmless events made from the examples.
            ordinary: ordinary events of the kind.
            least_bits: of surprise that a rule about one event needs.
            least_margin: of a count.
        """
        self.case, self.kind = case, EVENTS[case.event]
        self.least_bits, self.least_margin = least_bits, least_margin
        self.near_misses = tuple(near_misses)
        single = [one for one in near_misses if len(one.example.items) == 1 and one.how != "few"]
        benign = [item for example in case.benign for item in example.items if isinstance(item, Event)]
        named = [item for one in single if one.how in OF_THE_NAME for item in one.example.items]
        twins = [item for one in single if one.how not in OF_THE_NAME for item in one.example.items]
        self._measured = len(benign) + len(ordinary)
        events = [*benign, *ordinary, *twins, *named]
        self._negatives = [EventView(event) for event in events if isinstance(event, Event)]
        self._unnamed = len(events) - len(named)
        self._masks: dict[str, int] = {}

    @property
    def negatives(self) -> int:
        """A bit for every event by itself that a rule must not hit."""
        return (1 << len(self._negatives)) - 1

    @property
    def negatives_of_a_name(self) -> int:
        """The same for a rule on a name that the attacker picked: harmless events of that name do not count."""
        return (1 << self._unnamed) - 1

    def hits(self, facet: EventFacet) -> int:
        """Return which of them a facet is true of."""
        if facet.id not in self._masks:
            self._masks[facet.id] = holds_for(facet, self._negatives)
        return self._masks[facet.id]

    def bits(self, facet: EventFacet) -> float:
        """Return how surprising a facet is in the ordinary events of the case and of ours."""
        measured = self.hits(facet) & ((1 << self._measured) - 1)
        return bits_of(facet, measured.bit_count(), self._measured)

    def stream(self, example: Example) -> tuple[Event, ...]:
        """Return the events of an example."""
        return tuple(item for item in example.items if isinstance(item, Event))


class Chosen(msgspec.Struct, frozen=True):
    """Facets that together keep out every event of ordinary use."""

    facets: tuple[EventFacet, ...]
    bits: float


WEIGHTS = {"act": 1.0, "shape": 1.0, "token": 0.8, "literal": 0.5, "number": 0.4, "indicator": 1.0}
FACETS_MOST = 8  # of one arm
SPARE_RANK = 3  # what surprise may be added from: no bounds of numbers, no names


def conjoin(
    events: Sequence[Event], material: EventMaterial, banned: frozenset[str] = frozenset(), *, indicator: bool = False
) -> Chosen | None:
    """Choose few facets that all `events` share and that no event of ordinary use has all of; None: there are none.

    Greedy by how many each keeps out, weighted by how well its kind generalises; then what is missing in surprise is
    added, and what became idle left out. A name that the attacker picked is used only where `indicator` says so.
    """
    pool = [f for f in facets_of(events, material.kind) if f.id not in banned]
    pool = [f for f in pool if indicator or f.kind != "indicator"]
    remaining = material.negatives_of_a_name if indicator else material.negatives
    chosen: list[EventFacet] = []
    if indicator:
        names = [f for f in pool if f.kind == "indicator"][:1]
        if not names:
            return None
        chosen, remaining = names, remaining & material.hits(names[0])
    while remaining:
        left = remaining

        def worth(facet: EventFacet, left: int = left) -> tuple[float, int, float, str]:
            kept_out = (left & ~material.hits(facet)).bit_count()
            return (kept_out * WEIGHTS[facet.kind], -facet.rank, material.bits(facet), facet.said)

        best = max((f for f in pool if f not in chosen), key=worth, default=None)
        if best is None or not (left & ~material.hits(best)) or len(chosen) >= FACETS_MOST:
            return None
        chosen.append(best)
        remaining &= material.hits(best)
    chosen = _without_idle(chosen, material, indicator=indicator)
    return _surprising(chosen, pool, material)


def _without_idle(chosen: list[EventFacet], material: EventMaterial, *, indicator: bool) -> list[EventFacet]:
    """Leave out, worst kind first, what the others keep out as well."""
    everything = material.negatives_of_a_name if indicator else material.negatives
    for facet in sorted(chosen, key=lambda f: -f.rank):
        others = [other for other in chosen if other is not facet]
        hit = everything
        for other in others:
            hit &= material.hits(other)
        if others and not hit and not (indicator and facet.kind == "indicator"):
            chosen = others
    return chosen


def _surprising(chosen: list[EventFacet], pool: Sequence[EventFacet], material: EventMaterial) -> Chosen | None:
    """Add facets until the rule says what was done and by what, and is surprising enough."""
    chosen = list(chosen)
    spare = [f for f in pool if f not in chosen and f.rank <= SPARE_RANK]

    def value(facet: EventFacet) -> tuple[bool, int, float, str]:
        is_new = facet.tree.field not in {one.tree.field for one in chosen}
        return (is_new, -facet.rank, material.bits(facet), facet.said)

    def needed() -> bool:
        return sum(map(material.bits, chosen)) < material.least_bits or (
            len({facet.tree.field for facet in chosen}) < 2 and any(f.tree.field != chosen[0].tree.field for f in spare)
        )

    while chosen and spare and len(chosen) < FACETS_MOST and needed():
        best = max(spare, key=value)
        spare.remove(best)
        if material.bits(best) >= 0.5:
            chosen.append(best)
    chosen.sort(key=lambda f: (f.rank, f.tree.field))
    return Chosen(tuple(chosen), round(sum(map(material.bits, chosen)), 2)) if chosen else None


def compose_event_rule(draft: EventDraft, case: EventCase) -> Rule:
    """Spell a draft as the rule of its case; what it asks for is told in words, for patterns are hard to read."""
    asks = "Asks whether " + ", ".join(facet.said for facet in draft.facets) + "."
    return Rule(
        id=f"RF-{case.id}"[:128],
        when=draft.root,
        event=case.event,
        title=(case.title or case.id)[:TITLE_MOST],
        description=f"{case.description[:DESCRIPTION_MOST]}\n{asks}".strip()[: 2 * DESCRIPTION_MOST],
        severity=case.severity,
        attack=case.attack,
        cves=case.cves,
        references=case.references[:REFERENCES_MOST],
        false_positives=case.false_positives,
        author=AUTHOR,
    )


def kind_of(case: EventCase) -> EventKind:
    """Return the kind of event a case is about."""
    return EVENTS[case.event]
