"""Ctrl-C while something is written that must be whole: it waits for the end of that, and no longer."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def deferred() -> Iterator[None]:
    """Hold Ctrl-C and SIGTERM back for the length of a short block, then let them act."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[tuple[int, FrameType | None]] = []
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in before:
        signal.signal(number, lambda number, frame: came.append((number, frame)))
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)
    if came:
        first, frame = came[0]
        act = before[signal.Signals(first)]
        if callable(act):
            act(first, frame)


def disarm() -> None:
    """Stop raising an interruption again that was taken and is being answered."""
    signal.setitimer(signal.ITIMER_REAL, 0)
