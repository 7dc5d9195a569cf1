"""Weights: the table that ships, a person's own on top, and what is refused."""

from collections.abc import Callable
from pathlib import Path

import pytest

from ruleforge.errors import InputError, OutsideError
from ruleforge.triage.signals import SIGNALS
from ruleforge.triage.weights import load_weights

Put = Callable[[str, bytes | str], Path]


def test_every_signal_has_a_weight_that_ships() -> None:
    weights = load_weights(None, SIGNALS.names())
    assert len(weights) == len(SIGNALS) >= 8
    assert all(weight > 0 for weight in weights.values())


def test_own_weights_override_those_they_name(put: Put) -> None:
    shipped, own = (
        load_weights(None, SIGNALS.names()),
        load_weights(put("w", "[weights]\nkev = 0\ncvss = 2.5\n"), SIGNALS.names()),
    )
    assert own == shipped | {"kev": 0.0, "cvss": 2.5}


@pytest.mark.parametrize(
    "text",
    ["", "weights = 1", "[weights", "[weights]\nkevv = 1", "[weights]\nkev = -1", "[weights]\nkev = inf",
     "[weights]\nkev = nan", "[weights]\nkev = true", '[weights]\nkev = "1"', "\xff", "#" * 70_000, "a=" + "[" * 9_000],
)  # fmt: skip
def test_what_is_no_weight_is_refused(put: Put, text: str) -> None:
    with pytest.raises(InputError) as found:
        load_weights(put("w", text.encode("latin-1")), SIGNALS.names())
    assert found.value.code == "RF274"


def test_all_weights_zero_is_refused(put: Put) -> None:
    text = "[weights]\n" + "".join(f"{name} = 0\n" for name in SIGNALS)
    with pytest.raises(InputError, match="every weight is 0"):
        load_weights(put("w", text), SIGNALS.names())


def test_a_file_that_is_not_there_is_trouble_outside(tmp_path: Path) -> None:
    with pytest.raises(OutsideError):
        load_weights(tmp_path / "none", SIGNALS.names())
