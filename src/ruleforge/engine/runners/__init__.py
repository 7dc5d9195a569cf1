"""Scans spread over processes or machines: the same function over batches, whoever calls it.

Inputs are cut into pieces; each piece becomes one part file, put in place by a rename. A piece is done when its part is
there, so a run that was killed goes on where it was, with nothing lost and nothing twice.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeAlias

from ruleforge._registry import Registry
from ruleforge.engine.runners.counting import Reached, count_files
from ruleforge.engine.runners.local import run_local
from ruleforge.engine.runners.pieces import Piece
from ruleforge.engine.runners.work import Outcome, Work
from ruleforge.rules.tree import Rule

__all__ = ["COUNTERS", "RUNNERS", "Counter", "Outcome", "Piece", "Runner", "Work"]

# What to do, its pieces (made while they are asked for), processes; gives each piece's outcome, in any order.
Runner: TypeAlias = Callable[[Work, Iterator[Piece], int], Iterator[Outcome]]
RUNNERS = Registry[Runner]("runner")
RUNNERS.put("local", run_local)


@RUNNERS.add("spark")
def _run_spark(work: Work, pieces: Iterator[Piece], jobs: int) -> Iterator[Outcome]:
    """Only who asks for Spark needs it installed."""
    from ruleforge.engine.runners.spark import run_spark

    return run_spark(work, pieces, jobs)


# Files of what pieces saw, and the rules that count or order; gives what these come to.
Counter: TypeAlias = Callable[[Sequence[Path], Sequence[Rule]], Reached]
COUNTERS = Registry[Counter]("counter")
COUNTERS.put("local", count_files)


@COUNTERS.add("spark")
def _count_spark(files: Sequence[Path], rules: Sequence[Rule]) -> Reached:
    """Only who asks for Spark needs it installed."""
    from ruleforge.engine.runners.spark import count_spark

    return count_spark(files, rules)
