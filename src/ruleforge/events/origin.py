"""Who sent a recorded request, and when: addresses and times as logs write them, in one spelling.

A *source* is one IPv4 address or one IPv6 /64, for that is what one subscriber or machine has.
"""

import ipaddress
import re
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache

IPV6_SOURCE_BITS = 64
MAX_ADDRESS_BYTES = 64  # a longer text is no address
MAX_TIME_CHARS = 64
_DAY = re.compile(r"(\d{1,2})/([A-Z][a-z]{2})/(\d{4}):(\d{2}):(\d{2}):(\d{2})(?: ([+-])(\d{2})(\d{2}))?")
_EPOCH = re.compile(r"\d{1,20}(?:\.\d{1,9})?")
_NAMES = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MONTHS = {name: at for at, name in enumerate(_NAMES, 1)}
_LATEST = 253_402_300_799.0  # the end of the year 9999
_MILLISECONDS_FROM = 1e11  # as seconds this is the year 5138: no log means that

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@lru_cache(maxsize=1 << 16)
def source_of(address: bytes) -> str:
    """Name the source of an address: "192.0.2.7", "2001:db8:1:2::/64"; empty for what is no address.

    A port, brackets and a zone are left out, and an IPv4 address in IPv6 clothes is an IPv4 address.
    """
    found = parse_address(address.decode("ascii", "replace"))
    if found is None:
        return ""
    if isinstance(found, ipaddress.IPv4Address):
        return str(found)
    return str(ipaddress.IPv6Network((int(found) >> IPV6_SOURCE_BITS << IPV6_SOURCE_BITS, IPV6_SOURCE_BITS)))


def parse_address(text: str) -> Address | None:
    """Read an address as logs and lists write it; None for anything else, such as a host name."""
    text = text.strip()
    if not text or len(text) > MAX_ADDRESS_BYTES:
        return None
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        found = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return mapped or found


def anonymised(source: str) -> str:
    """Widen a source to a network that names nobody: /24 for IPv4, /48 for IPv6."""
    bits = 48 if ":" in source else 24
    return str(ipaddress.ip_network(f"{source.partition('/')[0]}/{bits}", strict=False))


@lru_cache(maxsize=1 << 14)
def seconds_of(time: str) -> float | None:
    """Read a recorded time as seconds since 1970 in UTC; None where it is not recorded or of no known form.

    Known are RFC 3339, the time of access logs (10/Oct/2099:13:55:36 +0000), and numbers of seconds, milliseconds,
    microseconds or nanoseconds. A time without a zone is taken for UTC.
    """
    text = time.strip()
    if not text or len(text) > MAX_TIME_CHARS:
        return None
    if _EPOCH.fullmatch(text):
        return _from_number(float(text))
    found = _DAY.fullmatch(text)
    try:
        moment = _from_access_log(found) if found else datetime.fromisoformat(text)
        seconds = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError, KeyError):
        return None
    return seconds if 0 <= seconds <= _LATEST else None


def _from_number(number: float) -> float | None:
    while number >= _MILLISECONDS_FROM:
        number /= 1000
    return number if number <= _LATEST else None


def _from_access_log(found: re.Match[str]) -> datetime:
    day, month, year, hour, minute, second, sign, hours, minutes = found.groups()
    offset = timedelta(hours=int(hours or 0), minutes=int(minutes or 0))
    zone = timezone(-offset if sign == "-" else offset)
    return datetime(int(year), _MONTHS[month], int(day), int(hour), int(minute), int(second), tzinfo=zone)


def written(seconds: float | None) -> str:
    """Write a time as RFC 3339 in UTC, whole seconds; empty for None."""
    return "" if seconds is None else datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
