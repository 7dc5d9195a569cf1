"""What people read of an advisory without a title."""

import pytest

from ruleforge.records.advisory import Advisory, shown_title
from ruleforge.rules.tree import Product

CASES = [
    (Advisory(id="x", sources=("a/crake.sh",), title="Crake: injection"), "Crake: injection"),
    (Advisory(id="x", sources=("a/crake.sh",), title=" ", products=(Product(vendor="orchard", product="fruit_press"),)),
     "orchard fruit press"),
    (Advisory(id="x", sources=("a/crake.sh",)), "Unnamed disclosure (crake.sh)"),
    (Advisory(id="x", sources=("a/cr\x1bake\udcff.sh",)), "Unnamed disclosure (cr?ake?.sh)"),
    (Advisory(id="x", sources=()), "Unnamed disclosure (x)"),
]  # fmt: skip


@pytest.mark.parametrize(("advisory", "title"), CASES)
def test_there_is_always_a_title_to_show(advisory: Advisory, title: str) -> None:
    assert shown_title(advisory) == title
