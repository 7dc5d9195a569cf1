"""Our own rules for other events: each loads, is sound, has tests that pass, and says when it is wrong."""

import json
from pathlib import Path

import pytest

from ruleforge.app.detections import FOLDER, load_detections
from ruleforge.app.trials import run_tests
from ruleforge.engine.correlation import Correlator, is_correlation
from ruleforge.events.kinds import EVENTS
from ruleforge.rules.lint import lint
from ruleforge.rules.render import render_sentence

RULES = load_detections().rules
FOLDERS = sorted(file.parent for file in FOLDER.rglob("rule.json"))


def test_there_are_rules_for_every_kind_of_event() -> None:
    assert len(RULES) >= 27
    assert load_detections().broken == ()
    assert {rule.event for rule in RULES} == set(EVENTS)
    assert len({rule.id for rule in RULES}) == len(RULES)
    assert sum(is_correlation(rule) for rule in RULES) >= 15


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_every_test_beside_a_rule_passes(folder: Path) -> None:
    results = list(run_tests(folder))
    assert [result for result in results if result.state != "passed"] == []
    verdicts = [result.verdict for result in results]
    assert len(verdicts) >= 4
    assert set(verdicts) == {"match", "no_match"}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_a_rule_is_sound_and_explains_itself(rule) -> None:
    assert lint(rule) == ()
    assert rule.title
    assert rule.description
    assert rule.attack
    assert rule.severity in ("low", "medium", "high", "critical")
    assert render_sentence(rule)


def test_all_of_them_can_be_correlated_together() -> None:
    Correlator([rule for rule in RULES if is_correlation(rule)])


def test_rules_are_written_as_the_house_writes_json() -> None:
    for folder in FOLDERS:
        text = (folder / "rule.json").read_text("utf-8")
        assert text == json.dumps(json.loads(text), indent=1, ensure_ascii=False) + "\n"
