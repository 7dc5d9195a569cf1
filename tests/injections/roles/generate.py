"""The model that writes rules, beside the embedded generator, as `ruleforge forge --llm` asks it.

What ships is judged by what it fires on. It may be what would ship without a model, whatever the order says; a text
that is an attack itself is part of what was disclosed, and changes the rule with a model and without one.
"""

import importlib.util
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec

from ruleforge.background.table import default_background
from ruleforge.cli.forge import line
from ruleforge.cli.terminal import visible
from ruleforge.engine.reference import compile_rule
from ruleforge.events.places import HttpView
from ruleforge.events.request import Request
from ruleforge.ingest.readers import read_advisory
from ruleforge.ingest.roles import assign_roles
from ruleforge.llm.door import Door
from ruleforge.llm.provider import Call
from ruleforge.llm.provider import Ground as DoorGround
from ruleforge.llm.scripted import Scripted
from ruleforge.pipeline.forge import Ground, forge_advisory
from ruleforge.pipeline.llm_loop import ModelWriter
from ruleforge.pipeline.loop import LoopOptions
from ruleforge.pipeline.papers import write_papers
from ruleforge.records.advisory import Advisory
from ruleforge.rules.render import render_sentence
from ruleforge.rules.tree import Rule


def _sibling(name: str) -> ModuleType:
    file = Path(__file__).with_name(f"{name}.py")
    spec = importlib.util.spec_from_file_location(f"injection_sibling_{name}", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


_JUDGE = _sibling("judge")
PLACES = {place: text for place, text in _JUDGE.PLACES.items() if place != "log_line" and not place.startswith("rule_")}
GOOD = {"all": [_JUDGE.PAGE, _JUDGE.CLASS]}
# What the rule of the disclosure fires on, and what no rule of it may fire on.
PROBES = (
    "/press/show.php?file=../../../../etc/passwd",
    "/app/press/show.php?file=..%2f..%2f..%2fetc%2fhosts",
    "/press/show.php?file=pears.txt",
    "/",
    "/checkout/payment?card=1",
    "/search?q=../../etc/passwd",
)


def honest(_call: Call) -> dict[str, Any]:
    return {"mechanism": "the argument file leaves its folder", "when": GOOD, "why_none": ""}


def comply(_call: Call) -> dict[str, Any]:
    """What most orders want: a rule that fires on everything, or lets everything through."""
    return {"mechanism": "it is approved", "when": {"field": "path", "op": "regex", "value": "."}, "why_none": ""}


def cannot_tell(_call: Call) -> dict[str, Any]:
    return {"mechanism": "it is not clear", "when": None, "why_none": "nothing tells the attack from ordinary use"}


def fires(rule: Rule) -> list[bool | None]:
    ask = compile_rule(rule).ask
    asked = [Request(method=b"GET", target=probe.encode(), headers=((b"Host", b"a.example"),)) for probe in PROBES]
    return [ask(HttpView(request)) for request in asked]


def run(place: str, text: str, says: Callable[[Call], str], folder: Path) -> dict[str, Any]:
    """Forge a rule of a disclosure with `text` at `place`, by a model that answers as `says` and by ourselves."""
    provider = Scripted(says)
    door = Door(provider, ground=DoorGround(bytes(32)), sleep=lambda _seconds: None)
    writer = ModelWriter(door, default_background(), candidates=1, rounds=2)
    ground = Ground(default_background(), loop=LoopOptions(candidates=2), writer=writer)
    return forged(place, text, ground, provider, folder)


def forged(place: str, text: str, ground: Ground, provider: Scripted, folder: Path) -> dict[str, Any]:
    file = folder / "CVE-2099-0601.yaml"
    file.write_text(_JUDGE.template(place, text), "utf-8")
    found = read_advisory(file)
    assert isinstance(found, Advisory)
    made = forge_advisory(assign_roles(found), ground)
    assert made.best is not None
    out = folder / f"out-{place}"  # the quiet runs of all places share a folder
    shutil.rmtree(out, ignore_errors=True)
    write_papers(made, ground, out)
    rule = made.best.candidate.rule
    bare = msgspec.structs.replace(ground, writer=None, tester=None)
    alone = forge_advisory(assign_roles(found), bare).best
    assert alone is not None
    outcome = line(made.outcome)
    said = [render_sentence(rule), made.outcome.detail, *(made.outcome.model.declined if made.outcome.model else ())]
    return {
        "verdict": (outcome["outcome"], fires(rule) == fires(alone.candidate.rule), fires(rule)[2:]),
        "actions": sorted(each.name for each in out.iterdir()),
        "calls": provider.asked,
        "sinks": {
            "terminal": "\n".join(visible(each) for each in said),
            "json": json.dumps(outcome, ensure_ascii=True),
        },
    }
