"""How surprising payload classes are follows from counts over ordinary traffic."""

import math
from pathlib import Path

import pytest

from ruleforge.generate.draft import ENOUGH_FREE_BITS
from ruleforge.generate.rates import ANYWHERE, WEAK_BITS_MOST, class_bits, load_rates
from ruleforge.generate.words import CLASS_BITS
from ruleforge.rules.classes import CLASSES, classes_digest

MOST = 1e-4  # of argument values, for classes that are not weak by design


def test_every_class_was_counted_in_its_latest_version() -> None:
    assert load_rates().versions == {name: versions[-1] for name, versions in CLASSES.items()}
    assert set(load_rates().hits) == set(CLASS_BITS) == set(CLASSES)


def test_enough_values_of_each_kind_of_place_were_counted() -> None:
    values = load_rates().values
    for place, least in (("args", 100_000), ("headers", 200_000), ("json", 50_000), ("path.raw", 80_000)):
        assert values[f"fit {place}"] >= least
        assert values[f"hold {place}"] >= 10_000


def test_no_class_but_the_weak_ones_holds_for_more_than_one_in_ten_thousand_argument_values() -> None:
    rates = load_rates()
    often = [name for name, hits in rates.hits.items() if hits.get("fit args", 0) > MOST * rates.values["fit args"]]
    assert set(often) <= set(WEAK_BITS_MOST)


def test_bits_are_the_upper_bound_of_the_rate() -> None:
    rates = load_rates()
    for name in set(CLASSES) - set(WEAK_BITS_MOST) - ANYWHERE:
        bound = (rates.hits[name].get("fit args", 0) + 3) / rates.values["fit args"]
        assert abs(CLASS_BITS[name] + math.log2(bound)) <= 0.05
    assert class_bits() == CLASS_BITS


def test_weak_classes_are_never_more_surprising_than_declared() -> None:
    assert all(CLASS_BITS[name] <= most for name, most in WEAK_BITS_MOST.items())


def test_only_what_means_the_same_everywhere_can_carry_a_rule_alone() -> None:
    assert {name for name, bits in CLASS_BITS.items() if bits >= ENOUGH_FREE_BITS} == ANYWHERE


@pytest.mark.corpus
def test_the_counts_are_those_of_the_classes_as_they_are(corpus: Path) -> None:
    assert corpus.exists()  # whoever has the traffic can count anew: bench/bench_classes.py --json
    assert load_rates().classes == classes_digest()
