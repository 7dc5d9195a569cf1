"""Compile the kernels in a process of its own: `python -m ruleforge.engine.fast.warm`.

Minutes of compiling hold the interpreter's lock for long stretches; a process of its own does not. What it leaves
behind is numba's cache, which every later process loads.
"""

import os

from ruleforge.engine.fast.kept import locked
from ruleforge.engine.fast.kernels import match_rows, match_texts
from ruleforge.engine.fast.matcher import FastMatcher
from ruleforge.engine.fast.native import kernels_stamp
from ruleforge.events.columns import to_batch
from ruleforge.events.request import Request
from ruleforge.rules.parse import parse_rule
from ruleforge.settings import user_cache_folder

NICENESS = 10
# One that kernels fold, and one whose coding only the parsers can read: each kernel has one kind of arguments.
_REQUESTS = (
    Request(method=b"GET", target=b"/"),
    Request(method=b"POST", target=b"/", headers=((b"Content-Encoding", b"gzip"),), body=b"\x1f-"),
)
_RULE = {"schema": 1, "id": "RF-WARM-1", "title": "t", "event": "http.request",
         "when": {"field": "body", "op": "contains", "value": "warm"}}  # fmt: skip


def kernels_are_kept() -> bool:
    """Whether this very code was compiled on this machine before; False where that cannot be told."""
    return all(_is_kept(kernel) for kernel in (match_rows, match_texts))


def _is_kept(kernel: object) -> bool:
    """Look into numba's index, of which no public function tells."""
    try:
        cache = kernel._cache  # type: ignore[attr-defined]
        entries = cache._cache_file._load_index()
        machine = kernel.targetctx.codegen().magic_tuple()  # type: ignore[attr-defined]
    except Exception:  # noqa: BLE001 - another version of numba: then it is found out by compiling
        return False
    return any(key[1] == machine and str(kernels_stamp()) in str(key[0]) for key in entries)


def compile_kernels() -> None:
    """Compile every kernel for the arguments that it is called with, or load what was compiled before."""
    FastMatcher([parse_rule(_RULE).require()]).match(to_batch(_REQUESTS))


def main() -> None:
    """Compile; where another process is at it, wait for that instead."""
    os.nice(NICENESS)
    with locked(user_cache_folder() / "kernels.lock"):
        compile_kernels()


if __name__ == "__main__":
    main()
