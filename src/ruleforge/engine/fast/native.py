"""How kernels are compiled: no Python objects, the interpreter lock released, machine code kept between runs."""

import hashlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TypeVar

import numba

_Function = TypeVar("_Function", bound=Callable[..., object])


def native(function: _Function) -> _Function:
    """Compile a kernel when it is first called; later processes load it from numba's cache."""
    compiled: _Function = numba.njit(cache=True, nogil=True, error_model="numpy")(function)
    return compiled


@cache
def sources_stamp() -> int:
    """Return a number that changes with any file of this package.

    numba keeps a kernel by the date of its own file, and does not see that one it calls has changed. Kernels that
    are called from Python close over this number, which is part of the key they are kept under.
    """
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return int.from_bytes(digest.digest()[:6])
