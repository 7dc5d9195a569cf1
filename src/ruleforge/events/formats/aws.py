"""Logs of Amazon's load balancers (ALB, and the classic ones) and of AWS WAF.

A load balancer writes the URL it was asked for in full, so the authority is cut off; of the headers it shows only
User-Agent. AWS WAF shows the headers, but not those that are redacted, and no body.
Sources: docs.aws.amazon.com, "Access logs for your Application Load Balancer" and "Log fields" of AWS WAF.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO

from ruleforge.errors import InputError
from ruleforge.events.formats.bounded import MAX_TOTAL_BYTES, Line, read_lines
from ruleforge.events.formats.escapes import unescape_text
from ruleforge.events.formats.parts import (
    USUAL_HEADERS,
    Parts,
    as_bytes,
    as_status,
    as_time,
    first_line,
    header_pairs,
    read_json_entries,
    request_of,
    without_port,
)
from ruleforge.events.request import Request

_TIME = rb"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]{8,20}Z?)"
_QUOTED = rb'"((?:[^"\\]++|\\.)*+)"'
_LINE = re.compile(
    rb"(?:[a-z0-9]{2,6} )?" + _TIME + rb" ([^ ]{1,300}) ([^ ]{1,100}) ([^ ]{1,100})(?: [0-9.-]{1,20}){3}"
    rb" ([0-9]{3}|-) ([0-9]{3}|-) ([0-9]{1,20}|-) ([0-9]{1,20}|-) " + _QUOTED + rb"(?: " + _QUOTED + rb")?",
    re.DOTALL,
)  # fmt: skip
_ORIGIN = re.compile(rb"[a-z]{2,5}://[^/?]*+", re.IGNORECASE)
_AGENT = frozenset({b"user-agent"})
_REDACTED = (b"REDACTED", b"xxx")
_WAF_HINT = "each line is a log entry of AWS WAF with `httpRequest`"


def is_alb_line(text: bytes) -> bool:
    """Whether a line is one of a load balancer."""
    return _LINE.match(text) is not None


def read_alb(stream: BinaryIO, name: str, most: int = MAX_TOTAL_BYTES) -> Iterator[Request | InputError]:
    """Read one request a line of a load balancer's access log."""
    for line in read_lines(stream, name, most):
        yield _alb_request(line, name) if isinstance(line, Line) else line


def _alb_request(line: Line, name: str) -> Request | InputError:
    where = f"{name}:{line.number}"
    found = _LINE.match(line.text)
    if found is None:
        return InputError("not a line of a load balancer's log", where=where, hint="see the AWS manual", code="RF224")
    sent = unescape_text(found[9])
    is_broken = sent.startswith(b"- ")  # what the load balancer could not read itself
    parts = Parts(method=b"", target=sent, version=b"") if is_broken else first_line(sent)
    target = parts.target or b""
    if parts.method and (origin := _ORIGIN.match(target)):
        target = target[origin.end() :]
        parts.target = target if target.startswith(b"/") else b"/" + target
    agent = found[10]
    if agent is not None:
        parts.headers = () if agent == b"-" else ((b"User-Agent", unescape_text(agent).strip()),)
        parts.recorded = _AGENT
    parts.source_address = b"" if found[3] == b"-" else without_port(found[3])
    parts.status = as_status(found[5].decode())
    parts.time = found[1].decode()
    return request_of(parts, where, name)


def is_waf(entry: dict[str, Any]) -> bool:
    """Whether an object is a log entry of AWS WAF."""
    return isinstance(entry.get("httpRequest"), dict) and ("webaclId" in entry or "terminatingRuleId" in entry)


def read_waf(stream: BinaryIO, name: str, most: int = MAX_TOTAL_BYTES) -> Iterator[Request | InputError]:
    """Read one request a line of an AWS WAF log."""
    return read_json_entries(stream, name, most, _waf_parts, _WAF_HINT)


def _waf_parts(entry: Any) -> Iterable[Parts]:  # noqa: ANN401 - JSON
    if not isinstance(entry, dict) or not isinstance(sent := entry.get("httpRequest"), dict):
        raise TypeError("no `httpRequest`")
    headers = header_pairs(sent["headers"]) if sent.get("headers") is not None else None
    hidden = {name.lower() for name, value in headers or () if value in _REDACTED}
    path, query = as_bytes(sent.get("uri")), as_bytes(sent.get("args"))
    is_hidden = path in _REDACTED or query in _REDACTED
    yield Parts(
        method=None if sent.get("httpMethod") in (None, "REDACTED", "xxx") else as_bytes(sent["httpMethod"]),
        target=None if is_hidden or "uri" not in sent else path + (b"?" + query if query else b""),
        version=as_bytes(sent["httpVersion"]) if sent.get("httpVersion") else None,
        headers=None if headers is None else tuple(header for header in headers if header[1] not in _REDACTED),
        recorded=USUAL_HEADERS - hidden if hidden else None,
        source_address=as_bytes(sent.get("clientIp")),
        status=as_status(entry.get("responseCodeSent")),
        time=as_time(entry.get("timestamp")),
    )
