"""Which product a source is about: spellings of one product agree, strangers do not."""

import json
import re
from importlib import resources
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ruleforge.records.advisory import Advisory
from ruleforge.records.products import product_of
from ruleforge.rules.tree import Product

REVIEWED: dict[str, Any] = json.loads(resources.files("ruleforge.records").joinpath("aliases.json").read_text("utf-8"))


def product(vendor: str = "", name: str = "", title: str = "") -> str:
    products = (Product(vendor, name),) if vendor or name else ()
    return product_of(Advisory(id="X", sources=("x",), title=title, products=products))


@pytest.mark.parametrize(
    ("vendor", "name"),
    [("Acme", "Fruit Press"), ("acme", "fruit_press"), ("acme", "fruit-press"), ("ACME", "fruit.press"),
     ("acme", "fruit_press_firmware"), ("acme", "fruit\\-press")],
)  # fmt: skip
def test_spellings_of_one_product_agree(vendor: str, name: str) -> None:
    assert product(vendor, name) == "acme/fruit_press"


def test_products_of_one_vendor_are_different_products() -> None:
    assert product("acme", "press") != product("acme", "crate")


def test_a_source_that_names_no_product_has_none() -> None:
    assert product() == ""
    assert product(title="Fruit Press - Path Traversal") == ""


def test_reviewed_spellings_lead_to_one_name() -> None:
    assert len(REVIEWED["aliases"]) >= 5
    for name, entry in REVIEWED["aliases"].items():
        assert entry["why"]
        for other in entry["names"]:
            vendor, _, plain = other.partition("/")
            if vendor not in REVIEWED["families"]:
                assert product(vendor, plain) == name


def test_a_reviewed_family_is_one_product_by_metadata_and_by_title() -> None:
    assert len(REVIEWED["families"]) >= 5
    for vendor, why in REVIEWED["families"].items():
        assert why
        assert product(vendor, "one") == product(vendor, "two") == f"{vendor}/*"
        assert product(title=f"{vendor.title()} Something - SQL Injection") == f"{vendor}/*"


def test_reviewed_names_are_canonical() -> None:
    names = [*REVIEWED["aliases"], *(name for entry in REVIEWED["aliases"].values() for name in entry["names"])]
    assert [name for name in names if not re.fullmatch(r"[a-z0-9_]+/(?:[a-z0-9_]*|\*)|/[a-z0-9_]+", name)] == []
    spelled = [name for entry in REVIEWED["aliases"].values() for name in entry["names"]]
    assert len(set(spelled)) == len(spelled)


@given(st.text(max_size=30), st.text(max_size=30), st.text(max_size=30))
def test_any_text_gives_a_name_of_plain_letters_or_none(vendor: str, name: str, title: str) -> None:
    assert re.fullmatch(r"|[a-z0-9_]*/(?:[a-z0-9_]*|\*)", product(vendor, name, title))
