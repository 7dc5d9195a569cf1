"""Arrow in, Arrow out: the one function that local processes, streams and clusters run over a batch of requests."""

import importlib.util
from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ruleforge.engine.compiled import CompiledSet
from ruleforge.engine.reference import compile_rule
from ruleforge.errors import UsageError
from ruleforge.events.columns import to_requests
from ruleforge.rules.tree import Count, Rule
from ruleforge.rules.tree import Sequence as Ordered

Engine: TypeAlias = Literal["auto", "fast", "portable"]


class Matches(NamedTuple):
    """What a set of rules says of one batch."""

    rows: npt.NDArray[np.int32]  # ascending; with `rules` the pairs that hold, each once, rules ascending in a row
    rules: npt.NDArray[np.int32]  # positions in the set
    unknowns: npt.NDArray[np.int64]  # per rule: rows of the batch that it could not decide
    verified: int  # pairs that the reference evaluator was asked about
    skipped: npt.NDArray[np.int64] | None = None  # per rule: rows it was not asked about; None: it was about all


class BatchMatcher(Protocol):
    """A set of rules that answers for whole batches."""

    def match(self, batch: pa.RecordBatch) -> Matches:
        """Return every (row, rule) of the batch that holds, and how often each rule could not be decided."""
        ...


class RowByRow:
    """The portable matcher: the compiled set asked one request after the other. Slow, and the others' yardstick."""

    def __init__(self, compiled: CompiledSet) -> None:
        self._compiled = compiled

    def match(self, batch: pa.RecordBatch) -> Matches:
        """Return every (row, rule) of the batch that holds, and how often each rule could not be decided."""
        rows: list[int] = []
        rules: list[int] = []
        unknowns = np.zeros(len(self._compiled.rules), np.int64)
        verified = 0
        for row, request in enumerate(to_requests(batch)):
            answers = self._compiled.answers(request)
            rows += [row] * len(answers.hits)
            rules += answers.hits
            unknowns[list(answers.unknowns)] += 1
            verified += answers.verified
        return Matches(np.array(rows, np.int32), np.array(rules, np.int32), unknowns, verified)


def make_batch_matcher(
    rules: Sequence[Rule], *, engine: Engine = "auto", note: Callable[[str], None] = lambda _: None
) -> BatchMatcher:
    """Return a matcher of batches. All give the same answers; build it once per process.

    Args:
        rules: rules over `http.request` that ask about one request; `Matches.rules` are positions in them.
        engine: "portable" asks row by row; "fast" runs kernels (extra `fast`), over 100 times as fast, which compile
            for minutes when they first run on a machine; "auto" begins row by row, and runs kernels where they are
            there and the work that is left pays for them: see `engine.adaptive`.
        note: told in one line when something takes long.

    Raises:
        UsageError: RF166 "fast" without numba.
        RuleError: RF330 a rule counts or orders events; else as parsing does.
    """
    for rule in rules:
        if isinstance(rule.when, Count | Ordered):
            compile_rule(rule)  # says why it cannot be asked about one request
    has_numba = importlib.util.find_spec("numba") is not None
    if engine == "fast" and not has_numba:
        hint = "pip install 'ruleforge[fast]', or leave the choice to 'auto'"
        raise UsageError("the fast engine needs numba", hint=hint, code="RF166")
    if engine == "portable" or not has_numba:
        return RowByRow(CompiledSet(rules))
    if engine == "fast":
        return _fast(rules, note)
    from ruleforge.engine.adaptive import AdaptiveMatcher

    return AdaptiveMatcher(rules, lambda: _fast(rules, note), are_kernels_kept=_are_kernels_kept, note=note)


def _fast(rules: Sequence[Rule], note: Callable[[str], None]) -> BatchMatcher:
    from ruleforge.engine.fast.kept import KeptMatcher  # compiled code, and large
    from ruleforge.settings import user_cache_folder

    return KeptMatcher(rules, user_cache_folder() / "sets", note)


def _are_kernels_kept() -> bool:
    from ruleforge.engine.fast.warm import kernels_are_kept

    return kernels_are_kept()
