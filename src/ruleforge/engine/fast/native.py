"""How kernels are compiled: no Python objects, the interpreter lock released, machine code kept between runs.

Only kernels that are called from Python are kept, with all they call inside. numba dates what it keeps by the file of
the function alone: a kept inner kernel would go on calling an old version of what it calls.
"""

import hashlib
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import TypeVar

import numba

_Function = TypeVar("_Function", bound=Callable[..., object])

# No kernel allocates, so that none has to count references: that cost as much as all the rest.
_OPTIONS = {"nogil": True, "error_model": "numpy", "_nrt": False}
_PACKAGE = Path(__file__).parents[2]
_KERNELS = ("native", "layout", "fold", "json_fold", "bodies_fold", "decide", "find", "fields", "kernels")


def native(function: _Function) -> _Function:
    """Compile a kernel that others call."""
    compiled: _Function = numba.njit(**_OPTIONS)(function)
    return compiled


def inlined(function: _Function) -> _Function:
    """Compile a kernel into its callers: for what is called from one place, or is a few instructions."""
    compiled: _Function = numba.njit(**_OPTIONS, forceinline=True)(function)
    return compiled


def kept(function: _Function) -> _Function:
    """Compile a kernel that Python calls, once on a machine; its last argument must default to `kernels_stamp()`."""
    compiled: _Function = numba.njit(**_OPTIONS, cache=True)(function)
    return compiled


@cache
def kernels_stamp() -> int:
    """Return a number that changes with the code of any kernel, and is part of the key that machine code is kept by."""
    files = [Path(__file__).parent / f"{name}.py" for name in _KERNELS]
    return _stamp([*files, _PACKAGE / "engine/zones.py", _PACKAGE / "events/bodies/bounds.py"])


@cache
def sources_stamp() -> int:
    """Return a number that changes with any code that tables and texts are made by."""
    return _stamp(
        path for folder in ("engine", "events", "rules") for path in sorted((_PACKAGE / folder).rglob("*.py"))
    )


def _stamp(files: Iterable[Path]) -> int:
    digest = hashlib.sha256()
    for path in files:
        digest.update(path.read_bytes() if path.exists() else b"")
    return int.from_bytes(digest.digest()[:6])
