"""Times of logs as RFC 3339 texts, where they can be read."""

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MOST_SECONDS = 253_402_300_799  # the end of the year 9999


def epoch_text(text: str) -> str:
    """Write seconds since 1970 as RFC 3339; milliseconds, micro- and nanoseconds are told by their size.

    What is no such number comes back as it is.
    """
    if not text.isascii() or len(text) > 30:
        return text
    whole, _, rest = text.partition(".")
    if not whole.isdigit() or (rest and not rest.isdigit()):
        return text
    number = int(whole)
    for unit in (1, 1_000, 1_000_000, 1_000_000_000):
        if number // unit <= _MOST_SECONDS // 10:
            micros = number * 1_000_000 // unit + (int(rest[:6].ljust(6, "0")) if rest and unit == 1 else 0)
            moment = _EPOCH + timedelta(microseconds=micros)
            return moment.isoformat(timespec="microseconds" if micros % 1_000_000 else "seconds")
    return text
