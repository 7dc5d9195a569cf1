"""Pictures: they are there, whole, the same each time, and say what they show."""

import builtins
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from ruleforge.app.judging.plots import write_plots
from ruleforge.app.judging.report import JudgeReport
from ruleforge.app.judging.run import JudgeBenchOptions, bench_judge
from ruleforge.errors import OutsideError, UsageError

from .conftest import invented

Put = Callable[..., Path]


@pytest.fixture
def report(put_lines: Put) -> JudgeReport:
    rows, answers = invented(45)
    rows = [row for row in rows if row["group"] == "natural"]
    scores = put_lines([{"judge": "a judge that costs $5 and $6 <b>"}, *answers], "scores.jsonl")
    return bench_judge(JudgeBenchOptions(pairs=put_lines(rows), scores=scores, draws=0))


def test_plots_are_written_as_png_and_svg_and_are_the_same_each_time(report: JudgeReport, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    one, two = (write_plots(report, tmp_path / name / "plots") for name in ("one", "two"))
    names = ["reliability-natural", "coverage-risk-natural"]
    assert [file.name for file in one] == [f"{name}.{kind}" for name in names for kind in ("png", "svg")]
    assert [file.read_bytes() for file in one] == [file.read_bytes() for file in two]
    assert all(file.read_bytes().startswith(b"\x89PNG") for file in one if file.suffix == ".png")
    words = " ".join(ET.parse(one[1]).getroot().itertext())
    for said in ("Reliability: natural rules, train part", "costs $5 and $6 <b>", "perfectly calibrated", "45 rules"):
        assert said in words


def test_without_matplotlib_the_error_says_what_to_install(
    report: JudgeReport, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any, **named: Any) -> Any:
        if name.partition(".")[0] == "matplotlib":
            raise ImportError(name)
        return real(name, *rest, **named)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(UsageError, match=r"RF173.*ruleforge\[plots\]"):
        write_plots(report, tmp_path)


def test_a_folder_that_cannot_be_written_is_an_outside_error(report: JudgeReport, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    (tmp_path / "file").write_text("")
    with pytest.raises(OutsideError, match="RF502"):
        write_plots(report, tmp_path / "file")
