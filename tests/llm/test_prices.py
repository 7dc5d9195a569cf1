"""Prices are read exactly, and no cost is rounded in favour of a limit."""

from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ruleforge.errors import InputError
from ruleforge.llm.prices import FREE, Price, dollars_said, load_prices

COUNTS = st.integers(0, 10**7)
PRICES = st.builds(
    Price,
    input=st.integers(0, 10**9),
    cached_input=st.integers(0, 10**9),
    written_input=st.integers(0, 10**9),
    output=st.integers(0, 10**9),
)


def test_dollars_per_million_tokens_become_whole_micro_dollars(tmp_path: Path) -> None:
    file = tmp_path / "prices.json"
    file.write_text('{"pear-1": {"input": 3, "cached_input": 0.3, "output": 15.0}, "plum": {"input": 0, "output": 0}}')
    prices = load_prices(file)
    assert prices["pear-1"] == Price(input=3_000_000, cached_input=300_000, written_input=3_750_000, output=15_000_000)
    assert prices["plum"] == FREE
    assert load_prices(tmp_path / "none.json") == {}


def test_what_is_not_said_is_never_cheaper_than_input(tmp_path: Path) -> None:
    file = tmp_path / "prices.json"
    file.write_text('{"a": {"input": 0.0000001, "output": 1}, "b": {"input": 2, "output": 1, "written_input": 2.5}}')
    assert load_prices(file)["a"] == Price(input=1, cached_input=1, written_input=2, output=1_000_000)
    assert load_prices(file)["b"].written_input == 2_500_000


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        '{"a": 3}',
        '{"a": {"input": 3}}',
        '{"a": {"input": -1, "output": 1}}',
        '{"a": {"input": 1, "output": 1e9}}',
        '{"a": {"input": 1, "output": "NaN"}}',
        '{"a": {"input": 1, "output": 1, "per_call": 1}}',
        "{" + ",".join(f'"m{n}": {{"input": 1, "output": 1}}' for n in range(501)) + "}",
        '{"a": {"input": 1, "output": 1' + " " * 70_000 + "}}",
    ],
    ids=range(10),
)
def test_what_are_no_prices_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "prices.json"
    file.write_text(text)
    with pytest.raises(InputError, match=r"\[RF269\].*prices\.json.*dollars per million tokens"):
        load_prices(file)


@given(price=PRICES, sent=COUNTS, made=COUNTS, cached=COUNTS, written=COUNTS)
def test_a_call_never_costs_more_than_its_most_nor_less_than_its_tokens(
    price: Price, sent: int, made: int, cached: int, written: int
) -> None:
    cost = price.cost(sent, made, cached=cached, written=written)
    assert cost <= price.most(sent, made)
    cached = min(cached, sent)
    written = min(written, sent - cached)
    exact = Fraction(
        (sent - cached - written) * price.input
        + cached * price.cached_input
        + written * price.written_input
        + made * price.output,
        1_000_000,
    )
    assert 0 <= cost - exact < 1


@pytest.mark.parametrize(
    ("money", "said"), [(0, "$0"), (1, "$0.000001"), (12_345_600_000, "$12,345.6"), (3_000_000, "$3")]
)
def test_money_reads_as_dollars(money: int, said: str) -> None:
    assert dollars_said(money) == said
