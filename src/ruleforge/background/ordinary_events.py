"""Ordinary events of each kind, made by us: what a rule must stay silent on, and what its surprise is measured in."""

from functools import lru_cache
from pathlib import Path

from ruleforge.events.event import Event
from ruleforge.events.formats.event_logs.own import read_own

FOLDER = Path(__file__).parent / "event_data"
MAX_BYTES = 1 << 20


@lru_cache(maxsize=16)
def ordinary_events(kind: str) -> tuple[Event, ...]:
    """Return the ordinary events of a kind; empty where nobody wrote any."""
    file = FOLDER / f"{kind}.jsonl"
    if not file.is_file():
        return ()
    with file.open("rb") as stream:
        found = tuple(read_own(stream, file.name, MAX_BYTES))
    return tuple(item for item in found if isinstance(item, Event))
