"""A facet: one condition a rule could use. How places and names of a request are spelled in one."""

import re

import msgspec

from ruleforge.background.table import Background
from ruleforge.rules.tree import AllOf, AnyOf, Condition, Name, Some, Tree

# Variables of the dynamic loader: who can set one can set the others, and each runs code.
_LOADER = re.compile(rb"LD_[A-Z_]{2,40}")


class Facet(msgspec.Struct, frozen=True):
    """One condition a rule could use."""

    kind: str  # one of KIND_ORDER in generate.draft: "endpoint", "payload", "selector", "literal", …
    tree: Tree
    bits: float  # how surprising in normal traffic
    label: str  # for feedback and evidence, "args q is sql_injection"
    depth: int = 0  # endpoint: number of segments


def field_of(place: str) -> str:
    """Return the field that reads a place; query and form arguments are asked together."""
    return "args" if place in ("query_args", "form_args") else place


def any_name(place: str, names: tuple[bytes, ...], classes: tuple[str, ...]) -> Tree:
    """Ask whether one of these parameters satisfies one of these classes."""
    if place in ("args", "headers", "cookies", "multipart") and not any(re.search(rb"\[\d+\]", n) for n in names):
        which = Condition("name", "in", names) if len(names) > 1 else Condition("name", "equals", names[0])
        return Some(place, AllOf((which, _any_class("value", classes))))
    return any_of([named(place, name, "is_class", each.encode()) for name in names for each in classes])


def _any_class(field: str, classes: tuple[str, ...]) -> Tree:
    return any_of([Condition(field, "is_class", name.encode()) for name in classes])


def any_of(trees: list[Tree]) -> Tree:
    """Join alternatives; a single one stands for itself."""
    return trees[0] if len(trees) == 1 else AnyOf(tuple(trees))


def named(place: str, name: bytes, op: str, value: bytes | int | None) -> Tree:
    """Ask about the parameter of this name; a body has no names."""
    if place == "body":
        return Condition(place, op, value)
    return Condition(place, op, value, name=_name(place, name))


def _name(place: str, name: bytes) -> Name:
    """Exact name; array positions of JSON and numbered arguments are not significant."""
    if place == "json":
        return _json_name(name)
    if place == "xml":
        return _xml_name(name)
    if place == "args" and _LOADER.fullmatch(name):
        return Name(rb"\A" + _LOADER.pattern + rb"\z", "regex")
    if place != "headers" and re.search(rb"\[\d+\]", name):
        pattern = re.sub(rb"\\\[\d+\\\]", rb"\\[[^\\]]*\\]", re.escape(name))
        return Name(rb"\A" + pattern + rb"\z", "regex")
    return Name(name)


def _xml_name(pointer: bytes) -> Name:
    """The last element or attribute wherever it stands: prefixes and wrappers are the client's choice."""
    last = pointer.rpartition(b"/")[2].rpartition(b":")[2]
    if not last.lstrip(b"@"):
        return Name(pointer)
    mark = b"@" if pointer.rpartition(b"/")[2][:1] == b"@" else b""
    return Name(b"/" + mark + b"(?:[^/:]*:)?" + re.escape(last.lstrip(b"@")) + b"\\z", "regex")


def _json_name(pointer: bytes) -> Name:
    """The last key wherever it stands, when it says something by itself; array positions never matter."""
    keys = [key for key in pointer.split(b"/") if key]
    fixed = [key for key in keys if not key.isdigit()]
    if len(keys) > 1 and fixed and fixed[-1] == keys[-1] and len(keys[-1]) >= 4:
        return Name(b"(?:\\A|/)" + re.escape(keys[-1]) + b"\\z", "regex")
    return Name(re.sub(rb"(?<=/)\d+(?=/|\Z)", b"*", pointer))


def name_bits(place: str, name: bytes, background: Background) -> float:
    """Return how surprising a parameter, key or header name is."""
    if place == "headers":
        return background.bits("header", name)
    if place == "json":
        name = name.rsplit(b"/", 1)[-1]
    return background.bits("name", name)


def shown(name: bytes) -> str:
    """Return a name for a label, cut to 60 characters."""
    return name.decode("latin-1")[:60]
