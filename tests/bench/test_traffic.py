"""The traffic of the benchmarks: strata, a fixed order, and log lines that read back as they were."""

import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ruleforge.events.formats import read_requests
from ruleforge.events.request import Request

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def bench() -> Iterator[SimpleNamespace]:
    """Modules of bench, which nothing installed can import."""
    sys.path.insert(0, str(ROOT / "bench"))
    try:
        yield SimpleNamespace(traffic=import_module("traffic"), bench_lines=import_module("bench_lines"))
    finally:
        sys.path.remove(str(ROOT / "bench"))


def test_strata_of_one_file_hold_what_they_say(bench: SimpleNamespace, examples: Path) -> None:
    files = (examples / "traffic" / "shop.jsonl",)
    everything = bench.traffic.stratum("mixed", files=files)
    full = bench.traffic.stratum("full", files=files)
    assert 400 <= len(full) <= len(everything)
    assert all(len(request.headers) >= 4 or request.body for request in full)
    assert all(not request.body for request in bench.traffic.stratum("url", files=files))


def test_the_order_is_fixed_and_a_beginning_is_a_sample(bench: SimpleNamespace, examples: Path) -> None:
    files = (examples / "traffic" / "shop.jsonl",)
    everything = bench.traffic.stratum("full", files=files)
    assert bench.traffic.stratum("full", 50, files) == everything[:50]
    recorded = [item for item in read_requests(files[0]) if isinstance(item, Request)]
    assert everything != [request for request in recorded if request in everything]


def test_every_twentieth_row_of_mixed_traffic_is_an_exploit(bench: SimpleNamespace, examples: Path) -> None:
    ordinary, exploits = examples / "benign" / "sample.jsonl", examples / "traffic" / "shop.jsonl"
    attacks = set(bench.traffic.stratum("exploits", files=(ordinary, exploits)))
    mixed = bench.traffic.stratum("mixed", 210, (ordinary, exploits))
    assert [row for row, request in enumerate(mixed) if request in attacks] == list(range(19, 210, 21))


def test_megabytes_count_what_was_sent(bench: SimpleNamespace) -> None:
    request = Request(method=b"GET", target=b"/plum", headers=((b"Host", b"a.example"),), body=b"x" * 10)
    sent = b"GET /plum HTTP/1.1\r\n" + b"Host: a.example\r\n" + b"x" * 10
    assert bench.traffic.megabytes([request]) * 1e6 == len(sent)


# No blanks: they end a target for the server that writes the log.
TARGETS = st.binary(max_size=40).map(lambda text: b"/" + bytes(byte for byte in text if byte not in b" \t\r\n\v\f"))


@given(targets=st.lists(TARGETS, min_size=1, max_size=5))
def test_log_lines_read_back_as_they_were(
    bench: SimpleNamespace, tmp_path_factory: pytest.TempPathFactory, targets: list[bytes]
) -> None:
    log = tmp_path_factory.getbasetemp() / "access.log"
    requests = [Request(method=b"GET", target=target) for target in targets]
    log.write_bytes(b"".join(bench.bench_lines.combined_lines(requests)))
    read = [item for item in read_requests(log, "combined") if isinstance(item, Request)]
    assert [(item.method, item.target) for item in read] == [(b"GET", target) for target in targets]
