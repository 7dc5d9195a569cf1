"""The leaves of a JSON body, each named by its RFC 6901 pointer."""

import json
import re
from typing import NoReturn, TypeAlias

from ruleforge.events.bodies.bounds import MAX_DEPTH, MAX_NAME_BYTES, MAX_VALUES
from ruleforge.events.reading import Element, Reading

# What the decoder below gives: pairs as a tuple, so that duplicates survive and arrays stay the only lists.
Node: TypeAlias = "tuple[tuple[str, Node], ...] | list[Node] | str | bool | None"

# An unterminated string runs to the end, so that no byte is looked at twice.
_STRUCTURE = re.compile(rb'"(?:[^"\\]++|\\.)*(?:"|\\?\Z)|[\[\]{}]', re.DOTALL)


def parse_json(body: bytes) -> Reading | None:
    """Read every scalar: strings unescaped, numbers as they are written, `true`, `false` and `null` as those words.

    Duplicate keys are all kept, invalid UTF-8 stays the same bytes, raw control characters in strings are accepted.
    Empty containers give no value. What lies deeper than the bound is left out and the reading is incomplete.

    Returns:
        None where this is not JSON (NaN and Infinity are not).
    """
    shallow = _cut_depth(body.removeprefix(b"\xef\xbb\xbf"))
    whole = shallow is None
    text = (body.removeprefix(b"\xef\xbb\xbf") if shallow is None else shallow).decode("utf-8", "surrogateescape")
    try:
        document = _DECODER.decode(text)
    except ValueError:
        return None if whole else Reading((), complete=False)
    leaves = _Leaves(whole)
    leaves.walk(document, b"")
    return Reading(tuple(leaves.found), leaves.complete)


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)


_DECODER = json.JSONDecoder(
    parse_int=str, parse_float=str, parse_constant=_refuse, object_pairs_hook=tuple, strict=False
)


def _cut_depth(body: bytes) -> bytes | None:
    """The body with `{}` in place of what lies too deep, or None where nothing does."""
    if body.count(b"[") + body.count(b"{") <= MAX_DEPTH:
        return None
    kept: list[bytes] = []
    depth = kept_to = 0
    for token in _STRUCTURE.finditer(body):
        mark = body[token.start()]
        if mark in b"[{":
            depth += 1
            if depth == MAX_DEPTH + 1:
                kept += (body[kept_to : token.start()], b"{}")
                kept_to = len(body)
        elif mark in b"]}":
            depth -= 1
            if depth == MAX_DEPTH:
                kept_to = token.end()
    return b"".join((*kept, body[kept_to:])) if kept else None


class _Leaves:
    """Collects scalars in document order until a bound is met."""

    def __init__(self, complete: bool) -> None:
        self.found: list[Element] = []
        self.complete = complete

    def walk(self, node: Node, pointer: bytes) -> None:
        if len(pointer) > MAX_NAME_BYTES or len(self.found) >= MAX_VALUES:
            self.complete = False
        elif isinstance(node, tuple):
            for key, child in node:
                if not self.complete and len(self.found) >= MAX_VALUES:
                    return
                self.walk(child, pointer + b"/" + _encode(key).replace(b"~", b"~0").replace(b"/", b"~1"))
        elif isinstance(node, list):
            for index, child in enumerate(node):
                if not self.complete and len(self.found) >= MAX_VALUES:
                    return
                self.walk(child, b"%b/%d" % (pointer, index))
        else:
            self.found.append(Element(_scalar(node), pointer))


def _scalar(node: str | bool | None) -> bytes:
    if node is None:
        return b"null"
    if isinstance(node, str):
        return _encode(node)
    return b"true" if node else b"false"


def _encode(text: str) -> bytes:
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # an escaped lone surrogate
        return b"".join([_encode_one(letter) for letter in text])


def _encode_one(letter: str) -> bytes:
    return letter.encode("utf-8", "surrogateescape" if "\udc80" <= letter <= "\udcff" else "surrogatepass")
