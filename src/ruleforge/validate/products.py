"""Which product a source is about, so that a rule may fire on its siblings but not on strangers."""

import json
import re
from functools import lru_cache
from importlib import resources

from ruleforge.records.advisory import Advisory


def product_of(advisory: Advisory) -> str:
    """Return "vendor/product" in canonical spelling, or "" where the source names none (unnamed counts as other)."""
    for product in advisory.products:
        if product.product or product.vendor:
            name = f"{_plain(product.vendor)}/{_plain(product.product)}"
            return _aliases().get(name, name)
    return ""


def related(left: str, right: str) -> bool:
    """Whether two canonical products are the same for the cross-product check."""
    return bool(left) and left == right


def _plain(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", text.lower().replace("\\", "")).strip("_")


@lru_cache(maxsize=1)
def _aliases() -> dict[str, str]:
    """Read the reviewed alias file: canonical name to the other spellings of it."""
    text = resources.files("ruleforge.validate").joinpath("aliases.json").read_text()
    return {other: name for name, others in json.loads(text)["aliases"].items() for other in others}
