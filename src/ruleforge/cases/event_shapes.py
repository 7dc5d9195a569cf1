"""What values of attacks look like whatever the attacker chose, as data; and patterns that hold one literal."""

import re
import tomllib
from functools import lru_cache
from pathlib import Path

import msgspec

from ruleforge.rules.patterns import quote

FILE = Path(__file__).parent / "event_data" / "shapes.toml"
_BEGIN, _END = rb"(?:^|[\s\"'`=;|&(/\\])", rb"(?:\z|[\s\"'`;|&)<>:,])"
_LABEL_BEGIN, _LABEL_END = rb"(?:^|\.)", rb"\."
_ESCAPED = re.compile(rb"\\(.)", re.DOTALL)


class Shape(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A pattern of RE2 for values in lower case, of fields of one form."""

    name: str
    form: str  # "command", "path", "program", "starter", "domain" or "text"
    regex: str
    meaning: str  # "a URL": goes behind "has"


@lru_cache(maxsize=1)
def shapes() -> tuple[Shape, ...]:
    """Return the shapes of the data file, in its order."""
    return tuple(msgspec.convert(tomllib.loads(FILE.read_text("utf-8"))["shape"], list[Shape]))


def word_pattern(literal: bytes) -> bytes:
    """Return the pattern that finds `literal` as a word of a command, or as the last part of a path in it."""
    return _BEGIN + quote(literal) + _END


def label_pattern(literal: bytes) -> bytes:
    """Return the pattern that finds `literal` as a label of a domain name."""
    return _LABEL_BEGIN + quote(literal) + _LABEL_END


def literal_in(regex: bytes) -> bytes | None:
    """Return the literal that `word_pattern` or `label_pattern` put into a pattern; None where it is neither's."""
    for make, begin, end in ((word_pattern, _BEGIN, _END), (label_pattern, _LABEL_BEGIN, _LABEL_END)):
        if regex.startswith(begin) and regex.endswith(end):
            literal = _ESCAPED.sub(rb"\1", regex[len(begin) : len(regex) - len(end)])
            if make(literal) == regex:
                return literal
    return None
