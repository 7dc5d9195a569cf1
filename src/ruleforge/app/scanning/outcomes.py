"""What the status of a response says about an attack: nothing is proved by it, but it says where to look first."""

MAY_HAVE_SUCCEEDED, UNCLEAR, PROBED, UNKNOWN = "may_have_succeeded", "unclear", "probed", "unknown"
OUTCOMES = (MAY_HAVE_SUCCEEDED, UNCLEAR, PROBED, UNKNOWN)
WORDS = {
    MAY_HAVE_SUCCEEDED: "may have succeeded",
    UNCLEAR: "unclear",
    PROBED: "probed",
    UNKNOWN: "no status recorded",
}
# The application itself answered: after an upload or a login that was got around it often sends the browser on.
_ANSWERED = frozenset({101, 302, 303, 304})


def outcome_of(status: int | None) -> str:
    """Sort the status of a response into four kinds.

    - `may_have_succeeded`: 2xx; 302, 303, 304 and 101, which the application itself gave.
    - `unclear`: other 3xx (a front end moved the request to another address, often before the application saw it),
      5xx (the attack may be what broke it), other 1xx.
    - `probed`: 4xx, the server refused or has no such thing.
    - `unknown`: no status recorded, or a number that is none.
    """
    if status is None or not 100 <= status <= 599:
        return UNKNOWN
    if 200 <= status <= 299 or status in _ANSWERED:
        return MAY_HAVE_SUCCEEDED
    return PROBED if 400 <= status <= 499 else UNCLEAR
