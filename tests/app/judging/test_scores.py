"""A judge's answers: joining the two, abstaining, passing gates, and the file of them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ruleforge.app.judging.scores import (
    Judged,
    Score,
    abstains,
    joined,
    passes,
    probability,
    read_scores,
    write_scores,
)
from ruleforge.errors import InputError

Put = Callable[..., Path]
NAME = "0" * 16


def score(**keys: Any) -> Score:
    return Score(pair=NAME, **keys)


def test_either_defect_is_the_own_answer_else_both_joined_else_the_one_there_is() -> None:
    both = score(p_miss=0.5, p_off=0.2, apart_miss=0.4, apart_any=0.9)
    assert (probability(both, "miss"), probability(both, "off")) == (0.5, 0.2)
    assert probability(both, "any") == joined(both) == pytest.approx(0.6)
    assert (probability(both, "miss", apart=True), probability(both, "off", apart=True)) == (0.4, None)
    assert (probability(both, "any", apart=True), joined(both, apart=True)) == (0.9, 0.4)
    assert probability(score(p_miss=0.5, p_off=0.2, p_any=0.3), "any") == 0.3
    assert (probability(score(p_off=0.2), "any"), probability(score(), "any")) == (0.2, None)


def test_a_judge_abstains_on_thin_evidence_and_where_it_has_no_answer() -> None:
    assert [
        abstains(each) for each in (None, score(), score(p_miss=0.1, thin="little is known"), score(problem="x"))
    ] == [True] * 4
    assert abstains(score(p_miss=0.1)) is False


def test_a_gate_lets_through_what_the_judge_says_passes_it() -> None:
    found = {mode: (passes(score(mode=mode), "count"), passes(score(mode=mode), "block")) for mode in MODES}
    assert found == {"block": (True, True), "count": (True, False), "review": (False, False), "": (False, False)}
    assert passes(None, "count") is passes(score(mode="block", problem="x"), "count") is False


MODES = ("block", "count", "review", "")


def test_answers_are_written_and_read_back(tmp_path: Path) -> None:
    scores = {
        f"{at:016x}": Score(pair=f"{at:016x}", p_miss=at / 9, p_off=None, mode="count", thin="x" * at)
        for at in range(9)
    }
    write_scores(Judged("invented judge 1", scores, 2.5), tmp_path / "scores.jsonl")
    found = read_scores(tmp_path / "scores.jsonl")
    assert found == Judged("invented judge 1", scores, 2.5)


@pytest.mark.parametrize(
    "line", ["{", "[" * 100_000, "[]", {"p_miss": 1}, {"pair": NAME, "p_miss": 1.5}, {"pair": NAME, "p_off": "x"}]
)
def test_a_line_that_is_no_answer_is_counted_and_the_others_go_on(put_lines: Put, line: Any) -> None:
    found = read_scores(put_lines([{"pair": NAME, "p_any": 0.5}, line], "scores.jsonl"))
    assert (found.judge, list(found.scores), found.unreadable) == ("scores.jsonl", [NAME], 1)
    assert "scores.jsonl:2: no answer of a judge: " in found.problems[0]


def test_a_file_without_an_answer_is_refused(put_lines: Put) -> None:
    with pytest.raises(InputError, match="RF293"):
        read_scores(put_lines([{"judge": "nobody"}]))
