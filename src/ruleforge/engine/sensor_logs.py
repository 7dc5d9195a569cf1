"""Logs with attackers in them: the index of their requests, and who is seen in them."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

import msgspec

from ruleforge.engine.corpus import Corpus
from ruleforge.errors import InputError
from ruleforge.events.origin import seconds_of, source_of
from ruleforge.events.request import Request
from ruleforge.sources.reputation import Reputation

MAX_SOURCES = 5_000_000  # of one log
Kind = Literal["sensor", "mixed"]


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """Who is seen in a log, and when."""

    sources: frozenset[str]  # as `source_of` names them
    requests: int = 0
    unknown: int = 0  # requests without a source address
    first: float | None = None  # seconds since 1970; None: no time was recorded
    last: float | None = None


class SensorLog(msgspec.Struct, frozen=True, kw_only=True):
    """One indexed log. `sensor`: it only receives attacks, every source is suspicious. `mixed`: a site's own log."""

    name: str
    kind: Kind
    corpus: Corpus
    seen: Seen


class Sensors(msgspec.Struct, frozen=True, kw_only=True):
    """All logs a rule is run over, and what is known of who is in them."""

    logs: tuple[SensorLog, ...]
    name: str  # says what was given: logs by content and kind, lists by content
    sources: int  # distinct, over all logs
    requests: int
    contacts: frozenset[str]  # sources seen by a log that only receives attacks
    reputation: Reputation | None = None

    @property
    def judged(self) -> bool:
        """Whether anything tells bad sources from others."""
        return self.reputation is not None or any(log.kind == "sensor" for log in self.logs)

    def known_bad(self, source: str) -> bool:
        """Whether a source was in contact with a sensor, or has a bad name."""
        return source in self.contacts or (self.reputation is not None and self.reputation.lists(source))

    def by_contact(self, source: str) -> bool:
        """Whether contact with a sensor is all that speaks against a source."""
        return source in self.contacts and not (self.reputation is not None and self.reputation.lists(source))


def gather_sensors(logs: Sequence[SensorLog], reputation: Reputation | None = None) -> Sensors:
    """Put logs and reputation together."""
    of_sensors = [log.seen.sources for log in logs if log.kind == "sensor"]
    names = [f"{log.kind} {log.name}" for log in logs] + ([reputation.digest] if reputation else [])
    return Sensors(
        logs=tuple(logs),
        name=" + ".join(names),
        sources=len(frozenset().union(*(log.seen.sources for log in logs))),
        requests=sum(log.seen.requests for log in logs),
        contacts=frozenset().union(*of_sensors),
        reputation=reputation,
    )


def seen_in(requests: Iterable[Request], where: str = "") -> Seen:
    """Collect who is seen in requests.

    Raises:
        InputError: there are too many sources to hold (RF228).
    """
    sources: set[str] = set()
    count = unknown = 0
    first: float | None = None
    last: float | None = None
    for request in requests:
        count += 1
        source = source_of(request.source_address)
        if source:
            sources.add(source)
        else:
            unknown += 1
        if len(sources) > MAX_SOURCES:
            raise InputError(f"more than {MAX_SOURCES} sources", where=where, hint="split the log", code="RF228")
        at = seconds_of(request.time)
        if at is not None:
            first, last = (at if first is None else min(first, at)), (at if last is None else max(last, at))
    return Seen(sources=frozenset(sources), requests=count, unknown=unknown, first=first, last=last)


def open_sensor_log(corpus: Corpus, folder: Path, name: str, kind: Kind) -> SensorLog:
    """Make a sensor log of an index in `folder`; who is seen in it is kept beside the index."""
    file = folder / "seen.msgpack"
    try:
        key, seen = msgspec.msgpack.decode(file.read_bytes(), type=tuple[str, Seen])
    except (OSError, msgspec.DecodeError):
        key, seen = "", Seen(sources=frozenset())
    if key != corpus.name:
        seen = seen_in((row.request for row in corpus), name)
        part = file.with_suffix(".part")
        part.write_bytes(msgspec.msgpack.encode((corpus.name, seen)))
        part.replace(file)
    return SensorLog(name=name, kind=kind, corpus=corpus, seen=seen)
