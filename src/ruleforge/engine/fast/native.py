"""How kernels are compiled: no Python objects, the interpreter lock released, machine code kept between runs."""

import hashlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TypeVar

import numba

_Function = TypeVar("_Function", bound=Callable[..., object])


# No kernel allocates, so that none has to count references: that cost several times what the kernels do.
_OPTIONS = {"cache": True, "nogil": True, "error_model": "numpy", "_nrt": False}


def native(function: _Function) -> _Function:
    """Compile a kernel when it is first called; later processes load it from numba's cache."""
    compiled: _Function = numba.njit(**_OPTIONS)(function)
    return compiled


def inlined(function: _Function) -> _Function:
    """Compile a kernel into its callers: for what is called from one place, or is a few instructions."""
    compiled: _Function = numba.njit(**_OPTIONS, forceinline=True)(function)
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
