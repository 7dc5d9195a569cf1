"""An event that is no HTTP request: fields with their values, the time, and what its source does not record."""

from collections.abc import Iterable, Mapping
from functools import lru_cache

import msgspec

from ruleforge.events.kinds import EVENTS, fields_of
from ruleforge.events.reading import NOT_RECORDED, NOTHING, Element, Reading

Value = bytes | str | int | Iterable[bytes] | Mapping[str, bytes]
Given = Value | None

MAX_TIMES = 1_000_000  # of one line that says it stands for many
MAX_VALUE_BYTES = 64 << 10
MAX_FIELD_VALUES = 1_000
MAX_TIME_US = 253_402_300_799_999_999  # the end of the year 9999


class Event(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One event. Values are bytes as recorded; nothing is guessed.

    A field without values that is not in `unrecorded` is known to be absent; one in `unrecorded` is unknown, or, where
    it has values, cut off by a bound.
    """

    kind: str  # a key of EVENTS
    values: Mapping[str, tuple[Element, ...]]
    time_us: int | None = None  # microseconds since 1970 in UTC; None: not recorded
    id: str = ""  # unique in its source: "file:ordinal", or the source's own
    source: str = ""  # name of the file or stream
    times: int = 1  # events this record stands for ("message repeated 5 times")
    unrecorded: frozenset[str] = frozenset()


class EventView:
    """One event as rules read it; the counterpart of HttpView."""

    __slots__ = ("event", "memo")

    def __init__(self, event: Event) -> None:
        self.event = event
        self.memo: dict[object, bool | None] | None = None

    def read(self, field: str, name: bytes | None = None) -> Reading:
        """Read a field, or only its values of this exact name.

        Raises:
            UsageError: events of this kind have no such field (RF102).
        """
        complete = field not in self.event.unrecorded
        found = self.event.values.get(field)
        if found is None:
            if field not in fields_of(self.event.kind):
                EVENTS[f"{self.event.kind} field {field}"]
            return NOTHING if complete else NOT_RECORDED
        if name is not None:
            found = tuple([element for element in found if element.name == name])
        return Reading(found, complete)

    def knows(self, field: str) -> bool:
        """Whether all values of a field are known."""
        return field not in self.event.unrecorded


def make_event(
    kind: str,
    given: Mapping[str, Given],
    *,
    time_us: int | None,
    id: str,  # noqa: A002 - the name of the field
    source: str,
    recorded: frozenset[str] | None = None,
    times: int = 1,
) -> Event:
    """Build an event from plain values, with every size bounded.

    Args:
        kind: a key of EVENTS.
        given: field → value, values, or values by name; None leaves the field out.
        time_us: microseconds since 1970; what lies outside 1970 to 9999 is no time.
        id: unique in its source.
        source: name of the file.
        recorded: fields that the source records even where `given` has no value; None: all fields of the kind.
        times: events the record stands for, at most 1,000,000.
    """
    values: dict[str, tuple[Element, ...]] = {}
    cut: set[str] = set()
    for field, value in given.items():
        if value is None:
            continue
        elements = _elements(value)
        if not elements:
            continue
        if len(elements) > MAX_FIELD_VALUES:
            elements = elements[:MAX_FIELD_VALUES]
            cut.add(field)
        if any(element.cut for element in elements):
            cut.add(field)
        values[field] = elements
    missing = _NONE if recorded is None else _missing(kind, recorded, frozenset(values))
    return Event(
        kind=kind,
        values=values,
        time_us=time_us if time_us is not None and 0 <= time_us <= MAX_TIME_US else None,
        id=id,
        source=source,
        times=max(1, min(times, MAX_TIMES)),
        unrecorded=missing | cut if cut else missing,
    )


_NONE: frozenset[str] = frozenset()


@lru_cache(maxsize=4_096)  # one source has few sorts of events
def _missing(kind: str, recorded: frozenset[str], there: frozenset[str]) -> frozenset[str]:
    return frozenset(fields_of(kind).keys() - recorded - there)


def _elements(value: Value) -> tuple[Element, ...]:
    if isinstance(value, bytes | str | int):
        return (_element(value),)
    if isinstance(value, Mapping):
        return tuple([_element(part, name.encode("utf-8", "surrogatepass")) for name, part in value.items()])
    return tuple([_element(part) for part in value])


def _element(value: bytes | str | int, name: bytes = b"") -> Element:
    if isinstance(value, int):
        text = b"true" if value is True else b"false" if value is False else b"%d" % value
    else:
        text = value if isinstance(value, bytes) else value.encode("utf-8", "surrogatepass")
    return Element(text[:MAX_VALUE_BYTES], name, cut=len(text) > MAX_VALUE_BYTES)
