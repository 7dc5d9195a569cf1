"""Other ways to the same endpoint: the page that a folder opens, the route in a parameter, other pages, other case."""

import re

import msgspec

from ruleforge.background.table import Background
from ruleforge.cases.anatomy import Anatomy
from ruleforge.cases.edit import target_of
from ruleforge.cases.significance import is_selector
from ruleforge.generate.facet import Facet, any_of
from ruleforge.generate.words import IGNORE_CASE
from ruleforge.records.advisory import Advisory
from ruleforge.rules.tree import AllOf, AnyOf, Condition, Name, Some, Tree

OTHER_PAGES_MOST = 5
_FOLDED = frozenset(("args", "multipart", "cookies"))
_STATIC = re.compile(rb"(?i)\.html?\Z")
_INDEX = re.compile(rb"(?i)(?:index|default)\.(?:php|html?|jsp|aspx?|cfm)")
_PAGE = re.compile(r"(?<![\w.-])(?:[\w-]{1,60}/){0,6}([\w-]{1,80}\.(?:php|jsp|aspx?|cgi|do|action|cfm))\b")


def ask_other_ways(facet: Facet, anatomy: Anatomy, advisory: Advisory, background: Background) -> Facet:
    """Let an endpoint that is a path suffix hold for its other ways too; other facets stay as they are."""
    tree = facet.tree
    if facet.kind != "endpoint" or not isinstance(tree, Condition) or tree.op != "path_suffix":
        return facet
    assert isinstance(tree.value, bytes)
    segments = tree.value.split(b"/")[1:]
    ways = [*_folder(tree, segments, anatomy), *_route(segments, anatomy)]
    bits = facet.bits - (1.0 if ways else 0.0)
    pages = _other_pages(segments, anatomy, advisory)
    if pages:
        ways += [msgspec.structs.replace(tree, value=b"/" + b"/".join((*segments[:-1], page))) for page in pages]
        bits = min(bits, *(background.bits("segment", page) for page in pages))
    if not ways:
        return facet
    return msgspec.structs.replace(facet, tree=any_of([tree, *ways]), bits=bits)


def fold_names(facet: Facet, anatomy: Anatomy) -> Facet:
    """Ignore the case of argument and cookie names where the server does."""
    path = target_of(anatomy.poc.request).path.lower()
    if not any(ending in path for ending in IGNORE_CASE):
        return facet
    return msgspec.structs.replace(facet, tree=_folded(facet.tree))


def _folded(tree: Tree) -> Tree:
    match tree:
        case AllOf(parts):
            return AllOf(tuple(_folded(part) for part in parts))
        case AnyOf(parts):
            return AnyOf(tuple(_folded(part) for part in parts))
        case Condition(field=field, name=Name(text, "exact")) if field in _FOLDED:
            return msgspec.structs.replace(tree, name=Name(text.lower(), "lower"))
        case Some(place, where) if place in _FOLDED:
            return Some(place, _folded_names(where))
    return tree


def _folded_names(where: Tree) -> Tree:
    """The same inside `some`, where the name is asked for like a value."""
    match where:
        case AllOf(parts):
            return AllOf(tuple(_folded_names(part) for part in parts))
        case Condition(field="name", op="equals" | "in", value=value, transforms=()):
            lowered = tuple(each.lower() for each in value) if isinstance(value, tuple) else bytes(value).lower()  # type: ignore[arg-type]
            return msgspec.structs.replace(where, value=lowered, transforms=("lower",))
    return where


def _folder(tree: Condition, segments: list[bytes], anatomy: Anatomy) -> list[Tree]:
    """Servers open the index page when the folder is asked for."""
    if not _INDEX.fullmatch(segments[-1]):
        return []
    if len(segments) == 1:
        # Just any folder is a place only with a parameter that says which function of which product is meant.
        chosen = not _STATIC.search(segments[-1]) and any(map(is_selector, anatomy.parts))
        return [Condition("path", "ends_with", b"/")] if chosen else []
    return [msgspec.structs.replace(tree, value=b"/" + b"/".join(segments[:-1]))]


def _route(segments: list[bytes], anatomy: Anatomy) -> list[Tree]:
    """WordPress takes a route of its interface in a parameter as well."""
    path = [segment.text for segment in anatomy.segments]
    if b"wp-json" not in path:
        return []
    route = path[path.index(b"wp-json") + 1 :]
    wanted = segments[segments.index(b"wp-json") + 1 :] if b"wp-json" in segments else segments
    if len(wanted) < 2 or route[-len(wanted) :] != wanted:
        return []
    return [Condition("args", "path_suffix", b"/" + b"/".join(wanted), Name(b"rest_route"))]


def _other_pages(segments: list[bytes], anatomy: Anatomy, advisory: Advisory) -> list[bytes]:
    """The pages that the advisory names beside the one its exploit asks for."""
    if not anatomy.has_payload:
        return []
    named = list(dict.fromkeys(name.encode() for name in _PAGE.findall(advisory.description[:4_000])))
    if segments[-1] not in named or len(named) > OTHER_PAGES_MOST + 1:
        return []
    ending = segments[-1].rpartition(b".")[2]
    return [name for name in named if name != segments[-1] and name.rpartition(b".")[2] == ending]
