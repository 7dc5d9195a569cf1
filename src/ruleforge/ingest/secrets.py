"""What a recorded request says of its sender alone: sessions, credentials, addresses; letters stand for them."""

import ipaddress
import re

import msgspec

from ruleforge.events.origin import parse_address
from ruleforge.events.request import Request

MAX_STANDINS = 50  # of one request
MAX_MASKS = 50_000  # of one capture
_LEAST = 8  # bytes of a secret that is looked for in the rest of the request as well
_LETTERS = "zqxkvjwbghpm"  # rarely follow one another in real text

# Headers and cookies whose values one session or one person alone has.
_OF_SESSION = re.compile(
    rb"authori[sz]ation|authentication|x-auth|api[-_]?key|access[-_]?key|private[-_]?key|subscription-key|token|secret"
    rb"|session|csrf|xsrf|jwt|passw|credential|signature",
    re.IGNORECASE,
)
_SESSION = re.compile(
    rb"sess|sid$|sid\b|token|csrf|xsrf|nonce|auth|jwt|api[-_]?key|secret|logged[-_]?in|passw|credential|ticket|saml",
    re.IGNORECASE,
)
_SENDER = frozenset(
    b"x-forwarded-for x-real-ip forwarded client-ip x-client-ip true-client-ip cf-connecting-ip x-remote-addr"
    b" x-remote-ip x-originating-ip x-cluster-client-ip fastly-client-ip x-forwarded".split()
)
_ADDRESS = re.compile(rb"[0-9A-Fa-f:.]{3,45}")
_SCHEME = re.compile(rb"([A-Za-z][A-Za-z0-9-]{1,29}) +(?=\S)")
# A value of a query, form or JSON that is a token by its name and by its looks.
_NAMED = re.compile(
    rb"(?:api[-_]?key|access[-_]?key|token|secret|session[-_]?id|sessid|sid|csrf|xsrf|jwt)(?:[\"']|%22)?\s{0,4}[=:]"
    rb"\s{0,4}(?:[\"']|%22)?([A-Za-z0-9_.~-]{12,4096})(?![^&;,\s\"'}\]#])",
    re.IGNORECASE,
)


def hosts(request: Request) -> tuple[bytes, ...]:
    """The host of the test, with and without its port."""
    found = [value for name, value in request.headers if name.lower() == b"host"][:2]
    return tuple(dict.fromkeys(each for host in found for each in (host, host.partition(b":")[0]) if len(each) > 1))


class Masks:
    """Hands out letters for the secrets of one capture: the same for the same secret, and as long as it."""

    def __init__(self) -> None:
        self._known: dict[bytes, bytes] = {}

    def mask(self, request: Request) -> tuple[Request, tuple[bytes, ...]]:
        """Replace what only a session or a person has; return the request and the letters that stand in it."""
        one = _Masked(self)
        headers = tuple((name, one.header(name, value, request.source_address)) for name, value in request.headers)
        target, body = one.named(request.target), None if request.body is None else one.named(request.body)
        headers = tuple((name, value if name.lower() == b"host" else one.rest(value)) for name, value in headers)
        masked = msgspec.structs.replace(
            request, target=one.rest(target), body=None if body is None else one.rest(body), headers=headers
        )
        return masked, tuple(dict.fromkeys(each for each in one.masks.values() if len(each) > 1))

    def letters(self, secret: bytes) -> bytes:
        """Letters as many as the secret has bytes; none where there are too many secrets to tell apart."""
        if secret not in self._known:
            if len(self._known) >= MAX_MASKS:
                return b""
            self._known[secret] = _word(len(self._known), len(secret))
        return self._known[secret]


class _Masked:
    """The secrets of one request."""

    def __init__(self, masks: Masks) -> None:
        self.all = masks
        self.masks: dict[bytes, bytes] = {}

    def put(self, secret: bytes) -> bytes:
        """What stands for a secret; nothing at all beyond the bound."""
        if secret and secret not in self.masks:
            if len(self.masks) >= MAX_STANDINS:
                return b""
            self.masks[secret] = self.all.letters(secret)
        return self.masks.get(secret, b"")

    def header(self, name: bytes, value: bytes, sender: bytes) -> bytes:
        """The value of a header without its secrets."""
        low = name.lower()
        if low == b"cookie":
            return b";".join(self._cookie(pair) for pair in value.split(b";"))
        if low in _SENDER:
            return _ADDRESS.sub(lambda found: self._address(found[0], sender), value)
        if _OF_SESSION.search(low[:200]):
            scheme = _SCHEME.match(value) if low.endswith(b"authorization") else None
            kept = scheme.end() if scheme else 0
            return value[:kept] + self.put(value[kept:])
        return self.named(value) if low in (b"referer", b"cookie2") else value

    def _cookie(self, pair: bytes) -> bytes:
        name, mark, value = pair.partition(b"=")
        if not mark or not _SESSION.search(name[:200]):
            return pair
        secret = value.strip()
        return name + mark + self.put(secret)

    def _address(self, text: bytes, sender: bytes) -> bytes:
        """An address that may be a person's; one of the machine itself is how a check is led astray."""
        found = parse_address(text.decode("ascii"))
        if found is None or found.is_loopback or found.is_unspecified:
            return text
        return self.put(text) if found.is_global or found == _sender(sender) else text

    def named(self, data: bytes) -> bytes:
        """A query, form or document without the tokens it names as such."""
        return _NAMED.sub(lambda found: found[0][: found.start(1) - found.start()] + self.put(found[1]), data)

    def rest(self, data: bytes) -> bytes:
        """The data without the secrets that were found elsewhere."""
        for secret, letters in self.masks.items():
            if len(secret) >= _LEAST and secret in data:
                data = data.replace(secret, letters)
        return data


def _sender(address: bytes) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    return parse_address(address.decode("ascii", "replace"))


def _word(number: int, length: int) -> bytes:
    letters = ""
    while number or len(letters) < 3:
        number, digit = divmod(number, len(_LETTERS))
        letters += _LETTERS[digit]
    return (letters + "zkxvj" * (length // 5 + 1))[:length].encode()
