"""What is certain about a value of which only the beginning is known, because a size bound cut it off.

A condition is certain when it holds for every value that begins with the known bytes. Where that is not so, a
condition on such a value is unknown: neither true nor false.
"""

import re
from collections.abc import Callable, Mapping
from typing import TypeAlias, cast

from ruleforge.events.decoding import MAX_ROUNDS, html_entity_decode, percent_decode
from ruleforge.rules.classes import load_class
from ruleforge.rules.operators import OPERATORS, Ask
from ruleforge.rules.patterns import compile_pattern, reads_ahead
from ruleforge.rules.transforms import TRANSFORMS
from ruleforge.rules.tree import Condition, Value

Step: TypeAlias = Callable[[bytes], bytes]

_OPEN_ESCAPE = re.compile(rb"%[0-9a-fA-F]?\Z")
_OPEN_ENTITY = re.compile(rb"&#?[A-Za-z0-9]*+\Z")
# More bytes at the end can only add to what these find.
_GROWING = frozenset({"contains", "contains_any", "contains_all", "starts_with", "length_gt"})
_REFUSING = frozenset({"base64_decode", "hex_decode"})  # transforms that may leave no value


def compile_certain(condition: Condition, classes: Mapping[str, int]) -> Ask:
    """Compile the question whether a condition on one value holds, however the value goes on."""
    ask = _compile_operator(condition.op, condition.value, classes)
    steps = [_STEPS.get(name) for name in condition.transforms]
    if ask is None or None in steps:
        return lambda _: False
    known = cast("list[Step]", steps)

    def certain(value: bytes) -> bool:
        for step in known:
            value = step(value)
        return ask(value)

    return certain


def keeps_every_value(transforms: tuple[str, ...]) -> bool:
    """Say whether a value is still one value after these transforms, whatever it is."""
    return _REFUSING.isdisjoint(transforms)


def _compile_operator(op: str, value: Value, classes: Mapping[str, int]) -> Ask | None:
    if op in _GROWING:
        compile_ = OPERATORS[op].compile
        assert compile_ is not None
        return compile_(value, classes)
    if op == "regex":
        return _regex(cast("bytes", value))
    if op == "path_segments":
        inside = cast("bytes", value) + b"/"
        return lambda text: inside in text
    if op == "is_class":
        name = cast("bytes", value).decode()
        return load_class(name, classes[name]).surely_matches
    return None


def _regex(regex: bytes) -> Ask:
    pattern = compile_pattern(regex)
    if not reads_ahead(regex):
        return pattern.test

    def certain(text: bytes) -> bool:
        span = pattern.search(text)
        return span is not None and span.end < len(text)  # all that the match depends on is known

    return certain


# Each step makes the beginning of a value the beginning of the transformed value: what might read otherwise when more
# bytes follow is dropped. A transform that is not here promises nothing.


def _percent_decode(value: bytes) -> bytes:
    return percent_decode(_OPEN_ESCAPE.sub(b"", value))


def _percent_decode_stable(value: bytes) -> bytes:
    for _ in range(MAX_ROUNDS):
        value = _percent_decode(value)
    return value


def _html_entity_decode(value: bytes) -> bytes:
    return html_entity_decode(_OPEN_ENTITY.sub(b"", value))


_SAME = ("lower", "plus_to_space", "remove_nulls", "compress_whitespace", "trim")
_STEPS: Mapping[str, Step] = {name: cast("Step", TRANSFORMS[name].apply) for name in _SAME} | {
    "percent_decode": _percent_decode,
    "percent_decode_stable": _percent_decode_stable,
    "html_entity_decode": _html_entity_decode,
}
