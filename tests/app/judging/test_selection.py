"""Tests only against tests and judge: what is shipped, at equal numbers of good rules."""

from typing import Any

import pytest

from ruleforge.app.judging.matching import Shipped
from ruleforge.app.judging.pairs import Pair
from ruleforge.app.judging.scores import Score
from ruleforge.app.judging.selection import Selection, select

from .conftest import pair_of, pair_row


def pool(number: int, *candidates: tuple[bool | None, float | None], ranked: bool = True) -> list[tuple[Pair, Score]]:
    """Candidates of one advisory in the generator's order: (is it bad, what the judge says)."""
    found = []
    for key, (bad, risk) in enumerate(candidates):
        keys: dict[str, Any] = {"rank": key} if ranked else {}
        labels = {"miss": {"label": bad}, "off": {"label": None if bad is None else False}}
        pair = pair_of(pair_row(number, "passed" if key else "shipped", key=key, **labels, **keys))
        found.append((pair, Score(pair=pair.pair, p_any=risk)))
    return found


def run(*pools: list[tuple[Pair, Score]], draws: int = 0) -> Selection:
    rows = [row for each in pools for row in each]
    return select([pair for pair, _ in rows], {score.pair: score for _, score in rows}, draws)


def test_policies_are_those_worked_out_by_hand() -> None:
    found = run(
        pool(1, (True, 0.8), (False, 0.1)),  # the judge finds the better candidate
        pool(2, (False, 0.2)),
        pool(3, (True, 0.7)),  # nothing good there: the judge drops it
        pool(4, (False, 0.3), (True, 0.4)),
        pool(5, (False, 0.9)),  # wrongly doubted: dropped, as good ones are enough without it
    )
    assert (found.matched.advisories, found.choices, found.ranked) == (5, 2, True)
    assert found.matched.before == Shipped(good=3, bad=2)
    assert found.matched.whole == Shipped(good=4, bad=1)
    assert found.matched.after == Shipped(good=3, bad=0)
    assert (found.matched.threshold, found.matched.reduction) == (0.3, 1.0)
    assert found.sure.before == Shipped(good=0, bad=0, unlabelled=5)  # no harmless twin was tried
    assert (found.matched.claimed, found.matched.reason) == (
        False,
        "2 bad rules before; 60 are needed to claim a reduction",
    )


def test_where_equal_numbers_cannot_be_reached_all_is_shipped_and_counted() -> None:
    found = run(pool(1, (False, 0.9), (True, 0.1)), pool(2, (False, 0.2)))
    assert found.matched.before == Shipped(good=2, bad=0)
    assert found.matched.after == Shipped(good=1, bad=1)
    assert found.matched.reduction is None


def test_what_the_judge_has_no_number_for_is_shipped_last_and_unlabelled_rules_are_counted() -> None:
    found = run(pool(1, (False, None)), pool(2, (None, 0.1)), pool(3, (True, 0.2)), pool(4, (False, 0.1)))
    assert found.matched.before == Shipped(good=2, bad=1, unlabelled=1)
    assert found.matched.after == Shipped(good=2, bad=1, unlabelled=1)
    assert found.matched.threshold == 2.0


def test_without_an_order_of_the_generator_its_strategies_decide() -> None:
    first = pair_of(pair_row(1, "passed", key=0, strategy="payload_anywhere", miss={"label": True}))
    other = pair_of(pair_row(1, "shipped", key=1, strategy="none of ours"))
    found = select([other, first], {}, 0)
    assert (found.ranked, found.matched.before) == (False, Shipped(good=0, bad=1))


def test_only_natural_rules_that_passed_the_tests_are_in_the_pool() -> None:
    rows = [pair_of(pair_row(at, origin, key=0)) for at, origin in enumerate(("rejected", "crowdsec", "path_only"))]
    found = select(rows, {}, 100)
    assert (found.matched.advisories, found.matched.before, found.matched.interval, found.matched.threshold) == (
        0,
        Shipped(0, 0),
        None,
        None,
    )


def test_a_reduction_is_claimed_from_sixty_bad_rules_on_with_a_paired_interval() -> None:
    pools = [pool(at, (at < 60, 0.9 if at < 50 else 0.2), (False, 0.5)) for at in range(200)]
    found = run(*pools, draws=200)
    assert found.matched.before == Shipped(good=140, bad=60)
    assert found.matched.claimed is True
    assert found.matched.interval is not None
    assert found.matched.interval.low <= (found.matched.reduction or 0) <= found.matched.interval.high
    assert run(*pools[1:], draws=200).matched.claimed is False


def test_a_judge_that_knows_nothing_saves_nothing() -> None:
    found = run(*(pool(at, (at % 2 == 0, 0.5)) for at in range(200)), draws=50)
    assert (
        found.matched.reduction,
        found.matched.interval and (found.matched.interval.low, found.matched.interval.high),
    ) == (0.0, (0.0, 0.0))


@pytest.mark.parametrize("draws", [1, 30])
def test_every_draw_moves_the_threshold_anew(draws: int) -> None:
    pools = [pool(at, (at % 3 == 0, 0.6 + at / 1000 if at % 3 == 0 else 0.1)) for at in range(120)]
    found = run(*pools, draws=draws)
    assert found.matched.interval is not None
    assert (found.matched.interval.low, found.matched.interval.high) == (1.0, 1.0)
