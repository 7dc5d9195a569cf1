"""Rules that count or order events: how many, how many different, or one sort after the other, of one key in a time.

Everything is measured on the examples: the most that one key reaches in a window, in each stream of the attack and in
each ordinary one.
"""

from collections import Counter, deque
from collections.abc import Iterator, Sequence
from itertools import combinations, islice, permutations, product

import msgspec

from ruleforge.cases.event_variants import REVERSED
from ruleforge.events.event import Event, EventView
from ruleforge.generate.event_draft import EventDraft, EventMaterial
from ruleforge.generate.event_facets import EventFacet, facets_of, holds_for, tree_of
from ruleforge.rules.tree import Count, Tree
from ruleforge.rules.tree import Sequence as InSequence

WINDOWS = (10, 30, 60, 120, 300, 600, 1_800, 3_600, 21_600, 86_400)  # seconds
WINDOWS_TRIED = 2
ROOM = 1.5  # a window is this much longer than the slowest example, for slower ones
TREES_MOST = 24
SHARE_HIT = 0.7  # of what the attack reaches, at most: some events get lost
NEARER = 0.65  # to the attack lies the number between it and ordinary use: that is seen oftener, and varies more
LEAST = 3  # events that are a number of events
SORTS_MOST = 8  # of events of one stream
BY_MOST = 4
STEPS_MOST = 9  # of the first sort of a sequence
FAILURES_WISHED = 5
GAP_MOST = 8.0  # between the attack and ordinary use; more says nothing more
ORDERED_MOST = 12  # sorts of events that are put in order
WORK_MOST = 6_000_000  # events looked at by one strategy, about ten seconds
_SECOND_US = 1_000_000


class _Stream(msgspec.Struct, frozen=True):
    events: tuple[Event, ...]  # in order of time
    views: tuple[EventView, ...]


class _Sort(msgspec.Struct, frozen=True):
    """A sort of event: what it asks for, and which events of each stream are of it."""

    facets: tuple[EventFacet, ...]
    malicious: tuple[int, ...]  # a mask for each stream
    others: tuple[int, ...]

    @property
    def tree(self) -> Tree:
        return tree_of(self.facets)


def count(material: EventMaterial, banned: frozenset[str]) -> EventDraft | None:
    """At least so many events of one key in a time."""
    return _counted(material, banned, distinct=False)


def distinct(material: EventMaterial, banned: frozenset[str]) -> EventDraft | None:
    """At least so many different values of one field, of one key in a time."""
    return _counted(material, banned, distinct=True)


class _Found(msgspec.Struct, frozen=True):
    order: tuple[float, ...]
    draft: EventDraft


def _counted(material: EventMaterial, banned: frozenset[str], *, distinct: bool) -> EventDraft | None:
    malicious, others, benign = _streams(material, of_order=False)
    if not _is_countable(malicious):
        return None
    found: list[_Found] = []
    windows, sorts = _windows(malicious), list(_sorts(malicious, others, material, banned))
    keys = [
        (by, field)
        for by in _keys(material, malicious)
        for field in (_distinct_fields(material, by) if distinct else (None,))
    ]
    tried = product(enumerate(sorts), keys, windows)
    for (number, sort), (by, field), window in islice(tried, _tries(malicious, others)):
        made = _threshold(sort, (malicious, others, benign), by, window, field)
        if made is None or made[1] < material.least_margin:
            continue
        least, margin = made
        draft = EventDraft(
            strategy="distinct" if distinct else "count",
            root=Count(sort.tree, by, window, least, field),
            facets=sort.facets,
            margin=round(margin, 2),
            banned=banned,
        )
        order = (-min(round(margin, 1), GAP_MOST), len(by), len(sort.facets), number, window)
        found.append(_Found(order, draft))
    return min(found, key=lambda one: one.order).draft if found else None


def sequence(material: EventMaterial, banned: frozenset[str]) -> EventDraft | None:
    """One sort of event, several times, and then another one, of one key in a time."""
    malicious, others, benign = _streams(material, of_order=True)
    if not _is_countable(malicious):
        return None
    found: list[_Found] = []
    sorts = list(_sorts(malicious, others, material, banned, once=True))[:ORDERED_MOST]
    window = _windows(malicious)[0]
    tried = product(permutations(enumerate(sorts), 2), _keys(material, malicious))
    for ((at, first), (then, last)), by in islice(tried, _tries(malicious, others)):
        reached = min(_before(s, first.malicious[n], last.malicious[n], by, window) for n, s in enumerate(malicious))
        if not reached:
            continue
        before = [_before(s, first.others[n], last.others[n], by, window) for n, s in enumerate(others)]
        ordinary, users = max(before, default=0), max(before[:benign], default=0)
        least = max(ordinary + 1, min(FAILURES_WISHED, int(reached * SHARE_HIT)))
        if reached <= ordinary or least > STEPS_MOST:
            continue
        draft = EventDraft(
            strategy="sequence",
            root=InSequence((*[first.tree] * least, last.tree), by, window),
            facets=tuple(dict.fromkeys((*first.facets, *last.facets))),
            # Where ordinary use never has this order, the order tells and no number.
            margin=round(reached / users, 2) if users else None,
            banned=banned,
        )
        both = len(first.facets) + len(last.facets)
        found.append(_Found((-min(reached / max(ordinary, 0.5), GAP_MOST), len(by), both, at + then, window), draft))
    return min(found, key=lambda one: one.order).draft if found else None


def _tries(malicious: Sequence[_Stream], others: Sequence[_Stream]) -> int:
    """How many questions fit into the work that one strategy may cost."""
    return WORK_MOST // max(1, sum(len(stream.events) for stream in (*malicious, *others)))


def _streams(material: EventMaterial, *, of_order: bool) -> tuple[list[_Stream], list[_Stream], int]:
    """Streams of the attack, those that must not be hit, and how many of these are the user's."""
    malicious = [_stream(material.stream(example)) for example in material.case.malicious]
    benign = [_stream(material.stream(example)) for example in material.case.benign]
    made = [one for one in material.near_misses if of_order or one.how != REVERSED]
    return malicious, [*benign, *(_stream(material.stream(one.example)) for one in made)], len(benign)


def _stream(events: Sequence[Event]) -> _Stream:
    ordered = tuple(sorted((e for e in events if e.time_us is not None), key=lambda e: e.time_us or 0))
    return _Stream(ordered, tuple(map(EventView, ordered)))


def _is_countable(streams: Sequence[_Stream]) -> bool:
    return all(len(stream.events) > 1 or any(e.times > 1 for e in stream.events) for stream in streams)


def _windows(streams: Sequence[_Stream]) -> list[int]:
    """The shortest usual windows that hold the slowest example with room."""
    slowest = max((s.events[-1].time_us or 0) - (s.events[0].time_us or 0) for s in streams) / _SECOND_US * ROOM
    return [window for window in WINDOWS if window >= slowest][:WINDOWS_TRIED] or [WINDOWS[-1]]


def _keys(material: EventMaterial, malicious: Sequence[_Stream]) -> list[tuple[str, ...]]:
    """Fields that events belong together by: the author's, else each that says whose an event is."""
    if material.case.by:
        return [material.case.by]
    fields = [f for f in material.kind.fields.values() if f.role == "who"]
    fields.sort(key=lambda f: f.type != "address")
    there = [f.name for f in fields if all(any(e.values.get(f.name) for e in s.events) for s in malicious)]
    return [(name,) for name in there[:BY_MOST]]


def _distinct_fields(material: EventMaterial, by: tuple[str, ...]) -> list[str | None]:
    roles = ("who", "act", "content", "indicator")
    fields = [f for f in material.kind.fields.values() if f.role in roles and f.kind == "single"]
    return [f.name for f in fields if f.name not in by]


def _sorts(
    malicious: Sequence[_Stream],
    others: Sequence[_Stream],
    material: EventMaterial,
    banned: frozenset[str],
    *,
    once: bool = False,
) -> Iterator[_Sort]:
    """Yield sorts of events that every stream of the attack has several of (or one, where `once`)."""
    pool: dict[str, EventFacet] = {}
    for stream in malicious[:6]:
        for group in _alike(stream, material):
            pool |= {f.id: f for f in facets_of(group[:30], material.kind) if f.rank <= 2 and f.id not in banned}
    masks = {name: [holds_for(facet, s.views) for s in malicious] for name, facet in pool.items()}
    least = 1 if once else 2
    good = [name for name, own in masks.items() if min(mask.bit_count() for mask in own) >= least]
    good.sort(key=lambda name: (pool[name].rank, -material.bits(pool[name]), pool[name].said))
    hits = {name: [holds_for(pool[name], s.views) for s in others] for name in good[:16]}
    made = 0
    for names in (*((one,) for one in hits), *_pairs(list(hits), pool)):
        own = _both([masks[name] for name in names])
        if min(mask.bit_count() for mask in own) < least:
            continue
        if (
            len(names) > 1
            and own in (masks[names[0]], masks[names[1]])
            and _both([hits[n] for n in names]) in (hits[names[0]], hits[names[1]])
        ):
            continue  # the second one changes nothing
        yield _Sort(tuple(pool[name] for name in names), tuple(own), tuple(_both([hits[name] for name in names])))
        made += 1
        if made >= TREES_MOST:
            return


def _pairs(names: Sequence[str], pool: dict[str, EventFacet]) -> Iterator[tuple[str, str]]:
    return ((a, b) for a, b in combinations(names, 2) if pool[a].tree.field != pool[b].tree.field)


def _both(rows: Sequence[Sequence[int]]) -> list[int]:
    joined = list(rows[0])
    for row in rows[1:]:
        joined = [a & b for a, b in zip(joined, row, strict=True)]
    return joined


def _alike(stream: _Stream, material: EventMaterial) -> list[list[Event]]:
    """Group the events of a stream by what was done, the largest groups first."""
    acts = [field.name for field in material.kind.fields.values() if field.role == "act"]
    groups: dict[tuple[bytes, ...], list[Event]] = {}
    for event in stream.events:
        key = tuple(b"\0".join(e.value for e in event.values.get(name, ())) for name in acts)
        groups.setdefault(key, []).append(event)
    return sorted(groups.values(), key=len, reverse=True)[:SORTS_MOST]


def _threshold(
    sort: _Sort,
    streams: tuple[Sequence[_Stream], Sequence[_Stream], int],
    by: tuple[str, ...],
    window: int,
    field: str | None,
) -> tuple[int, float] | None:
    """Return the number between what ordinary use and the attack reach, and how far they lie apart."""
    malicious, others, benign = streams
    reached = min(_most(s, sort.malicious[n], by, window, field) for n, s in enumerate(malicious))
    if reached < LEAST:
        return None
    ordinary = [_most(s, sort.others[n], by, window, field) for n, s in enumerate(others)]
    most, users = max(ordinary, default=0), max(ordinary[:benign], default=0)
    between = round(reached**NEARER * max(users, 1) ** (1 - NEARER))
    least = max(most + 1, LEAST, min(between, int(reached * SHARE_HIT)))
    return (least, reached / max(users, 1)) if least <= reached else None


def _key(event: Event, by: tuple[str, ...]) -> tuple[bytes, ...] | None:
    parts = [event.values.get(name, ()) for name in by]
    return tuple(b"\0".join(one.value for one in part) for part in parts) if all(parts) else None


def _most(stream: _Stream, mask: int, by: tuple[str, ...], window: int, field: str | None) -> int:
    """Return the most events (or values of `field`) that one key has within `window` seconds."""
    kept: dict[tuple[bytes, ...], deque[tuple[int, bytes, int]]] = {}
    counts: dict[tuple[bytes, ...], Counter[bytes]] = {}
    most = 0
    for number, event in enumerate(stream.events):
        key = _key(event, by) if mask >> number & 1 else None
        if key is None:
            continue
        if field is None:
            value, times = b"", event.times
        elif event.values.get(field):
            value, times = event.values[field][0].value, 1
        else:
            continue
        time = event.time_us or 0
        queue, seen = kept.setdefault(key, deque()), counts.setdefault(key, Counter())
        queue.append((time, value, times))
        seen[value] += times
        while queue[0][0] < time - window * _SECOND_US:
            _, old, less = queue.popleft()
            seen[old] -= less
            if not seen[old]:
                del seen[old]
        most = max(most, len(seen) if field is not None else seen[b""])
    return most


def _before(stream: _Stream, first: int, last: int, by: tuple[str, ...], window: int) -> int:
    """Return how many events of the first sort at most precede one of the last, of one key within `window` seconds."""
    kept: dict[tuple[bytes, ...], deque[int]] = {}
    most = 0
    for number, event in enumerate(stream.events):
        key = _key(event, by)
        if key is None:
            continue
        time, queue = event.time_us or 0, kept.setdefault(key, deque())
        if last >> number & 1:
            most = max(most, sum(1 for then in queue if then >= time - window * _SECOND_US))
        if first >> number & 1:
            queue.append(time)
            if len(queue) > 1_000:
                queue.popleft()
    return most
