"""The audit stays small and whole, whatever comes."""

import json
from pathlib import Path

from ruleforge.mcp import audit as module
from ruleforge.mcp.audit import REFUSED_MOST, Audit


def rows(file: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


def test_a_flood_of_refused_requests_is_counted_and_not_written(tmp_path: Path) -> None:
    now = [0.0]
    audit = Audit(tmp_path / "audit.ndjson", "http", clock=lambda: now[0])
    for _ in range(REFUSED_MOST + 40):
        audit.refused(None, "401 a token is needed")
    assert len(rows(audit.file)) == REFUSED_MOST
    now[0] = 60.0
    audit.refused(None, "401 a token is needed")
    assert rows(audit.file)[-1]["not_written_before"] == 40


def test_a_file_that_grew_large_makes_room(tmp_path: Path, monkeypatch: object) -> None:
    module_most = module.SIZE_MOST
    module.SIZE_MOST = 300
    try:
        audit = Audit(tmp_path / "audit.ndjson", "stdio")
        for number in range(10):
            audit.call(None, "lint", {"name": str(number)}, "ok", 0.1)
    finally:
        module.SIZE_MOST = module_most
    assert audit.file.stat().st_size < 600
    assert rows(tmp_path / "audit.1.ndjson")
    assert audit.file.stat().st_mode & 0o077 == 0
