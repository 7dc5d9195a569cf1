"""Process starts as JSON lines: the Elastic Common Schema, and Sysmon's event 1 however it was exported."""

from collections.abc import Iterator
from typing import BinaryIO

from ruleforge.errors import InputError
from ruleforge.events.event import Event, Given, make_event
from ruleforge.events.formats.event_logs.json_lines import Row, at, read_rows, text_of
from ruleforge.events.formats.event_logs.processes import MAX_ARGS, with_names
from ruleforge.events.formats.event_logs.times import iso_us

_HASHES = ("md5", "sha1", "sha256", "sha512")


def is_ecs_process(data: dict[str, object]) -> bool:
    """Whether an object describes a process in names of the Elastic Common Schema."""
    return "@timestamp" in data and _get(data, "process", "executable", "process.executable") is not None


def is_sysmon(data: dict[str, object]) -> bool:
    """Whether an object is an event of Sysmon."""
    return text_of(_sysmon(data).get("Image")) is not None


def read_process_json(
    stream: BinaryIO, name: str, most: int, until_us: int | None = None
) -> Iterator[Event | InputError]:
    """Read one process start a line; events of Sysmon of other numbers are passed over."""
    for row in read_rows(stream, name, most):
        if isinstance(row, InputError):
            yield row
        elif is_sysmon(row.data):
            if _number(row.data) in (None, "1"):
                yield _from_sysmon(row, name)
        elif is_ecs_process(row.data):
            yield _from_ecs(row, name)
        else:
            hint = "expected process.executable (ECS) or Image (Sysmon)"
            yield InputError("no process start", where=row.where, hint=hint, code="RF250")


def _get(data: dict[str, object], *names: str) -> object:
    """Follow keys down, or take the last name, which is the whole path with dots, as one key."""
    *path, flat = names
    found = at(data, *path)
    return found if found is not None else data.get(flat)


def _ecs(data: dict[str, object], path: str) -> str | None:
    return text_of(_get(data, *path.split("."), path))


def _from_ecs(row: Row, name: str) -> Event:
    data = row.data
    args = _get(data, "process", "args", "process.args")
    known = (
        [text for one in args[: MAX_ARGS + 1] if (text := text_of(one)) is not None] if isinstance(args, list) else []
    )
    hashes = [_ecs(data, f"process.hash.{kind}") for kind in _HASHES]
    given: dict[str, Given] = {
        "process.executable": _ecs(data, "process.executable"),
        "process.name": _ecs(data, "process.name"),
        "process.args": [one.encode("utf-8", "surrogatepass") for one in known],
        "process.command_line": _ecs(data, "process.command_line") or " ".join(known) or None,
        "process.id": _ecs(data, "process.pid"),
        "process.working_directory": _ecs(data, "process.working_directory"),
        "process.hash": [one.lower().encode("utf-8", "replace") for one in hashes if one],
        "parent.executable": _ecs(data, "process.parent.executable"),
        "parent.name": _ecs(data, "process.parent.name"),
        "parent.command_line": _ecs(data, "process.parent.command_line"),
        "parent.id": _ecs(data, "process.parent.pid"),
        "user": _ecs(data, "user.name"),
        "user.id": _ecs(data, "user.id"),
        "outcome": _ecs(data, "event.outcome"),
        "host": _ecs(data, "host.name") or _ecs(data, "host.hostname"),
    }
    # A shipper sends what it has: a key that is missing says nothing.
    return make_event(
        "process", with_names(given), time_us=iso_us(data.get("@timestamp")), id=row.where, source=name,
        recorded=frozenset(),
    )  # fmt: skip


def _sysmon(data: dict[str, object]) -> dict[str, object]:
    """Return the data of an event, wherever the exporter put it."""
    for path in (("winlog", "event_data"), ("Event", "EventData"), ("EventData",), ("event_data",)):
        inner = at(data, *path)
        if isinstance(inner, dict):
            return inner
    return data


def _number(data: dict[str, object]) -> str | None:
    for path in (("winlog", "event_id"), ("Event", "System", "EventID"), ("EventID",), ("event_id",), ("EventId",)):
        if (found := text_of(at(data, *path))) is not None:
            return found
    return None


def _from_sysmon(row: Row, name: str) -> Event:
    data, top = _sysmon(row.data), row.data
    hashes = text_of(data.get("Hashes")) or ""
    given: dict[str, Given] = {
        "process.executable": text_of(data.get("Image")),
        "process.command_line": text_of(data.get("CommandLine")),
        "process.id": text_of(data.get("ProcessId")),
        "process.working_directory": text_of(data.get("CurrentDirectory")),
        "process.hash": [
            part.partition("=")[2].lower().encode("utf-8", "replace") for part in hashes.split(",")[:10] if "=" in part
        ],
        "parent.executable": text_of(data.get("ParentImage")),
        "parent.command_line": text_of(data.get("ParentCommandLine")),
        "parent.id": text_of(data.get("ParentProcessId")),
        "user": text_of(data.get("User")),
        "host": text_of(top.get("Computer")) or text_of(at(top, "winlog", "computer_name"))
        or text_of(at(top, "Event", "System", "Computer")) or text_of(top.get("Hostname")),
    }  # fmt: skip
    stamp = text_of(data.get("UtcTime")) or text_of(top.get("@timestamp")) or text_of(top.get("TimeCreated"))
    return make_event(
        "process", with_names(given), time_us=iso_us(stamp), id=row.where, source=name,
        recorded=frozenset({"process.executable", "process.command_line"}),
    )  # fmt: skip
