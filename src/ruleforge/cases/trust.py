"""Headers by which a server lets itself be told who asks, for what, from where: data, with how surprising each is.

Recordings of clients do not show what gateways add before a sensor sees a request, so a table of traffic takes such a
header for rarer than it is. The data bounds that from above; it never makes a header more surprising.
"""

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType

import msgspec

_FILE = Path(__file__).parent / "trust_headers.json"


class TrustHeader(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One header that servers trust."""

    bits: float  # 0 to 20: how surprising it is at most
    why: str  # what the server takes from it


class _Document(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    about: str
    headers: dict[str, TrustHeader]


@lru_cache(maxsize=1)
def trust_headers() -> Mapping[bytes, TrustHeader]:
    """Return the headers by lower-case name."""
    document = msgspec.json.decode(_FILE.read_bytes(), type=_Document)
    return MappingProxyType({name.encode(): header for name, header in document.headers.items()})


def header_bits(name: bytes, measured: float) -> float:
    """Return how surprising the header `name` is, given what was measured in recordings of clients, in bits."""
    known = trust_headers().get(name.lower())
    return measured if known is None else min(measured, known.bits)
