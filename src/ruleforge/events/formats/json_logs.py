"""Access logs as JSON, one object a line: nginx, Caddy, Traefik, Envoy and whoever uses their names, or names given.

A header counts as recorded where the line has its key; an empty value, `-` or null says that it was not sent. Caddy
(and nobody else) writes all headers; those it blots out, `REDACTED`, are unknown.
Sources: nginx.org (variables), caddyserver.com (log), doc.traefik.io (access logs), envoyproxy.io (access log).
"""

from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO, NamedTuple

from ruleforge.errors import InputError
from ruleforge.events.formats.bounded import MAX_TOTAL_BYTES
from ruleforge.events.formats.parts import (
    USUAL_HEADERS,
    Parts,
    as_bytes,
    as_status,
    as_time,
    first_line,
    header_pairs,
    read_json_entries,
    without_port,
)
from ruleforge.events.request import Request

NAMES: dict[str, tuple[str, ...]] = {
    "request": ("request", "request_line", "RequestLine"),
    "method": (
        *("request_method", "RequestMethod", "requestMethod", "http_method", "httpMethod", "method", "verb"),
        *("request.method", "http.request.method"),
    ),
    "target": (
        *("request_uri", "requestUri", "RequestPath", "request.uri", "url.original", "uri", "path", "url"),
        *("request_path", "request"),
    ),
    "query": ("query_string", "queryString", "args", "url.query"),
    "version": ("server_protocol", "RequestProtocol", "request.proto", "protocol", "proto", "http_version"),
    "status": (
        *("status", "DownstreamStatus", "response_code", "status_code", "statusCode", "response.status", "response"),
        "http.response.status_code",
    ),
    "source_address": (
        *("remote_addr", "ClientHost", "request.client_ip", "request.remote_ip", "client_ip", "clientip", "clientIp"),
        *("remote_ip", "src_ip", "downstream_remote_address", "source.ip", "client.ip", "remoteIp", "remote_addr"),
    ),
    "time": (
        *("time_iso8601", "@timestamp", "StartUTC", "start_time", "time_local", "timestamp", "time", "ts", "msec"),
        "date",
    ),
    "headers": ("request.headers", "request_headers", "requestHeaders", "headers"),
    "body": ("request_body", "requestBody"),
    "header:Host": ("http_host", "RequestAddr", "authority", "request.host", ":authority"),
    "header:User-Agent": ("http_user_agent", "user_agent", "userAgent", "agent", "user_agent.original", "user-agent"),
    "header:Referer": ("http_referer", "http_referrer", "referer", "referrer", "http.request.referrer"),
    "header:X-Forwarded-For": ("http_x_forwarded_for", "x_forwarded_for", "xff", "x-forwarded-for"),
    "header:Cookie": ("http_cookie", "cookie"),
    "header:Content-Type": ("http_content_type", "content_type"),
}
_HINT = "each line is an object with a method and a target; give the names if they are your own"
_NOT_HEADERS = frozenset({"http_version", "http_method", "http_status", "http_response_code", "http_request"})
_REDACTED = b"REDACTED"
_NOTHING = (b"", b"-")
MAX_KEYS = 2_000


def is_json_log(entry: dict[str, Any]) -> bool:
    """Whether an object seems to be a line of an access log: a target and a method under names that are known."""
    names = NAMES
    if isinstance(_find(entry, names["request"]), str) and " " in str(_find(entry, names["request"])):
        return True
    return isinstance(_find(entry, names["target"]), str) and isinstance(_find(entry, names["method"]), str)


def read_json_log(
    stream: BinaryIO, name: str, most: int = MAX_TOTAL_BYTES, names: Mapping[str, tuple[str, ...]] = NAMES
) -> Iterator[Request | InputError]:
    """Read one request a line, looking for each part under `names`; a name with dots is a path into the object."""
    return read_json_entries(stream, name, most, lambda entry: [parts_of(entry, names)], _HINT)


def parts_of(entry: object, names: Mapping[str, tuple[str, ...]] = NAMES) -> Parts:
    """What an object shows of a request.

    Raises:
        TypeError, ValueError: it is no object, has too many keys, or a part has a wrong type.
    """
    if not isinstance(entry, dict) or len(entry) > MAX_KEYS:
        raise TypeError("an object was expected")
    plan = _plan(entry, names)
    found = {column: _at(entry, path) for column, path in plan.columns}
    parts = _first_line(found)
    single = [(name, _at(entry, path)) for name, path in plan.headers]
    _add_headers(
        parts, found, {name: as_bytes(one).strip() for name, one in single if not isinstance(one, list | bool)}
    )
    if (body := found.get("body")) is not None and (text := as_bytes(body)) not in _NOTHING:
        parts.body = text
    address = found.get("source_address")
    parts.source_address = b"" if address in (None, "-") else without_port(as_bytes(address))
    parts.status = as_status(found.get("status"))
    parts.time = as_time(found.get("time"))
    return parts


class Plan(NamedTuple):
    """Where the parts of a request are in objects with the same keys; a path has one key for each level."""

    columns: tuple[tuple[str, tuple[str, ...]], ...]
    headers: tuple[tuple[bytes, tuple[str, ...]], ...]


_PLANS: dict[tuple[int, tuple[str, ...]], Plan] = {}
_MAX_PLANS = 1_000


def _plan(entry: dict[str, Any], names: Mapping[str, tuple[str, ...]]) -> Plan:
    """The plan for an object; flat ones with the usual names share theirs, which lines of one log do."""
    is_shared = names is NAMES and not any(isinstance(value, dict) for value in entry.values())
    key = (0, tuple(entry))
    if is_shared and (known := _PLANS.get(key)) is not None:
        return known
    columns, headers = [], {}
    for column, keys in names.items():
        path = _path(entry, keys)
        if path is not None and column.startswith("header:"):
            headers[column.removeprefix("header:").encode()] = path
        elif path is not None:
            columns.append((column, path))
    known_names = {name.lower() for name in headers}
    for key_name in entry if names is NAMES else ():
        name = _header_name(key_name)
        if name and name.lower() not in known_names:
            headers[name] = (key_name,)
    plan = Plan(tuple(columns), tuple(headers.items()))
    if is_shared and len(_PLANS) < _MAX_PLANS:
        _PLANS[key] = plan
    return plan


def _at(entry: dict[str, Any], path: tuple[str, ...]) -> Any:  # noqa: ANN401 - JSON
    value: Any = entry
    for step in path:
        value = value[step]
    return value


def _first_line(found: dict[str, Any]) -> Parts:
    line = found.get("request")
    if isinstance(line, str) and (" " in line or not found.get("target")):
        return first_line(as_bytes(line))
    text = {
        place: None if (value := found.get(place)) is None else as_bytes(value)
        for place in ("method", "target", "version", "query")
    }
    target = text["target"]
    if target and text["query"] not in (None, *_NOTHING) and b"?" not in target:
        target += b"?" + (text["query"] or b"").removeprefix(b"?")
    return Parts(method=text["method"], target=target, version=text["version"])


def _add_headers(parts: Parts, found: dict[str, Any], single: dict[bytes, bytes]) -> None:
    every = found.get("headers")
    if every is None:
        sent = [(name, value) for name, value in single.items() if value not in _NOTHING]
        parts.headers = tuple(sent) if single else None
        parts.recorded = frozenset([name.lower() for name in single])
        return
    headers = header_pairs(every)
    kept = [header for header in headers if header[1] != _REDACTED]
    host = single.get(b"Host", b"")
    if host not in _NOTHING and not any(name.lower() == b"host" for name, _ in kept):
        kept.insert(0, (b"Host", host))
    parts.headers = tuple(kept)
    blotted = {name.lower() for name, value in headers if value == _REDACTED}
    if host in _NOTHING and not any(name.lower() == b"host" for name, _ in kept):
        blotted.add(b"host")  # servers keep it apart from the others, so it may have been sent
    parts.recorded = USUAL_HEADERS - blotted if blotted else None


def _header_name(key: str) -> bytes:
    if key.startswith("request_") and key[8:9].isupper():
        return key[8:].encode("utf-8", "surrogatepass")
    if key.startswith("http_") and key not in _NOT_HEADERS:
        return b"-".join([word.capitalize() for word in key[5:].encode("utf-8", "surrogatepass").split(b"_")])
    return b""


def _find(entry: dict[str, Any], keys: tuple[str, ...]) -> Any:  # noqa: ANN401 - JSON
    path = _path(entry, keys)
    return None if path is None else _at(entry, path)


def _path(entry: dict[str, Any], keys: tuple[str, ...]) -> tuple[str, ...] | None:
    """The path to the first of `keys` that is there; a value that is an object is only one where headers are meant."""
    for key in keys:
        for path in ((key,), tuple(key.split("."))) if "." in key else ((key,),):
            value: Any = entry
            for step in path:
                value = value.get(step, _MISSING) if isinstance(value, dict) else _MISSING
            if value is not _MISSING and (not isinstance(value, dict) or key.lower().endswith("headers")):
                return path
    return None


_MISSING = object()
