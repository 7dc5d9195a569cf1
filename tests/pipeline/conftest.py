"""Folders of templates of our own, and runs over them."""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ruleforge.engine import corpus as module
from ruleforge.engine.reference import compile_tree
from ruleforge.events.places import HttpView
from ruleforge.events.request import Request
from ruleforge.pipeline.run import RunOptions, run
from ruleforge.records.forging import Outcome
from ruleforge.rules.parse import load_rule

EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "templates"
CHOSEN = ("tidewater-fetch-traversal", "larkspur-catalogue-sqli", "stowaway-drop-upload", "bellwether-internal-header")


@pytest.fixture(autouse=True, scope="module")
def small_index() -> Iterator[None]:
    """Few buckets: an index of twenty rows need not be large."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "BUCKET_BITS", 10, raising=False)
        yield


@pytest.fixture
def templates(tmp_path: Path) -> Path:
    """Four templates that give rules, one refused, one broken, one file that is no template at all."""
    folder = tmp_path / "templates"
    folder.mkdir()
    for name in CHOSEN:
        shutil.copy(EXAMPLES / "invented" / f"{name}.yaml", folder / f"{name}.yaml")
    shutil.copy(EXAMPLES / "refused" / "driftwood-dns-takeover.yaml", folder)
    shutil.copy(EXAMPLES / "refused" / "broken-indentation.yaml", folder)
    (folder / "README.md").write_text("# Read me\n")
    return folder


@pytest.fixture
def forge() -> Callable[..., list[Outcome]]:
    """Run over paths into a folder; two processes unless told otherwise."""

    def start(out: Path, *paths: Path, **options: Any) -> list[Outcome]:
        return list(run(paths, RunOptions(out=out, **({"jobs": 2} | options))))

    return start


@pytest.fixture
def papers() -> Callable[[Path], dict[str, bytes]]:
    """All files of an output folder but the state of the program, by name."""

    def read(out: Path) -> dict[str, bytes]:
        files = (file for file in out.rglob("*") if file.is_file() and ".ruleforge" not in file.parts)
        return {str(file.relative_to(out)): file.read_bytes() for file in sorted(files)}

    return read


@pytest.fixture
def untouched() -> Callable[[Path], Callable[[], set[str]]]:
    """Date all rules of a folder back; the answer says later which of them nobody has written since."""

    def watch(out: Path) -> Callable[[], set[str]]:
        for file in out.glob("*/rule.json"):
            os.utime(file, (1, 1))
        return lambda: {file.parent.name for file in out.glob("*/rule.json") if file.stat().st_mtime == 1}

    return watch


@pytest.fixture
def fires() -> Callable[[Path, str], bool]:
    """Whether the rule of a folder holds for a GET of a target."""

    def ask(folder: Path, target: str) -> bool:
        rule = load_rule(folder / "rule.json").require()
        request = Request(method=b"GET", target=target.encode())
        return compile_tree(rule.when, dict(rule.classes))(HttpView(request)) is True  # type: ignore[arg-type]

    return ask


@pytest.fixture
def traffic(tmp_path: Path) -> Callable[..., Path]:
    """Write targets as a request file of ordinary traffic."""

    def put(*targets: str) -> Path:
        file = tmp_path / "day.jsonl"
        rows = ({"id": f"r{n}", "method": "GET", "target": t, "headers": [], "body": ""} for n, t in enumerate(targets))
        file.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return file

    return put
