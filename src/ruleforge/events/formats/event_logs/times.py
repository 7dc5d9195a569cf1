"""Times as logs write them, in microseconds since 1970 in UTC, exactly."""

import re
from datetime import UTC, datetime, timedelta

from ruleforge.events.origin import seconds_of

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MONTHS = {
    name: number
    for number, name in enumerate(
        (b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"), 1
    )
}
_YEARS_BACK = 8  # enough to come by a leap year
_SLACK = timedelta(days=1)  # clocks and zones differ
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
    number = _MONTHS.get(month[:3].title())
    if number is None or until_us is None:
        return None
    end = _EPOCH + timedelta(microseconds=until_us) + _SLACK
    for year in range(end.year, max(end.year - _YEARS_BACK, 1970), -1):
        try:
            moment = datetime(year, number, day, *clock, tzinfo=UTC)
        except ValueError:  # 29 February, or no time at all
            continue
        if moment <= end:
            return moment_us(moment)
    return None
