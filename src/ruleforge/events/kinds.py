"""The kinds of events that rules can be about, and the fields of each: requests in code, all others as data files.

One file of `kind_data` is one kind. A name may occur in several kinds (`source.address`) and then means the same.
"""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import msgspec

from ruleforge._registry import Registry
from ruleforge.errors import InputError
from ruleforge.events.places import FIELDS

FOLDER = Path(__file__).parent / "kind_data"
MAX_FILE_BYTES = 1 << 20
HTTP = "http.request"


# What a field is to whoever makes rules. act: what was done, one of few words; content: what an attacker writes;
# who: whose it is, to count by and never to compare with; indicator: a name that an attacker picks and drops.
Role = Literal["", "act", "content", "who", "indicator"]
# How a value is built: words of a shell, a file, a name of DNS, free text; the name of a program, of what started it,
# of a call or of what happened; whether it succeeded, and why it did not.
Form = Literal["", "command", "path", "domain", "text", "program", "starter", "call", "outcome", "error"]


class EventField(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One field of a kind of event, as the rule language knows it."""

    name: str
    meaning: str
    kind: Literal["single", "many", "named"] = "single"  # at most one value; several; several with names
    type: Literal["text", "int", "address"] = "text"
    ecs: str = ""  # nearest field of the Elastic Common Schema; empty where there is none
    ocsf: str = ""  # nearest attribute of the Open Cybersecurity Schema Framework
    role: Role = ""
    form: Form = ""
    known: tuple[str, ...] = ()  # values of a field of role who that mean the same everywhere: "root"


class EventKind(msgspec.Struct, frozen=True):
    """One kind of event. `fields` is in the order of its file."""

    name: str
    meaning: str
    noun: str  # what one of them is called in a sentence; an s makes the plural
    fields: Mapping[str, EventField]


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    meaning: str
    noun: str
    fields: list[EventField]


EVENTS = Registry[EventKind]("event")


def load_kind(file: Path) -> EventKind:
    """Read one data file.

    Raises:
        InputError: it does not describe a kind of event (RF252).
    """
    try:
        data = file.read_bytes()[:MAX_FILE_BYTES].decode()
        read = msgspec.convert(tomllib.loads(data), _File)
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"not a description of events: {error}", where=str(file), code="RF252") from error
    fields = {field.name: field for field in _with_roles(read.fields)}
    if len(fields) < len(read.fields) or not fields:
        raise InputError("a field is described twice, or none is", where=str(file), code="RF252")
    return EventKind(read.name, read.meaning, read.noun, fields)


def _with_roles(fields: list[EventField]) -> list[EventField]:
    """Where a file gives no roles, addresses say whose an event is, and all else may be what an attacker wrote."""
    if any(field.role for field in fields):
        return fields
    return [msgspec.structs.replace(field, role="who" if field.type == "address" else "content") for field in fields]


def fields_of(event: str) -> Mapping[str, EventField]:
    """Return the fields of a kind of event.

    Raises:
        UsageError: no such kind (RF102).
    """
    return EVENTS[event].fields


def _requests() -> EventKind:
    fields = {
        name: EventField(name, field.meaning, field.kind, field.type, field.ecs, field.ocsf)
        for name, field in FIELDS.items()
    }
    return EventKind(HTTP, "an HTTP request", "request", fields)


EVENTS.put(HTTP, _requests())
for _file in sorted(FOLDER.glob("*.toml")):
    _kind = load_kind(_file)
    EVENTS.put(_kind.name, _kind)
