"""What an attacker gains, where, and with which rights: read from the words of the disclosure, by tables."""

import re
import tomllib
from functools import lru_cache
from importlib import resources

import msgspec

from ruleforge.records.advisory import Advisory
from ruleforge.records.products import canonical_product, plain_name

MAX_TEXT = 5_000  # characters of title and description that are looked at

_CWE = re.compile(r"CWE-(\d{1,5})")
_UNAUTHENTICATED = frozenset({"unauth", "unauthenticated", "pre_auth", "preauth"})
_AUTHENTICATED = frozenset({"authenticated", "post_auth"})


class Class(msgspec.Struct, frozen=True):
    """One kind of gain, with the words that name it."""

    name: str
    value: float
    cwes: frozenset[int]
    tags: frozenset[str]
    phrases: tuple[str, ...]


class Reach(msgspec.Struct, frozen=True):
    """One kind of place, with the names that stand for it."""

    name: str
    value: float
    vendors: frozenset[str] = frozenset()
    products: frozenset[str] = frozenset()
    tags: frozenset[str] = frozenset()


class Factor(msgspec.Struct, frozen=True):
    """A value from 0 to 1 and the words for it."""

    value: float
    words: str


class _Tables(msgspec.Struct, frozen=True, rename={"classes": "class"}):
    classes: tuple[Class, ...]
    reach: tuple[Reach, ...]
    elsewhere: Reach
    rights: dict[str, float]


@lru_cache(maxsize=1)
def _tables() -> _Tables:
    text = resources.files("ruleforge.triage").joinpath("content.toml").read_text(encoding="utf-8")
    return msgspec.convert(tomllib.loads(text), _Tables)


def gain(advisory: Advisory) -> Factor | None:
    """Return the gravest class that weaknesses or tags name, else the first that title or text names; None: none."""
    cwes = {int(found) for cwe in advisory.cwes for found in _CWE.findall(cwe[:40])}
    tags = _tags(advisory)
    for each in _tables().classes:
        if each.cwes & cwes or each.tags & tags:
            return Factor(each.value, each.name)
    for text in (advisory.title[:MAX_TEXT].lower(), advisory.description[:MAX_TEXT].lower()):
        for each in _tables().classes:
            if any(phrase in text for phrase in each.phrases):
                return Factor(each.value, each.name)
    return None


def reach(advisory: Advisory) -> Factor:
    """Return what kind of system it is about; a plug-in is one whoever made it."""
    tags = _tags(advisory)
    tables = _tables()
    plugin = next(each for each in tables.reach if "wp_plugin" in each.tags)
    if plugin.tags & tags and not _is_core(advisory):
        return Factor(plugin.value, plugin.name)
    for each in tables.reach:
        if _named(advisory, each) or each.tags & tags:
            return Factor(each.value, each.name)
    return Factor(tables.elsewhere.value, tables.elsewhere.name)


def _is_core(advisory: Advisory) -> bool:
    """Whether the product is the platform itself (WordPress of WordPress), not something plugged into it."""
    names = [(plain_name(product.vendor), plain_name(product.product)) for product in advisory.products]
    return any(vendor == product for vendor, product in names)


def _named(advisory: Advisory, each: Reach) -> bool:
    for product in advisory.products:
        vendor, name = plain_name(product.vendor), plain_name(product.product).removesuffix("_firmware")
        canonical = canonical_product(product.vendor, product.product)
        if vendor in each.vendors or each.products & {name, f"{vendor}/{name}", canonical}:
            return True
    # Without metadata the title begins with the vendor or the product.
    first = plain_name(advisory.title[:MAX_TEXT].split(" ", 1)[0])
    return not advisory.products and bool(first) and (first in each.vendors or first in each.products)


def rights(advisory: Advisory) -> Factor:
    """Return how much an attacker must have before: by the CVSS vector, else by tags."""
    table, tags = _tables().rights, _tags(advisory)
    vector = dict(part.partition(":")[::2] for part in advisory.cvss_vector.upper()[:200].split("/"))
    level = {"N": "none", "L": "some", "H": "high"}.get(vector.get("PR", ""), "")
    if tags & _AUTHENTICATED and level in ("", "none"):
        level = "some"  # the tag is about this source's own requests, the vector about the flaw at large
    elif not level:
        level = "none" if tags & _UNAUTHENTICATED else "unknown"
    words = {
        "none": "without logging in",
        "some": "after logging in",
        "high": "with an administrator's rights",
        "unknown": "with rights that are not stated",
    }[level]
    if vector.get("UI") == "R":
        return Factor(table[level] * table["victim"], f"{words}, if a person is lured")
    return Factor(table[level], words)


def _tags(advisory: Advisory) -> set[str]:
    return {plain_name(tag[:100]) for tag in advisory.tags[:200]}
