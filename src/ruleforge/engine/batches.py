"""Arrow in, Arrow out: the one function that local processes, streams and clusters run over a batch of requests."""

import importlib.util
from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ruleforge.engine.compiled import CompiledSet
from ruleforge.engine.reference import compile_rule
from ruleforge.events.columns import to_requests
from ruleforge.rules.tree import Count, Rule
from ruleforge.rules.tree import Sequence as Ordered


class Matches(NamedTuple):
    """What a set of rules says of one batch."""

    rows: npt.NDArray[np.int32]  # ascending; with `rules` the pairs that hold, each once, rules ascending in a row
    rules: npt.NDArray[np.int32]  # positions in the set
    unknowns: npt.NDArray[np.int64]  # per rule: rows of the batch that it could not decide
    verified: int  # pairs that the reference evaluator was asked about


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


def make_batch_matcher(rules: Sequence[Rule]) -> BatchMatcher:
    """Return the fastest matcher of batches that works here. All give the same answers; build it once per process.

    With the extra `fast` that is `engine.fast.FastMatcher`: over 100 times as fast, but its kernels take some seconds
    to compile when they first run on a machine, and tenths of a second to load in each process. Without it, RowByRow.

    Args:
        rules: rules over `http.request` that ask about one request; `Matches.rules` are positions in them.

    Raises:
        RuleError: RF330 a rule counts or orders events; else as parsing does.
    """
    for rule in rules:
        if isinstance(rule.when, Count | Ordered):
            compile_rule(rule)  # says why it cannot be asked about one request
    if importlib.util.find_spec("numba") is None:
        return RowByRow(CompiledSet(rules))
    from ruleforge.engine.fast.matcher import FastMatcher  # compiled code, and large

    return FastMatcher(rules)
