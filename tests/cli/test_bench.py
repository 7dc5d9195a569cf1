"""`bench quality` on the command line: what it prints, writes, and ends with."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from ruleforge.app.bench import compare
from ruleforge.cli.bench_text import quality_lines, quality_markdown
from ruleforge.records.quality import Miss, Part, Quality, Row, WorstRule, rate

Put = Callable[..., Path]
Run = Callable[..., Result]
GOLDEN = Path(__file__).parent / "golden"


@pytest.fixture
def data(tmp_path: Path, put_rule: Put, put_templates: Path) -> Path:
    """A template with a rule, and two exploits for it: one is found, one goes elsewhere."""
    put_rule("CVE-2099-0101")
    row = {
        "cve": "CVE-2099-0101",
        "source": "press-club",
        "kind": "exploit",
        "derived": False,
        "signals": ["traversal"],
    }
    row |= {"method": "GET", "headers": [], "body": ""}
    rows: list[dict[str, Any]] = [
        row | {"id": "x1", "target": "/fruit/press.php?crate=../../cellar"},
        row | {"id": "x2", "target": "/\x1b[31m/mill.php?crate=../../cellar"},
    ]
    folder = tmp_path / "data" / "exploits"
    folder.mkdir(parents=True)
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (folder / "exploits-dev.jsonl.gz").write_bytes(gzip.compress(text.encode()))
    return folder.parent


def test_the_table_is_printed_written_and_compared(run: Run, data: Path, put_templates: Path, tmp_path: Path) -> None:
    words = ("bench", "quality", "rules", "--data", data, "--templates", put_templates)
    first = run(*words, "--json", "now.json", "--md", "now.md")
    assert (first.exit_code, first.stderr) == (0, "")
    assert "1 rule measured" in first.stdout
    (cause,) = [line.split() for line in first.stdout.splitlines() if "another endpoint" in line]
    assert cause == ["independent_requests", "another", "endpoint", "1", "1", "0"]
    table = json.loads((tmp_path / "now.json").read_text())
    rows = {row["key"]: row for row in table["rows"]}
    assert (rows["independent"]["rate"]["hits"], rows["independent"]["share"], rows["independent"]["met"]) == (
        1,
        1.0,
        True,
    )
    assert (tmp_path / "now.md").read_text().startswith("# Quality of 1 rule\n")
    again = json.loads(run(*words, "--compare", "now.json", "--format", "json").stdout)
    assert again["changes"] == {"rules_gained": [], "rules_lost": [], "moved": []}
    assert "no row moved" in run(*words, "--compare", "now.json", "--format", "md").stdout


def test_nothing_that_an_exploit_holds_acts_on_a_terminal(run: Run, data: Path, put_templates: Path) -> None:
    words = ("bench", "quality", "rules", "--data", data, "--templates", put_templates, "--misses", "even")
    for kind in ("text", "md", "json"):
        result = run(*words, "--format", kind)
        assert result.exit_code == 0
        assert [letter for letter in result.stdout if letter != "\n" and not letter.isprintable()] == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["rules"], "Missing option"),
        (["none", "--data", "data"], "[RF110]"),
        (["rules", "--data", "none"], "[RF117]"),
        (["rules", "--data", "data", "--misses", "odd"], "--misses"),
        (["rules", "--data", "data", "--half", "third"], "--half"),
        (["rules", "--data", "data", "--compare", "rules/CVE-2099-0101/rule.json"], "[RF244]"),
    ],
)
def test_a_wrong_call_ends_with_2_and_says_why(run: Run, data: Path, words: list[str], said: str) -> None:
    result = run("bench", "quality", *words)
    assert (result.exit_code, result.stdout) == (2, "")
    assert said in result.stderr


def test_a_file_that_is_not_there_ends_with_3(run: Run, data: Path) -> None:
    result = run("bench", "quality", "rules", "--data", data, "--oracle", "none.jsonl")
    assert (result.exit_code, "[RF501]" in result.stderr) == (3, True)


def quality_of(hits: int) -> Quality:
    half = (Part("half", "even", rate(hits, 20)), Part("half", "odd", rate(11, 20)))
    strata = (
        Part("stratum", "press-news", rate(1, 300), "4 sites"),
        Part("stratum", "mill-news", rate(0, 200), "2 sites"),
    )
    mutators = (Part("mutator", "turned", rate(1, 9)), Part("mutator", "twisted", rate(9, 9)))
    rows = (
        Row(
            key="independent", title="independent exploits found", unit="CVEs", rate=rate(hits + 11, 40), target=0.7,
            stretch=0.78, parts=half, causes={"another endpoint": {"even": 20 - hits, "odd": 9}}, note="80 requests",
            hit=tuple(f"CVE-2099-{n:04}" for n in range(hits)),
        ),
        Row(
            key="benign_hold", title="ordinary requests fired on", unit="requests", rate=rate(1, 500), wanted="low",
            target=0.0, parts=strata,
        ),
        Row(key="held", title="held out", unit="CVEs", rate=None, target=0.8, note="needs --holdout FILE"),
        Row(key="oracle", title="written differently", unit="requests", rate=rate(1, 9), target=0.97, parts=mutators),
        Row(
            key="oracle:turned", title="turned", unit="requests", rate=rate(1, 9),
            causes={"place not read (json)": {"odd": 8}},
        ),
    )  # fmt: skip
    miss = Miss(
        row="independent", cve="CVE-2099-0019", request="x|1", shown="GET /<b>|`x`\\n", cause="another endpoint"
    )
    worst = WorstRule(rule="RF-CVE-2099-0001-1", counts={"benign_hold": 1, "oracle": 8}, examples=("turned",))
    rules = tuple(f"RF-CVE-2099-{n:04}-1" for n in range(hits))
    return Quality(rules=rules, rows=rows, misses=(miss,), worst=(worst,), half="both")


def test_the_table_reads_as_recorded() -> None:
    before, after = quality_of(12), quality_of(15)
    changes = compare(before, after)
    text = "\n".join(quality_lines(after, changes, misses=True)) + "\n"
    assert text == (GOLDEN / "bench.txt").read_text("utf-8")
    page = "\n".join(quality_markdown(after, changes, misses=True)) + "\n"
    assert page == (GOLDEN / "bench.md").read_text("utf-8")
