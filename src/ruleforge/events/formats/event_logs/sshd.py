"""Logins in a system log: what sshd and PAM say of them, in the words of many versions.

Names of users are chosen by attackers and stand in the middle of these lines, so every pattern finds the *last* address
and reaches the end of the line. All texts are at most 2 KiB.
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import BinaryIO

import msgspec

from ruleforge.errors import InputError
from ruleforge.events.event import Event, Given, make_event
from ruleforge.events.formats.event_logs.syslog import Entry, read_syslog
from ruleforge.events.origin import parse_address

_FROM = rb" from (?P<address>[^\s\[\]]{1,255})(?: port:? ?(?P<port>\d{1,5}))?"
_INVALID = rb"(?P<invalid>(?:invalid|illegal) user |unknown user |<invalid username>)?"
_PREAUTH = rb"(?: \[preauth\])?"
_KEY = rb"(?:: [A-Z][A-Z0-9-]{1,30} (?P<key>[^\s,]{1,200})(?: ID .{0,300})?)?"
_REPEATED = re.compile(rb"message repeated (\d{1,9}) times: \[ ?(.*)\]", re.DOTALL)
_PAM = re.compile(
    rb"(?:(?:pam_\w{1,30}|PAM)[^:]{0,60}: |PAM (?P<more>\d{1,9}) more )?"
    rb"authentication failures?; .{0,300}?rhost=(?P<address>[^\s]{0,255})(?: {1,2}user=(?P<user>.*))?",
    re.DOTALL,
)
# Who was refused before logging in, by versions that name the user.
_LEFT = (
    rb"(?:Connection (?:closed|reset) by|Disconnected from|Disconnecting) "
    rb"(?:invalid|authenticating) user (?P<user>.*) "
    rb"(?P<address>[^\s\[\]]{1,255}) port (?P<port>\d{1,5})(?:: .{0,300}?)? \[preauth\]"
)


class _Kind(msgspec.Struct, frozen=True):
    """One sort of message: what tells it cheaply, its pattern, and what it means."""

    mark: bytes
    pattern: re.Pattern[bytes]
    action: str
    outcome: str | None
    reason: str | None


def _kind(
    mark: bytes, pattern: bytes, action: str, outcome: str | None = "failure", reason: str | None = None
) -> _Kind:
    return _Kind(mark, re.compile(rb"(?:error: |fatal: |info: )?" + pattern, re.DOTALL), action, outcome, reason)


_KINDS = (
    _kind(
        b"Accepted",
        rb"Accepted (?P<method>\S{1,60}) for (?P<user>.*)" + _FROM + rb"(?: ssh\d?)?" + _KEY,
        "login",
        "success",
    ),
    _kind(
        b"Failed",
        rb"Failed (?P<method>\S{1,60}) for "
        + _INVALID
        + rb"(?P<user>.*)"
        + _FROM
        + rb"(?: on \S{1,64}(?: port \d{1,5})?)?(?: ssh\d?)?"
        + _KEY,
        "login",
        reason="credential",
    ),
    _kind(
        b" user ",
        rb"(?:Invalid|Illegal) user (?P<user>.*)" + _FROM + _PREAUTH + rb" *",
        "invalid_user",
        reason="invalid_user",
    ),
    _kind(
        b"maximum authentication attempts",
        rb"maximum authentication attempts exceeded for "
        + _INVALID
        + rb"(?P<user>.*)"
        + _FROM
        + rb"(?: ssh\d?)?"
        + _PREAUTH,
        "too_many_attempts",
        reason="max_attempts",
    ),
    _kind(
        b"Too many authentication failures",
        rb"(?:Disconnecting|Received disconnect).{0,300}Too many authentication failures.{0,300}",
        "too_many_attempts",
        reason="max_attempts",
    ),
    _kind(
        b"not allowed because",
        rb"User (?P<user>.{0,256}?)(?:" + _FROM + rb")? not allowed because .{0,300}",
        "login",
        reason="refused",
    ),
    _kind(
        b"ROOT LOGIN REFUSED",
        rb"ROOT LOGIN REFUSED FROM (?P<address>[^\s]{1,255})(?: port (?P<port>\d{1,5}))?" + _PREAUTH,
        "login",
        reason="refused",
    ),
    _kind(
        b" for ",
        rb"PAM: .{0,120}?(?:error|failure|module) for "
        + _INVALID
        + rb"(?P<user>.*) from (?P<address>[^\s]{1,255})(?: via \S{1,255})?",
        "pam",
        reason="pam",
    ),
    _kind(b" user ", _LEFT, "disconnect", reason="preauth"),
    _kind(
        b"Disconnected from",
        rb"Disconnected from user (?P<user>.*) (?P<address>[^\s\[\]]{1,255}) port (?P<port>\d{1,5})",
        "disconnect",
        None,
    ),
    _kind(
        b"[preauth]",
        rb"(?:Connection (?:closed|reset) by|Disconnected from|Received disconnect from) (?P<address>[^\s\[\]]{1,255}?)"
        rb"(?: port (?P<port>\d{1,5}))?(?:: ?.{0,400}?)? \[preauth\]",
        "disconnect",
        reason="preauth",
    ),
    _kind(
        b"by",
        rb"Connection (?:closed|reset) by (?P<address>[^\s\[\]]{1,255})(?: port (?P<port>\d{1,5}))?",
        "disconnect",
        None,
    ),
    _kind(
        b"disconnect",
        rb"Received disconnect from (?P<address>[^\s\[\]]{1,255}?)(?: port (?P<port>\d{1,5}))?: ?.{0,400}",
        "disconnect",
        None,
    ),
    _kind(
        b"Did not receive identification",
        rb"Did not receive identification string from (?P<address>[^\s]{1,255})(?: port (?P<port>\d{1,5}))?.{0,40}",
        "disconnect",
        reason="negotiation",
    ),
    _kind(
        b"Unable to negotiate",
        rb"Unable to negotiate with (?P<address>[^\s]{1,255}?)(?: port (?P<port>\d{1,5}))?: .{0,600}",
        "disconnect",
        reason="negotiation",
    ),
    _kind(
        b"Bad protocol version",
        rb"Bad protocol version identification .*" + _FROM + rb".{0,40}",
        "disconnect",
        reason="negotiation",
    ),
    _kind(
        b"Timeout before authentication",
        rb"Timeout before authentication for (?:connection from )?(?P<address>[^\s,]{1,255}).{0,300}",
        "disconnect",
        reason="preauth",
    ),
    _kind(b"Connection from", rb"Connection" + _FROM + rb"(?: on .{0,300})?", "connect", None),
    _kind(
        b"session opened",
        rb"pam_unix\(sshd:session\): session opened for user (?P<user>[^\s(]{1,256}).{0,300}",
        "session",
        "success",
    ),
)
_SAID = frozenset({"action", "service", "host", "message", "session.id"})


def read_auth_log(stream: BinaryIO, name: str, most: int, until_us: int | None = None) -> Iterator[Event | InputError]:
    """Read one login event a line. Lines of other programs are events of action `other`, so that none is lost."""
    for entry in read_syslog(stream, name, most, until_us):
        yield to_event(entry, name) if isinstance(entry, Entry) else entry


def to_event(entry: Entry, name: str) -> Event:
    """Say what one message of a system log means for logins; what a message does not say is not known."""
    message, times = entry.message, 1
    if repeated := _REPEATED.fullmatch(message):
        message, times = repeated[2].rstrip(), int(repeated[1])
    given: dict[str, Given] = {"action": "other"}
    if entry.program in (b"sshd", b"sshd-session", b"sshd-auth", b""):
        given = _of_sshd(message) or given
    if given["action"] == "other" and b"authentication failure" in message and (found := _PAM.search(message)):
        given, times = _of_pam(found), int(found["more"] or times)
    given |= {
        "service": entry.program or None,
        "host": entry.host or None,
        "session.id": entry.pid or None,
        "message": message,
    }
    # What other programs write is no login; a message of sshd that is not known here may tell of one.
    known = given["action"] != "other" or not entry.program.startswith(b"sshd")
    said = _SAID | {"outcome", "reason"} if known else _SAID
    return make_event(
        "auth_log", given, time_us=entry.time_us, id=entry.where, source=name, recorded=frozenset(said), times=times
    )


def is_login_line(entry: Entry) -> bool:
    """Whether a message is one of sshd or PAM about logins, to tell such logs from other system logs."""
    return entry.program.startswith(b"sshd") or b"authentication failure" in entry.message


def _of_sshd(message: bytes) -> dict[str, Given] | None:
    if b" hostbased " in message[:40]:  # the client's own name for its user stands at the end
        message = message.partition(b', client user "')[0]
    for kind in _KINDS:
        if kind.mark not in message:
            continue
        found = kind.pattern.fullmatch(message)
        if found is not None:
            return _given(kind, found.groupdict())
    return None


def _given(kind: _Kind, groups: dict[str, bytes | None]) -> dict[str, Given]:
    invalid = bool(groups.get("invalid"))
    given: dict[str, Given] = {
        "action": kind.action,
        "outcome": kind.outcome,
        "reason": "invalid_user" if invalid else kind.reason,
        "auth.method": groups.get("method"),
        "user": _user(groups.get("user")),
        "source.port": groups.get("port"),
        "credential.key": groups.get("key"),
    }
    return given | source_of_client(groups.get("address"))


def _of_pam(found: re.Match[bytes]) -> dict[str, Given]:
    given: dict[str, Given] = {"action": "pam", "outcome": "failure", "reason": "pam", "user": _user(found["user"])}
    return given | source_of_client(found["address"])


def _user(text: bytes | None) -> bytes | None:
    return text.strip() if text is not None and text.strip() else None


def source_of_client(text: bytes | None) -> dict[str, Given]:
    """Say where a client is: an address in one spelling, or a name."""
    if not text:
        return {}
    address = _address(text[:256])
    return {"source.address": address} if address else {"source.host": text}


@lru_cache(maxsize=1 << 16)
def _address(text: bytes) -> bytes:
    found = parse_address(text.decode("ascii", "replace"))
    return b"" if found is None else str(found).encode()
