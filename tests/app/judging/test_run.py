"""A whole run on invented pairs: what is kept apart, what is claimed, and who opened the test part."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from ruleforge.app.judging.frozen import fingerprint
from ruleforge.app.judging.pairs import read_pairs
from ruleforge.app.judging.report import JUDGE, JudgeReport, table_of
from ruleforge.app.judging.run import JudgeBenchOptions, bench_judge
from ruleforge.errors import PolicyError, UsageError

from .conftest import invented

Put = Callable[..., Path]
NOW = datetime(2099, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.fixture
def measured(put_lines: Put, tmp_path: Path) -> Callable[..., JudgeReport]:
    """Measure the invented judge; options beyond the files are given."""

    def run(advisories: int = 60, rows: list[Any] | None = None, **options: Any) -> JudgeReport:
        pairs, answers = invented(advisories)
        files = {
            "pairs": put_lines(pairs if rows is None else rows),
            "scores": put_lines([{"judge": "invented judge 1", "seconds": 1.5}, *answers], "scores.jsonl"),
        }
        return bench_judge(msgspec.convert(files | {"draws": 20} | options, JudgeBenchOptions), clock=lambda: NOW)

    return run


def test_groups_labels_and_splits_are_kept_apart(measured: Callable[..., JudgeReport], tmp_path: Path) -> None:
    found = measured(part="test", report=tmp_path / "report.json")
    own = [table for table in found.tables if table.scorer == JUDGE]
    assert {table.split for table in own} == {"all", "product", "date"}
    assert {table.group for table in own} == {"natural", "constructed"}
    assert {table.label for table in own} == {"miss", "off", "any", "sure"}
    natural, made = (
        table_of(found.tables, group=group, label="any", scorer=JUDGE) for group in ("natural", "constructed")
    )
    assert natural is not None
    assert made is not None
    assert (natural.filled.rows, made.filled.rows) == (120, 80)
    parts = [t.filled.rows for t in own if t.group == "natural" and t.label == "any" and t.split in ("product", "date")]
    assert sum(parts) == 120
    assert found.rows["natural"] == 120
    assert {each.baseline for each in found.against} >= {"constant", "conditions", "tests"}
    assert [target.met for target in found.targets if target.key == "auroc"] == [None]  # 40 advisories claim no bound
    assert found.seconds["judge"] == 1.5


def test_figures_of_the_train_part_meet_no_target_and_say_so(measured: Callable[..., JudgeReport]) -> None:
    found = measured()
    assert found.openings == ()
    assert {target.met for target in found.targets} == {None}
    assert found.words[0].startswith("These are rows of the train part")
    assert all(target.note.startswith("on the train part") for target in found.targets)


def test_the_test_part_is_opened_on_record_only(measured: Callable[..., JudgeReport], tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match="RF420"):
        measured(part="test")
    report = tmp_path / "report.json"
    for times in (1, 2):
        found = measured(part="test", report=report)
        assert [opening.at for opening in found.openings] == ["2099-01-02T03:04:05Z"] * times
        assert found.openings[-1].judge == "invented judge 1"
        assert len(json.loads(report.read_text())["openings"]) == times


def test_a_run_that_breaks_off_has_opened_the_test_part(measured: Callable[..., JudgeReport], tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    with pytest.raises(UsageError, match="RF117"):
        measured(part="test", report=report, scores=None, templates=tmp_path / "none")
    assert len(json.loads(report.read_text())["openings"]) == 1


def test_another_test_part_than_the_frozen_one_is_marked_first(
    measured: Callable[..., JudgeReport], put_lines: Put, tmp_path: Path
) -> None:
    rows = invented(60)[0]
    frozen = tmp_path / "frozen.json"
    frozen.write_text(json.dumps({"sha256": fingerprint(read_pairs(put_lines(rows)).pairs), "pairs": 200}))
    same = measured(part="test", report=tmp_path / "one.json", frozen=frozen)
    assert (same.frozen.same, same.openings[0].frozen) == (True, True)
    at = next(number for number, row in enumerate(rows) if row["part"] == "test")
    rows[at]["miss"]["label"] = not rows[at]["miss"]["label"]
    other = measured(rows=rows, part="test", report=tmp_path / "two.json", frozen=frozen)
    assert (other.frozen.same, other.openings[0].frozen) == (False, False)
    assert other.words[0].startswith("THE TEST PART IS NOT THE FROZEN ONE")


def test_a_trivial_baseline_that_comes_close_is_told_in_words(measured: Callable[..., JudgeReport]) -> None:
    rows = [row | {"tests_passed": not (row["miss"]["label"] or row["off"]["label"])} for row in invented(60)[0]]
    found = measured(rows=rows)
    (told,) = [word for word in found.words if "(natural rules, label any)" in word]
    assert "A trivial baseline comes within 0.05 of the judge or ahead of it" in told
    assert "synthetic tests only 1.000; the judge 0." in told


def test_pairs_without_an_answer_are_counted_and_filled(measured: Callable[..., JudgeReport], put_lines: Put) -> None:
    scores = put_lines(["x", *invented(60)[1][:150]], "some.jsonl")
    found = measured(scores=scores)
    table = table_of(found.tables, group="natural", label="miss", scorer=JUDGE)
    assert table is not None
    assert 0 < table.answered.rows < table.filled.rows == 60
    assert table.coverage == table.answered.rows / 60
    assert found.abstained == {"no answer in the file": sum(found.abstained.values())}
    assert found.unreadable == 1


def test_without_an_advisory_nothing_is_told(measured: Callable[..., JudgeReport]) -> None:
    found = measured(rows=invented(1)[0])  # five rows of one advisory
    assert all(table.filled.auroc is None and table.filled.reasons for table in found.tables)
    assert all(target.value is None or target.key.startswith("reduction") for target in found.targets)
