"""What correlation needs to know of one event: when it was, and which steps of which rules it satisfies."""

import zlib

import msgspec

Key = tuple[bytes, ...]  # one value for each field of `by`


class RuleHit(msgspec.Struct, frozen=True, array_like=True, order=True):
    """The part that one event plays for one rule."""

    rule: int  # position in the rules of the plan
    steps: int  # bit i: the event satisfies step i; a count has the one step 0
    key: Key
    distinct: tuple[bytes, ...] = ()  # values that are counted, for a count of distinct values


class Observation(msgspec.Struct, frozen=True, array_like=True):
    """One event, small enough to be sent between processes and kept until it is its turn."""

    time_us: int | None  # microseconds since 1970 in UTC; None: not recorded
    id: str
    times: int = 1  # events that the record stands for
    hits: tuple[RuleHit, ...] = ()
    unkeyed: tuple[int, ...] = ()  # rules that it satisfies, but it has no value for a field of `by`


def partition(observation: Observation, count: int) -> dict[int, Observation]:
    """Split what an event means by rule and key, so that `count` correlators make the alerts that one would make.

    Every correlator must see all observations that fall to it, and the time of the others, for lateness is measured
    against the latest event of all. What has no key falls to correlator 0.
    """
    hits: dict[int, list[RuleHit]] = {}
    for hit in observation.hits:
        number = zlib.crc32(b"\0".join((b"%d" % hit.rule, *hit.key))) % count
        hits.setdefault(number, []).append(hit)
    time_us, name, times = observation.time_us, observation.id, observation.times
    parts = {number: Observation(time_us, name, times, tuple(found)) for number, found in hits.items()}
    if observation.unkeyed:
        parts[0] = Observation(time_us, name, times, tuple(hits.get(0, ())), observation.unkeyed)
    return parts


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """A count that was reached, or a sequence that was completed, for one key."""

    rule: str
    kind: str  # "count" | "sequence"
    key: tuple[tuple[str, bytes], ...]  # (field, value) as `by` lists them; long values are shortened
    start_us: int  # time of the first event that was needed, microseconds since 1970
    end_us: int  # time of the event that completed it
    count: int  # events, or distinct values; for a sequence its steps
    first: str  # id of the first event that was needed
    last: str  # id of the event that completed it
    sample: tuple[str, ...] = ()  # ids of at most 10 events that were needed, in order
    title: str = ""
    severity: str = "unknown"


class Tally(msgspec.Struct, kw_only=True):
    """What correlation did not use, and why; nothing is dropped without being counted here."""

    events: int = 0  # that satisfied at least one step of a rule
    untimed: int = 0  # of those: without a time, so that no window can hold them
    unkeyed: int = 0  # hits of a rule without a value for a field of `by`
    ahead: int = 0  # their time lies too far ahead of the others and of the clock: it is wrong
    late: int = 0  # came after the lateness bound had passed their time
    absorbed: int = 0  # fell in a window that an alert of the same key had already told of
    evicted_keys: int = 0  # keys that were forgotten, with what they had counted, to stay within the bound
    evicted_events: int = 0  # events (or values) that were forgotten with them
    released_early: int = 0  # events that could not wait for the lateness bound, because too many waited
    forgotten_rules: int = 0  # rules of a restored state that are not among the rules any more
