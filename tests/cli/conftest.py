"""Rules of our own in folders, requests to scan, and the program to run on them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from ruleforge.app.scanning import asking
from ruleforge.cli import cli
from ruleforge.engine.batches import RowByRow
from ruleforge.engine.compiled import CompiledSet
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


TEMPLATE = """\
id: {id}
info:
  name: Fruit Press - Files outside the crate can be read
  author: ruleforge
  severity: high
  classification:
    cve-id: {id}
    cwe-id: CWE-22
  metadata:
    vendor: orchard
    product: fruit_press
  tags: cve,lfi
http:
  - method: GET
    path:
      - "{{{{BaseURL}}}}/orchard/fruit_press.php?{argument}=../../../../../../etc/passwd"
    matchers:
      - type: regex
        regex:
          - "root:.*:0:0:"
"""

PROBE = """\
id: fruit-press-detect
info:
  name: Fruit Press - Panel
  author: ruleforge
  severity: info
  tags: tech,panel
http:
  - method: GET
    path:
      - "{{BaseURL}}/"
    matchers:
      - type: word
        words:
          - "<title>Fruit Press</title>"
"""


@pytest.fixture
def put_templates(tmp_path: Path) -> Path:
    """A folder with a good template, a fingerprint, a broken file and a file that is no template."""
    folder = tmp_path / "templates"
    folder.mkdir()
    (folder / "CVE-2099-0101.yaml").write_text(TEMPLATE.format(id="CVE-2099-0101", argument="crate"))
    (folder / "fruit-press-detect.yaml").write_text(PROBE)
    (folder / "broken.yaml").write_text("id: x\n  y: [\n")
    (folder / "README.md").write_text("# ours\n")
    return folder


@pytest.fixture
def run() -> Callable[..., Result]:
    """Run the program in this process: arguments in, exit code, standard output and error out."""

    def invoke(*words: object, stdin: bytes = b"") -> Result:
        return CliRunner().invoke(cli, [str(word) for word in words], input=stdin)

    return invoke


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Keep settings of the machine and of this checkout out of the tests."""
    for name in ("BENIGN", "BACKGROUND", "JOBS", "OUT", "DATA_DIR", "PRODUCTS", "WEIGHTS", "DEBUG"):
        monkeypatch.delenv(f"RULEFORGE_{name}", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture(autouse=True)
def portable_scan(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask row by row: inputs are small, and kernels of the fast engine take longer to compile than the tests."""
    monkeypatch.setattr(asking, "make_batch_matcher", lambda rules, **_: RowByRow(CompiledSet(rules)), raising=False)
