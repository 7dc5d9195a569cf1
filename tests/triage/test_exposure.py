"""The user's own products: every format of the list, spellings, and what falls under an entry."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ruleforge.errors import InputError
from ruleforge.triage.exposure import read_products, split_cpe

Put = Callable[[str, bytes | str], Path]
LISTS = {
    "lines": "# ours\norchard/Fruit Press\n\nlantern/desk\n",
    "cpe 2.3": "cpe:2.3:a:orchard:fruit_press:1.2:*:*:*:*:*:*:*\ncpe:2.3:o:lantern:desk_firmware:-:*:*:*:*:*:*:*\n",
    "cpe 2.2": "cpe:/a:orchard:fruit%5fpress:1.2\ncpe:/h:lantern:desk\n",
    "csv": "vendor,product,version\nOrchard,Fruit Press,1.2\nlantern,desk,\n",
    "csv with semicolons": 'name;Vendor;Product\n"a;b";Orchard;Fruit-Press\nx;Lantern;Desk\n',
    "csv of cpe": "host,cpe\na,cpe:2.3:a:orchard:fruit_press:*:*:*:*:*:*:*:*\nb,cpe:/a:lantern:desk\n",
    "toml": 'products = [\n  "orchard/fruit_press",\n  {vendor = "Lantern", product = "Desk"},\n]\n',
    "toml tables": '[[products]]\nvendor = "orchard"\nproduct = "fruit press"\n'
    '[[products]]\ncpe = "cpe:/a:lantern:desk"\n',
}


@pytest.mark.parametrize("layout", LISTS)
def test_every_format_gives_the_same_products(put: Put, layout: str) -> None:
    found = read_products(put("list", LISTS[layout]))
    assert (set(found.entries), found.problems) == ({("orchard", "fruit_press"), ("lantern", "desk")}, ())


def test_what_falls_under_an_entry(put: Put) -> None:
    mine = read_products(put("list", "orchard/fruit_press\ncpe:2.3:a:lantern:*:*:*:*:*:*:*:*:*\npear_peeler\n"))
    assert [mine.find(*pair) is not None for pair in (
        ("Orchard", "Fruit-Press"), ("orchard", "cider"), ("lantern", "anything"), ("other", "pear peeler"), ("", ""),
    )] == [True, False, True, True, False]  # fmt: skip


def test_reviewed_spellings_of_one_product_agree(put: Put) -> None:
    mine = read_products(put("list", "atlassian/confluence_data_center\n"))
    found = mine.find("Atlassian", "Confluence Server")
    assert found is not None
    assert found.written == "atlassian/confluence_data_center"


def test_escaped_marks_belong_to_the_name() -> None:
    assert split_cpe(r"cpe:2.3:a:or\:chard:fruit\\press\!")[3:] == ["or:chard", "fruit\\press!"]


def test_entries_that_name_nothing_are_told(put: Put) -> None:
    found = read_products(put("list", "orchard/fruit_press\n" + "cpe:2.3:a:*:*:*\n" * 12))
    assert len(found.problems) == 11
    assert found.problems[-1] == "and 2 more"


@pytest.mark.parametrize(
    "text", ["", "# nothing\n", "products = []", "products = [", "products = 5", "vendor,product\n", "*/*"]
)
def test_a_list_without_a_product_is_refused(put: Put, text: str) -> None:
    with pytest.raises(InputError) as found:
        read_products(put("list", text))
    assert found.value.code == "RF273"


@given(
    st.text(alphabet='cpe:2.3/\\*-,;\n"[]{}=products vendor', max_size=200)
    | st.binary(max_size=200).map(lambda data: data.decode("latin-1"))
)
def test_any_text_gives_products_or_a_reason(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    file = tmp_path_factory.mktemp("list") / "list"
    file.write_text(text)
    try:
        found = read_products(file)
        assert ("", "") not in found.entries
    except InputError as error:
        assert error.code in ("RF273", "RF225")  # noqa: PT017 - either way is right
