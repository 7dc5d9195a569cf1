"""The page quotes exactly what the benchmarks wrote."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]
RESULTS = json.loads((ROOT / "bench" / "results.json").read_text(encoding="utf-8"))
OWED = (
    "match_5000_rps",
    "match_5000_full_rps",
    "match_20000_rps",
    "match_20000_full_rps",
    "combined_log_lps",
    "combined_log_match_5000_lps",
    "rss_mb_5000",
    "load_ms_5000",
    "scale_two_process_ratio",
    "spark_vs_local_ratio",
)


@pytest.fixture(scope="module")
def run() -> Iterator[ModuleType]:
    sys.path.insert(0, str(ROOT / "bench"))
    try:
        import run

        yield run
    finally:
        sys.path.remove(str(ROOT / "bench"))


def test_the_page_quotes_the_results(run: ModuleType) -> None:
    page = (ROOT / "docs" / "performance.md").read_text(encoding="utf-8")
    quoted = page.partition(run.BEGIN)[2].partition(run.END)[0]
    assert quoted == f"\n{run.render_table(RESULTS)}", "run: python bench/run.py --docs"


def test_every_figure_is_there_or_says_why_not(run: ModuleType) -> None:
    keys = [figure.key for suite in run.SUITES for figure in suite.figures]
    assert set(OWED) <= set(keys) <= set(RESULTS)
    for key in keys:
        assert RESULTS[key] is not None or RESULTS[f"{key}_reason"], key


def test_results_say_what_they_depend_on() -> None:
    for key in ("date", "git_revision", "cpu", "cores", "load_before", "load_after", "python_version", "rules"):
        assert RESULTS[key], key


def test_a_benchmark_that_is_not_there_leaves_null_and_a_reason(run: ModuleType, tmp_path: Path) -> None:
    figure = run.SUITES[0].figures[0]
    suite = run.Suite("absent", ("bench/bench_of_nothing.py",), (figure,))
    found = run.run(suite, tmp_path, tmp_path / "out.json")
    assert found[figure.key] is None
    assert found[f"{figure.key}_reason"] == "no bench/bench_of_nothing.py in this version"


def test_a_benchmark_that_fails_leaves_its_last_words(run: ModuleType, tmp_path: Path) -> None:
    figure = run.SUITES[0].figures[0]
    suite = run.Suite("broken", ("-m", "module_that_is_not_there"), (figure,))
    found = run.run(suite, tmp_path, tmp_path / "out.json")
    assert found[figure.key] is None
    assert found[f"{figure.key}_reason"].startswith("failed (1): ")
    assert "module_that_is_not_there" in found[f"{figure.key}_reason"]


def test_further_speeds_have_a_row_too(run: ModuleType) -> None:
    table = run.render_table({"plum_log_lps": 12_345, "plum_log_lines": 7})
    assert "| `plum_log_lps` | 12,345 | lines/s |" in table
    assert "plum_log_lines" not in table
