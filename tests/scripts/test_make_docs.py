"""The reference pages are what the program says of itself."""

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

from ruleforge.records.forging import REFUSALS
from ruleforge.rules.classes import CLASSES
from ruleforge.validate.checks import CHECKS

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = ROOT / "docs" / "reference"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    folder = str(ROOT / "scripts")
    sys.path.insert(0, folder)
    try:
        spec = importlib.util.spec_from_file_location("make_docs", ROOT / "scripts" / "make_docs.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(folder)
    return module


@pytest.fixture
def elsewhere(script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(script, "REFERENCE", tmp_path)
    assert script.main([]) == 0
    return tmp_path


def test_pages_that_were_just_written_are_current(script: ModuleType, elsewhere: Path) -> None:
    assert len(list(elsewhere.iterdir())) >= 11
    assert script.main(["--check"]) == 0


@pytest.mark.parametrize("name", ["cli.md", "errors.md", "rule.schema.json"])
def test_a_page_that_was_edited_fails_the_check(script: ModuleType, elsewhere: Path, name: str) -> None:
    (elsewhere / name).write_text("something else", "utf-8")
    assert script.main(["--check"]) == 1
    assert (elsewhere / name).read_text("utf-8") == "something else"


def test_a_page_that_is_missing_fails_the_check(script: ModuleType, elsewhere: Path) -> None:
    (elsewhere / "fields.md").unlink()
    assert script.main(["--check"]) == 1


def test_the_page_of_errors_has_every_code_of_the_source_with_words(elsewhere: Path) -> None:
    written = set()
    for file in (ROOT / "src" / "ruleforge").rglob("*.py"):
        written |= set(re.findall(r"RF[0-9]{3}", file.read_text("utf-8")))
    rows = dict(re.findall(r"^\| `(RF\d{3})` \| (.+?) \|", (elsewhere / "errors.md").read_text("utf-8"), re.MULTILINE))
    assert len(written) >= 80
    assert set(rows) == written
    assert {code: words for code, words in rows.items() if words == "see the message"} == {}


@pytest.mark.parametrize(
    ("page", "names"),
    [("refusals.md", tuple(REFUSALS)), ("checks.md", tuple(CHECKS.names())), ("payload-classes.md", tuple(CLASSES))],
)
def test_a_page_names_every_part_of_its_table(elsewhere: Path, page: str, names: tuple[str, ...]) -> None:
    text = (elsewhere / page).read_text("utf-8")
    assert len(names) >= 7
    assert [name for name in names if f"`{name}`" not in text] == []


def test_examples_in_help_keep_their_lines(script: ModuleType) -> None:
    assert script.help_block("\b\nruleforge a\nruleforge b") == "```sh\nruleforge a\nruleforge b\n```"
    assert script.help_block("Two lines\nof prose.") == "Two lines of prose."


def test_every_command_has_a_section(elsewhere: Path) -> None:
    titles = re.findall(r"^#+ (ruleforge[a-z ]*)$", (elsewhere / "cli.md").read_text("utf-8"), re.MULTILINE)
    assert {"ruleforge forge", "ruleforge scan", "ruleforge demo", "ruleforge background build"} <= set(titles)


def test_the_pages_in_the_repository_are_current(script: ModuleType) -> None:
    assert script.main(["--check"]) == 0, "run `make docs`"
