"""Where the vulnerability is: suffixes and pieces of the path that name an endpoint."""

import re
from collections.abc import Iterator
from itertools import pairwise

import msgspec

from ruleforge.background.table import Background
from ruleforge.cases.anatomy import Anatomy, Segment
from ruleforge.cases.significance import steps_up
from ruleforge.events.decoding import lower
from ruleforge.events.places import HttpView
from ruleforge.generate.facet import Facet, shown
from ruleforge.generate.words import CANARIES, IGNORE_CASE, ROOTS, SENSITIVE_PATH, STATIC_FOLDERS, is_generic
from ruleforge.rules.tree import Condition

EXTENSION_FOLDERS = frozenset(b"plugins mu-plugins themes components modules extensions addons".split())
_DEPTH_MOST = 6  # of a suffix that begins at the name of an extension


def varies(segment: bytes, standins: tuple[bytes, ...]) -> bool:
    """Whether a path segment is random, numeric or otherwise no name."""
    if any(mark in segment for mark in standins):
        return True
    if CANARIES.search(segment):
        return True
    return bool(re.fullmatch(rb"[0-9]+|[0-9a-fA-F-]{16,}|[A-Za-z0-9+/=_-]{40,}|(?i:CVE-[0-9]+-[0-9]+)", segment))


def path_of(anatomy: Anatomy) -> bytes:
    """Return the normalised path of the request."""
    elements = HttpView(anatomy.poc.request).read("path").elements
    return elements[0].value if elements else b""


def endpoint_facets(anatomy: Anatomy, background: Background) -> Iterator[Facet]:
    """Path suffixes from the most to the least specific; segments where the end of the path varies."""
    if _path_is_payload(anatomy):
        yield from _prefix_facets(anatomy, background)
        return
    segments = [segment for segment in path_of(anatomy).split(b"/") if segment]
    fixed = [not varies(segment, anatomy.poc.standins) for segment in segments]
    tail = len(segments)
    while tail and fixed[tail - 1]:
        tail -= 1
    run = _below_root(segments[tail:])
    for depth in range(len(run), _least_depth(run) - 1, -1):
        yield _suffix(run[-depth:], background)
    if run[:1] and run[0].lower() in ROOTS and len(run) > 1:
        text = b"/" + run[0]
        yield Facet("endpoint", Condition("path", "path_segments", text), 4.0, f"path contains {shown(text)}", 0)
    if tail:
        head = 0
        best: list[bytes] = []
        for index in range(tail + 1):
            if index == tail or not fixed[index]:
                best = max(best, segments[head:index], key=len)
                head = index + 1
        inner = _below_root(best)
        if inner:
            text = b"/" + b"/".join(inner)
            yield Facet("endpoint", _fold(Condition("path", "path_segments", text), text), _bits(inner, background),
                        f"path contains {text.decode('latin-1')}", len(inner))  # fmt: skip


def _least_depth(run: list[bytes]) -> int:
    """Segments a suffix has at least: where a folder holds extensions, the name of the extension is the product's."""
    for index, segment in enumerate(run[:-2]):
        if segment.lower() in EXTENSION_FOLDERS:
            return min(len(run) - index - 1, _DEPTH_MOST)
    return 1


def _below_root(segments: list[bytes]) -> list[bytes]:
    for index, segment in enumerate(segments):
        if segment.lower() in ROOTS:
            return segments[index:]
    return segments


def _fold(condition: Condition, text: bytes) -> Condition:
    """Ignore case where the server does."""
    if any(text.lower().endswith(ending) for ending in IGNORE_CASE):
        return msgspec.structs.replace(condition, value=lower(text), transforms=("lower",))
    return condition


def _suffix(segments: list[bytes], background: Background) -> Facet:
    text = b"/" + b"/".join(segments)
    condition = _fold(Condition("path", "path_suffix", text), text)
    return Facet("endpoint", condition, _bits(segments, background), f"path ends with {text.decode('latin-1')}",
                 len(segments))  # fmt: skip


def bits_of_segments(segments: list[bytes], background: Background) -> float:
    """Surprise of a run of segments: its rarest member or pair, plus a little for each further one."""
    single = [min(background.bits("segment", segment), 4.0 if is_generic(segment) else 40.0) for segment in segments]
    pairs = [background.bits("tail", a + b"/" + b) for a, b in pairwise(segments)]
    generic_only = all(is_generic(segment) for segment in segments)
    best = max(single + ([] if generic_only else [min(pair, sum(single)) for pair in pairs]))
    return best + (len(segments) - 1)


_bits = bits_of_segments


def _path_is_payload(anatomy: Anatomy) -> bool:
    return bool(anatomy.path_classes)


def _segments_before(run: list[bytes], background: Background) -> Iterator[Facet]:
    """Nothing climbs: the normalised path keeps these segments and sees through `//`, `/./` and `;x=y`."""
    for depth in range(len(run), 0, -1):
        text = b"/" + b"/".join(run[-depth:])
        yield Facet("endpoint", Condition("path", "path_segments", text), _bits(run[-depth:], background),
                    f"path contains {text.decode('latin-1')}", depth)  # fmt: skip


def _run_before_payload(anatomy: Anatomy, raw: bytes, background: Background) -> list[bytes]:
    """The names in a row, before the payload begins, that say most; ids and random names part one row from the next."""
    payload = SENSITIVE_PATH.search(raw)
    most = raw[: payload.start()].count(b"/") if payload else len(anatomy.segments)
    runs: list[list[bytes]] = [[]]
    for segment in anatomy.segments[:most]:
        if segment.classes or is_odd(segment):
            break
        if varies(segment.text, anatomy.poc.standins):
            runs.append([])
        else:
            runs[-1].append(segment.text)
    return max(runs, key=lambda run: _bits(run, background) if run else 0.0)


def _prefix_facets(anatomy: Anatomy, background: Background) -> Iterator[Facet]:
    """Where the path itself is the payload: what stands before and after it."""
    raw = b"/" + b"/".join(segment.raw for segment in anatomy.segments)
    run = _below_root(_run_before_payload(anatomy, raw, background))
    if len(run) >= 2 and run[-1].lower() in STATIC_FOLDERS:
        run = run[:-1]  # any folder that is served would do
    if not steps_up(raw):
        yield from _segments_before(run, background)
    for depth in range(len(run), 0, -1):
        part = run[-depth:]
        text = b"/" + b"/".join(part) + b"/"
        yield Facet("endpoint", Condition("path.decoded", "contains", text), _bits(part, background),
                    f"path holds {text.decode('latin-1')}", depth)  # fmt: skip
    if len(run) >= 2:
        # Another file or folder beside the one the source used.
        text = b"/" + b"/".join(run[:-1]) + b"/"
        yield Facet("endpoint", Condition("path.decoded", "contains", text), _bits(run[:-1], background) - 0.5,
                    f"path holds {text.decode('latin-1')}", len(run) - 1)  # fmt: skip
    if run:
        # The payload may follow its segment without a slash: /name;x, /name%0a
        text = b"/" + b"/".join(run)
        yield Facet("endpoint", Condition("path.decoded", "contains", text), _bits(run, background) - 1,
                    f"path holds {text.decode('latin-1')}", len(run))  # fmt: skip
    after: list[bytes] = []
    for segment in reversed(anatomy.segments):
        if segment.classes or is_odd(segment) or varies(segment.text, anatomy.poc.standins):
            break
        after.insert(0, segment.text)
    if after and len(after) < len(anatomy.segments):
        text = b"/" + b"/".join(after)
        if not CANARIES.search(text) and not SENSITIVE_PATH.search(text + b"/"):
            # Where the traversal leads is the attacker's choice: it may help to tell, it is no endpoint.
            yield Facet("literal", Condition("path.decoded", "ends_with", text), min(12.0, _bits(after, background)),
                        f"path ends with {text.decode('latin-1')}")  # fmt: skip


def is_odd(segment: Segment) -> bool:
    """Whether a segment is no plain name: dots, escapes, punctuation."""
    return segment.text in (b".", b"..", b"") or bool(re.search(rb"[^\w.~@+-]|%", segment.text)) or b"%" in segment.raw
