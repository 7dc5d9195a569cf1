"""A share of something counted, with what the count leaves open."""

from math import sqrt

import msgspec

Z_95 = 1.96  # two-sided 95 % interval


class Interval(msgspec.Struct, frozen=True):
    """A share with its 95 % interval, each in [0, 1]."""

    share: float
    low: float
    high: float


def wilson(part: int, whole: int, z: float = Z_95) -> Interval:
    """Return the Wilson interval of `part` of `whole`; nothing of nothing may be anything."""
    if not whole:
        return Interval(0.0, 0.0, 1.0)
    share = part / whole
    middle, spread = share + z * z / (2 * whole), z * sqrt(share * (1 - share) / whole + (z / (2 * whole)) ** 2)
    scale = 1 + z * z / whole
    low, high = (middle - spread) / scale, (middle + spread) / scale
    return Interval(share, max(0.0, min(share, low)), min(1.0, max(share, high)))  # rounding must not cross the share
