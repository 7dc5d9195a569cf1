"""Which product a source is about, so that a rule may fire on its siblings but not on strangers."""

import json
import re
from functools import lru_cache
from importlib import resources
from typing import Any

from ruleforge.records.advisory import Advisory


def product_of(advisory: Advisory) -> str:
    """Return "vendor/product" in canonical spelling, or "" where the source names none (unnamed counts as other)."""
    for product in advisory.products:
        if product.product or product.vendor:
            return canonical_product(product.vendor, product.product)
    # A source without metadata names its vendor first in the title; only reviewed names are taken from there.
    first = plain_name(advisory.title.split(" ", 1)[0]).replace("_", "")
    return f"{first}/*" if first in _families() else _aliases().get(f"{first}/", "")


def canonical_product(vendor: str, name: str) -> str:
    """Return "vendor/product" in canonical spelling; "vendor/*" where a vendor's products share their panel."""
    vendor, name = plain_name(vendor), plain_name(name).removesuffix("_firmware")
    if vendor in _families():
        return f"{vendor}/*"
    return _aliases().get(f"{vendor}/{name}", f"{vendor}/{name}")


def plain_name(text: str) -> str:
    """Write a name in lower case, with `_` for what is no letter or digit."""
    return re.sub(r"[^a-z0-9]+", "_", text.lower().replace("\\", "")).strip("_")


@lru_cache(maxsize=1)
def _reviewed() -> dict[str, Any]:
    text = resources.files("ruleforge.records").joinpath("aliases.json").read_text(encoding="utf-8")
    read: dict[str, Any] = json.loads(text)
    return read


@lru_cache(maxsize=1)
def _aliases() -> dict[str, str]:
    """Other spelling → canonical name."""
    return {other: name for name, entry in _reviewed()["aliases"].items() for other in entry["names"]}


@lru_cache(maxsize=1)
def _families() -> frozenset[str]:
    return frozenset(_reviewed()["families"])
