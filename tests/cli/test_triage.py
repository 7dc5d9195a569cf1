"""`triage` and `data` as a person calls them: the machine contract, exit codes, dates, and nothing that acts."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from ruleforge.records.priority import LEFT_OUT

Run = Callable[..., Result]
KEYS = {"advisory", "cves", "title", "sources", "rank", "score", "told", "parts", "data", "left_out", "detail"}
KEV = {"dateReleased": "2020-01-02", "vulnerabilities": [{"cveID": "CVE-2099-0101", "dateAdded": "2020-01-01"}]}


@pytest.fixture
def intelligence(tmp_path: Path) -> Path:
    folder = tmp_path / "intel"
    folder.mkdir()
    (folder / "kev.json").write_text(json.dumps(KEV))
    (folder / "epss-2020-01-02.csv").write_text("CVE-2099-0101;0.5;0.9\n")
    return folder


def test_every_source_is_one_line(run: Run, put_templates: Path, intelligence: Path) -> None:
    result = run("triage", put_templates, "--kev", intelligence / "kev.json", "--format", "ndjson", "--jobs", 1)
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert all(set(line) >= KEYS for line in lines)
    assert sorted(source for line in lines for source in line["sources"]) == sorted(map(str, put_templates.iterdir()))
    first, second, *rest = lines
    assert (first["cves"], first["rank"], second["rank"]) == (["CVE-2099-0101"], 1, 2)
    assert {part["signal"]: part["value"] for part in first["parts"]} | {"kev": 0.9} == {
        part["signal"]: part["value"] for part in first["parts"]
    }
    assert [line["left_out"] for line in rest] == ["unreadable", "unreadable"]
    assert "careful: the KEV data is" in result.stderr
    assert result.exit_code == 1  # the broken template; the file that is none does not count


def test_without_data_the_content_decides_and_says_so(run: Run, put_templates: Path) -> None:
    (put_templates / "broken.yaml").unlink()
    result = run("triage", put_templates, "--jobs", 1)
    assert result.exit_code == 0
    assert result.stdout.startswith("Data: none; content alone decides\n")
    assert "kev ? · epss ? · exposure ?" in result.stdout
    assert "of the weights, without kev (there is no KEV catalogue)" in result.stdout


def test_what_was_left_out_is_told_apart(run: Run, put_templates: Path) -> None:
    text = run("triage", put_templates, "--top", 1, "--jobs", 1).stdout
    assert text.index("Left out") > text.index("CVE-2099-0101")
    for reason in ("unreadable", "beyond_top"):
        assert f"{reason}: {LEFT_OUT[reason]}" in text
    found = json.loads(run("triage", put_templates, "--min-score", 99, "--format", "json", "--jobs", 1).stdout)
    assert [each["left_out"] for each in found["left_out"]].count("below_score") == 2


def test_products_and_weights_of_the_user_count(run: Run, put_templates: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_text("vendor,product\norchard,fruit_press\n")
    (tmp_path / "weights.toml").write_text("[weights]\nexposure = 0\n")
    (tmp_path / "ruleforge.toml").write_text('products = "mine.csv"\n')
    words = ("triage", put_templates, "--jobs", 1, "--format", "json")
    found, own = (json.loads(run(*words, *more).stdout) for more in ((), ("--weights", tmp_path / "weights.toml")))
    parts = [{part["signal"]: part for part in each["ranked"][0]["parts"]}["exposure"] for each in (found, own)]
    assert (parts[0]["value"], parts[0]["reason"]) == (1.0, "you run it: orchard/fruit_press")
    assert parts[0]["points"] > 0 == parts[1]["points"]


def test_data_is_imported_shown_and_used(run: Run, put_templates: Path, intelligence: Path) -> None:
    assert "not fetched yet" in run("data", "status").stdout
    result = run("data", "update", "--from", intelligence)
    assert (result.exit_code, result.stderr) == (0, "")
    assert "new        kev: 1 of 2020-01-02" in result.stdout
    status = run("data", "status").stdout
    assert "days old: 1 entry" in status
    assert "careful: older than 30 days" in status
    states = {each["kind"]: each for each in json.loads(run("data", "status", "--format", "json").stdout)}
    assert states["epss"]["edition"]["count"] == 1
    assert run("triage", put_templates, "--jobs", 1).stdout.startswith("Data: KEV of 2020-01-02 (")
    doctor = run("doctor").stdout
    assert "data: kev" in doctor
    assert "of 2020-01-02" in doctor


def test_without_a_network_the_exit_code_is_3_and_what_is_used_is_told(
    run: Run, intelligence: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise OSError(101, "Network is unreachable")

    monkeypatch.setattr("socket.create_connection", fail)
    monkeypatch.delenv("https_proxy", raising=False)
    monkeypatch.delenv("HTTPS_PROXY", raising=False)
    result = run("data", "update")
    assert result.exit_code == 3
    assert result.stderr.count("[RF520]") == 2
    assert "kev: there is none; triage works without it and says so" in result.stdout
    run("data", "update", "--kev", "--from", intelligence / "kev.json")
    assert "kev: still in use: 1 of 2020-01-02" in run("data", "update", "--kev").stdout


def test_wrong_data_ends_with_2(run: Run, intelligence: Path) -> None:
    result = run("data", "update", "--kev", "--from", intelligence / "epss-2020-01-02.csv")
    assert (result.exit_code, "[RF270]" in result.stderr) == (2, True)


def test_no_sources_and_no_templates_is_a_wrong_call(run: Run) -> None:
    result = run("triage")
    assert (result.exit_code, "[RF130]" in result.stderr) == (2, True)


@pytest.mark.parametrize("kind", ["text", "json", "ndjson", "md"])
def test_hostile_words_of_a_source_never_reach_the_terminal(run: Run, tmp_path: Path, kind: str) -> None:
    folder = tmp_path / "hostile"
    folder.mkdir()
    word = '"\\e[2J\\u202e|<b>"'
    (folder / "a.yaml").write_text(
        f"id: {word}\ninfo: {{name: {word}, severity: {word}, tags: {word}, metadata: {{product: {word}}}}}\n"
        "http: [{method: GET, path: ['{{BaseURL}}/press']}]\n"
    )
    (folder / "b\x1b[31m.yaml").write_text("id: [")
    (tmp_path / "mine").write_text("x/y\n")
    result = run("triage", folder, "--products", tmp_path / "mine", "--format", kind, "--jobs", 1)
    for text in (result.stdout, result.stderr):
        assert not {"\x1b", "\u202e", "\x9b"} & set(text)
    assert "press" in result.stdout or "2J" in result.stdout
