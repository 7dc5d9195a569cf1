"""Strategies that propose an arm for one exploit request. Each says in one line what kind of rule it writes."""

import re
from collections.abc import Callable
from typing import TypeAlias

from ruleforge._registry import Registry
from ruleforge.cases.anatomy import SPECIFICITY
from ruleforge.generate.draft import ENOUGH_FREE_BITS, Arm, enough_bits, place_of, without_implied
from ruleforge.generate.facet import Facet
from ruleforge.generate.payloads import IS_COMMAND
from ruleforge.generate.words import CLASS_BITS
from ruleforge.rules.tree import AllOf, AnyOf, Condition, Some, Tree

Strategy: TypeAlias = Callable[[tuple[Facet, ...], bool], tuple[Facet, ...] | None]

GENERATORS: Registry[Strategy] = Registry("generator")
ENDPOINT_BITS = 12.0  # a path suffix this surprising is an endpoint by itself
SURE_ENDPOINT_BITS = 14.0  # below this a parameter that selects the function belongs to the endpoint
WEAK_BITS = 9.0  # a class that ordinary values satisfy this often says nothing without its parameter
_WORD = re.compile(rb"/(?:[A-Za-z]{1,9}|[A-Za-z]{1,5}\.[A-Za-z]{2,5})")
ANYWHERE_PLACES = ("args", "headers", "cookies", "path.raw", "json", "body")


def of_kind(facets: tuple[Facet, ...], *kinds: str) -> list[Facet]:
    """The facets of these kinds, in their order."""
    return [facet for facet in facets if facet.kind in kinds]


def endpoint(facets: tuple[Facet, ...], *, full: bool = False) -> Facet | None:
    """The shortest suffix that is an endpoint by itself (two segments where there are two); `full`: the longest."""
    options = of_kind(facets, "endpoint")
    if not options:
        return None
    if full:
        return options[0]
    shortest_first = sorted(options, key=lambda facet: facet.depth)
    for option in shortest_first:
        alone = len(options) == 1 or (option.bits >= 16.0 and not _plain_word(option))
        if option.bits >= ENDPOINT_BITS and (option.depth >= 2 or alone):
            return option
    return options[0]


def _plain_word(option: Facet) -> bool:
    """Whether the suffix is one short word, as many products may have: it names a place only with the one before it."""
    tree = option.tree.parts[0] if isinstance(option.tree, AnyOf) else option.tree
    return isinstance(tree, Condition) and isinstance(tree.value, bytes) and bool(_WORD.fullmatch(tree.value))


def _strengthen(
    chosen: list[Facet], facets: tuple[Facet, ...], kinds: tuple[str, ...], endpoint_free: bool
) -> tuple[Facet, ...]:
    """Add facets of `kinds`, most surprising first, until the arm is surprising enough."""
    pool = sorted((f for f in of_kind(facets, *kinds) if f not in chosen), key=lambda f: (kinds.index(f.kind), -f.bits))
    arm = Arm(0, without_implied(tuple(chosen)))
    while arm.bits < enough_bits(arm, endpoint_free=endpoint_free) and pool:
        facet = pool.pop(0)
        read = {place_of(f.tree) for f in arm.facets} - {None}
        if place_of(facet.tree) not in read:  # a value wanted twice makes the rule narrow, not sure
            arm = arm.with_facet(facet)
    return arm.facets


@GENERATORS.add("payload_anywhere")
def payload_anywhere(facets: tuple[Facet, ...], endpoint_free: bool) -> tuple[Facet, ...] | None:
    """A payload that may stand in any field, for vulnerabilities without an endpoint (header injections)."""
    if not endpoint_free:
        return None
    names = [_class_of(facet.tree) for facet in of_kind(facets, "payload", "anywhere")]
    telling = [name for name in names if name]
    if not telling:
        return None
    best = min(telling, key=lambda name: SPECIFICITY.index(name.decode()))
    if CLASS_BITS[best.decode()] < ENOUGH_FREE_BITS:
        return None
    # Only headers become environment variables; scripts in bodies look alike.
    places = ("headers", "cookies") if best == b"shellshock" else ANYWHERE_PLACES
    trees = tuple(Condition(place, "is_class", best) for place in places)
    label = f"some place is {best.decode()}"
    return (Facet("anywhere", AnyOf(trees), CLASS_BITS[best.decode()], label),)


@GENERATORS.add("endpoint_any_parameter")
def endpoint_any_parameter(facets: tuple[Facet, ...], endpoint_free: bool) -> tuple[Facet, ...] | None:
    """Where the vulnerability is, and a payload in any of its parameters: other authors use its other parameters."""
    strong = [facet for facet in of_kind(facets, "anywhere") if facet.bits > WEAK_BITS]
    payloads = of_kind(facets, "payload")
    # Without any: the source does not say how the parameter is called.
    if not strong or (payloads and not _reads_values(payloads[0].tree)):
        return None
    place = endpoint(facets)
    selectors = of_kind(facets, "selector")
    if not place or (place.bits < ENDPOINT_BITS and not selectors):
        return None
    payload = strong[0]
    # A remote address is an attack in this parameter only, and so is a bare command.
    if payloads and (_asks_for(payloads[0].tree, b"url_value") or payloads[0].label.endswith(IS_COMMAND)):
        payload = Facet(
            "payload", AnyOf((payload.tree, payloads[0].tree)), payload.bits, f"{payload.label} or {payloads[0].label}"
        )
    chosen = [place, *(selectors[:1] if place.bits < SURE_ENDPOINT_BITS else []), payload]
    return _strengthen(chosen, facets, ("selector", "present", "header", "method"), endpoint_free)


@GENERATORS.add("endpoint_payload")
def endpoint_payload(facets: tuple[Facet, ...], endpoint_free: bool) -> tuple[Facet, ...] | None:
    """Where the vulnerability is and what reaches it: path suffix, parameter, payload class of its value."""
    payloads = of_kind(facets, "payload")
    if not payloads:
        return None
    place = endpoint(facets)
    unsure = not place or place.bits < SURE_ENDPOINT_BITS
    chosen = [*([place] if place else []), *of_kind(facets, "selector")[: int(unsure)], payloads[0]]
    # A second payload comes late: what one exploit happens to carry twice, the next may not.
    kinds = ("selector", "endpoint", "present", "header", "payload", "literal", "method")
    return _strengthen(chosen, facets, kinds, endpoint_free)


def _reads_values(tree: Tree) -> bool:
    """Whether a payload stands in a parameter's value (not in its name, nor in the path)."""
    match tree:
        case AnyOf(parts):
            return all(_reads_values(part) for part in parts)
        case Some(_, Condition(field="name")):
            return False
        case Condition(field=field):
            return field != "path.raw"
    return True


def _asks_for(tree: Tree, name: bytes) -> bool:
    match tree:
        case AllOf(parts) | AnyOf(parts):
            return any(_asks_for(part, name) for part in parts)
        case Some(_, where):
            return _asks_for(where, name)
        case Condition(op="is_class", value=value):
            return value == name
    return False


def _class_of(tree: Tree) -> bytes | None:
    if isinstance(tree, Condition):
        return tree.value if tree.op == "is_class" and isinstance(tree.value, bytes) else None
    for part in getattr(tree, "parts", ()) or ((tree.where,) if hasattr(tree, "where") else ()):
        found = _class_of(part)
        if found:
            return found
    return None


@GENERATORS.add("parameter_anywhere")
def parameter_anywhere(facets: tuple[Facet, ...], endpoint_free: bool) -> tuple[Facet, ...] | None:
    """Parameters so unusual that the endpoint does not matter: for flaws in what every endpoint passes on."""
    names = sorted(of_kind(facets, "present", "selector"), key=lambda facet: -facet.bits)
    payloads = of_kind(facets, "payload")
    if not names or not endpoint_free:
        return None
    arm = Arm(0, without_implied((*names[:1], *payloads[:1])))
    pool = [*names[1:3], *of_kind(facets, "method"), *of_kind(facets, "endpoint")[-1:]]
    while arm.bits < ENOUGH_FREE_BITS and pool:
        arm = arm.with_facet(pool.pop(0))
    return arm.facets if arm.bits >= ENOUGH_FREE_BITS else None


@GENERATORS.add("magic_parameter")
def magic_parameter(facets: tuple[Facet, ...], endpoint_free: bool) -> tuple[Facet, ...] | None:
    """A call that changes state or privileges through parameters no ordinary page sends."""
    selectors, present = of_kind(facets, "selector"), of_kind(facets, "present")
    if not selectors and not present:
        return None
    place = endpoint(facets)
    chosen = [*([place] if place else []), *of_kind(facets, "method"), *selectors[:2]]
    if not selectors:
        chosen.append(present[0])
    return _strengthen(chosen, facets, ("selector", "present", "header", "literal", "payload"), endpoint_free)


@GENERATORS.add("endpoint_literal")
def endpoint_literal(facets: tuple[Facet, ...], endpoint_free: bool) -> tuple[Facet, ...] | None:
    """Endpoint and the decisive text of the exploit, where no payload class names it."""
    literals = sorted(of_kind(facets, "literal"), key=lambda facet: -facet.bits)
    if not literals:
        return None
    place = endpoint(facets)
    chosen = [*([place] if place else []), literals[0]]
    return _strengthen(chosen, facets, ("literal", "selector", "present", "header", "method"), endpoint_free)


@GENERATORS.add("endpoint_structure")
def endpoint_structure(facets: tuple[Facet, ...], endpoint_free: bool) -> tuple[Facet, ...] | None:
    """Endpoint, method, headers and parameter names: for exploits that are an unusual call."""
    place = endpoint(facets, full=True)
    chosen = [*([place] if place else []), *of_kind(facets, "method"), *of_kind(facets, "header")[:1]]
    if not chosen or (not place and not of_kind(facets, "header", "present")):
        return None
    return _strengthen(chosen, facets, ("present", "selector", "header", "literal"), endpoint_free)
