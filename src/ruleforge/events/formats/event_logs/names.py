"""What readers of DNS logs share: names in one spelling, split into domain and subdomain by a rule of thumb."""

from ruleforge.events.event import Given

MAX_NAME = 255 * 4  # bytes, with escapes
# Second labels under which names are sold in many countries: co.uk, com.au, ac.jp.
_SECOND = frozenset(b"ac co com edu gob gov ltd mil ne net nom or org plc sch".split())
_COUNTRY = 2  # letters of a country's ending


def question(name: bytes) -> dict[str, Given]:
    """Return the fields of a name that was asked for."""
    name = name[:MAX_NAME].lower().rstrip(b".")
    labels = name.split(b".")
    second = len(labels) > 2 and len(labels[-1]) == _COUNTRY and labels[-2] in _SECOND
    kept = 3 if second else 2
    return {
        "question.name": name or b".",
        "question.domain": b".".join(labels[-kept:]) or None,
        "question.subdomain": b".".join(labels[:-kept]) or None,
    }
