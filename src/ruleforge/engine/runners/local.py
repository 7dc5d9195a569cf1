"""Pieces of work on the processes of this machine."""

import multiprocessing
import signal
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess

from ruleforge.engine.runners.pieces import Piece
from ruleforge.engine.runners.work import Outcome, Tally, Work, do_piece

TRIES = 2
_PATIENCE_S = 5.0  # for a process that was told to end


def run_local(work: Work, pieces: Iterator[Piece], jobs: int) -> Iterator[Outcome]:
    """Do `pieces` on `jobs` processes; yield what became of each, in the order in which they end.

    Processes are started anew rather than forked, so that threads of the caller do no harm. Each holds one piece at a
    time: nothing queues up. When a process dies its piece is tried once more by another; when that dies, too, the
    piece is given up and the rest goes on. However this ends, no process stays.
    """
    crew = _Crew(work, pieces)
    try:
        while crew.staff(jobs):
            yield from crew.gather()
    finally:
        crew.dismiss()


class _Worker:
    """A process, the line to it, and the piece it holds."""

    def __init__(self, work: Work) -> None:
        context = multiprocessing.get_context("spawn")
        self.line, theirs = context.Pipe()
        self.process: SpawnProcess = context.Process(target=_serve, args=(theirs, work), daemon=True)
        with _no_interrupts():
            self.process.start()
        theirs.close()  # so that the line breaks when the process is gone
        self.piece: Piece | None = None
        self.is_lost = False  # the line broke; nothing can be given to it any more

    def give(self, piece: Piece) -> None:
        self.piece = piece
        with suppress(OSError):  # a line that is broken says so when it is read
            self.line.send(piece)

    def take(self) -> tuple[Piece, Tally | None, str]:
        """Return the piece with its counts, or with the reason why there are none."""
        assert self.piece is not None
        piece, self.piece = self.piece, None
        try:
            tally, problem = self.line.recv()
        except (EOFError, OSError):
            self.is_lost = True
            self.process.join(_PATIENCE_S)
            return piece, None, f"a process died ({_death(self.process.exitcode)})"
        return piece, tally, problem

    def end(self) -> None:
        self.line.close()
        if self.piece is not None:
            self.process.terminate()
        self.process.join(_PATIENCE_S)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()
        self.process.close()


class _Crew:
    def __init__(self, work: Work, pieces: Iterator[Piece]) -> None:
        self._work, self._pieces = work, pieces
        self._workers: list[_Worker] = []
        self._again: deque[Piece] = deque()
        self._failures: dict[int, list[str]] = {}  # piece → what happened to it

    def staff(self, jobs: int) -> bool:
        """Give each idle process a piece, and start processes up to `jobs`; False: nothing is left to do."""
        while (idle := self._idle()) or len(self._workers) < jobs:
            piece = self._again.popleft() if self._again else next(self._pieces, None)
            if piece is None:
                break
            if idle is None:
                idle = _Worker(self._work)
                self._workers.append(idle)
            idle.give(piece)
        return any(worker.piece for worker in self._workers)

    def _idle(self) -> _Worker | None:
        return next((worker for worker in self._workers if worker.piece is None), None)

    def gather(self) -> Iterator[Outcome]:
        """Wait for an answer; yield the pieces that came to an end."""
        busy = {id(worker.line): worker for worker in self._workers if worker.piece}
        for line in wait([worker.line for worker in busy.values()]):
            worker = busy[id(line)]
            piece, tally, problem = worker.take()
            happened = self._failures.setdefault(piece.number, []) if problem else self._failures.get(piece.number, [])
            if problem:
                happened.append(problem)
                if worker.is_lost:
                    self._workers.remove(worker)
                    worker.end()
            if tally is None and len(happened) < TRIES:
                self._again.append(piece)
            else:
                yield Outcome(piece, tally, tuple(self._failures.pop(piece.number, ())))

    def dismiss(self) -> None:
        """End all processes: idle ones by closing their line, the others by a signal."""
        for worker in self._workers:
            if worker.piece is not None:
                worker.process.terminate()
        for worker in self._workers:
            worker.end()


def _serve(line: Connection, work: Work) -> None:
    """Do pieces until the line breaks: the caller has ended, however it ended."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the caller alone decides what an interrupt means
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    with suppress(EOFError, OSError):
        while True:
            piece: Piece = line.recv()
            line.send(_try(work, piece))


def _try(work: Work, piece: Piece) -> tuple[Tally | None, str]:
    try:
        return do_piece(work, piece), ""
    except Exception as problem:  # noqa: BLE001 - a process boundary: what it was is told to the caller
        return None, f"{type(problem).__name__}: {problem}"[:300]


def _death(code: int | None) -> str:
    if code is None or code >= 0:
        return f"exit code {code}"
    return f"signal {-code}, {signal.strsignal(-code) or 'unknown'}"


@contextmanager
def _no_interrupts() -> Iterator[None]:
    """Start a process with interrupts held back: it inherits that, and is never interrupted before it ignores them."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
