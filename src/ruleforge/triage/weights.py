"""How much each signal counts: the table that ships, overridden by a person's own."""

import math
import tomllib
from collections.abc import Iterable, Mapping
from importlib import resources
from pathlib import Path

from ruleforge.errors import InputError, OutsideError

MAX_BYTES = 64 << 10
MAX_WEIGHT = 1e6


def load_weights(file: Path | None, names: Iterable[str]) -> dict[str, float]:
    """Return signal → weight for all `names`; what `file` does not name keeps the weight that ships.

    Raises:
        InputError: not TOML with a table `weights`, an unknown signal, a weight that is no number from 0 to 1e6, or
            no weight above 0 (RF274).
        OutsideError: the file cannot be read (RF501).
    """
    known = tuple(names)
    shipped = resources.files("ruleforge.triage").joinpath("weights.toml").read_bytes()
    weights = _parse(shipped, "weights.toml", known)
    if file is not None:
        weights |= _parse(_read(file), str(file), known)
    if not any(weights.values()):
        raise InputError("every weight is 0", where=str(file), hint="give one signal a weight", code="RF274")
    return {name: weights.get(name, 0.0) for name in known}


def _read(file: Path) -> bytes:
    try:
        with file.open("rb") as stream:
            return stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise OutsideError(f"cannot read the file: {error.strerror}", where=str(file), code="RF501") from error


def _parse(data: bytes, where: str, known: tuple[str, ...]) -> dict[str, float]:
    if len(data) > MAX_BYTES:
        raise InputError(f"not a file of weights: more than {MAX_BYTES} bytes", where=where, code="RF274")
    try:
        table = tomllib.loads(data.decode()).get("weights")
    except (ValueError, RecursionError) as error:
        raise InputError(f"not a file of weights: {error}", where=where, code="RF274") from None
    if not isinstance(table, Mapping):
        raise InputError("not a file of weights: no table [weights]", where=where, code="RF274")
    for name, weight in table.items():
        if name not in known:
            raise InputError(f"unknown signal {name!r}", where=where, hint=f"known: {', '.join(known)}", code="RF274")
        if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 <= weight <= MAX_WEIGHT:
            raise InputError(f"the weight of {name} is {weight!r}"[:200], where=where, hint="0 or more", code="RF274")
    return {name: float(weight) for name, weight in table.items() if math.isfinite(weight)}
