"""Events of Cowrie, an SSH and Telnet honeypot: one JSON object a line."""

from collections.abc import Iterator
from typing import BinaryIO

from ruleforge.errors import InputError
from ruleforge.events.event import Event, Given, make_event
from ruleforge.events.formats.event_logs.json_lines import Row, read_rows, text_of
from ruleforge.events.formats.event_logs.sshd import source_of_client
from ruleforge.events.formats.event_logs.times import iso_us

# What each kind of event means: action, outcome, reason.
_MEANINGS: dict[str, tuple[str, str | None, str | None]] = {
    "cowrie.login.failed": ("login", "failure", "credential"),
    "cowrie.login.success": ("login", "success", None),
    "cowrie.session.connect": ("connect", None, None),
    "cowrie.session.closed": ("disconnect", None, None),
    "cowrie.client.version": ("connect", None, None),
    "cowrie.command.input": ("command", None, None),
    "cowrie.command.failed": ("command", None, None),
    "cowrie.command.success": ("command", None, None),
    "cowrie.session.file_download": ("download", "success", None),
    "cowrie.session.file_download.failed": ("download", "failure", None),
    "cowrie.session.file_upload": ("download", "success", None),
}


def is_cowrie(data: dict[str, object]) -> bool:
    """Whether an object is an event of Cowrie."""
    return isinstance(kind := data.get("eventid"), str) and kind.startswith("cowrie.")


def read_cowrie(stream: BinaryIO, name: str, most: int, until_us: int | None = None) -> Iterator[Event | InputError]:
    """Read one event a line; kinds that say nothing of logins are events of action `other`."""
    for row in read_rows(stream, name, most):
        if isinstance(row, InputError):
            yield row
        elif not is_cowrie(row.data):
            yield InputError("no event of Cowrie", where=row.where, hint="expected an eventid cowrie.…", code="RF250")
        else:
            yield _event(row, name)


def _event(row: Row, name: str) -> Event:
    data = row.data
    action, outcome, reason = _MEANINGS.get(data["eventid"], ("other", None, None))
    fingerprint = text_of(data.get("fingerprint"))
    given: dict[str, Given] = {
        "action": action,
        "outcome": outcome,
        "reason": reason,
        "service": "cowrie",
        "user": text_of(data.get("username")) if action == "login" else None,
        "auth.method": ("publickey" if fingerprint else "password") if action == "login" else None,
        "credential.password": text_of(data.get("password")) if action == "login" else None,
        "credential.key": fingerprint,
        "source.port": text_of(data.get("src_port")),
        "host": text_of(data.get("sensor")),
        "session.id": text_of(data.get("session")),
        "client.version": text_of(data.get("version")),
        "command": (text_of(data.get("input")) or text_of(data.get("url")))
        if action in ("command", "download")
        else None,
        "message": text_of(data.get("message")),
    }
    address = text_of(data.get("src_ip"))
    given |= source_of_client(address.encode("utf-8", "surrogatepass") if address else None)
    return make_event("auth_log", given, time_us=iso_us(data.get("timestamp")), id=row.where, source=name)
