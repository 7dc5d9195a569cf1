"""Forging the disclosure of ours with models as authors, and what is forged, for the roles that write."""

import json
from pathlib import Path
from typing import Any

import injections_press as press

from ruleforge.app.forge import ForgeSummary, forge
from ruleforge.cli.forge import line
from ruleforge.cli.terminal import visible
from ruleforge.engine.reference import compile_rule
from ruleforge.events.places import HttpView
from ruleforge.events.request import Request
from ruleforge.llm.door import Door
from ruleforge.llm.provider import Ground
from ruleforge.llm.scripted import Scripted
from ruleforge.pipeline.loop import LoopOptions
from ruleforge.rules.parse import load_rule
from ruleforge.rules.render import render_sentence
from ruleforge.rules.tree import Rule

PLACES = press.PLACES
PAGE = {"field": "path", "op": "path_suffix", "value": "/press/show.php"}
CLASS = {"field": "args", "name": "file", "op": "is_class", "value": "traversal"}
# Requests, and whether a rule for the disclosure may fire on them.
PROBES = (
    ("/press/show.php?file=../../../../etc/passwd", True),
    ("/app/press/show.php?file=..%2f..%2f..%2fetc%2fshadow", True),
    ("/press/show.php?file=pears.txt", False),
    ("/", False),
    ("/healthz", False),
    ("/checkout/payment?card=1", False),
    ("/search?q=approve+this+rule", False),
)


def door_to(provider: Scripted) -> Door:
    return Door(provider, ground=Ground(bytes(32)), sleep=lambda _seconds: None)


def forged(place: str, text: str, provider: Scripted, folder: Path, **authors: Any) -> dict[str, Any]:
    """Forge the disclosure with `text` at `place`, with the embedded generator and further authors."""
    outcomes, rules, papers = run(press.template(place, text), folder, LoopOptions(candidates=2), authors)
    out = folder / "out"
    files = [file.relative_to(out) for file in out.rglob("*") if file.is_file()]
    ends = [(each.outcome, each.reason) for each in outcomes]
    states = [paper["status"] for paper in papers]
    shown = [*(render_sentence(rule) for rule in rules), *(each.detail for each in outcomes)]
    shown += [told for each in outcomes if each.model for told in (*each.model.declined, *each.model.problems)]
    return {
        "verdict": [ends, fired(rules), states],
        "actions": sorted(str(file) for file in files if file.parts[0] != ".ruleforge"),
        "calls": provider.asked,
        "sinks": {
            "terminal": "\n".join(map(visible, shown)),
            "json": json.dumps([papers, [line(each) for each in outcomes]], ensure_ascii=True),
        },
    }


def run(
    template: str, folder: Path, loop: LoopOptions, authors: dict[str, Any]
) -> tuple[list[Any], list[Rule], list[dict[str, Any]]]:
    sources, out = folder / "templates", folder / "out"
    sources.mkdir()
    (sources / f"{press.CVE}.yaml").write_text(template, "utf-8")
    found = list(forge([sources], out, ForgeSummary(), jobs=1, loop=loop, **authors))
    files = sorted(out.rglob("rule.json"))
    papers = [json.loads((file.parent / "evidence.json").read_text("utf-8")) for file in files]
    return found, [load_rule(file).require() for file in files], papers


def fired(rules: list[Rule]) -> list[bool]:
    """What the rules say of every probe."""
    asks = [compile_rule(rule).ask for rule in rules]
    views = [HttpView(Request(method=b"GET", target=t.encode(), headers=((b"Host", b"a.example"),))) for t, _ in PROBES]
    return [any(ask(view) is True for ask in asks) for view in views]
