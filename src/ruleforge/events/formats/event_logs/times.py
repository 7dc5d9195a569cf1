"""Times as logs write them, in microseconds since 1970 in UTC, exactly."""

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from ruleforge.events.origin import seconds_of

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MONTHS = {
    name: number
    for number, name in enumerate(
        (b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"), 1
    )
}
_YEARS_BACK = 8  # enough to come by a leap year
_DAY_US = 86_400_000_000  # also the slack that is left to clocks and zones
_FRACTION = re.compile(r"(\.\d{6})\d+")


def iso_us(text: object) -> int | None:
    """Read RFC 3339 and what comes near it; without a zone it is UTC. None for anything else."""
    if not isinstance(text, str) or not 8 <= len(text) <= 40:
        return None
    try:
        moment = datetime.fromisoformat(_FRACTION.sub(r"\1", text.strip()))
    except ValueError:
        return None
    return moment_us(moment)


def moment_us(moment: datetime) -> int | None:
    """Return a moment as microseconds; None outside 1970 to 9999."""
    try:
        delta = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - _EPOCH
    except OverflowError:
        return None
    return us if (us := delta // timedelta(microseconds=1)) >= 0 else None


def number_us(text: str) -> int | None:
    """Read a number of seconds, milliseconds, microseconds or nanoseconds since 1970; the size tells which."""
    seconds = seconds_of(text)
    return None if seconds is None else round(seconds * 1_000_000)


def yearless_us(month: bytes, day: int, clock: tuple[int, int, int], until_us: int | None) -> int | None:
    """Complete a time without a year: the latest that is not after `until_us`, give or take a day.

    Args:
        month: "Jan" to "Dec".
        day: of the month.
        clock: hour, minute, second; taken for UTC.
        until_us: when the log ended, at the latest; None: the year cannot be known, and so the time is not.
    """
    hour, minute, second = clock
    if until_us is None or hour > 23 or minute > 59 or second > 60:
        return None
    within_day = ((hour * 60 + minute) * 60 + second) * 1_000_000
    for midnight in _midnights(month, day, until_us // _DAY_US):
        if midnight + within_day <= until_us + _DAY_US:
            return midnight + within_day
    return None


@lru_cache(maxsize=4_096)
def _midnights(month: bytes, day: int, last_day: int) -> tuple[int, ...]:
    """Return the beginnings of a day of the year, latest first, about up to `last_day` (days since 1970)."""
    number = _MONTHS.get(month[:3].title())
    if number is None:
        return ()
    end = (_EPOCH + timedelta(days=last_day + 2)).year
    found = []
    for year in range(end, max(end - _YEARS_BACK, 1970) - 1, -1):
        try:
            moment = moment_us(datetime(year, number, day, tzinfo=UTC))
        except ValueError:  # 29 February, or no day at all
            continue
        if moment is not None:
            found.append(moment)
    return tuple(found)
