"""The split of labelled pairs: no product stands in both parts, and the place of one does not depend on the others."""

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def split() -> Iterator[ModuleType]:
    sys.path.insert(0, str(ROOT / "bench"))
    try:
        import judge.split

        yield judge.split
    finally:
        sys.path.remove(str(ROOT / "bench"))


products = st.sampled_from(["", *(f"orchard/press_{number}" for number in range(40))])
advisories = st.dictionaries(
    st.integers(0, 500).map(lambda number: f"CVE-2099-{number:04}"),
    st.tuples(products, st.integers(2010, 2026)),
    max_size=60,
)


@given(advisories)
def test_no_product_stands_in_both_parts(found: dict[str, tuple[str, int]]) -> None:
    sys.path.insert(0, str(ROOT / "bench"))
    try:
        from judge.split import split as place_all
    finally:
        sys.path.remove(str(ROOT / "bench"))
    places = place_all(found)
    assert set(places) == set(found)
    parts: dict[str, set[tuple[str, str]]] = {}
    for name, (product, _) in found.items():
        parts.setdefault(product or name, set()).add(tuple(places[name]))
    assert all(len(its) == 1 for its in parts.values())
    assert all((place.part == "train") == (place.split == "train") for place in places.values())


def test_about_three_eighths_of_the_products_are_for_testing(split: ModuleType) -> None:
    placed = [split.place_of(f"orchard/press_{number}", [2015]) for number in range(2_000)]
    tested = sum(place.split == "product" for place in placed)
    assert 650 < tested < 850
    assert {place.split for place in placed} == {"product", "train"}


@pytest.mark.parametrize(
    ("years", "wanted"), [([2024, 2025], "date"), ([2024, 2010], "train"), ([2024, 2024, 2010], "date"), ([], "train")]
)
def test_new_products_are_for_testing_by_majority(split: ModuleType, years: list[int], wanted: str) -> None:
    product = next(p for p in (f"stall/{n}" for n in range(99)) if split.place_of(p, [2010]).split == "train")
    assert split.place_of(product, years).split == wanted


def test_advisories_without_a_product_go_each_on_its_own(split: ModuleType) -> None:
    places = split.split({f"CVE-2099-{number:04}": ("", 2015) for number in range(64)})
    assert {place.part for place in places.values()} == {"train", "test"}
