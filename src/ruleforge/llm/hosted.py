"""Providers that are servers: `openai:MODEL`, `anthropic:MODEL`, `bedrock:MODEL`, `openai+http://HOST/v1?model=MODEL`.

A server that is busy or broken is asked again after as long as it says, within bounds. An answer that was lost on the
way may have been paid: the door decides about those, since it keeps the budget.
"""

import ipaddress
import json
import os
import re
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import msgspec

from ruleforge import __version__
from ruleforge.errors import UsageError
from ruleforge.llm.provider import (
    LLMS,
    Address,
    Call,
    Ground,
    LostError,
    Provider,
    RefusedError,
    Reply,
    UnreachedError,
    check_options,
    model_of,
)
from ruleforge.llm.sigv4 import Credentials, credentials_of, signed
from ruleforge.llm.transport import HttpReply, parse_endpoint, post
from ruleforge.llm.wires import WIRES, Wire

SECONDS_MOST = 120.0  # of one request
TRIES_MOST = 5
WAIT_MOST = 60.0  # seconds between two tries
WAITS_MOST = 150.0  # seconds of all waits of one call
FIRST_WAIT = 0.5
BUSY = frozenset((409, 425, 429, 500, 503, 529))  # nobody is billed for these
GONE = frozenset((408, 502, 504))  # somebody on the way gave up; the answer may have been made, and paid
SAID_MOST = 200  # characters of what a server says about a failure
OPTIONS = ("model", "format", "temperature", "limit", "key_env", "region", "cache")
_REGION = re.compile(r"[a-z]{2}(?:-[a-z]{1,12}){1,3}-[0-9]{1,2}")


class Signer(msgspec.Struct, frozen=True):
    """Signs requests to Bedrock, where there is an access key of AWS and no key of an API."""

    who: Credentials
    region: str
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def headers(self, url: str, headers: Mapping[str, str], body: bytes) -> dict[str, str]:
        """Return the headers with those that sign the request."""
        return signed(url, headers, body, who=self.who, region=self.region, service="bedrock", now=self.now())


class Hosted:
    """A provider behind an address."""

    def __init__(
        self,
        base: str,
        wire: Wire,
        ground: Ground,
        *,
        model: str,
        key: str = "",
        signer: Signer | None = None,
        url: str = "",
        options: Mapping[str, str] | None = None,
        sleep: Callable[[float], None] = time.sleep,
        seconds_most: float = SECONDS_MOST,
    ) -> None:
        self.url, self.model = url or base, model
        self._base, self._wire, self._ground = base.rstrip("/"), wire, ground
        self._key, self._signer, self._options = key, signer, options or {}
        self._sleep, self._seconds = sleep, seconds_most
        parse_endpoint(base)

    def holds(self, _call: Call) -> bool:
        """Every call is paid."""
        return False

    def refuse(self, _call: Call, _problems: tuple[str, ...]) -> bool:
        """The door asks again."""
        return False

    def send(self, call: Call) -> Reply:
        """Send a call; a server that is busy is asked again.

        Raises:
            UnreachedError: nobody there, however often it was tried (RF550).
            LostError: the answer did not come whole, or is not where it belongs (RF551).
            RefusedError: the server refuses, or stays busy (RF552).
        """
        waited = 0.0
        for number in range(TRIES_MOST):
            wait = FIRST_WAIT * 2**number
            last = number == TRIES_MOST - 1
            try:
                reply = self._post(call)
            except UnreachedError:
                if last:
                    raise
            else:
                if reply.status == 200:
                    return self._read(reply)
                if reply.status in GONE:
                    what = f"the server answers {reply.status}: whoever stands behind it did not answer in time"
                    raise LostError(what, where=self._base, hint="the call may have been paid", code="RF551")
                if reply.status not in BUSY or last:
                    raise self._refused(reply)
                wait = retry_after(reply.headers.get("retry-after", ""), wait)
            waited += wait
            if wait > WAIT_MOST or waited > WAITS_MOST:
                what = f"the server is busy and asks to wait {wait:.0f} seconds"
                raise RefusedError(what, where=self._base, hint="try again later", code="RF552")
            self._sleep(wait)
        raise AssertionError("every last try returns or raises")

    def _post(self, call: Call) -> HttpReply:
        sent = self._wire.build(call, call.written(self._ground.frame_key), self._options)
        headers = {
            "Content-Type": "application/json",
            "Accept": "application/json",
            "Accept-Encoding": "identity",
            "User-Agent": f"ruleforge/{__version__}",
            **sent.headers,
            **(self._wire.key_headers(self._key) if self._key else {}),
        }
        url, body = self._base + sent.path, msgspec.json.encode(sent.body)
        if self._signer is not None:
            headers = self._signer.headers(url, headers, body)
        return post(url, headers, body, seconds_most=self._seconds)

    def _read(self, reply: HttpReply) -> Reply:
        try:
            return self._wire.read(json.loads(reply.body))
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            what = "the server sent something that is no answer"
            raise LostError(what, where=self._base, hint="the call may have been paid", code="RF551") from error

    def _refused(self, reply: HttpReply) -> RefusedError:
        said = self._hide(_said(reply.body))
        what = f"the server answers {reply.status}" + (f": {said}" if said else "")
        hint = "is the key right?" if reply.status in (401, 403) else "see what the server says"
        return RefusedError(what, where=self._base, hint=hint, code="RF552")

    def _hide(self, text: str) -> str:
        for secret in (self._key, *((self._signer.who.secret, self._signer.who.token) if self._signer else ())):
            text = text.replace(secret, "[key]") if secret else text
        return text


def retry_after(value: str, otherwise: float, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> float:
    """Seconds that a server asks to wait, as a number or a date; `otherwise` where it does not say."""
    value = value.strip()[:60]
    if value.isascii() and value.isdigit():
        return float(value) if len(value) < 7 else WAIT_MOST + 1
    try:
        when = parsedate_to_datetime(value)
    except (ValueError, TypeError, IndexError, OverflowError):
        return otherwise
    when = when if when.tzinfo else when.replace(tzinfo=UTC)
    return max((when - now()).total_seconds(), 0.0)


def _said(body: bytes) -> str:
    """What a server says about a failure, on one line and without anything that acts on a terminal."""
    text = body[:8_192].decode("utf-8", "replace")
    try:
        found: Any = json.loads(text)
        error = found.get("error", found)
        text = str(error.get("message", "") if isinstance(error, dict) else error)
    except (ValueError, AttributeError, RecursionError):
        pass
    return "".join(letter if letter.isprintable() else " " for letter in text[:SAID_MOST]).strip()


HOSTS = {"openai": "https://api.openai.com/v1", "anthropic": "https://api.anthropic.com"}
KEYS = {"openai": "OPENAI_API_KEY", "anthropic": "ANTHROPIC_API_KEY", "bedrock": "AWS_BEARER_TOKEN_BEDROCK"}


def make_hosted(address: Address, ground: Ground) -> Provider:
    """Make a provider from its name; keys come from environment variables, never from the name.

    Raises:
        UsageError: an option that is none (RF180), no address (RF185), no key, half of one, no region, or a key that
            would go over an open line (RF186).
        InputError: not the name of a model (RF265).
    """
    check_options(address, OPTIONS)
    wire, _, scheme = address.scheme.partition("+")
    options = dict(address.options)
    if scheme:
        base, model = f"{scheme}:{address.place}", model_of(address, "")
    else:
        base, model = _base(wire, options), model_of(address, address.place)
        if wire == "openai":
            options.setdefault("limit", "completion")
    variable = options.get("key_env", KEYS[wire])
    key = os.environ.get(variable, "")
    signer = _signer(options) if wire == "bedrock" and not key and "key_env" not in options else None
    if not key and not signer and not scheme:
        what, other = f"{address.scheme}: needs a key", ""
        if wire == "bedrock":
            other = ", or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        raise UsageError(what, hint=f"set the environment variable {variable}{other}", code="RF186")
    if (key or signer) and not _safe(base):
        what = "a key is sent over https, or to this machine"
        hint = f"use {wire}+https:, or unset {variable if key else 'AWS_ACCESS_KEY_ID'}"
        raise UsageError(what, where=base, hint=hint, code="RF186")
    return Hosted(base, WIRES[wire], ground, model=model, key=key, signer=signer, url=address.url, options=options)


def _signer(options: Mapping[str, str]) -> Signer | None:
    who = credentials_of()
    return Signer(who, _region(options)) if who else None


def _region(options: Mapping[str, str]) -> str:
    region = options.get("region") or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or ""
    if not _REGION.fullmatch(region):
        raise UsageError("bedrock: needs a region", hint="bedrock:MODEL?region=eu-west-1", code="RF186")
    return region


def _base(wire: str, options: Mapping[str, str]) -> str:
    if wire != "bedrock":
        return HOSTS[wire]
    return f"https://bedrock-runtime.{_region(options)}.amazonaws.com"


def _safe(base: str) -> bool:
    parts = parse_endpoint(base)
    if parts.scheme == "https" or parts.hostname == "localhost":
        return True
    try:
        return ipaddress.ip_address(parts.hostname or "").is_loopback
    except ValueError:
        return False


for _wire in WIRES:
    for _scheme in ("", "+http", "+https"):
        LLMS.put(f"{_wire}{_scheme}", make_hosted)
