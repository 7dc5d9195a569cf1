"""What the documentation says about the language is what the program does."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from ruleforge.events.places import HttpView
from ruleforge.events.request import Request
from ruleforge.rules.parse import parse_rule, parse_tree

ROOT = Path(__file__).resolve().parents[1]
PAGES = ("README.md", "docs/reference/rule-language.md")
BLOCKS = [
    (page, json.loads(block))
    for page in PAGES
    for block in re.findall(r"```json\n(.*?)```", (ROOT / page).read_text("utf-8"), re.DOTALL)
]
LANGUAGE = (ROOT / "docs" / "reference" / "rule-language.md").read_text("utf-8")


def test_examples_were_found() -> None:
    assert len(BLOCKS) >= 4


@pytest.mark.parametrize(("page", "block"), BLOCKS)
def test_every_rule_in_the_documentation_is_accepted(page: str, block: dict[str, Any]) -> None:
    problems = parse_rule(block).problems if "schema" in block else parse_tree(block)[1]
    assert problems == ()


def test_the_table_of_path_views_is_true() -> None:
    rows = re.findall(r"^\| `(target\.raw|path[.a-z]*)` \| `([^`]+)` \|", LANGUAGE, re.MULTILINE)
    assert [name for name, _ in rows] == ["target.raw", "path.raw", "path.decoded", "path"]
    view = HttpView(Request(method=b"GET", target=rows[0][1].encode()))
    for name, value in rows:
        assert [element.value.decode() for element in view.read(name).elements] == [value]
