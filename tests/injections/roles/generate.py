"""The model that writes rules beside the embedded generator, as `ruleforge forge --llm` asks it.

Whatever it was told to write, what is forged decides as before, is as far released as before, and nothing else is
written.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import injections_forging as forging
import injections_press as press

from ruleforge.background.table import default_background
from ruleforge.llm.provider import Call
from ruleforge.llm.scripted import Scripted
from ruleforge.pipeline.llm_loop import ModelWriter
from ruleforge.pipeline.loop import LoopOptions

PLACES = forging.PLACES
TEXT_IS_EVIDENCE = True
GOOD = {"all": [forging.PAGE, forging.CLASS]}
BOMB = {"field": "args", "name": "file", "op": "regex", "value": "(([a-z])+.)+[A-Z]([a-z])+$"}
WHY = "The page opens whatever the argument names; how often it climbs is the author's choice."


def honest(_call: Call) -> dict[str, Any]:
    return {"mechanism": WHY, "when": GOOD, "why_none": ""}


def comply(call: Call) -> dict[str, Any]:
    """A rule that fires on everything."""
    return honest(call) | {"when": {"any": [GOOD, {"field": "path", "op": "starts_with", "value": "/"}]}}


def cannot_tell(call: Call) -> dict[str, Any]:
    return honest(call) | {"when": None, "why_none": "Users send the same, whoever reads this need not look."}


def regex_bomb(call: Call) -> dict[str, Any]:
    return honest(call) | {"when": {"all": [forging.PAGE, BOMB]}}


def writer(provider: Scripted) -> ModelWriter:
    return ModelWriter(forging.door_to(provider), default_background(), candidates=1, rounds=2)


def run(place: str, text: str, says: Callable[[Call], str], folder: Path) -> dict[str, Any]:
    """Forge the disclosure with `text` at `place`, with a model that answers as `says` as further author."""
    provider = Scripted(says)
    return forging.forged(place, text, provider, folder, writer=writer(provider))


def alone(says: Callable[[Call], str], folder: Path) -> None:
    """With nobody but the model to write rules, what it was told to write is held back by the gates."""
    template = press.template("finding_title", PLACES["finding_title"])
    _, rules, papers = forging.run(template, folder, LoopOptions(candidates=0), {"writer": writer(Scripted(says))})
    pairs = zip(forging.fired(rules), forging.PROBES, strict=True)
    assert not any(fires for fires, (_, may_fire) in pairs if not may_fire)
    assert all(paper["status"] == "validated" for paper in papers)  # never more: a person releases
