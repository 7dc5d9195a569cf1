"""Which pairs a judge may learn from: split by product and by date, so that no product stands in both parts."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import NamedTuple

TEST_DIGITS = "012345"  # first hex digit of the hash of a product: 3/8 of all products
DATE_FROM = 2024  # the year of a CVE from which on it is new


class Place(NamedTuple):
    """Where the pairs of a product go, and by which rule."""

    part: str  # "train" | "test"
    split: str  # "product" | "date" | "train"


def place_of(product: str, years: Iterable[int]) -> Place:
    """Place a product, given the year of each of its advisories.

    By the hash of its name; else by date, where most of its advisories are new; else it is for training. A product
    goes as a whole: one with a few new advisories among old ones stays where the majority is, a tie in training.
    """
    if hashlib.sha256(f"judge test {product}".encode()).hexdigest()[0] in TEST_DIGITS:
        return Place("test", "product")
    every = list(years)
    new = sum(year >= DATE_FROM for year in every)
    return Place("test", "date") if 2 * new > len(every) else Place("train", "train")


def product_key(product: str, advisory: str) -> str:
    """Return what is split by: the product, or the advisory itself where the source names none."""
    return product or f"unnamed {advisory}"


def split(advisories: Mapping[str, tuple[str, int]]) -> dict[str, Place]:
    """Place advisories, given the product and the year of each; those of one product go together."""
    years: dict[str, list[int]] = defaultdict(list)
    for advisory, (product, year) in advisories.items():
        years[product_key(product, advisory)].append(year)
    places = {product: place_of(product, its) for product, its in years.items()}
    return {name: places[product_key(product, name)] for name, (product, _) in advisories.items()}
