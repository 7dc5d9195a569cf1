"""Work spread over processes, in order, that outlives a process that dies."""

import multiprocessing
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import NoReturn, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class OutOfTimeError(BaseException):
    """One item took longer than it may. No `Exception`: a part that records crashes must not swallow it."""


@contextmanager
def deadline(seconds: float) -> Iterator[None]:
    """Raise OutOfTimeError in the block after `seconds` of wall time: a last bound on hostile input.

    One inside another ends no later than that one, which goes on to count. Only where signals can be had, in the main
    thread of a process; elsewhere the block has no bound.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(_number: int, _frame: object) -> NoReturn:
        raise OutOfTimeError

    before = signal.signal(signal.SIGALRM, stop)
    outer, started = signal.getitimer(signal.ITIMER_REAL)[0], time.monotonic()
    signal.setitimer(signal.ITIMER_REAL, min(seconds, outer) if outer else seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        if outer:
            signal.setitimer(signal.ITIMER_REAL, max(outer - (time.monotonic() - started), 1e-3))


def spread(
    function: Callable[[Item], Result], items: Sequence[Item], jobs: int, *, chunk: int
) -> Iterator[Result | None]:
    """Yield `function(item)` for each item, in order; None where the process that worked on it died.

    When a process dies (killed, out of memory) the next items are tried alone, so that only the guilty one is lost.
    """
    at = 0
    while at < len(items):
        pool = _pool(jobs)
        try:
            for result in pool.map(function, items[at:], chunksize=chunk):
                at += 1
                yield result
        except BrokenProcessPool:
            for item in items[at : at + jobs * chunk]:
                at += 1
                yield _alone(function, item)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _alone(function: Callable[[Item], Result], item: Item) -> Result | None:
    pool = _pool(1)
    try:
        return pool.submit(function, item).result()
    except BrokenProcessPool:
        return None
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _pool(jobs: int) -> ProcessPoolExecutor:
    """Fork, so that indexes opened before are shared; the parent alone decides what a signal means."""
    context = multiprocessing.get_context("fork")
    return ProcessPoolExecutor(jobs, mp_context=context, initializer=_plain_signals)


def _plain_signals() -> None:
    """Leave interrupts to the parent, and die at once when it says so: a Python handler could wait for a lock."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
