"""Recorded requests in strata, as Arrow batches: what the benchmarks run over.

Strata of the development data, in a fixed mixed order (by hash of the request), so that the first thousand rows are
a sample of all:

- `url`: requests that show little more than a target: at most a Host header, no body;
- `full`: requests with at least 4 headers or with a body, as they were sent;
- `exploits`: requests that exploit known vulnerabilities, where every engine should have something to say;
- `mixed`: ordinary requests, what honeypots saw, and exploits of known vulnerabilities, about one in twenty.

Without the development data: the requests of `examples/`.
"""

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from ruleforge.events.columns import BATCH_ROWS, to_batches
from ruleforge.events.formats import read_requests
from ruleforge.events.request import Request

ROOT = Path(__file__).resolve().parents[1]
EXAMPLES = ROOT / "examples"
FULL_HEADERS_LEAST = 4
EXPLOITS_ONE_IN = 20
STRATA = ("url", "full", "mixed", "exploits")


def data_folder() -> Path:
    """Return where the development data is expected: RULEFORGE_CORPUS, or beside the checkout."""
    return Path(os.environ.get("RULEFORGE_CORPUS") or ROOT.parent / "shared" / "data")


def traffic_files() -> tuple[Path, ...]:
    """Return the recorded traffic: ordinary, honeypots, exploits; the examples where there is no development data."""
    data = data_folder()
    names = ("traffic/benign-dev", "traffic/honeypot-dev", "exploits/exploits-dev")
    files = tuple(data / f"{name}.jsonl.gz" for name in names)
    return files if all(file.is_file() for file in files) else (EXAMPLES / "traffic/shop.jsonl",)


def stratum(name: str, most: int | None = None, files: tuple[Path, ...] | None = None) -> list[Request]:
    """Return the requests of one stratum in their fixed order, at most `most`.

    Args:
        name: one of STRATA.
        most: rows; None: all.
        files: ordinary traffic first, exploits last; one file: all from it.
    """
    files = files or traffic_files()
    if name == "exploits":
        return _ordered(_read(files[-1]))[:most]
    if name == "mixed":
        ordinary = _ordered(request for file in files[: max(1, len(files) - 1)] for request in _read(file))
        exploits = _ordered(_read(files[-1])) if len(files) > 1 else []
        return list(islice(_interleave(ordinary, exploits), most))
    keep = _KEEP[name]
    kept = _ordered(request for file in files for request in _read(file) if keep(request))
    return kept[:most]


def batches(requests: Iterable[Request], rows: int = BATCH_ROWS) -> list[Any]:
    """Return `requests` as Arrow record batches of `events.columns.SCHEMA`."""
    return list(to_batches(requests, rows))


def megabytes(requests: Iterable[Request]) -> float:
    """Return the size of what was sent: request line, headers, body; 10^6 bytes."""
    return sum(map(_size, requests)) / 1e6


def _size(request: Request) -> int:
    headers = sum(len(name) + len(value) + 4 for name, value in request.headers)
    return len(request.method) + len(request.target) + len(request.version) + 4 + headers + len(request.body or b"")


def _read(file: Path) -> Iterator[Request]:
    return (item for item in read_requests(file) if isinstance(item, Request))


def _is_url_only(request: Request) -> bool:
    return not request.body and all(name.lower() == b"host" for name, _ in request.headers)


def _is_full(request: Request) -> bool:
    return len(request.headers) >= FULL_HEADERS_LEAST or bool(request.body)


_KEEP: dict[str, Callable[[Request], bool]] = {"url": _is_url_only, "full": _is_full}


def _ordered(requests: Iterable[Request]) -> list[Request]:
    """Return `requests` mixed, each time the same way: the rows of one site do not follow each other."""
    return sorted(requests, key=_order)


def _order(request: Request) -> bytes:
    return hashlib.blake2b(
        b"%s\0%s\0%s" % (request.id.encode(), request.method, request.target), digest_size=8
    ).digest()


def _interleave(ordinary: list[Request], exploits: list[Request]) -> Iterator[Request]:
    """Yield `ordinary` with an exploit as every EXPLOITS_ONE_IN-th row, as long as there are any."""
    rest = iter(exploits)
    for index, request in enumerate(ordinary):
        if index % EXPLOITS_ONE_IN == EXPLOITS_ONE_IN - 1:
            yield from islice(rest, 1)
        yield request
