"""One POST to a provider: bytes and seconds bounded from the first connection to the last byte, nothing followed.

The standard library does: one request without sessions, and a deadline over the whole of it.
"""

import http.client
import socket
import ssl
import threading
import urllib.request
from collections.abc import Mapping
from typing import TypeAlias
from urllib.parse import SplitResult, urlsplit

import msgspec

from ruleforge.errors import UsageError
from ruleforge.llm.provider import LostError, UnreachedError

REPLY_MOST = 4 << 20  # bytes
CHUNK = 1 << 16
_Connection: TypeAlias = http.client.HTTPConnection


class HttpReply(msgspec.Struct, frozen=True):
    """What a server answered; names of headers in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def parse_endpoint(url: str) -> SplitResult:
    """Take the address of a provider apart.

    Raises:
        UsageError: not an http or https address, or one with a user name, query or fragment (RF185).
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host, parts = None, urlsplit("")
    printable = url.isascii() and url.isprintable() and " " not in url
    plain = parts.scheme in ("http", "https") and parts.username is None and not parts.query and not parts.fragment
    if not (host and printable and plain):
        hint = "write it as https://host:port/path"
        raise UsageError("not the address of a provider", where=url[:200], hint=hint, code="RF185")
    return parts


def post(url: str, headers: Mapping[str, str], body: bytes, *, seconds_most: float) -> HttpReply:
    """Send `body` to `url` and take the answer, whatever its status; redirects are answers like others.

    Raises:
        UnreachedError: no connection, or it was cut before the request was sent (RF550).
        LostError: no whole answer in time or size (RF551).
    """
    parts = parse_endpoint(url)
    exchange = _Exchange(parts, seconds_most)
    with exchange:
        exchange.connect()
        try:
            return exchange.run(headers, body)
        except (OSError, http.client.HTTPException, ValueError) as error:
            what = f"not done within {seconds_most:g} seconds" if exchange.late else f"no whole answer: {_words(error)}"
            raise LostError(what, where=_shown(parts), hint="the call may have been paid", code="RF551") from error


def _words(error: Exception) -> str:
    if isinstance(error, http.client.IncompleteRead | http.client.RemoteDisconnected):
        return "the connection was cut off"
    return f"{getattr(error, 'strerror', '') or error or type(error).__name__}"[:200]


def _shown(parts: SplitResult) -> str:
    return f"{parts.scheme}://{parts.netloc}{parts.path}"[:200]


class _Exchange:
    """One request with its deadline: when that passes, the connection is shut from another thread."""

    def __init__(self, parts: SplitResult, seconds: float) -> None:
        self.late = False
        self._parts = parts
        self._connection = _connection(parts, seconds)
        self._socket: socket.socket | None = None
        self._timer = threading.Timer(seconds, self._cut)
        self._timer.daemon = True

    def __enter__(self) -> None:
        self._timer.start()

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        self._connection.close()
        if self._socket is not None:
            self._socket.close()

    def _cut(self) -> None:
        self.late = True
        if self._socket is not None:
            try:
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)  # below TLS, which would wait
            except OSError:
                return

    def connect(self) -> None:
        try:
            self._connection.connect()
        except (OSError, http.client.HTTPException) as error:
            what = f"cannot be reached: {_words(error)}"
            raise UnreachedError(what, where=_shown(self._parts), code="RF550") from error
        self._socket = self._connection.sock

    def run(self, headers: Mapping[str, str], body: bytes) -> HttpReply:
        self._connection.request("POST", self._parts.path or "/", body=body, headers=dict(headers))
        response = self._connection.getresponse()
        data = b""
        while chunk := response.read1(CHUNK):
            data += chunk
            if self.late or len(data) > REPLY_MOST:
                raise ValueError(f"more than {REPLY_MOST:,} bytes")
        if self.late or response.length:
            raise http.client.IncompleteRead(data)
        return HttpReply(response.status, {name.lower(): value for name, value in response.getheaders()}, data)


def _connection(parts: SplitResult, seconds: float) -> _Connection:
    """Connect directly, or through the proxy that the environment names for this host."""
    host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
    if parts.scheme == "http":
        return http.client.HTTPConnection(host, port, timeout=seconds)
    context = ssl.create_default_context()
    proxy = urllib.request.getproxies().get("https", "")
    if not proxy or urllib.request.proxy_bypass(f"{host}:{port}"):
        return http.client.HTTPSConnection(host, port, timeout=seconds, context=context)
    via = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
    connection = http.client.HTTPSConnection(via.hostname or "", via.port or 80, timeout=seconds, context=context)
    connection.set_tunnel(host, port)
    return connection
