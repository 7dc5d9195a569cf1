"""What the content signal reads from a disclosure: the gain, the place, the rights."""

import json
import re
import tomllib
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from ruleforge.records.advisory import Advisory
from ruleforge.triage.content import gain, reach, rights

CASES: list[dict[str, Any]] = json.loads((Path(__file__).parent / "content.json").read_text())["cases"]
TABLE = tomllib.loads(resources.files("ruleforge.triage").joinpath("content.toml").read_text("utf-8"))


def test_cases_were_found() -> None:
    assert len(CASES) >= 19


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_disclosure_is_read_as_recorded(advisory: Callable[..., Advisory], case: dict[str, Any]) -> None:
    given = {key: case[key] for key in ("title", "description", "vendor", "product") if key in case}
    lists = {key: tuple(case.get(key, ())) for key in ("tags", "cwes")}
    found = advisory(1, **given, **lists, cvss_vector=case.get("vector", ""))
    gained = gain(found)
    assert (gained and gained.words) == case["gain"]
    assert reach(found).words == case["reach"]
    assert rights(found).value == pytest.approx(case["rights"])


def test_every_class_and_every_place_has_a_case() -> None:
    assert {each["name"] for each in TABLE["class"]} <= {case["gain"] for case in CASES}
    assert {each["name"] for each in TABLE["reach"]} <= {case["reach"] for case in CASES}


def test_names_of_the_table_are_canonical_and_stand_once() -> None:
    for key in ("class", "reach"):
        for words in ("tags", "vendors", "products", "cwes"):
            found = [str(word) for each in TABLE[key] for word in each.get(words, ())]
            assert [word for word in found if not re.fullmatch(r"[a-z0-9_]+(?:/[a-z0-9_]+)?", word)] == []
            assert sorted(found) == sorted(set(found))


def test_values_fall_from_class_to_class() -> None:
    values = [each["value"] for each in TABLE["class"]]
    assert values == sorted(values, reverse=True)
    assert all(0 <= each["value"] <= 1 for key in ("class", "reach") for each in TABLE[key])
