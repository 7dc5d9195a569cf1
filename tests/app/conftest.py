"""Rules of our own in folders, with evidence that says they passed, and requests to ask them about."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ruleforge.rules.canonical import content_hash
from ruleforge.rules.parse import load_rule

TREE = {
    "all": [
        {"field": "path", "op": "path_suffix", "value": "/fruit/press.php"},
        {"field": "args", "name": "crate", "op": "contains", "value": "../"},
    ]
}


@pytest.fixture
def put_rule(tmp_path: Path) -> Callable[..., Path]:
    """Write a rule below `rules`, validated unless told otherwise; gives its folder."""

    def put(name: str = "CVE-2099-0001", *, when: Any = TREE, validated: bool = True, **keys: Any) -> Path:
        folder = tmp_path / "rules" / name
        folder.mkdir(parents=True)
        document = {"schema": 1, "id": f"RF-{name}-1", "title": f"Fruit press {name}", "cves": [name]}
        document |= {"severity": "high", "when": when} | keys
        (folder / "rule.json").write_text(json.dumps(document))
        if validated:
            rule = load_rule(folder / "rule.json").require()
            checks = [{"check": "replay", "passed": True, "tried": 2, "failed": 0, "detail": "", "examples": []}]
            judge = {"judge": "evidence 1", "p_miss": 0.1, "p_off_target": 0.2, "reasons": ["seen little"]}
            evidence = {"status": "validated", "content_hash": content_hash(rule), "checks": checks, "judge": judge}
            (folder / "evidence.json").write_text(json.dumps(evidence))
        return folder

    return put


@pytest.fixture
def put_requests(tmp_path: Path) -> Callable[..., Path]:
    """Write requests as JSON lines: targets, or whole rows."""

    def put(*rows: str | dict[str, Any], name: str = "day.jsonl") -> Path:
        lines = []
        for number, row in enumerate(rows, 1):
            given = {"target": row} if isinstance(row, str) else row
            lines.append(json.dumps({"id": f"r{number}", "method": "GET", "headers": [], "body": ""} | given))
        file = tmp_path / name
        file.write_text("".join(line + "\n" for line in lines))
        return file

    return put


ATTACK = "/shop/fruit/press.php?crate=..%2f..%2fcellar"


@pytest.fixture
def attack() -> str:
    """A target that the rule of `put_rule` holds for."""
    return ATTACK
