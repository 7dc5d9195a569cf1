"""Access logs as JSON, one object a line: nginx, Caddy, Traefik, Envoy and whoever uses their names, or names given.

A header counts as recorded where the line has its key; an empty value, `-` or null says that it was not sent. Caddy
(and nobody else) writes all headers; those it blots out, `REDACTED`, are unknown.
Sources: nginx.org (variables), caddyserver.com (log), doc.traefik.io (access logs), envoyproxy.io (access log).
"""

from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO

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
        ValueError: it is no object, has too many keys, or a part has a wrong type.
    """
    if not isinstance(entry, dict) or len(entry) > MAX_KEYS:
        raise ValueError("an object was expected")
    parts = _first_line(entry, names)
    _add_headers(parts, entry, names)
    body = _find(entry, names.get("body", ()))
    if body is not None and (text := as_bytes(body)) not in _NOTHING:
        parts.body = text
    address = _find(entry, names.get("source_address", ()))
    parts.source_address = b"" if address in (None, "-") else without_port(as_bytes(address))
    parts.status = as_status(_find(entry, names.get("status", ())))
    parts.time = as_time(_find(entry, names.get("time", ())))
    return parts


def _first_line(entry: dict[str, Any], names: Mapping[str, tuple[str, ...]]) -> Parts:
    line = _find(entry, names.get("request", ()))
    if isinstance(line, str) and (" " in line or not _find(entry, names.get("target", ()))):
        return first_line(as_bytes(line))
    found = {place: _find(entry, names.get(place, ())) for place in ("method", "target", "version", "query")}
    text = {place: None if value is None else as_bytes(value) for place, value in found.items()}
    target = text["target"]
    if target and text["query"] not in (None, *_NOTHING) and b"?" not in target:
        target += b"?" + (text["query"] or b"").removeprefix(b"?")
    return Parts(method=text["method"], target=target, version=text["version"])


def _add_headers(parts: Parts, entry: dict[str, Any], names: Mapping[str, tuple[str, ...]]) -> None:
    every = _find(entry, names.get("headers", ()))
    single = _single_headers(entry, names)
    if every is None:
        sent = [(name, value) for name, value in single.items() if value not in _NOTHING]
        parts.headers = tuple(sent) if single else None
        parts.recorded = frozenset(name.lower() for name in single)
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


def _single_headers(entry: dict[str, Any], names: Mapping[str, tuple[str, ...]]) -> dict[bytes, bytes]:
    """The headers that have a key of their own: known ones, nginx's `http_…`, Traefik's `request_User-Agent`."""
    found: dict[bytes, bytes] = {}
    for column, keys in names.items():
        if column.startswith("header:") and (key := _key(entry, keys)) is not None:
            found[column.removeprefix("header:").encode()] = as_bytes(key[1]).strip()
    known = {name.lower() for name in found}
    for key_name, value in entry.items() if names is NAMES else ():
        name = _header_name(key_name)
        if name and name.lower() not in known and isinstance(value, str):
            found[name] = value.encode("utf-8", "surrogatepass").strip()
    return found


def _header_name(key: str) -> bytes:
    if key.startswith("request_") and key[8:9].isupper():
        return key[8:].encode("utf-8", "surrogatepass")
    if key.startswith("http_") and key not in _NOT_HEADERS:
        return b"-".join(word.capitalize() for word in key[5:].encode("utf-8", "surrogatepass").split(b"_"))
    return b""


def _find(entry: dict[str, Any], keys: tuple[str, ...]) -> Any:  # noqa: ANN401 - JSON
    found = _key(entry, keys)
    return None if found is None else found[1]


def _key(entry: dict[str, Any], keys: tuple[str, ...]) -> tuple[str, Any] | None:
    """The first of `keys` that is there, and its value; a value that is an object is passed over unless all are."""
    for key in keys:
        value = entry.get(key, entry)
        if value is entry and "." in key:
            for step in key.split("."):
                value = value.get(step, entry) if isinstance(value, dict) else entry
                if value is entry:
                    break
        if value is not entry and (not isinstance(value, dict) or key.lower().endswith("headers")):
            return key, value
    return None
