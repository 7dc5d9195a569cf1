"""Stand-ins: what a request holds where the real one has something random, secret, or known at run time only."""

import hashlib
import re
from itertools import cycle, islice

from ruleforge.sources.nuclei.text import Text, glue, whole

TARGET_HOST = b"target.example"

# Letters that rarely follow one another in real text, so that a stand-in is not met by chance.
_LETTERS = "zqxkvjwbghpm"
_NUMERIC_NAME = re.compile(r"(?:^|_)(?:\w{0,8}(?:id|num)|number|port|count|timestamp|size|time)\d*$", re.IGNORECASE)
_CALLBACK_NAME = re.compile(r"interactsh|oast|callback|collaborator", re.IGNORECASE)
_FOREIGN_HOST = re.compile(
    rb"(?:interact\.sh|oast\.(?:me|pro|live|site|online|fun|us)|burpcollaborator\.net|oastify\.com|dnslog\.(?:cn|link)"
    rb"|ceye\.io|evil\.com|attacker\.com|requestbin\.net|canarytokens\.com|bxss\.me|webhook\.site)(?![a-z0-9-])",
    re.IGNORECASE,
)
_SCANNER = re.compile(rb"nuclei|projectdiscovery", re.IGNORECASE)
_HOST_BYTES = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_")
_LONGEST_HOST = 253


class Standins:
    """Hands out stand-ins of one template: deterministic, each different, recognisable."""

    def __init__(self) -> None:
        self._used = 0
        self._named: dict[str, Text] = {}

    def letters(self, length: int = 8) -> Text:
        """Lower-case letters, at least 6."""
        return self._marked(self._word("rfq", length))

    def digits(self, length: int = 6) -> Text:
        """Decimal digits, at least 6, no leading zero."""
        self._used += 1
        number = f"94{(self._used * 37 + 1307) % 10_000:04d}{self._used // 10_000 or ''}"
        return self._marked(number.ljust(min(length, 64), "7"))

    def host(self) -> Text:
        """A host name that calls back."""
        self._used += 1
        return self._marked(f"rfcb{self._used}.callback.example")

    def data(self, length: int) -> Text:
        """Arbitrary bytes, as a cipher text has."""
        self._used += 1
        block = hashlib.sha256(f"stand-in {self._used}".encode()).digest()
        return self._marked_bytes(bytes(islice(cycle(block), max(length, 8))))

    def named(self, name: str) -> Text:
        """What stands for the variable `name`; the same one every time."""
        if name not in self._named:
            self._named[name] = self._for_name(name)
        return self._named[name]

    def _for_name(self, name: str) -> Text:
        low = name.lower()
        if _CALLBACK_NAME.search(low):
            return self.host()
        if "mail" in low:
            return self._marked(self._word("rfmail", 8) + "@mail.example")
        if "pass" in low:
            return self._marked(self._word("rfpass", 8))
        if "user" in low and not low.endswith("id"):
            return self._marked(self._word("rfuser", 8))
        return self.digits() if _NUMERIC_NAME.search(low) else self._marked(self._word("rfv", 8))

    def _word(self, start: str, length: int) -> str:
        self._used += 1
        rest, letters = self._used, ""
        while rest or len(letters) < 3:
            rest, digit = divmod(rest, len(_LETTERS))
            letters += _LETTERS[digit]
        return (start + letters + "zkxvj" * 50)[: max(len(start) + len(letters), min(length, 256))]

    @staticmethod
    def _marked(text: str) -> Text:
        return Standins._marked_bytes(text.encode())

    @staticmethod
    def _marked_bytes(data: bytes) -> Text:
        return Text(data, whole(data))


def mark_canaries(text: Text, standins: Standins) -> Text:
    """Replace callback hosts written out in a template by stand-ins, and mark the scanner's own name."""
    text = _replace_foreign_hosts(text, standins)
    found = list(_SCANNER.finditer(text.data))
    if not found:
        return text
    parts: list[Text] = []
    position = 0
    for match in found:
        parts += [text.cut(position, match.start()), text.cut(*match.span()).marked()]
        position = match.end()
    return glue([*parts, text.cut(position)])


def _replace_foreign_hosts(text: Text, standins: Standins) -> Text:
    parts: list[Text] = []
    position = 0
    for match in _FOREIGN_HOST.finditer(text.data):
        start, end = max(_start_of_host(text.data, match.start()), position), match.end()
        if text.touches(start, end):
            continue
        parts += [text.cut(position, start), standins.named("callback:" + text.data[start:end].decode("latin-1"))]
        position = end
    return glue([*parts, text.cut(position)]) if parts else text


def _start_of_host(data: bytes, start: int) -> int:
    """Where the host name begins whose registered part begins at `start`."""
    first = start
    while first > 0 and start - first < _LONGEST_HOST and data[first - 1] in _HOST_BYTES:
        first -= 1
    if data[first - 1 : first] == b"%":  # "%2Finteract.sh": the 2F belongs to the escape
        first = min(first + 2, start)
    return first
