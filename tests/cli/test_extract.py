"""`ruleforge extract`: facts with quotes and places, the early answer, and nothing that acts on a terminal."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

Run = Callable[..., Result]
TEXT = "# CVE-2099-4301\n\nSQL injection in Pear Shop before 2.4 via the crate_no parameter to /press/save.php.\n"


@pytest.fixture
def page(tmp_path: Path) -> Path:
    file = tmp_path / "pears.md"
    file.write_text(TEXT)
    return file


def test_text_gives_each_fact_with_its_place_and_quote_and_the_early_answer(run: Run, page: Path) -> None:
    result = run("extract", page)
    assert result.exit_code == 0
    assert "crate_no of /press/save.php" in result.stdout
    assert "3:17-" in result.stdout
    assert "says where the attack is sent and what it looks like" in result.stdout


def test_json_gives_offsets_that_count_in_the_text_that_can_be_shown(run: Run, page: Path) -> None:
    (found,) = json.loads(run("extract", page, "--format", "json").stdout)
    text = run("extract", page, "--show-text").stdout
    assert found["verdict"] == "enough"
    assert found["refusal"] == ""
    assert {fact["kind"] for fact in found["facts"]} >= {"endpoint", "parameter", "weakness", "versions"}
    assert all(text[fact["start"] : fact["end"]] == fact["quote"] for fact in found["facts"])


def test_an_early_answer_names_the_refusal_and_what_is_missing(run: Run, tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("# CVE-2099-4302\n\nThe FTP service crashes.\n")
    (tmp_path / "b.txt").write_text("CVE-2099-4303 Pear plugin: SQL injection.\n")
    (first, second) = json.loads(run("extract", tmp_path, "--format", "json").stdout)
    assert (first["verdict"], first["refusal"]) == ("not_http", "no_http")
    assert (second["verdict"], second["refusal"]) == ("no_place", "too_little")
    assert "missing: where it is sent" in run("extract", tmp_path / "b.txt").stdout


def test_markdown_is_a_table_that_nothing_in_a_document_can_leave(run: Run, tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("XSS in the `a|b` parameter of /x.php </td><script> | \u202e\x1b[31m\n")
    told = run("extract", tmp_path / "a.md", "--format", "md").stdout
    assert "<script>" not in told
    assert "\u202e" not in told
    assert "\x1b" not in told
    assert "\x1b[31m" not in run("extract", tmp_path / "a.md").stdout


def test_what_cannot_be_read_is_said_and_the_others_are_read(run: Run, page: Path) -> None:
    (page.parent / "broken.pdf").write_bytes(b"%PDF-1.7\nnothing")
    result = run("extract", page.parent)
    assert result.exit_code == 1
    assert "RF233" in result.stdout
    assert "crate_no" in result.stdout


def test_a_path_that_is_not_there_is_a_wrong_call(run: Run, tmp_path: Path) -> None:
    assert run("extract", tmp_path / "gone.md").exit_code == 2


def answer(folder: Path, facts: list[dict[str, Any]]) -> None:
    (question,) = folder.glob("*.request.json")
    (folder / question.name.replace(".request.json", ".answer.json")).write_text(json.dumps({"facts": facts}))


def test_a_model_is_asked_by_letter_and_its_claims_are_checked(run: Run, page: Path, tmp_path: Path) -> None:
    letters = tmp_path / "letters"
    first = run("extract", page, "--llm", f"mailbox:{letters}")
    assert first.exit_code == 1
    assert "has not answered yet" in first.stdout
    answer(
        letters,
        [
            {"kind": "endpoint", "value": "/press/save.php", "quote": "to /press/save.php", "means": "", "about": ""},
            {"kind": "endpoint", "value": "/gone.php", "quote": "to /gone.php", "means": "", "about": ""},
        ],
    )
    second = run("extract", page, "--llm", f"mailbox:{letters}")
    assert second.exit_code == 0
    assert "certain, both" in second.stdout
    assert "Dropped" in second.stdout
    assert "/gone.php" in second.stdout


def test_forge_uses_what_a_model_read(run: Run, tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "CVE-2099-4304.md").write_text(
        "# CVE-2099-4304\n\nWhoever puts a quote mark into crateNumber of the pear "
        "press talks to its database: SQL injection.\n"
    )
    letters, out = tmp_path / "letters", tmp_path / "rules"
    call = (
        "forge",
        tmp_path / "docs",
        "--out",
        out,
        "--jobs",
        "1",
        "--format",
        "ndjson",
        "--extract-llm",
        f"mailbox:{letters}",
    )
    (line,) = run(*call).stdout.splitlines()
    assert json.loads(line)["reason"] == "too_little"
    answer(
        letters,
        [{"kind": "parameter", "value": "crateNumber", "quote": "into crateNumber of", "means": "", "about": ""}],
    )
    (line,) = run(*call).stdout.splitlines()
    assert json.loads(line)["outcome"] == "rule"


def test_forge_says_early_that_an_attack_is_not_for_http(run: Run, page: Path, tmp_path: Path) -> None:
    (tmp_path / "x.md").write_text("# CVE-2099-4305\n\nA local user can replace the daemon's files.\n")
    (line,) = run("forge", tmp_path / "x.md", "--out", tmp_path / "rules", "--format", "ndjson").stdout.splitlines()
    told = json.loads(line)
    assert (told["outcome"], told["reason"]) == ("refused", "no_http")
    assert "local user" in told["detail"]


def test_a_rule_from_words_asks_for_the_kind_of_attack_and_not_for_our_payloads(run: Run, tmp_path: Path) -> None:
    (tmp_path / "x.md").write_text("# CVE-2099-4306\n\nCommand injection in /cgi-bin/pear_press.cgi of Pear Press 2.\n")
    (line,) = run("forge", tmp_path / "x.md", "--out", tmp_path / "rules", "--format", "ndjson").stdout.splitlines()
    assert json.loads(line)["outcome"] == "rule"
    folder = tmp_path / "rules" / "CVE-2099-4306"
    evidence = json.loads((folder / "evidence.json").read_text())
    assert "some argument" in evidence["sentence"]
    assert "rfq" not in evidence["sentence"]
    assert "passwd" not in (folder / "rule.json").read_text()
    assert any("synthetic" in told for told in evidence["approximations"])


def test_a_folder_without_documents_is_told_and_prints_nothing(run: Run, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    result = run("extract", tmp_path / "empty")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "there is no document" in result.stderr


def test_a_device_without_end_is_read_up_to_the_bound(run: Run) -> None:
    result = run("extract", "/dev/zero", "--format", "json")
    assert result.exit_code == 1
    assert [each["code"] for each in json.loads(result.stdout)] == ["RF263"]


def test_a_document_that_takes_too_long_is_told_and_the_next_is_read(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ruleforge.app import extract as module

    real = module.read_facts

    def slow_for_one(data: bytes, name: str) -> object:
        while "slow" in name:
            time.sleep(0.01)
        return real(data, name)

    monkeypatch.setattr(module, "read_facts", slow_for_one)
    monkeypatch.setattr(module, "READ_SECONDS_MOST", 0.3)
    for name in ("a-slow.md", "b.md"):
        (tmp_path / name).write_text("The id parameter of /plum/show.php allows SQL injection. CVE-2099-0042")
    result = run("extract", tmp_path, "--format", "json")
    assert result.exit_code == 1
    assert "RF297" in result.stdout
    assert "/plum/show.php" in result.stdout
