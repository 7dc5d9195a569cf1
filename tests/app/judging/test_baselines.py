"""Trivial judges: what they look at, and what the train part fixes for them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.isotonic import IsotonicRegression

from ruleforge.app.judging.baselines import BASELINES, fit_baseline, isotonic, values_of
from ruleforge.app.judging.pairs import Pair

from .conftest import pair_of, pair_row, rule_document


def labelled(number: int, bad: bool, **keys: object) -> Pair:
    return pair_of(pair_row(number, "shipped", key=0, off={"label": bad}, **keys))


def test_baselines_look_at_the_rule_and_the_tests_and_never_at_labels() -> None:
    rare = {"schema": 1, "id": "RF-1", "when": {"field": "path", "op": "equals", "value": "/orchard/press-7731.cgi"}}
    gates = {"benign_traffic": False, "replay": True}
    pair = pair_of(pair_row(1, "rejected", key=0, rule=rare, gates=gates, confidence=0.25))
    found = {key: values[pair.pair] for key, values in values_of([pair]).items()}
    assert list(found) == [baseline.key for baseline in BASELINES]
    assert (found["constant"], found["conditions"], found["benign"], found["tests"]) == (0, 1, 1, 1)
    assert found["confidence"] == 0.25
    assert found["length"] == len('{"field":"path","op":"equals","value":"/orchard/press-7731.cgi"}')
    assert (found["literal_bits"] or 0) > 5


def test_what_a_pair_does_not_say_has_no_value() -> None:
    pair = pair_of(pair_row(1, "crowdsec", key=0, rule={"no": 1}, gates={}, confidence=None, tests_passed=None))
    found = {key: values[pair.pair] for key, values in values_of([pair]).items()}
    assert {key for key, value in found.items() if value is None} == {
        "conditions", "literal_bits", "benign", "tests", "confidence",
    }  # fmt: skip


@pytest.mark.parametrize("long_is_bad", [True, False])
def test_the_bad_end_is_found_on_the_train_part(long_is_bad: bool) -> None:
    train = [
        labelled(at, at % 2 == 0, rule=rule_document(7, 5 if (at % 2 == 0) == long_is_bad else 2)) for at in range(40)
    ]
    values = values_of(train)["length"]
    fitted = fit_baseline(values, train, "any")
    assert fitted is not None
    assert fitted.sign == (1 if long_is_bad else -1)
    told = fitted.probability([values[pair.pair] for pair in train])
    assert list(told) == [float(pair.label("any") is True) for pair in train]


def test_a_row_without_a_value_gets_the_median_of_the_train_part() -> None:
    train = [labelled(at, at >= 20, confidence=0.1 if at >= 20 else 0.9) for at in range(39)]
    fitted = fit_baseline(values_of(train)["confidence"], train, "off")
    assert fitted is not None
    assert (fitted.sign, fitted.fill) == (-1, 0.9)
    assert list(fitted.score([None, 0.4])) == [-0.9, -0.4]


def test_too_few_labels_fix_nothing() -> None:
    train = [labelled(at, at < 4) for at in range(40)]
    assert fit_baseline(values_of(train)["length"], train, "off") is None
    assert fit_baseline({}, [], "off") is None


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 12)), min_size=1, max_size=60))
def test_isotonic_regression_agrees_with_scikit_learn(rows: list[tuple[bool, int]]) -> None:
    bad = np.array([row[0] for row in rows], dtype=np.bool_)
    score = np.array([row[1] for row in rows], dtype=np.float64)
    at, share = isotonic(bad, score)
    reference = IsotonicRegression().fit(score, bad.astype(np.float64))
    assert list(share) == pytest.approx(list(reference.predict(at)))
    assert (np.diff(share) >= 0).all()
