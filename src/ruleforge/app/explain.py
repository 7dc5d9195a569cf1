"""Why a rule holds for a request, or does not."""

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from ruleforge.app.rules import load_one
from ruleforge.app.scan import STDIN, read_stream
from ruleforge.engine.explain import Explanation, explain
from ruleforge.errors import InputError, UsageError
from ruleforge.events.formats import read_requests
from ruleforge.events.request import Request


def explain_request(
    rule: Path, request: Path, request_id: str = "", *, stdin: BinaryIO | None = None
) -> Iterator[Explanation]:
    """Explain what one rule answers about the requests of a file, in order.

    Args:
        rule: a rule document, or a folder that holds one.
        request: any file that `scan` reads; `-` is `stdin`.
        request_id: explain only the request of this id.
        stdin: what `-` reads.

    Raises:
        UsageError: no such rule (RF110, RF115), or no request of that id (RF118).
        InputError: a line before the first request that was asked for cannot be read.
    """
    loaded = load_one(rule)
    found = False
    for item in _read(request, stdin):
        if isinstance(item, InputError):
            raise item
        if not request_id or item.id == request_id:
            found = True
            yield explain(loaded, item)
    if not found:
        what = f"no request {request_id!r}" if request_id else "no request there"
        raise UsageError(what, where=str(request), code="RF118")


def _read(file: Path, stdin: BinaryIO | None) -> Iterator[Request | InputError]:
    if file != STDIN:
        return read_requests(file)
    if stdin is None:
        raise UsageError("there is no standard input to read", where="-", code="RF116")
    return read_stream(stdin)
