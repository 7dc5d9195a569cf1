"""The sample of `bench llm` follows from the data alone, and nothing of it gets into the repository."""

import importlib.util
import json
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def load() -> object:
    spec = importlib.util.spec_from_file_location("llm_sample", ROOT / "scripts" / "llm_sample.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def named(tmp_path: Path, examples: Path) -> Path:
    """Templates whose files are named by their CVE."""
    folder = tmp_path / "templates"
    folder.mkdir()
    for number, file in enumerate(sorted((examples / "templates" / "invented").glob("*.yaml"))[:6]):
        (folder / f"CVE-2099-2000{number}.yaml").write_bytes(file.read_bytes())
    (folder / "CVE-2099-30000.yaml").write_text("id: nothing\n")
    return folder


def test_the_same_data_give_the_same_sample_of_attacks(named: Path) -> None:
    module = load()
    first = module.choose(named, 3, "both")  # type: ignore[attr-defined]
    assert first == module.choose(named, 3, "both")  # type: ignore[attr-defined]
    assert len(first) == 3
    halves = [set(module.choose(named, 9, half)) for half in ("even", "odd")]  # type: ignore[attr-defined]
    assert not halves[0] & halves[1]
    assert halves[0] | halves[1] == set(module.choose(named, 9, "both"))  # type: ignore[attr-defined]
    assert all("30000" not in file.name for file in halves[0] | halves[1])


def test_letters_and_a_first_comparison_are_made(named: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    words = ["llm_sample", str(named), str(tmp_path / "work"), "--count", "1", "--half", "both", "--candidates", "1"]
    monkeypatch.setattr(sys, "argv", words)
    load().main()  # type: ignore[attr-defined]
    assert len(list((tmp_path / "work" / "letters").glob("*.md"))) == 1
    assert json.loads((tmp_path / "work" / "now.json").read_text())["pending"] == 1


def test_a_folder_of_the_repository_is_refused(named: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["llm_sample", str(named), str(ROOT / "sample")])
    with pytest.raises(SystemExit):
        load().main()  # type: ignore[attr-defined]
    assert not (ROOT / "sample").exists()
