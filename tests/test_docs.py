"""What the documentation says about the language is what the program does."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import typer

import ruleforge.cli
from ruleforge.app.detections import load_detections
from ruleforge.engine.reference import compile_tree
from ruleforge.events.formats.event_logs.own import event_of
from ruleforge.events.places import HttpView
from ruleforge.events.request import Request
from ruleforge.pipeline.event_tests import ask_events, read_event_tests
from ruleforge.rules.classes import CLASSES
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


def test_the_rule_in_the_readme_holds_for_the_request_above_it() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    shown = re.search(r"^`GET (\S+)`$.*?^```json\n(.*?)```", readme, re.DOTALL | re.MULTILINE)
    assert shown
    tree, _ = parse_tree(json.loads(shown[2]))
    assert tree is not None
    ask = compile_tree(tree, {name: versions[-1] for name, versions in CLASSES.items()})
    assert ask(HttpView(Request(method=b"GET", target=shown[1].encode()))) is True
    assert ask(HttpView(Request(method=b"GET", target=b"/whistle/board_search.php?scope=all&term=blue"))) is False


def test_every_command_in_the_documentation_exists() -> None:
    group: Any = typer.main.get_command(
        next(each for each in vars(ruleforge.cli).values() if isinstance(each, typer.Typer))
    )
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    text = "\n".join(page.read_text("utf-8") for page in pages)
    asked = set(re.findall(r"(?:^|/bin/|`)ruleforge ([a-z]+)(?=[ `\n])", text, re.MULTILINE))
    assert asked >= {"demo", "forge", "scan", "show", "test", "explain"}
    assert asked - set(group.commands) == set()


EVENTS_PAGE = (ROOT / "docs" / "howto" / "rules-for-other-events.md").read_text("utf-8")


def test_rules_about_other_events_in_the_documentation_are_accepted_and_their_tests_pass(tmp_path: Path) -> None:
    blocks = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", EVENTS_PAGE, re.DOTALL)]
    rules = [parse_rule(block) for block in blocks if "schema" in block]
    assert [rule.problems for rule in rules] == [(), ()]
    file = tmp_path / "tests.yaml"
    file.write_text(re.findall(r"```yaml\n(.*?)```", EVENTS_PAGE, re.DOTALL)[0], "utf-8")
    counted = rules[1].require()
    tests = list(read_event_tests(file, counted))
    assert [(ask_events(counted, test.items), test.verdict) for test in tests] == [(True, "match"), (False, "no_match")]
    (row,) = [block for block in blocks if "schema" not in block]
    assert event_of(row, "page", "page").unrecorded == {"command"}


def test_the_page_about_other_events_knows_how_many_rules_there_are() -> None:
    stated = re.search(r"our own (\d+) rules run", EVENTS_PAGE)
    assert stated
    assert int(stated[1]) == len(load_detections().rules)
