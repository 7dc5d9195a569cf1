"""Signature Version 4 of AWS: a request signed with an access key, which itself is never sent."""

import hashlib
import hmac
import os
from collections.abc import Mapping
from datetime import datetime
from urllib.parse import quote, urlsplit

import msgspec

from ruleforge.errors import UsageError

ALGORITHM = "AWS4-HMAC-SHA256"
UNSIGNED = frozenset(("authorization", "expect", "transfer-encoding", "user-agent", "x-amzn-trace-id"))
KEY_MOST, TOKEN_MOST = 256, 16_384  # characters


class Credentials(msgspec.Struct, frozen=True):
    """An access key of AWS; `token` for those that last for a session only."""

    access_key: str
    secret: str
    token: str = ""

    def __repr__(self) -> str:
        return f"Credentials({self.access_key!r}, …)"


def credentials_of(environ: Mapping[str, str] | None = None) -> Credentials | None:
    """The credentials that AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN hold; None without them.

    Raises:
        UsageError: only one half of a key, or something that cannot be one (RF186).
    """
    environ = os.environ if environ is None else environ
    key, secret = environ.get("AWS_ACCESS_KEY_ID", ""), environ.get("AWS_SECRET_ACCESS_KEY", "")
    token = environ.get("AWS_SESSION_TOKEN", "")
    if not key and not secret:
        return None
    texts = ((key, KEY_MOST), (secret, KEY_MOST), (token, TOKEN_MOST))
    if not key or not secret or any(len(t) > most or not t.isascii() or not _plain(t) for t, most in texts):
        what = "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are no pair of a key and its secret"
        raise UsageError(what, hint="set both, and AWS_SESSION_TOKEN where they belong to a session", code="RF186")
    return Credentials(key, secret, token)


def _plain(text: str) -> bool:
    return not text or (text.isprintable() and " " not in text)


def signed(
    url: str, headers: Mapping[str, str], body: bytes, *, who: Credentials, region: str, service: str, now: datetime
) -> dict[str, str]:
    """Return the headers of a POST with those that sign it.

    Args:
        url: where it goes, as it is sent; without a query.
        headers: what else is sent; ASCII. Host is taken from `url`.
        body: what is sent.
        who: whose key signs.
        region: such as eu-west-1.
        service: such as bedrock.
        now: the time of the request, in universal time; AWS allows five minutes of difference.
    """
    parts = urlsplit(url)
    stamp = now.strftime("%Y%m%dT%H%M%SZ")
    sent = dict(headers) | {"X-Amz-Date": stamp} | ({"X-Amz-Security-Token": who.token} if who.token else {})
    named = {name.lower(): " ".join(value.split()) for name, value in sent.items()} | {"host": host_of(url)}
    names = sorted(name for name in named if name not in UNSIGNED)
    canonical = "\n".join(
        (
            "POST",
            quote(_normal(parts.path), safe="/~"),  # quoted once more: only S3 takes it as it is sent
            "",
            *(f"{name}:{named[name]}" for name in names),
            "",
            ";".join(names),
            hashlib.sha256(body).hexdigest(),
        )
    )
    scope = f"{stamp[:8]}/{region}/{service}/aws4_request"
    to_sign = "\n".join((ALGORITHM, stamp, scope, hashlib.sha256(canonical.encode()).hexdigest()))
    key = f"AWS4{who.secret}".encode()
    for part in scope.split("/"):
        key = _mac(key, part)
    credential = f"Credential={who.access_key}/{scope}"
    sent["Authorization"] = (
        f"{ALGORITHM} {credential}, SignedHeaders={';'.join(names)}, Signature={_mac(key, to_sign).hex()}"
    )
    return sent


def host_of(url: str) -> str:
    """The header Host for `url`, as http.client sends it: the port only where it is not the usual one."""
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname or ""
    usual = {"http": 80, "https": 443}.get(parts.scheme)
    return host if parts.port in (None, usual) else f"{host}:{parts.port}"


def _normal(path: str) -> str:
    """The path without `.`, `..` and empty segments."""
    segments: list[str] = []
    for segment in path.split("/"):
        if segment == "..":
            segments = segments[:-1]
        elif segment not in ("", "."):
            segments.append(segment)
    end = "/" if segments and path.endswith("/") else ""
    return "/" + "/".join(segments) + end


def _mac(key: bytes, text: str) -> bytes:
    return hmac.new(key, text.encode(), hashlib.sha256).digest()
