"""TRANSFORMS: what a condition may do to a value before it asks about it. Each maps one value to one or to none."""

from collections.abc import Callable
from typing import TypeAlias

import msgspec

from ruleforge._registry import Registry
from ruleforge.events import decoding

Apply: TypeAlias = Callable[[bytes], bytes | None]

MAX_TRANSFORMS = 16  # in one condition


class Transform(msgspec.Struct, frozen=True):
    """One step from value to value; None means that there is no value any more (it did not decode)."""

    name: str
    apply: Apply
    meaning: str  # one line, for the reference page


TRANSFORMS = Registry[Transform]("transform")

for _name, _apply, _meaning in (
    ("percent_decode", decoding.percent_decode, "%XX becomes its byte, once; bad escapes stay"),
    ("percent_decode_stable", decoding.percent_decode_stable, "percent_decode until nothing changes, 5 rounds at most"),
    ("percent_u_decode", decoding.percent_u_decode, "%uXXXX becomes its character in UTF-8; bad escapes stay"),
    ("plus_to_space", decoding.plus_to_space, "+ becomes a space"),
    ("html_entity_decode", decoding.html_entity_decode, "named and numeric HTML entities become characters in UTF-8"),
    ("unicode_escape_decode", decoding.unicode_escape_decode, r"\uXXXX and \xXX become their characters"),
    ("lower", decoding.lower, "ASCII letters become lower case"),
    ("normalize_path", decoding.normalize_path, "the steps of the field path without its decoding: \\ ; // . .."),
    ("base64_decode", decoding.base64_decode, "strict base64, missing padding added; none when it does not decode"),
    ("hex_decode", decoding.hex_decode, "pairs of hexadecimal digits; none when it does not decode"),
    ("remove_nulls", decoding.remove_nulls, "null bytes are removed"),
    ("compress_whitespace", decoding.compress_whitespace, "each run of white space becomes one space"),
    ("trim", decoding.trim, "white space at both ends is removed"),
):
    TRANSFORMS.put(_name, Transform(_name, _apply, _meaning))


def compile_transforms(names: tuple[str, ...]) -> Apply | None:
    """Chain transforms left to right; None when there are none, so that hot loops skip the call.

    Raises:
        UsageError: a name is not known (code RF102).
    """
    steps = tuple(TRANSFORMS[name].apply for name in names)
    if not steps:
        return None
    return steps[0] if len(steps) == 1 else _chain(steps)


def _chain(steps: tuple[Apply, ...]) -> Apply:
    def apply(value: bytes) -> bytes | None:
        current: bytes | None = value
        for step in steps:
            if current is None:
                return None
            current = step(current)
        return current

    return apply
