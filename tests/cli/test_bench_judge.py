"""`bench judge` and `bench judge-ablate` on the command line: what they print, write, and end with."""

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from click.testing import Result

Run = Callable[..., Result]
HERE = Path(__file__).parent


def invented_module() -> ModuleType:
    file = HERE.parent / "app" / "judging" / "conftest.py"
    spec = importlib.util.spec_from_file_location("judging_rows", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def words(tmp_path: Path) -> tuple[Any, ...]:
    """A file of pairs and one of answers, as words of a call."""
    rows, answers = invented_module().invented(45)
    for name, lines in (("pairs.jsonl", rows), ("scores.jsonl", [{"judge": "judge \x1b[31m<b>|`x`"}, *answers])):
        (tmp_path / name).write_text("".join(json.dumps(line) + "\n" for line in lines))
    return ("bench", "judge", "pairs.jsonl", "--scores", "scores.jsonl", "--bootstrap", "20")


def test_the_report_is_printed_and_written(run: Run, words: tuple[Any, ...], tmp_path: Path) -> None:
    result = run(*words, "--json", "now.json", "--md", "now.md", "--plots", "plots", "--save-scores", "again.jsonl")
    assert result.exit_code == 0
    assert result.stderr.count("ruleforge: wrote plots/") == 8
    for said in ("75 pairs of the train part", "Targets", "Natural rules", "Trivial baselines", "Bad rules shipped"):
        assert said in result.stdout
    data = json.loads((tmp_path / "now.json").read_text())
    assert (data["schema"], data["part"], data["openings"]) == (1, "train", [])
    assert data["selection"]["matched"]["before"]["bad_per_100_shipped"] is not None
    assert all("coverage" in table for table in data["tables"])
    assert "NaN" not in (tmp_path / "now.json").read_text()
    assert "## Targets" in (tmp_path / "now.md").read_text()
    from_file = run("bench", "judge", "pairs.jsonl", "--scores", "again.jsonl", "--bootstrap", "0", "--format", "json")
    assert json.loads(from_file.stdout)["rows"] == data["rows"]


def test_nothing_that_a_file_holds_acts_on_a_terminal_or_a_page(run: Run, words: tuple[Any, ...]) -> None:
    for kind in ("text", "md", "json"):
        result = run(*words, "--format", kind)
        assert result.exit_code == 0
        assert [letter for letter in result.stdout if letter != "\n" and not letter.isprintable()] == []
        assert kind != "md" or "<b>" not in result.stdout


def test_opening_the_test_part_needs_a_record_and_leaves_a_dated_line(
    run: Run, words: tuple[Any, ...], tmp_path: Path
) -> None:
    closed = run(*words, "--part", "test")
    assert (closed.exit_code, closed.stdout) == (2, "")
    assert "[RF420] the test part is opened on record only (give --json FILE" in closed.stderr
    for times in (1, 2):
        assert run(*words, "--part", "test", "--json", "test.json").exit_code == 0
        openings = json.loads((tmp_path / "test.json").read_text())["openings"]
        assert len(openings) == times
        assert openings[-1]["at"][:2] == "20"


def test_another_test_part_than_the_frozen_one_ends_with_1(run: Run, words: tuple[Any, ...], tmp_path: Path) -> None:
    (tmp_path / "frozen.json").write_text('{"sha256": "00", "pairs": 1}')
    result = run(*words, "--part", "test", "--json", "test.json", "--frozen", "frozen.json")
    assert result.exit_code == 1
    assert "THE TEST PART IS NOT THE FROZEN ONE" in result.stdout


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--part", "third"], "--part"),
        (["--scores", "pairs.jsonl"], "[RF293]"),
        (["--frozen", "pairs.jsonl"], "[RF294]"),
        (["--part", "test", "--json", "scores.jsonl"], "[RF295]"),
        (["--bootstrap", "-1"], "--bootstrap"),
    ],
)
def test_a_wrong_call_ends_with_2_and_says_why(run: Run, words: tuple[Any, ...], more: list[str], said: str) -> None:
    result = run(*words, *more)
    assert (result.exit_code, result.stdout) == (2, "")
    assert said in result.stderr


def test_files_that_are_not_there_end_with_3_or_2(run: Run, words: tuple[Any, ...]) -> None:
    assert run("bench", "judge", "none.jsonl").exit_code == 3
    without = run("bench", "judge", "pairs.jsonl")
    assert (without.exit_code, "[RF117] no such folder of templates" in without.stderr) == (2, True)


def test_lines_that_cannot_be_read_are_told_and_counted(run: Run, words: tuple[Any, ...], tmp_path: Path) -> None:
    with (tmp_path / "pairs.jsonl").open("a") as file:
        file.write("{\n" * 30)
    result = run(*words)
    assert result.exit_code == 0
    assert result.stderr.count("no pair") == 10
    assert "20 more lines could not be read" in result.stderr
    assert "30 lines" in result.stdout


def test_an_ablation_writes_a_folder_and_a_record(run: Run, put_templates: Path, tmp_path: Path) -> None:
    result = run("bench", "judge-ablate", "templates", "--out", "parts", "--only", "1x1", "--only", "5x5", "--jobs", 1)
    assert result.exit_code == 0
    record = json.loads((tmp_path / "parts" / "ablation.json").read_text())
    assert [(each["name"], each["with_rule"]) for each in record["configurations"]] == [("1x1", 1), ("5x5", 1)]
    assert (tmp_path / "parts" / "5x5" / "CVE-2099-0101" / "rule.json").is_file()
    assert "1x1" in result.stdout
    assert run("bench", "judge-ablate", "templates", "--out", "parts", "--only", "2x2").exit_code == 2
