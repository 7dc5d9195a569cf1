"""The table of what each part of the loop is worth, on labelled rules of our own."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from ruleforge.app.judging.matching import UNTOLD, Shipped
from ruleforge.app.judging.pairs import Pair, Said

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def ablate() -> Iterator[ModuleType]:
    sys.path.insert(0, str(ROOT / "bench"))
    try:
        import judge.ablate

        yield judge.ablate
    finally:
        sys.path.remove(str(ROOT / "bench"))


def forged(
    ablate: ModuleType, folder: Path, rules: dict[str, tuple[bool | None, dict[str, Any] | None]], part: str = "train"
) -> Any:
    """A configuration: advisory → is its rule bad, and what the judge said of it."""
    pairs = []
    for number, (name, (bad, opinion)) in enumerate(rules.items()):
        (folder / name).mkdir(parents=True)
        (folder / name / "evidence.json").write_text(json.dumps({"judge": opinion}))
        pairs.append(
            Pair(
                pair=f"{number:016x}", advisory=name, source="x", group="natural", origin="shipped", rule={},
                tests_passed=True, miss=Said(bad), off=Said(None if bad is None else False),
                part="test" if name.endswith("9") else "train", split="product" if name.endswith("9") else "train",
            )
        )  # fmt: skip
    return ablate.Forged(folder, pairs, part)


def said(p: float | None, mode: str = "count") -> dict[str, Any]:
    return {"p_defect": p, "p_miss": None, "p_off_target": None, "mode": mode}


def test_a_configuration_is_shown_as_it_ships_and_behind_the_gate(ablate: ModuleType, tmp_path: Path) -> None:
    before = {"CVE-1": (True, None), "CVE-2": (False, None), "CVE-3": (False, None), "CVE-9": (True, None)}
    after = {
        "CVE-1": (True, said(0.9, "review")), "CVE-2": (False, said(0.1, "block")), "CVE-4": (False, said(0.2)),
        "CVE-5": (None, said(0.3)),
    }  # fmt: skip
    runs = {
        "5x5-no-judge": forged(ablate, tmp_path / "a", before),
        "5x5": forged(ablate, tmp_path / "b", after),
    }
    told = {name: {"cpu_seconds": 3.0, "load": 1.0} for name in runs}
    rows = ablate.rows_of(runs, told, [f"CVE-{at}" for at in range(1, 6)], draws=50)
    assert [(row["configuration"], row["gate"], row["good"], row["bad"], row["unlabelled"]) for row in rows] == [
        ("5x5-no-judge", "none", 2, 1, 0), ("5x5", "none", 2, 1, 1), ("5x5", "count", 2, 0, 1),
    ]  # fmt: skip
    # At two good rules the judge's order leaves the bad one out; the row of the test part is not counted.
    assert [row["reduction"] for row in rows] == [None, 1.0, None]
    assert (rows[1]["claimed"], rows[1]["note"]) == (False, "1 bad rules before; 60 are needed to claim a reduction")
    lines = ablate.table(rows).splitlines()
    assert len(lines) == 2 + len(rows)
    assert lines[3].split(" | ")[2:7] == ["5", "4", "2", "1", "1"]
    assert "100.0 %" in lines[3]


def test_the_risk_is_what_the_judge_said_when_the_rule_was_forged(ablate: ModuleType, tmp_path: Path) -> None:
    opinions: dict[str, tuple[bool | None, dict[str, Any] | None]] = {
        "CVE-1": (True, said(0.4)),
        "CVE-2": (True, {"p_miss": 0.5, "p_off_target": 0.2}),
        "CVE-3": (True, {"p_miss": None, "p_off_target": 0.2}),
        "CVE-4": (True, None),
        "CVE-5": (True, said(None)),
    }
    run = forged(ablate, tmp_path, opinions)
    found = [run.risk(name) for name in (*opinions, "CVE-7")]
    assert found == pytest.approx([0.4, 0.6, 0.2, UNTOLD, UNTOLD, UNTOLD])
    assert ablate.shipped(run.behind("block")) == Shipped(0, 0)


def test_only_the_part_that_was_asked_for_is_counted(ablate: ModuleType, tmp_path: Path) -> None:
    rules: dict[str, tuple[bool | None, dict[str, Any] | None]] = {"CVE-1": (True, None), "CVE-9": (False, None)}
    kept = {part: set(forged(ablate, tmp_path / part, rules, part).pairs) for part in ("train", "test", "all")}
    assert kept == {"train": {"CVE-1"}, "test": {"CVE-9"}, "all": {"CVE-1", "CVE-9"}}
