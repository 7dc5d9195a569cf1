"""The rule language as a tree of frozen data. docs/reference/rule-language.md tells its meaning, `engine` has it."""

from collections.abc import Iterator
from typing import TypeAlias

import msgspec

Value: TypeAlias = bytes | int | tuple[bytes, ...] | None


class Name(msgspec.Struct, frozen=True, tag="name"):
    """Which elements of a place a condition reads: exact, without case, or by pattern.

    For `json` an exact text is an RFC 6901 pointer in which `*` stands for one level.
    For `headers` even an exact name ignores ASCII case.
    """

    text: bytes
    how: str = "exact"  # "exact" | "lower" | "regex"


class Condition(msgspec.Struct, frozen=True, tag="condition"):
    """One question: read `field`, apply `transforms` left to right, ask `op` about `value`."""

    field: str  # "path", "args", "headers"; a key of FIELDS; inside `Some`: "name", "value", "filename", "content_type"
    op: str  # a key of OPERATORS
    value: Value = None  # bytes, int or a tuple of bytes, as `op` declares; None for present/absent
    name: Name | None = None  # None: every element
    transforms: tuple[str, ...] = ()


class AllOf(msgspec.Struct, frozen=True, tag="all"):
    """True when every part is; never empty."""

    parts: tuple["Tree", ...]


class AnyOf(msgspec.Struct, frozen=True, tag="any"):
    """True when some part is; never empty."""

    parts: tuple["Tree", ...]


class Not(msgspec.Struct, frozen=True, tag="not"):
    """True when the part is false; unknown stays unknown."""

    part: "Tree"


class Some(msgspec.Struct, frozen=True, tag="some"):
    """Some one element of `place` satisfies `where`; inside, conditions read that element only."""

    place: str  # "args", "query_args", "form_args", "json", "multipart", "headers", "cookies"
    where: "Tree"


Tree: TypeAlias = AllOf | AnyOf | Not | Some | Condition


class Count(msgspec.Struct, frozen=True, tag="count"):
    """At least `at_least` events (or distinct values of `distinct`) that satisfy `when` share `by` within a time."""

    when: Tree
    by: tuple[str, ...]
    within_seconds: int
    at_least: int
    distinct: str | None = None


class Sequence(msgspec.Struct, frozen=True, tag="sequence"):
    """Events that satisfy `steps` one after the other share `by` within a time."""

    steps: tuple[Tree, ...]
    by: tuple[str, ...]
    within_seconds: int


Root: TypeAlias = Tree | Count | Sequence


def conditions_of(root: Root) -> Iterator[Condition]:
    """Yield every condition below `root`, in order; those inside counts and sequences too."""
    match root:
        case Condition():
            yield root
        case AllOf(parts) | AnyOf(parts) | Sequence(parts):
            for part in parts:
                yield from conditions_of(part)
        case Not(inner) | Some(_, inner) | Count(inner):
            yield from conditions_of(inner)


class Product(msgspec.Struct, frozen=True):
    """What the rule protects; `versions` is prose, for people."""

    vendor: str
    product: str
    versions: str = ""


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """A whole rule document. The content hash covers `event`, the normal form of `when` and class versions only."""

    id: str  # "RF-CVE-2021-41773-1", stable over revisions
    when: Root
    event: str = "http.request"
    revision: int = 1
    title: str = ""
    description: str = ""
    cves: tuple[str, ...] = ()
    cwes: tuple[str, ...] = ()
    attack: tuple[str, ...] = ()  # ATT&CK technique ids
    products: tuple[Product, ...] = ()
    severity: str = "unknown"  # "info" | "low" | "medium" | "high" | "critical" | "unknown"
    references: tuple[str, ...] = ()
    false_positives: tuple[str, ...] = ()
    author: str = ""
    created: str = ""  # RFC 3339 date, given by a person or the source; never a clock reading
    expires: str = ""
    classes: tuple[tuple[str, int], ...] = ()  # payload classes used, with versions, sorted by name
    schema: int = 1
