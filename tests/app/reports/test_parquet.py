"""Hits as Parquet read back as they were."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pyarrow import parquet

from ruleforge.app.reports import parquet as writing
from ruleforge.app.reports.parquet import SCHEMA, write_parquet
from ruleforge.app.scan import ScanReport, scan

Put = Callable[..., Path]


def test_hits_read_back_with_their_types(
    put_rule: Put, put_requests: Put, attack: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "ROWS", 2)
    rows = [{"target": attack, "ts": "2099-01-01T10:00:00Z", "status": 200}, *[attack] * 4]
    hits = list(scan(put_rule().parent, [put_requests(*rows)], ScanReport()))
    out = tmp_path / "hits.parquet"
    assert write_parquet(hits, out) == 5
    table = parquet.read_table(out)
    assert table.schema.equals(SCHEMA)
    assert table.column("request").to_pylist() == [hit.request for hit in hits]
    assert table.column("at").to_pylist() == [datetime(2099, 1, 1, 10, tzinfo=UTC), *[None] * 4]
    assert table.column("spans")[0].as_py() == list(hits[0].spans)
    assert table.column("cves")[0].as_py() == ["CVE-2099-0001"]


def test_no_hits_make_an_empty_table(tmp_path: Path) -> None:
    assert write_parquet([], tmp_path / "none.parquet") == 0
    assert parquet.read_table(tmp_path / "none.parquet").num_rows == 0
