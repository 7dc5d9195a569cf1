"""Arguments that lead to another site than the one that was asked, as browsers read a URL in a redirect."""

import re
from collections.abc import Sequence

from ruleforge.events.decoding import percent_u_decode

MAX_URL_BYTES = 4_096  # of a value; a longer one is read up to there
# What browsers drop (WHATWG URL, 4.4): C0 controls and blanks around a URL, tabs and line ends within.
_AROUND = bytes(range(0x21))
_WITHIN = re.compile(rb"[\t\r\n]")
_START = re.compile(rb"(?i)(?:(?:https?|ftp|wss?):)?[/\\]{2,}")
_AUTHORITY_END = re.compile(rb"[/\\?#]")
# One of these is in whatever `host_of_url` finds a host in: two slashes, of which line ends may keep the second away.
LINK_SIGNS = frozenset(bytes((slash, after)) for slash in b"/\\" for after in b"/\\\t\r\n") | {b"%u"}
_PORT = re.compile(rb":\d{0,5}\Z")


def host_of_url(value: bytes) -> bytes:
    r"""Return the host that a browser sent to `value` would go to, in lower case; b"" where it stays where it is.

    Absolute URLs of the web's schemes, `//host`, and what browsers take for it: `\` for `/`, more than two slashes,
    control bytes around and inside. `%u` escapes, which IIS undoes, are undone.
    """
    text = _WITHIN.sub(b"", percent_u_decode(value[:MAX_URL_BYTES]).strip(_AROUND))
    start = _START.match(text)
    if start is None:
        return b""
    authority = _AUTHORITY_END.split(text[start.end() :], 1)[0]
    return plain_host(authority.rpartition(b"@")[2])


def plain_host(authority: bytes) -> bytes:
    """Return the host of `host:port` in lower case, without port and final dot."""
    return _PORT.sub(b"", authority.strip()).rstrip(b".").lower()


def is_offsite(value: bytes, own: Sequence[bytes]) -> bool:
    """Say whether `value` leads to another site than any of the hosts `own`; a subdomain of one is the same site."""
    host = host_of_url(value)
    return bool(host) and not any(host == one or host.endswith(b"." + one) or one.endswith(b"." + host) for one in own)
