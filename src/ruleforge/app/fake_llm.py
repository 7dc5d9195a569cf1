"""A server that speaks as providers of language models do, on this machine, for tests and trials."""

from collections.abc import Callable, Sequence

from ruleforge.errors import OutsideError, UsageError
from ruleforge.llm.fake_server import FAULTS, FakeServer, running

__all__ = ["FAULTS", "parse_faults", "serve_fake_llm"]


def parse_faults(text: str) -> tuple[str, ...]:
    """Read "429,500,cut".

    Raises:
        UsageError: an unknown fault (RF187).
    """
    faults = tuple(filter(None, (word.strip() for word in text.split(","))))
    for fault in faults:
        if fault not in FAULTS:
            raise UsageError(f"unknown fault {fault[:40]!r}", hint="known: " + ", ".join(FAULTS), code="RF187")
    return faults


def serve_fake_llm(port: int, faults: Sequence[str], ready: Callable[[str], None], wait: Callable[[], object]) -> int:
    """Serve on 127.0.0.1 until `wait` returns or is interrupted; every fault of the list happens once, in order.

    Args:
        port: 0 takes a free one.
        faults: keys of FAULTS.
        ready: told the address once it answers.
        wait: returns when it is over.

    Returns:
        How many requests came.

    Raises:
        OutsideError: the port is taken (RF553).
    """
    try:
        server = FakeServer(port, faults)
    except OSError as error:
        what = f"cannot listen on port {port}: {error.strerror}"
        raise OutsideError(what, hint="choose another, or 0 for a free one", code="RF553") from error
    with running(server):
        ready(server.url)
        wait()
    return len(server.asked)
