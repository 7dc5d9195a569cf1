"""The judge's model: plain numbers that give probabilities, missing values included, and a fit for what is withheld."""

import json
import math
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ruleforge.errors import InputError
from ruleforge.judge.features import FEATURES, KINDS
from ruleforge.judge.model import QUESTIONS, Fit, Model, Term, calibrated, load_model, shipped_model

TERM = Term(feature="near_hit", weight=2.0, centre=0.5, scale=0.5, missing=-1.0)
FIT = Fit(question="off", n=10, bad=5, intercept=0.0, terms=(TERM,))


def fit(question: str, *without: str) -> Fit:
    return Fit(question=question, without=without, n=0, bad=0, intercept=0.0, terms=())


def test_a_value_adds_its_weight_and_a_missing_one_the_weight_of_missing() -> None:
    assert FIT.contributions({"near_hit": 1.0}) == {"near_hit": 2.0}
    assert FIT.contributions({"near_hit": 0.5}) == {"near_hit": 0.0}
    assert FIT.contributions({"near_hit": None}) == FIT.contributions({}) == {"near_hit": -1.0}
    assert FIT.probability({"near_hit": 1.0}) == pytest.approx(1 / (1 + math.exp(-2)))


def test_a_quiet_rule_gets_the_sum_for_such_where_there_is_one() -> None:
    loud, own = fit("off"), msgspec.structs.replace(fit("off"), quiet=True)
    model = msgspec.structs.replace(shipped_model(), fits=(loud, own, fit("miss")))
    assert model.fit("off", quiet=True) is own
    assert model.fit("off") is loud
    assert model.fit("miss", quiet=True).question == "miss"


TABLE = ((-2.0, 0.1), (0.0, 0.2), (2.0, 0.9))


@pytest.mark.parametrize(("score", "p"), [(-9, 0.1), (-2, 0.1), (-1, 0.15), (0, 0.2), (1, 0.55), (2, 0.9), (99, 0.9)])
def test_a_table_is_read_on_straight_lines_and_held_at_its_ends(score: float, p: float) -> None:
    assert calibrated(score, TABLE) == pytest.approx(p)


@given(st.floats(-50, 50), st.floats(-50, 50))
def test_a_rising_table_never_turns_an_order_round(one: float, two: float) -> None:
    low, high = sorted((one, two))
    assert calibrated(low, TABLE) <= calibrated(high, TABLE)
    assert calibrated(low, ()) <= calibrated(high, ())


def test_the_fit_uses_nothing_that_is_withheld_and_else_as_much_as_there_is() -> None:
    fits = (fit("off"), fit("off", "cross", "benign"), fit("off", "near", "cross", "benign"), fit("miss"))
    model = Model(judge="j", date="", pairs=0, split="", fits=fits, thresholds={})
    assert model.fit("off").without == ()
    assert model.fit("off", ("benign",)).without == ("cross", "benign")
    assert model.fit("off", ("near",)).without == ("near", "cross", "benign")
    assert model.fit("miss", ("variation",)).question == "miss"


@pytest.mark.parametrize("content", [b"", b"[]", b'{"judge": 1}', b"\xff"])
def test_what_is_no_model_is_refused_with_a_code(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "m.json").write_bytes(content)
    with pytest.raises(InputError) as problem:
        load_model(tmp_path / "m.json")
    assert problem.value.code == "RF241"


# --- the model that ships ---------------------------------------------------------------------------------------------


def test_the_shipped_model_answers_every_question_with_features_that_exist() -> None:
    model = shipped_model()
    assert {fit.question for fit in model.fits if not fit.without} == set(QUESTIONS)
    for fitted in model.fits:
        assert set(fitted.without) <= set(KINDS)
        assert len(fitted.terms) <= 12
        assert all(FEATURES[term.feature].kind not in fitted.without for term in fitted.terms)
        assert fitted.bad > 50
        points = [p for _, p in fitted.calibration]
        assert points == sorted(points)
        assert all(0 < p < 1 for p in points)


def test_the_shipped_model_says_what_it_was_made_from_and_what_its_gates_let_pass() -> None:
    model = shipped_model()
    assert model.pairs >= 1_000
    assert model.date
    assert model.split
    assert set(model.thresholds) == {"count", "block"}
    assert all(0 < p < 1 for mode in model.thresholds.values() for p in mode.values())
    assert {mode: set(shares) for mode, shares in model.stated.items()} == {
        mode: set(shares) for mode, shares in model.thresholds.items()
    }
    assert model.thresholds["block"]["off"] <= model.thresholds["count"]["off"]


SIGNED = {
    "miss": (("replay_missed", "variants_missed", "ways_missed", "seen_missed", "exact_values", "literal_bytes"), 1),
    "off": (("neutral_hit", "near_hit", "near_kinds", "benign_hit", "strangers_hit", "no_endpoint"), 1),
}


@pytest.mark.parametrize("question", SIGNED)
def test_evidence_of_a_defect_never_speaks_against_it(question: str) -> None:
    names, sign = SIGNED[question]
    weights = [t.weight for f in shipped_model().fits if f.question == question for t in f.terms if t.feature in names]
    assert weights
    assert all(weight * sign >= 0 for weight in weights)


def test_the_shipped_model_is_plain_numbers() -> None:
    from ruleforge.judge import model

    data = json.loads(model.FILE.read_text())
    assert all(isinstance(t["weight"], float | int) for f in data["fits"] for t in f["terms"])
