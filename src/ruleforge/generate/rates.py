"""How surprising it is that a value satisfies a payload class: from counts over ordinary traffic, shipped as data.

`class_rates.json` is written by bench/bench_classes.py; `docs/reference/payload-classes.md` shows the counts.
"""

import math
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import msgspec

_FILE = Path(__file__).parent / "class_rates.json"
_BOUND = 3  # no hit in n values bounds the rate at 3/n (95 %); the same allowance is added to counted hits
# Ordinary values of other products than the recorded ones satisfy these by design: at most so surprising. An address
# of one's own network is what dashboards fetch, and it stands where an address is expected anyway.
WEAK_BITS_MOST: Mapping[str, float] = MappingProxyType(
    {"upload_name": 9.0, "url_value": 4.0, "mass_assignment": 6.0, "internal_address": 9.0}
)
# A look-up or an exported shell function means the same wherever it stands: bounded by the values of all places.
ANYWHERE: frozenset[str] = frozenset(("jndi", "shellshock"))


class ClassRates(msgspec.Struct, frozen=True):
    """Counts by "PART PLACE": of all values, and of those that satisfy each class."""

    versions: dict[str, int]  # of the classes that were counted
    classes: str  # the digest of their data
    values: dict[str, int]
    hits: dict[str, dict[str, int]]


def load_rates() -> ClassRates:
    """Read the counts."""
    return msgspec.json.decode(_FILE.read_bytes(), type=ClassRates)


def class_bits() -> dict[str, float]:
    """Return -log2 of the upper bound of each class's rate in argument values of the part `fit`, to a tenth."""
    rates = load_rates()
    return {name: _bits(name, hits, rates.values) for name, hits in rates.hits.items()}


def _bits(name: str, hits: dict[str, int], values: dict[str, int]) -> float:
    places = ["fit args"]
    if name in ANYWHERE:
        places = [place for place in values if place.startswith("fit ")]
    total = sum(values[place] for place in places)
    bound = (sum(hits.get(place, 0) for place in places) + _BOUND) / total
    return min(round(-math.log2(bound), 1), WEAK_BITS_MOST.get(name, math.inf))
