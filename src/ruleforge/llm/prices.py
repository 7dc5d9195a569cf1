"""What models cost, as their user wrote it down: dollars per million tokens, kept as whole micro-dollars.

Nothing is shipped: prices differ by contract and change. A cost is rounded up, so that a limit in money holds.
"""

from collections.abc import Mapping
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from pathlib import Path
from typing import Annotated, TypeAlias

import msgspec

from ruleforge.errors import InputError
from ruleforge.llm.files import read_bounded

FILE_MOST = 65_536  # bytes of a file of prices
MODELS_MOST = 500
DOLLAR = 1_000_000  # micro-dollars
MILLION = 1_000_000  # tokens
DOLLARS_MOST = 1_000_000
Dollars: TypeAlias = Annotated[Decimal, msgspec.Meta(description="US dollars; at most a million")]


class Price(msgspec.Struct, frozen=True, kw_only=True):
    """Micro-dollars per million tokens of one model."""

    input: int
    cached_input: int  # read from the provider's cache
    written_input: int  # kept in the provider's cache for later
    output: int

    def most(self, tokens_in: int, tokens_out: int) -> int:
        """The most that so many tokens can cost, in micro-dollars."""
        dearest = max(self.input, self.cached_input, self.written_input)
        return _up(tokens_in * dearest + tokens_out * self.output)

    def cost(self, tokens_in: int, tokens_out: int, *, cached: int = 0, written: int = 0) -> int:
        """What a call cost, in micro-dollars; `cached` and `written` are parts of `tokens_in`."""
        cached = min(max(cached, 0), tokens_in)
        written = min(max(written, 0), tokens_in - cached)
        plain = tokens_in - cached - written
        whole = plain * self.input + cached * self.cached_input + written * self.written_input
        return _up(whole + tokens_out * self.output)


FREE = Price(input=0, cached_input=0, written_input=0, output=0)


def _up(parts: int) -> int:
    return -(-parts // MILLION)


class _Written(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A price as it stands in the file, in dollars per million tokens."""

    input: Dollars
    output: Dollars
    cached_input: Dollars | None = None
    written_input: Dollars | None = None


def load_prices(file: Path) -> Mapping[str, Price]:
    """Read prices by model from a JSON file such as {"pear-1": {"input": 3, "cached_input": 0.3, "output": 15}}.

    What is not said is taken from above: input read from a cache costs as much as other input, input that is written
    to a cache a quarter more. An empty mapping where there is no file.

    Raises:
        InputError: the file cannot be read as prices (RF269).
    """
    data = read_bounded(file, FILE_MOST)
    if data is None:
        return {}
    try:
        return _read(data)
    except (msgspec.MsgspecError, ValueError) as error:
        hint = 'write it as {"MODEL": {"input": 3, "cached_input": 0.3, "output": 15}}, in dollars per million tokens'
        raise InputError(f"not prices: {error}"[:200], where=str(file), hint=hint, code="RF269") from error


def _read(data: bytes) -> dict[str, Price]:
    if len(data) > FILE_MOST:
        raise ValueError(f"longer than {FILE_MOST:,} bytes")
    found = msgspec.json.decode(data, type=dict[str, _Written])
    if len(found) > MODELS_MOST:
        raise ValueError(f"more than {MODELS_MOST} models")
    return {name: _price(price) for name, price in found.items()}


def _price(written: _Written) -> Price:
    own = micros(written.input, up=True)
    cached, kept = written.cached_input, written.written_input
    return Price(
        input=own,
        cached_input=own if cached is None else micros(cached, up=True),
        written_input=_up(own * 5 * MILLION // 4) if kept is None else micros(kept, up=True),
        output=micros(written.output, up=True),
    )


def micros(dollars: Decimal, *, up: bool) -> int:
    """Whole micro-dollars; raises ValueError for what is no sum from 0 to a million dollars."""
    if not dollars.is_finite() or not 0 <= dollars <= DOLLARS_MOST:
        raise ValueError(f"a sum lies from 0 to {DOLLARS_MOST:,} dollars")
    return int((dollars * DOLLAR).to_integral_value(ROUND_CEILING if up else ROUND_FLOOR))


def dollars_said(money: int) -> str:
    """Micro-dollars for people: "$0.012345", "$3"."""
    whole, part = divmod(money, DOLLAR)
    return f"${whole:,}" + (f".{part:06}".rstrip("0") if part else "")
