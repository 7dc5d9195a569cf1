"""What a benchmark found: flat keys, as JSON for `run.py` and one a line for people."""

import json
from collections.abc import Mapping
from pathlib import Path


def write_report(file: Path | None, found: Mapping[str, object]) -> None:
    """Print every figure, and write all as one JSON object where `file` is given."""
    for key, value in found.items():
        print(f"{key} {json.dumps(value, ensure_ascii=False)}")
    if file is not None:
        file.write_text(json.dumps(dict(found), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
