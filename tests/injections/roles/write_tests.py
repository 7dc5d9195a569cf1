"""The model that proposes tests, as `ruleforge forge --llm-tests` asks it: its lies may cost no rule and add none."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import injections_forging as forging

from ruleforge.llm.provider import Call
from ruleforge.llm.scripted import Scripted
from ruleforge.pipeline.llm_testing import ModelTester

# The disclosure is read as for the author of rules, who gets all places; here the ones that hold most orders.
PLACES = {place: forging.PLACES[place] for place in ("finding_title", "advisory_prose", "poc_comment")}
TEXT_IS_EVIDENCE = True


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
    """Forge the disclosure with `text` at `place`, with tests by a model that answers as `says`."""
    provider = Scripted(says)
    tester = ModelTester(forging.door_to(provider))
    return forging.forged(place, text, provider, folder, tester=tester)
