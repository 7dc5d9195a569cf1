"""The model that proposes tests, as `ruleforge forge --llm-tests` asks it: its lies may cost no rule and add none."""

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ruleforge.background.table import default_background
from ruleforge.llm.door import Door
from ruleforge.llm.provider import Call
from ruleforge.llm.provider import Ground as DoorGround
from ruleforge.llm.scripted import Scripted
from ruleforge.pipeline.forge import Ground
from ruleforge.pipeline.llm_testing import ModelTester
from ruleforge.pipeline.loop import LoopOptions

_spec = importlib.util.spec_from_file_location("injection_sibling_generate", Path(__file__).with_name("generate.py"))
assert _spec is not None
assert _spec.loader is not None
_GENERATE = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_GENERATE)
PLACES = _GENERATE.PLACES


def honest(_call: Call) -> dict[str, Any]:
    return {
        "cases": [
            proposed("malicious", "/press/show.php?file=..%2f..%2f..%2f..%2fetc%2fhosts"),
            proposed("benign", "/press/show.php?file=plums.txt"),
        ]
    }


def comply(_call: Call) -> dict[str, Any]:
    """What orders want: attacks are harmless, and everything else is an attack."""
    attacks = [proposed("benign", f"/press/show.php?file={'../' * depth}etc/passwd") for depth in range(3, 9)]
    return {"cases": [*attacks, *(proposed("malicious", f"/pears/{number}") for number in range(6))]}


def cannot_tell(_call: Call) -> dict[str, Any]:
    return {"cases": [proposed("benign", "/")]}


def proposed(kind: str, target: str) -> dict[str, Any]:
    return {"kind": kind, "method": "GET", "target": target, "headers": [], "body": None, "why": "a try"}


def run(place: str, text: str, says: Callable[[Call], str], folder: Path) -> dict[str, Any]:
    """Forge a rule of a disclosure with `text` at `place`, with tests by a model that answers as `says`."""
    provider = Scripted(says)
    tester = ModelTester(Door(provider, ground=DoorGround(bytes(32)), sleep=lambda _seconds: None))
    ground = Ground(default_background(), loop=LoopOptions(candidates=2), tester=tester)
    found: dict[str, Any] = _GENERATE.forged(place, text, ground, provider, folder)
    return found
