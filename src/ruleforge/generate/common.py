"""What requests of several documents have in common, and what is general where they differ.

A facet of one request that holds on another author's request as well is no whim of either. Where the two differ, that
very difference shows what is free: a number or a name in the path, the place of a value, the words around a payload.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from difflib import SequenceMatcher

from ruleforge.background.table import Background
from ruleforge.cases.anatomy import Anatomy
from ruleforge.engine.reference import compile_tree
from ruleforge.events.places import HttpView
from ruleforge.generate.endpoints import bits_of_segments, path_of, varies
from ruleforge.generate.facet import Facet, field_of, named, shown
from ruleforge.generate.values import LITERAL_BITS_MOST, significant_pieces
from ruleforge.generate.words import IGNORE_CASE, is_generic
from ruleforge.rules.tree import AllOf, AnyOf, Condition, Some, Tree, conditions_of

REQUESTS_MOST = 24  # of an advisory, compared with one another
PAYLOADS_MOST = 4  # payload facets of a request that are joined with those of another
SEGMENTS_MOST = 12  # of a path, from its end
PIECES_MOST = 3  # words that two values share


def common_facets(
    exploits: Sequence[Anatomy], facets: Sequence[tuple[Facet, ...]], background: Background, classes: Mapping[str, int]
) -> list[tuple[Facet, ...]]:
    """Return, for each exploit request, facets that it shares with a request of another document.

    Only those that no request offers by itself. Without a second document: none.
    """
    found: list[dict[object, Facet]] = [{} for _ in exploits]
    known = [{facet.tree for facet in own} for own in facets]
    views = [HttpView(anatomy.poc.request) for anatomy in exploits[:REQUESTS_MOST]]
    for one in range(len(views)):
        for other in range(one + 1, len(views)):
            if exploits[one].poc.source == exploits[other].poc.source:
                continue
            ours = _only(facets[one], views[other], classes)
            theirs = _only(facets[other], views[one], classes)
            places = _places(exploits[one]) != _places(exploits[other])
            free = (f for index in (one, other) for f in _in_form_parts(facets[index])) if places else ()
            between = _between(exploits[one], exploits[other], background)
            for facet in (*free, *_payloads(ours, theirs), *between):
                ask = compile_tree(facet.tree, classes)
                if ask(views[one]) is True and ask(views[other]) is True:
                    for index in (one, other):
                        if facet.tree not in known[index]:
                            found[index].setdefault(facet.tree, facet)
    return [tuple(extra.values()) for extra in found]


def _only(facets: tuple[Facet, ...], view: HttpView, classes: Mapping[str, int]) -> tuple[Facet, ...]:
    """The payloads in values that the other request does not have as well."""
    return tuple(
        facet
        for facet in facets
        if facet.kind in ("payload", "anywhere")
        and not _reads_path(facet)
        and compile_tree(facet.tree, classes)(view) is not True
    )


def _between(one: Anatomy, other: Anatomy, background: Background) -> Iterator[Facet]:
    yield from _paths(one, other, background)
    yield from _words(one, other, background)


def _paths(one: Anatomy, other: Anatomy, background: Background) -> Iterator[Facet]:
    """What two different paths share: the same path with some segments free, or else a run of segments."""
    left = [segment for segment in path_of(one).split(b"/") if segment][-SEGMENTS_MOST:]
    right = [segment for segment in path_of(other).split(b"/") if segment][-SEGMENTS_MOST:]
    if left == right or one.path_classes or other.path_classes:
        return
    free = {s for a, path in ((one, left), (other, right)) for s in path if varies(s, a.poc.standins)}
    aligned = _aligned(left, right, free, background)
    if aligned is not None:
        yield aligned
        return
    same = SequenceMatcher(None, left, right, autojunk=False).find_longest_match()
    run = left[same.a : same.a + same.size]
    at_the_end = same.a + same.size == len(left) and same.b + same.size == len(right)
    if run and not at_the_end:
        text = b"/" + b"/".join(run)
        yield Facet("endpoint", Condition("path", "path_segments", text), bits_of_segments(run, background),
                    f"path contains {shown(text)}", len(run))  # fmt: skip


def _aligned(left: list[bytes], right: list[bytes], free: set[bytes], background: Background) -> Facet | None:
    """The end of both paths, segment by segment, free where they differ; from the first name they share."""
    ends = list(zip(reversed(left), reversed(right), strict=False))[::-1]
    while ends and ends[0][0] != ends[0][1]:
        ends.pop(0)
    fixed = [a for a, b in ends if a == b]
    if len(fixed) == len(ends) or not fixed or all(is_generic(segment) for segment in fixed):
        return None
    parts = [re.escape(a) if a == b else _segment(a, b, free) for a, b in ends]
    text = b"/" + b"/".join(parts) + rb"/?\z"
    if any(segment.lower().endswith(IGNORE_CASE) for segment in left):
        text = b"(?i)" + text
    told = "/".join(a.decode("latin-1") if a == b else "…" for a, b in ends)
    return Facet("endpoint", Condition("path", "regex", text), bits_of_segments(fixed, background) - 0.5,
                 f"path ends like /{told[:60]}", len(ends))  # fmt: skip


def _segment(one: bytes, other: bytes, free: set[bytes]) -> bytes:
    """A segment in which two paths differ, as a pattern: what the two forms share stays."""
    if one.isdigit() and other.isdigit():
        return b"[0-9]+"
    if one in free or other in free:  # no name: nor is its ending one
        return b"[^/]+"
    (stem, dot, ending), (stem2, dot2, ending2) = one.rpartition(b"."), other.rpartition(b".")
    if dot and dot2 and stem == stem2:
        return re.escape(stem) + rb"\.[A-Za-z0-9]+"
    if dot and dot2 and ending == ending2:
        return rb"[^/]+\." + re.escape(ending)
    return b"[^/]+"


def _payloads(ours: tuple[Facet, ...], theirs: tuple[Facet, ...]) -> Iterator[Facet]:
    """The same class in different places: in either of them."""
    for kind in ("payload", "anywhere"):
        left = [facet for facet in ours if facet.kind == kind][:PAYLOADS_MOST]
        right = [facet for facet in theirs if facet.kind == kind][:PAYLOADS_MOST]
        for a in left:
            for b in right:
                if a.tree != b.tree and _classes(a) & _classes(b):
                    first, second = sorted((a, b), key=lambda facet: facet.label)
                    yield Facet(kind, AnyOf((first.tree, second.tree)), min(a.bits, b.bits) - 0.5,
                                f"{first.label} or {second.label}")  # fmt: skip


def _places(anatomy: Anatomy) -> frozenset[str]:
    """Where the payloads of a request stand, arguments in the query apart from those in a form."""
    return frozenset(part.place for part in anatomy.payloads)


def _in_form_parts(ours: tuple[Facet, ...]) -> Iterator[Facet]:
    """Arguments that are read from the query as well as from a form are read from the parts of a form, too."""
    for facet in ours:
        if facet.kind in ("payload", "anywhere"):
            moved = _moved(facet.tree)
            if moved is not None:
                yield Facet(facet.kind, AnyOf((facet.tree, moved)), facet.bits - 0.5, f"{facet.label}, or a form part")


def _moved(tree: Tree) -> Tree | None:
    """The same question about form parts, where `tree` asks about arguments and nothing else."""
    match tree:
        case Condition(field="args"):
            return Condition("multipart", tree.op, tree.value, tree.name, tree.transforms)
        case Some("args", where):
            return Some("multipart", where)
        case AllOf(parts) | AnyOf(parts):
            moved = [_moved(part) for part in parts]
            whole = tuple(part for part in moved if part is not None)
            return type(tree)(whole) if len(whole) == len(parts) else None
    return None


def _reads_path(facet: Facet) -> bool:
    return any(condition.field.startswith("path") for condition in conditions_of(facet.tree))


def _classes(facet: Facet) -> set[object]:
    return {condition.value for condition in conditions_of(facet.tree) if condition.op == "is_class"}


def _words(one: Anatomy, other: Anatomy, background: Background) -> Iterator[Facet]:
    """Words that the values of one parameter, or two bodies, share; then those that any two parameters share."""
    ours, theirs = _said(one), _said(other)
    same = sorted(ours.keys() & theirs.keys())
    shared = [(place, name, word) for place, name in same for word in ours[place, name] if word in theirs[place, name]]
    yield from _literals(shared, background)
    known = {word for _, _, word in shared}
    for place in ("args", "json", "multipart"):
        left = [word for key, words in sorted(ours.items()) if key[0] == place for word in words]
        right = {word for key, words in theirs.items() if key[0] == place for word in words}
        fresh = [word for word in dict.fromkeys(left) if word in right and word not in known]
        yield from _literals([(place, b"", word) for word in fresh], background)


def _said(anatomy: Anatomy) -> dict[tuple[str, bytes], list[bytes]]:
    """Significant words by place and name."""
    said: dict[tuple[str, bytes], list[bytes]] = {}
    for part in anatomy.parts:
        if part.place not in ("headers", "cookies") and not part.name_standin:
            words = significant_pieces(part.value, anatomy.poc.standins)
            said.setdefault((field_of(part.place), part.name), []).extend(words)
    return said


def _literals(found: list[tuple[str, bytes, bytes]], background: Background) -> Iterator[Facet]:
    counts: dict[tuple[str, bytes], int] = {}
    for place, name, word in found:
        counts[place, name] = counts.get((place, name), 0) + 1
        if counts[place, name] <= PIECES_MOST:
            bits = min(background.bits("value", word), 1.6 * len(word), LITERAL_BITS_MOST)
            tree = named(place, name, "contains", word) if name else Condition(place, "contains", word)
            yield Facet("literal", tree, bits, f"{place} {shown(name) or 'value'} contains {shown(word)}")
