"""Rules that are made wrong on purpose, from a template's requests or from the rule that was shipped for it.

They are too easy to tell from good ones, so they are kept apart from natural rules in every figure.
"""

import hashlib
from collections.abc import Iterator

import msgspec

from ruleforge.errors import RuleForgeError
from ruleforge.events.places import HttpView
from ruleforge.events.request import Request
from ruleforge.records.advisory import Advisory
from ruleforge.rules.dump import dump_rule
from ruleforge.rules.parse import parse_rule
from ruleforge.rules.tree import AllOf, AnyOf, Condition, Name, Rule, Tree, conditions_of

ORIGINS = ("first_request", "exact_literal", "path_only", "dropped", "widened")
VALUES_MOST = 6  # exact values in one rule
LITERAL_MOST = 400  # bytes


class Constructed(msgspec.Struct, frozen=True):
    """A constructed rule and how it came about."""

    rule: Rule
    origin: str  # one of ORIGINS


def construct(advisory: Advisory, shipped: Rule | None, most: int) -> list[Constructed]:
    """Make at most `most` rules of different origins, chosen by hash; those that are no valid rule are left out."""
    found = {each.origin: each for each in _all(advisory, shipped)}
    order = sorted(found, key=lambda origin: _digest(f"{advisory.id} {origin}"))
    return [found[origin] for origin in order[:most]]


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _all(advisory: Advisory, shipped: Rule | None) -> Iterator[Constructed]:
    requests = advisory.requests
    exploits = [poc.request for poc in requests if poc.role == "exploit"]
    trees: dict[str, Tree | None] = {}
    if requests:
        trees["first_request"] = _first(requests[0].request)
    if exploits:
        trees["exact_literal"] = _exact(exploits[0])
        trees["path_only"] = _path(exploits[0])
    if shipped is not None:
        trees["dropped"] = _dropped(shipped.when, advisory.id)  # type: ignore[arg-type]
        trees["widened"] = _widened(shipped.when, advisory.id)  # type: ignore[arg-type]
    for origin, tree in trees.items():
        rule = None if tree is None else _valid(tree, advisory, shipped, origin)
        if rule is not None:
            yield Constructed(rule, origin)


def _valid(tree: Tree, advisory: Advisory, shipped: Rule | None, origin: str) -> Rule | None:
    """Make a rule of a tree, if the language takes it."""
    used = {c.value.decode() for c in conditions_of(tree) if c.op == "is_class" and isinstance(c.value, bytes)}
    classes = tuple(each for each in (shipped.classes if shipped else ()) if each[0] in used)
    name = f"RF-{advisory.id}-{ORIGINS.index(origin) + 100}"
    try:
        rule = Rule(id=name, title=f"{advisory.id} ({origin})", when=tree, cves=advisory.cves, classes=classes)
        return parse_rule(dump_rule(rule)).require()
    except RuleForgeError:
        return None


def _endpoint(request: Request) -> tuple[Condition, ...]:
    elements = HttpView(request).read("path").elements
    path = elements[0].value if elements else b""
    return (Condition("path", "equals", path),) if path and len(path) <= LITERAL_MOST else ()


def _values(view: HttpView, place: str) -> list[Condition]:
    return [
        Condition(place, "equals", element.value, Name(element.name))
        for element in view.read(place).elements
        if element.name and 0 < len(element.value) <= LITERAL_MOST
    ]


def _first(request: Request) -> Tree | None:
    """What a hurried author copies: method, path and one argument of the first request, whatever it is for."""
    view = HttpView(request)
    parts: list[Tree] = [Condition("method", "equals", request.method), *_endpoint(request)]
    parts += _values(view, "args")[:1]
    return AllOf(tuple(parts)) if len(parts) > 1 else None


def _exact(request: Request) -> Tree | None:
    """Every value exactly as in the published exploit."""
    view = HttpView(request)
    parts: list[Tree] = list(_endpoint(request))
    for place in ("args", "json", "multipart"):
        parts += _values(view, place)
    if len(parts) < 2 and request.body and len(request.body) <= LITERAL_MOST:
        parts.append(Condition("body", "contains", request.body))
    return AllOf(tuple(parts[: VALUES_MOST + 1])) if len(parts) > 1 else None


def _path(request: Request) -> Tree | None:
    parts = _endpoint(request)
    return parts[0] if parts and parts[0].value != b"/" else None


def _arms(tree: Tree) -> tuple[Tree, ...]:
    return tree.parts if isinstance(tree, AnyOf) else (tree,)


def _dropped(tree: Tree, name: str) -> Tree | None:
    """Leave one condition out of every arm that has two."""
    arms = []
    for arm in _arms(tree):
        if not isinstance(arm, AllOf) or len(arm.parts) < 2:
            return None
        at = int(_digest(f"{name} dropped"), 16) % len(arm.parts)
        rest = arm.parts[:at] + arm.parts[at + 1 :]
        arms.append(rest[0] if len(rest) == 1 else AllOf(rest))
    return arms[0] if len(arms) == 1 else AnyOf(tuple(arms))


def _widened(tree: Tree, name: str) -> Tree | None:
    """Ask less of one condition of every arm: a payload class becomes "there is a value", a literal half of it."""
    arms = []
    for arm in _arms(tree):
        parts = list(arm.parts) if isinstance(arm, AllOf) else [arm]
        wider = [(at, made) for at, part in enumerate(parts) if (made := _wider(part)) is not None]
        if not wider:
            return None
        at, made = wider[int(_digest(f"{name} widened"), 16) % len(wider)]
        parts[at] = made
        arms.append(parts[0] if len(parts) == 1 else AllOf(tuple(parts)))
    return arms[0] if len(arms) == 1 else AnyOf(tuple(arms))


def _wider(part: Tree) -> Tree | None:
    if not isinstance(part, Condition):
        return None
    if part.op == "is_class" and part.field != "path.raw":
        return msgspec.structs.replace(part, op="present", value=None)
    if part.op in ("equals", "starts_with", "ends_with", "contains") and isinstance(part.value, bytes):
        half = part.value[: len(part.value) // 2]
        return msgspec.structs.replace(part, op="contains", value=half) if len(half) >= 2 else None
    if part.op == "path_suffix" and isinstance(part.value, bytes) and part.value.count(b"/") > 1:
        return msgspec.structs.replace(part, value=b"/" + part.value.rpartition(b"/")[2])
    return None
