"""Weights that are fitted on labelled rules bring a loud model to scale, and can be read by the program."""

import importlib.util
import json
import random
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec
import pytest

from ruleforge.judge.combine import LOWERS_LEAST, Weights, load_weights, pool
from ruleforge.judge.llm_judge import Sampled

FILE = Path(__file__).resolve().parents[2] / "bench" / "judge" / "fit_weights.py"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("fit_weights", FILE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def rows(count: int, *, loud: float = 0.4) -> list[dict[str, Any]]:
    """A model that tells bad rules well and speaks of risk everywhere, and evidence that tells them a little."""
    chance, made = random.Random(7), []
    for number in range(count):
        bad = number % 4 == 0
        model = min(max(chance.gauss(loud + 0.4 * bad, 0.12), 0.01), 0.99)
        evidence = min(max(chance.gauss(0.1 + 0.05 * bad, 0.04), 0.01), 0.99)
        made.append({"question": "off_target", "evidence": evidence, "llm": model, "label": bad})
    return made


def test_a_loud_model_is_brought_to_scale(script: ModuleType) -> None:
    fitted = script.fit(rows(400), 0.05, "2099-12-31")
    assert fitted.rules == 400
    assert fitted.lowers
    low, high = (pool(0.1, Sampled(probability=p), fitted) for p in (0.4, 0.85))
    assert low.how == "pooled"
    assert low.p is not None
    assert low.p < 0.05
    assert high.p is None or high.p > 0.15


def two_minded(count: int) -> list[dict[str, Any]]:
    """A model that is nearly sure of most bad rules and of some good ones, and evidence that knows half of them."""
    made = []
    for number in range(count):
        bad = number % 3 == 0
        evidence = (0.4 if number % 2 else 0.05) if bad else (0.3 if number % 10 == 1 else 0.016)
        sure = (bad and number % 5) or number % 7 == 0
        made.append({"evidence": evidence, "llm": 0.98 if sure else 0.05 + 0.01 * (number % 20), "label": bad})
    return made


def test_a_model_that_is_sure_too_often_does_not_run_the_fit_into_its_bounds(script: ModuleType) -> None:
    fitted = script.fit(two_minded(60), 0.04, "2099-12-31")
    assert 0 < fitted.llm_scale < 3
    assert abs(fitted.llm_shift) < 12
    assert abs(fitted.bias) < 12
    told = pool(0.016, Sampled(probability=0.05), fitted)
    assert told.p is None or told.p < 0.04


def test_too_few_rules_fit_nothing(script: ModuleType) -> None:
    assert script.fit(rows(19), None, "2099-12-31") == Weights()
    assert script.fit([row | {"label": False} for row in rows(99)], None, "2099-12-31") == Weights()


def test_a_model_may_lower_only_after_enough_rules(script: ModuleType) -> None:
    assert not script.fit(rows(LOWERS_LEAST - 1), None, "2099-12-31").lowers


def test_what_is_fitted_can_be_read(script: ModuleType, tmp_path: Path) -> None:
    both = script.fit_both(rows(240), {"off_target": 0.05}, "2099-12-31")
    file = tmp_path / "weights.json"
    file.write_text(json.dumps(msgspec.to_builtins(both)))
    assert load_weights(file) == both
    assert both.miss == Weights()
