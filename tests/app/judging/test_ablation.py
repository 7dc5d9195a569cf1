"""Forging with parts of the loop left out: each configuration has its own folder and its own counts."""

from pathlib import Path

import pytest

from ruleforge.app.judging.ablation import CONFIGURATIONS, ablate
from ruleforge.app.rules import read_evidence
from ruleforge.errors import UsageError

from .test_asking import TEMPLATE


def test_configurations_cover_drafts_refinements_advice_and_judge() -> None:
    found = {(loop.candidates, loop.rounds, loop.judge, loop.judge_feedback) for loop in CONFIGURATIONS.values()}
    assert {(1, 1, True, True), (5, 1, True, True), (1, 5, True, True), (5, 5, True, True)} <= found
    assert {(5, 5, True, False), (5, 5, False, True)} <= found


def test_each_configuration_forges_into_a_folder_of_its_own(tmp_path: Path) -> None:
    source = tmp_path / "templates" / "CVE-2099-0001.yaml"
    source.parent.mkdir()
    source.write_text(TEMPLATE)
    names = ("1x1", "5x5", "5x5-no-judge")
    found = list(ablate([source.parent], tmp_path / "out", names, jobs=1))
    assert [(each.name, each.advisories, each.with_rule) for each in found] == [(name, 1, 1) for name in names]
    assert {each.names for each in found} == {("CVE-2099-0001",)}
    assert found[0].candidates == 1
    assert found[1].candidates > 1
    assert [sum(each.passes.values()) for each in found] == [1, 1, 1]
    assert list(found[2].passes) == [""]
    told = [read_evidence(tmp_path / "out" / each.rules / "CVE-2099-0001").get("judge") for each in found]
    assert [opinion is None for opinion in told] == [False, False, True]


def test_a_configuration_that_is_none_is_refused_before_any_work(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="RF174"):
        list(ablate([tmp_path], tmp_path / "out", ("9x9",)))
    assert not (tmp_path / "out").exists()
