"""Which matcher when: row by row at once, and the kernels as soon as the work that is left pays for them.

All matchers give the same answers, so that changing between two batches, or within one, changes nothing but the time.
"""

import subprocess
import sys
import time
import weakref
from collections.abc import Callable, Sequence

import numpy as np
import pyarrow as pa

from ruleforge.engine.batches import BatchMatcher, Matches, RowByRow
from ruleforge.engine.compiled import CompiledSet
from ruleforge.rules.tree import Rule

# CPU seconds, measured with 2,749 rules on one core of a busy machine; only their order of magnitude matters.
PORTABLE_S_PER_RULE = 1.8e-3  # to compile the portable set: 5.0 s
PORTABLE_S_PER_ROW = 4e-4  # to ask it about a row of a log: 0.39 ms. Once rows were asked, what they took counts
TABLES_S_PER_RULE = 1.2e-3  # to make the tables for one kind of gaps: 13 s for four
LOAD_S = 1.0  # to import numba (0.6 s) and load kernels that were compiled before (0.34 s)
KERNELS_S = 240.0  # CPU time to compile them, once on a machine
SLICE_ROWS = 512  # between two looks at whether the kernels are ready
BYTES_PER_ROW = 200  # of a log, to guess how many requests files hold
NOTE = "compiling kernels once on this machine, some four minutes; meanwhile requests are matched one by one"


class AdaptiveMatcher:
    """Begins row by row, and switches to the kernels when that is worth it."""

    def __init__(
        self,
        rules: Sequence[Rule],
        make_fast: Callable[[], BatchMatcher],
        *,
        are_kernels_kept: Callable[[], bool],
        command: Sequence[str] = (sys.executable, "-P", "-m", "ruleforge.engine.fast.warm"),
        note: Callable[[str], None] = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Decide nothing yet: see `expect` and `match`.

        Args:
            rules: rules over `http.request` that ask about one request.
            make_fast: makes the matcher to switch to.
            are_kernels_kept: whether that one can begin at once.
            command: compiles the kernels; it is ended when this matcher is no longer needed.
            note: told in one line when something takes long, or fails.
            clock: seconds.
        """
        self._rules, self._make_fast, self._are_kept = rules, make_fast, are_kernels_kept
        self._command, self._note, self._clock = command, note, clock
        self._portable: RowByRow | None = None
        self._fast: BatchMatcher | None = None
        self._compiling: subprocess.Popen[bytes] | None = None
        self._is_kept: bool | None = None  # None: nobody has looked
        self._has_failed = False
        self._rows, self._spent = 0, 0.0  # asked row by row, and the seconds that took
        self._expected: int | None = None

    @property
    def is_fast(self) -> bool:
        """Whether the kernels answer."""
        return self._fast is not None

    def expect(self, rows: int) -> None:
        """Say how many more rows will come; where nobody says, or more came, as many are expected as were seen."""
        self._expected = self._rows + rows

    def match(self, batch: pa.RecordBatch) -> Matches:
        """Return every (row, rule) of the batch that holds, and how often each rule could not be decided."""
        parts: list[tuple[int, Matches]] = []
        at = 0
        while at < batch.num_rows or not parts:
            left = batch.num_rows - at
            fast = self._switched(left)
            rows = left if fast is not None else min(left, SLICE_ROWS)
            part = batch.slice(at, rows)
            parts.append((at, fast.match(part) if fast is not None else self._by_row(part)))
            at += rows
        return parts[0][1] if len(parts) == 1 else joined(parts)

    def _by_row(self, batch: pa.RecordBatch) -> Matches:
        if self._portable is None:
            self._portable = RowByRow(CompiledSet(self._rules))
        started = self._clock()
        matches = self._portable.match(batch)
        self._spent += self._clock() - started
        self._rows += batch.num_rows
        return matches

    def _switched(self, here: int) -> BatchMatcher | None:
        """Return the fast matcher if it can answer now; see to it that it will, if `here` rows and more pay for it."""
        if self._fast is not None or self._has_failed:
            return self._fast
        if self._compiling is not None:
            return self._take_compiled(self._compiling)
        left = self._left_s(here)
        if left <= LOAD_S + (TABLES_S_PER_RULE * len(self._rules)):
            return None
        if self._is_kept is None:
            self._is_kept = self._are_kept()
        if self._is_kept:
            return self._begin_fast()
        if left > KERNELS_S:
            self._compile()
        return None

    def _left_s(self, here: int) -> float:
        """Estimate the seconds that what is left takes row by row."""
        is_told = self._expected is not None and self._expected >= self._rows
        rows = max(here, (self._expected or 0) - self._rows if is_told else self._rows)
        each = self._spent / self._rows if self._rows >= SLICE_ROWS else PORTABLE_S_PER_ROW
        return rows * each + (PORTABLE_S_PER_RULE * len(self._rules) if self._portable is None else 0.0)

    def _compile(self) -> None:
        """Start to compile, in a process that does not hear the user's interrupts: this one ends it."""
        quiet = subprocess.DEVNULL
        try:
            self._compiling = subprocess.Popen(  # noqa: S603 - our own module
                self._command, stdin=quiet, stdout=quiet, stderr=quiet, start_new_session=True
            )
        except OSError as problem:
            self._give_up(str(problem.strerror))
            return
        weakref.finalize(self, _end, self._compiling)
        self._note(NOTE)

    def _take_compiled(self, compiling: "subprocess.Popen[bytes]") -> BatchMatcher | None:
        code = compiling.poll()
        if code is None:
            return None
        self._compiling = None
        if code:
            self._give_up(f"exit code {code}")
            return None
        return self._begin_fast()

    def _begin_fast(self) -> BatchMatcher:
        self._fast = self._make_fast()
        self._portable = None
        return self._fast

    def _give_up(self, why: str) -> None:
        self._has_failed = True
        self._note(f"the kernels could not be compiled ({why}); requests are matched one by one")


def joined(parts: Sequence[tuple[int, Matches]]) -> Matches:
    """Put the answers about parts of a batch together; each comes with the row that it begins at."""
    return Matches(
        np.concatenate([one.rows + np.int32(at) for at, one in parts]).astype(np.int32),
        np.concatenate([one.rules for _, one in parts]),
        np.sum([one.unknowns for _, one in parts], axis=0),
        sum(one.verified for _, one in parts),
    )


def _end(process: "subprocess.Popen[bytes]") -> None:
    if process.poll() is None:
        process.terminate()
    process.wait()
