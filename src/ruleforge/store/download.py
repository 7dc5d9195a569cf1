"""One file from the network, within bounds: HTTPS only, redirects few and to HTTPS only, bytes and seconds limited.

The standard library does: this is one GET without sessions, and an HTTP client library would not bring the whole-
transfer deadline that is needed here either.
"""

import hashlib
import http.client
import socket
import ssl
import threading
import urllib.request
from pathlib import Path
from urllib.parse import SplitResult, urljoin, urlsplit

import msgspec

from ruleforge import __version__
from ruleforge.errors import OutsideError, UsageError

REDIRECTS_MOST = 5
WAIT_SECONDS = 30.0  # for a connection, and for each answer on it
CHUNK = 1 << 16
URL_MOST = 4_000  # characters
_REDIRECTS = (301, 302, 303, 307, 308)
_ENTER = "fetch it another way and give the file: --from FILE"


class Downloaded(msgspec.Struct, frozen=True):
    """What came."""

    url: str  # after redirects
    sha256: str
    bytes: int


def download(url: str, into: Path, *, bytes_most: int, seconds_most: float) -> Downloaded:
    """Write what `url` gives to the file `into`.

    Args:
        url: an https address without user name.
        into: a file, made anew.
        bytes_most: more is not taken.
        seconds_most: for everything, from the first connection to the last byte.

    Raises:
        UsageError: no https address (RF131).
        OutsideError: no answer, an answer that is no success, or cut off (RF520); a redirect that leaves https or
            redirects without end (RF521); too large or too slow (RF522).
    """
    if _parts(url) is None:
        hint = "only https addresses without a user name are fetched"
        raise UsageError("not an https address", where=url[:200], hint=hint, code="RF131")
    transfer = _Transfer(seconds_most)
    with transfer:
        try:
            return transfer.run(url, into, bytes_most)
        except (OSError, http.client.HTTPException, ValueError) as error:
            transfer.check(url)
            what = f"cannot be fetched: {_words(error)}"
            raise OutsideError(what, where=url, hint=_ENTER, code="RF520") from error


def _words(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted ({error.verify_message})"
    if isinstance(error, socket.gaierror):
        return "its name cannot be looked up"
    if isinstance(error, http.client.IncompleteRead | ssl.SSLEOFError | http.client.RemoteDisconnected):
        return "the connection was cut off"
    return f"{getattr(error, 'strerror', '') or error or type(error).__name__}"[:200]


def _parts(url: str) -> SplitResult | None:
    """Take an https address apart; None for anything else."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return None
    printable = url.isascii() and url.isprintable() and " " not in url
    plain = parts.scheme == "https" and host and parts.username is None and printable and len(url) <= URL_MOST
    return parts if plain else None


class _Transfer:
    """One download with its deadline: when that passes, the connection is shut from another thread."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.late = False
        self._connection: http.client.HTTPSConnection | None = None
        self._response: http.client.HTTPResponse | None = None
        self._socket: socket.socket | None = None  # the connection lets go of it once the headers are there
        self._timer = threading.Timer(seconds, self._cut)
        self._timer.daemon = True

    def __enter__(self) -> None:
        self._timer.start()

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        self._close()

    def _cut(self) -> None:
        self.late = True
        held = self._socket or (self._connection.sock if self._connection is not None else None)
        if held is not None:
            try:
                socket.socket.shutdown(held, socket.SHUT_RDWR)  # below TLS, which would wait for the other side
            except OSError:
                return

    def check(self, url: str) -> None:
        """Raise where the deadline has passed: a read that was cut may look like an end."""
        if self.late:
            what = f"not done within {self.seconds:g} seconds"
            raise OutsideError(what, where=url, hint=_ENTER, code="RF522")

    def run(self, url: str, into: Path, bytes_most: int) -> Downloaded:
        """Follow redirects to an answer and write it."""
        for _ in range(REDIRECTS_MOST + 1):
            response = self._get(url)
            if response.status not in _REDIRECTS:
                return self._write(response, url, into, bytes_most)
            target = urljoin(url, response.headers.get("Location", "")[:URL_MOST])
            self._close()
            if _parts(target) is None:
                what = f"it redirects to {target[:200]!r}, and only https is followed"
                raise OutsideError(what, where=url, hint=_ENTER, code="RF521")
            url = target
        raise OutsideError(f"more than {REDIRECTS_MOST} redirects", where=url, hint=_ENTER, code="RF521")

    def _close(self) -> None:
        for held in (self._response, self._connection, self._socket):
            if held is not None:
                held.close()
        self._response = self._connection = self._socket = None

    def _get(self, url: str) -> http.client.HTTPResponse:
        parts = _parts(url)
        assert parts is not None
        self._connection = connection = _connection(parts)
        connection.connect()
        self._socket = connection.sock
        self.check(url)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        agent = f"ruleforge/{__version__}"
        connection.request("GET", path, headers={"User-Agent": agent, "Accept-Encoding": "identity"})
        self._response = connection.getresponse()
        return self._response

    def _write(self, response: http.client.HTTPResponse, url: str, into: Path, bytes_most: int) -> Downloaded:
        if response.status != 200:
            what = f"the server answers {response.status} {response.reason}"[:100]
            raise OutsideError(what, where=url, hint=_ENTER, code="RF520")
        length = response.length  # None where it comes in chunks, which end with a mark of their own
        if length is None and not response.chunked:
            what = "the server does not say where the answer ends"
            raise OutsideError(what, where=url, hint=_ENTER, code="RF520")
        digest, size = hashlib.sha256(), 0
        with into.open("wb") as file:
            while data := response.read1(CHUNK):
                size += len(data)
                if size > bytes_most:
                    raise OutsideError(f"more than {bytes_most:,} bytes", where=url, hint=_ENTER, code="RF522")
                self.check(url)
                digest.update(data)
                file.write(data)
        self.check(url)
        if length is not None and size != length:
            raise OutsideError(f"cut off after {size:,} of {length:,} bytes", where=url, hint=_ENTER, code="RF520")
        return Downloaded(url, digest.hexdigest(), size)


def _connection(parts: SplitResult) -> http.client.HTTPSConnection:
    """Connect directly, or through the proxy that the environment names."""
    host, port = parts.hostname or "", parts.port or 443
    context = ssl.create_default_context()
    proxy = urllib.request.getproxies().get("https", "")
    if not proxy or urllib.request.proxy_bypass(f"{host}:{port}"):
        return http.client.HTTPSConnection(host, port, timeout=WAIT_SECONDS, context=context)
    via = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
    connection = http.client.HTTPSConnection(via.hostname or "", via.port or 80, timeout=WAIT_SECONDS, context=context)
    connection.set_tunnel(host, port)
    return connection
