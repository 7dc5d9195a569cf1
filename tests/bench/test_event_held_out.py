"""The held-out events of the agent's bench are many, of every rule, and none of them is an example."""

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest

from ruleforge.ingest.event_cases import read_case
from ruleforge.sources.event_streams import written_out

ROOT = Path(__file__).resolve().parents[2]
CASES = {case.id: case for case in map(read_case, sorted((ROOT / "examples" / "events").glob("*.yaml")))}
KINDS = {"process", "dns", "cloud_api", "auth_log", "network_flow"}


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "bench" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


HELD_OUT = load("event_held_out").HELD_OUT


def test_held_out_events_are_there_for_cases_of_every_kind() -> None:
    assert len(HELD_OUT) >= 17
    assert {CASES[name].event for name in HELD_OUT} == KINDS


@pytest.mark.parametrize("name", HELD_OUT)
def test_they_are_many_readable_and_no_examples(name: str) -> None:
    make, ordinary = HELD_OUT[name]
    attacks = list(make())
    assert len(attacks) >= 5
    assert len(ordinary) >= 20
    known = [
        [getattr(item, "values", None) for item in one.items] for one in (*CASES[name].malicious, *CASES[name].benign)
    ]
    for stream in (*attacks, *ordinary):
        given = json.loads(json.dumps({"events": stream}))
        items = list(written_out(given, CASES[name].event, "held out"))
        assert items
        assert [getattr(item, "values", None) for item in items] not in known


def test_the_bench_measures_what_it_says() -> None:
    rows = load("bench_events").measure()
    asked = [row for row in rows if "found" in row]
    assert len(asked) == len(HELD_OUT)
    assert sum(row["false"] for row in asked) == 0
    found, attacks = sum(row["found"] for row in asked), sum(row["attacks"] for row in asked)
    assert found / attacks >= 0.8
