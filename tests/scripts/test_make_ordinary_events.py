"""The ordinary events that ship are what their script makes."""

import importlib.util
from pathlib import Path

from ruleforge.background.ordinary_events import FOLDER

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "make_ordinary_events.py"


def test_the_files_are_what_the_script_makes() -> None:
    spec = importlib.util.spec_from_file_location("make_ordinary_events", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert sorted(module.KINDS) == sorted(file.stem for file in FOLDER.glob("*.jsonl"))
    assert all((FOLDER / f"{kind}.jsonl").read_text("utf-8") == module.lines(kind) for kind in module.KINDS)
