"""How often ordinary requests hold a literal: what decides which literal of a rule is searched for.

An estimate that is off costs time, never an answer.
"""

import itertools
import math
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import TypeAlias

from ruleforge.background.table import Background, default_background
from ruleforge.engine.zones import NAME_EDGE, VALUE_EDGE

Rarity: TypeAlias = Callable[[str, bytes], float]  # share of benign requests whose text of a zone holds a literal

_SHARE_PER_BYTE = 0.45  # a literal of one more byte stands in so many of the texts, when nothing is known of it
# Literals that stand in most requests, or in whole families of them, although they are long.
COMMON_WORDS = frozenset(
    b"accept accept-encoding accept-language action admin ajax api application assets authorization connection content "
    b"content-length content-type cookie css data delete description email file files form-data get gzip home host "
    b"http https html id image images index index.html index.php javascript json keep-alive lang login message mozilla "
    b"name page password path php post put query referer search select session static status submit text title token "
    b"type upload url user user-agent username value version wp-admin wp-content www".split()
)
# Share of requests that have anything there, in order of magnitude.
_ZONE_SHARE: Mapping[str, float] = {
    "args": 0.35, "args.raw": 0.35, "query_args": 0.25, "query_args.raw": 0.25, "form_args": 0.15,
    "form_args.raw": 0.15, "json": 0.2, "multipart": 0.02, "xml": 0.01, "cookies": 0.1, "body": 0.3, "body.raw": 0.3,
}  # fmt: skip
# Share of texts that hold one of these bytes; letters and digits are in most of them.
_BYTE_SHARE = {byte: share for text, share in ((b"/._-=:", 0.4), (b"&;,()+ ", 0.1), (b'"@*{}[]\n\r', 0.04))
               for byte in text}  # fmt: skip
_RARE_BYTE = 0.01  # any other that is neither letter nor digit
_MARKED_UP = 4  # times as often there, in headers and bodies


def default_rarity(zone: str, text: bytes) -> float:
    """Guess how often benign requests hold a literal: the longer the rarer, common words of the web apart."""
    surprising = len(text) - _common_bytes(text)
    share = min(_SHARE_PER_BYTE ** max(surprising - 1, 0), _rarest_byte(zone, text))
    return min(1.0, _ZONE_SHARE.get(zone, 1.0) * share)


def telling_length(text: bytes) -> int:
    """Count the bytes of a literal apart from common words of the web, which are long and say nothing.

    An edge counts as a byte where something else stands beside it: a whole name says more than its letters.
    """
    bare = text.strip(NAME_EDGE + VALUE_EDGE)
    common = _common_bytes(bare)
    return len(text) - common if len(bare) > common else 0


def _common_bytes(text: bytes) -> int:
    return sum(len(word) for word in text.translate(_BREAKS).split(b" ") if word in COMMON_WORDS)


def background_rarity(background: Background | None = None) -> Rarity:
    """Make a rarity that knows the names and path segments of ordinary traffic; all else is guessed.

    Args:
        background: what ordinary traffic looks like; the table that ships when it is not given.
    """
    table = default_background() if background is None else background

    @lru_cache(maxsize=65_536)
    def rarity(zone: str, text: bytes) -> float:
        guess = default_rarity(zone, text)
        if zone == "path":
            return _path_share(table, text, guess)
        name, edge, value = text[1:].partition(VALUE_EDGE)
        if text[:1] != NAME_EDGE or not edge or zone == "cookies":
            return guess
        if zone == "json":
            name = name.rpartition(b"/")[2]
        return _share(table, "header" if zone == "headers" else "name", name) * _SHARE_PER_BYTE ** len(value)

    return rarity


def _path_share(table: Background, text: bytes, guess: float) -> float:
    """Return the share of the rarest segment; one that may go on is as frequent as its length says, at least."""
    pieces = text.strip(VALUE_EDGE + NAME_EDGE).split(b"/")
    last = pieces.pop() if text[-1:] != NAME_EDGE else b""
    whole = [piece for piece in pieces[1:] if piece]
    shares = [_share(table, "segment", piece) for piece in whole]
    shares += [_share(table, "tail", b"/".join(pair)) for pair in itertools.pairwise(whole)]
    if last or not shares:
        shares.append(max(_share(table, "segment", last), guess) if last else guess)
    return min(shares)


def _share(table: Background, kind: str, token: bytes) -> float:
    return min(1.0, math.pow(2.0, -table.bits(kind, token)))


def _rarest_byte(zone: str, text: bytes) -> float:
    shares = [_BYTE_SHARE.get(byte, _RARE_BYTE) for byte in text if not chr(byte).isalnum() and byte not in b"\x00\x01"]
    return min(1.0, min(shares, default=1.0) * (_MARKED_UP if zone in ("headers", "body", "body.raw") else 1))


_BREAKS = bytes(byte if chr(byte).isalnum() or byte in b"-." else 0x20 for byte in range(128)) + b" " * 128
