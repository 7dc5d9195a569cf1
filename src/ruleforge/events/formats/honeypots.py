"""Requests that honeypots and CrowdSec keep, as JSON: galah, Tanner (of T-Pot), CrowdSec's alerts.

galah writes all headers but Host, and the body; Tanner all headers, and of a body only its parsed fields; an alert of
CrowdSec shows what its parsers put in the events' `meta`.
Sources: the projects' own code: 0x4D31/galah, mushorg/tanner, crowdsecurity/crowdsec.
"""

import io
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO

import msgspec

from ruleforge.errors import InputError
from ruleforge.events.formats.bounded import DAMAGED, MAX_TOTAL_BYTES
from ruleforge.events.formats.parts import (
    USUAL_HEADERS,
    NoRequestError,
    Parts,
    as_bytes,
    as_status,
    as_time,
    header_pairs,
    read_json_entries,
)
from ruleforge.events.request import Header, Request

MAX_DOCUMENT_BYTES = 64 << 20
MAX_EVENTS = 10_000  # of one alert
_BUT_HOST = USUAL_HEADERS - {b"host"}


def is_galah(entry: dict[str, Any]) -> bool:
    """Whether an object is an event of galah."""
    sent = entry.get("httpRequest")
    return isinstance(sent, dict) and ("bodySha256" in sent or "headersSorted" in sent)


def is_tanner(entry: dict[str, Any]) -> bool:
    """Whether an object is a report of Tanner."""
    return isinstance(entry.get("peer"), dict) and "path" in entry and "method" in entry


def is_crowdsec(entry: dict[str, Any]) -> bool:
    """Whether an object is an alert of CrowdSec."""
    return "scenario" in entry and isinstance(entry.get("events"), list)


def is_crowdsec_list(start: bytes) -> bool:
    """Whether a document that begins so is a list of alerts."""
    return start[:1] == b"[" and b'"scenario"' in start and (b'"events"' in start or b'"meta"' in start)


def read_galah(stream: BinaryIO, name: str, most: int = MAX_TOTAL_BYTES) -> Iterator[Request | InputError]:
    """Read one request a line of galah's event log."""
    return read_json_entries(stream, name, most, _galah, "each line is an event of galah with `httpRequest`")


def read_tanner(stream: BinaryIO, name: str, most: int = MAX_TOTAL_BYTES) -> Iterator[Request | InputError]:
    """Read one request a line of `tanner_report.json`."""
    return read_json_entries(stream, name, most, _tanner, "each line is a report of Tanner with `method` and `path`")


def read_crowdsec(stream: BinaryIO, name: str, most: int = MAX_TOTAL_BYTES) -> Iterator[Request | InputError]:
    """Read the requests of alerts: one JSON document, as `cscli alerts list -o json` writes it, or one alert a line."""
    bound = min(most, MAX_DOCUMENT_BYTES)
    try:
        data = stream.read(bound + 1)
    except DAMAGED as error:
        yield InputError(f"the file is damaged: {error}", where=name, code="RF225")
        return
    if len(data) > bound:
        yield InputError(f"more than {bound} bytes", where=name, hint="split it", code="RF222")
        return
    try:
        document = msgspec.json.decode(data, type=list[msgspec.Raw]) if data[:1] == b"[" else data
    except (msgspec.DecodeError, RecursionError):
        document = data
    alerts = b"\n".join(_on_one_line(bytes(raw)) for raw in document) if isinstance(document, list) else data
    hint = "each line is an alert with `events`, or a list of alerts"
    yield from read_json_entries(io.BytesIO(alerts), name, len(alerts), _crowdsec, hint)


def _on_one_line(raw: bytes) -> bytes:
    """A JSON value without line ends, which only stand between its parts."""
    return raw.replace(b"\r", b" ").replace(b"\n", b" ")


def _galah(entry: Any) -> Iterable[Parts]:  # noqa: ANN401 - JSON
    if not isinstance(entry, dict) or not isinstance(sent := entry.get("httpRequest"), dict):
        raise TypeError("no `httpRequest`")
    given = sent.get("headers")
    headers: tuple[Header, ...] | None
    if isinstance(given, dict):
        headers, recorded = header_pairs(given), _BUT_HOST
    else:  # older versions joined them to one text that cannot be taken apart again
        agent = as_bytes(sent.get("userAgent"))
        headers, recorded = (((b"User-Agent", agent),) if agent else ()), frozenset({b"user-agent"})
    body = as_bytes(sent.get("body"))
    yield Parts(
        method=as_bytes(sent.get("method")),
        target=as_bytes(sent.get("request")),
        version=as_bytes(sent["protocolVersion"]) if sent.get("protocolVersion") else None,
        headers=headers,
        recorded=recorded,
        body=body or None,
        is_body_known="body" in sent,
        source_address=as_bytes(entry.get("srcIP")),
        time=as_time(entry.get("eventTime")),
    )


def _tanner(entry: Any) -> Iterable[Parts]:  # noqa: ANN401 - JSON
    if not isinstance(entry, dict) or "path" not in entry:
        raise ValueError("no `path`")
    peer = entry.get("peer")
    headers = entry.get("headers")
    yield Parts(
        method=as_bytes(entry["method"]) if entry.get("method") is not None else None,
        target=as_bytes(entry["path"]),
        headers=None if headers is None else header_pairs(headers),
        source_address=as_bytes(peer.get("ip")) if isinstance(peer, dict) else b"",
        status=as_status(entry.get("status")),
        time=as_time(entry.get("timestamp")),
    )


def _crowdsec(entry: Any) -> Iterable[Parts]:  # noqa: ANN401 - JSON
    found: list[Parts] = []
    for alert in entry if isinstance(entry, list) else [entry]:
        if not isinstance(alert, dict) or not isinstance(alert.get("events"), list):
            raise TypeError("no `events`")
        source = alert.get("source")
        address = as_bytes(source.get("ip")) if isinstance(source, dict) else b""
        found += [parts for event in alert["events"][:MAX_EVENTS] if (parts := _event(event, address)) is not None]
    if not found:
        raise NoRequestError("no event of the alert shows a request")
    return found


def _event(event: Any, address: bytes) -> Parts | None:  # noqa: ANN401 - JSON
    if not isinstance(event, dict) or not isinstance(meta := event.get("meta"), list):
        return None
    values = {pair.get("key"): pair.get("value") for pair in meta if isinstance(pair, dict)}
    if values.get("http_path") is None:
        return None
    agent = values.get("http_user_agent")
    return Parts(
        method=as_bytes(values["http_verb"]) if values.get("http_verb") else None,
        target=as_bytes(values["http_path"]),
        headers=None if agent is None else (() if agent == "-" else ((b"User-Agent", as_bytes(agent)),)),
        recorded=frozenset({b"user-agent"}),
        source_address=as_bytes(values.get("source_ip")) or address,
        status=as_status(values.get("http_status")),
        time=as_time(event.get("timestamp") or values.get("timestamp")),
    )
