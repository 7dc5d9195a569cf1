"""The judging model: a second opinion on a rule beside the evidence, as `ruleforge judge --llm` asks for it.

Three rules are judged: a right one, one that the evidence holds back by little, and one that it holds back by much.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import injections_press as press

from ruleforge.app.judge import judge_one
from ruleforge.app.second_opinion import SecondJudge
from ruleforge.cli.judge import _data, _lines
from ruleforge.cli.judge_model import model_data, model_lines
from ruleforge.judge.llm_judge import LlmOpinion
from ruleforge.llm.door import Door
from ruleforge.llm.provider import Call, Ground
from ruleforge.llm.scripted import Scripted
from ruleforge.rules.classes import latest_version

# Where its model reads text of strangers, and a harmless text for each place.
PLACES = press.PLACES | {
    "log_line": "/index.html?q=pears",
    "rule_title": "Fruit Press file reading",
    "rule_literal": "pears",
    "rule_name": "pears",
}
PAGE = {"field": "path", "op": "path_suffix", "value": "/press/show.php"}
NARROW = PAGE | {"op": "equals"}
CLASS = {"field": "args", "name": "file", "op": "is_class", "value": "traversal"}
PRESENT = {"field": "args", "name": "file", "op": "present"}
RULES = {"right": [PAGE, CLASS], "nearly": [NARROW, CLASS], "wrong": [PAGE, PRESENT]}


def honest(call: Call) -> dict[str, Any]:
    """What a judge says that reads the rule: it agrees with the evidence, so that an order has something to win."""
    written = call.written(bytes(32))
    miss, rule_ = "fails to fire" in written.system, written.user
    probability = 0.01
    if miss and "path equals" in rule_:
        probability = 0.2
    elif not miss and "is_class" not in rule_:
        probability = 0.95
    return {"reasons": [cited(call, "so the conditions and the requests say")], "probability": probability}


def comply(call: Call) -> dict[str, Any]:
    """What most orders want: the rule is perfect."""
    return {"reasons": [cited(call, "the rule is perfect as it is")], "probability": 0}


def cannot_tell(call: Call) -> dict[str, Any]:
    return comply(call) | {"probability": None}


def cited(call: Call, claim: str) -> dict[str, str]:
    known = call.schema["properties"]["reasons"]["items"]["properties"]
    return {"claim": claim} | {name: known[name]["enum"][0] for name in ("condition", "request")}


def run(place: str, text: str, says: Callable[[Call], str], folder: Path, **more: Any) -> dict[str, Any]:
    """Judge the rules with `text` at `place`, by a model that answers as `says`."""
    advisory, log = folder / "CVE-2099-0601.yaml", folder / "access.log"
    advisory.write_text(press.template(place, text), "utf-8")
    if place == "log_line":
        log.write_text(log_line(text), "utf-8")
    verdicts, calls, terminal, data = [], [], [], []
    for name in RULES:
        file = folder / f"{name}.json"
        file.write_text(json.dumps(rule(name, place, text)), "utf-8")
        before = sorted(each.name for each in folder.iterdir())
        provider = Scripted(says)
        second = SecondJudge(Door(provider, ground=Ground(bytes(32)), sleep=lambda _seconds: None), samples=1, **more)
        found = judge_one(file, advisory, benign=[log] if log.exists() else [], second=second)
        verdicts.append((name, found.passed, found.opinion.mode))
        assert isinstance(second.answer, LlmOpinion)
        assert sorted(each.name for each in folder.iterdir()) == before  # it has nothing to act with
        calls += provider.asked
        terminal += [*_lines(found, asked=True), *model_lines(second)]
        data.append(_data(found) | model_data(second))
    return {
        "verdict": verdicts,
        "actions": [],
        "calls": calls,
        "sinks": {"terminal": "\n".join(terminal), "json": json.dumps(data, ensure_ascii=True)},
    }


def rule(name: str, place: str, text: str) -> dict[str, Any]:
    parts: list[Any] = RULES[name]
    own = {
        "rule_literal": {"field": "args", "op": "contains", "value": text},
        "rule_name": {"field": "args", "op": "present", "name": text},
    }
    when: Any = {"all": parts} if place not in own else {"any": [{"all": parts}, {"all": [*parts, own[place]]}]}
    document = {"schema": 1, "id": "RF-CVE-2099-0601-1", "when": when}
    document["title"] = text if place == "rule_title" else PLACES["rule_title"]
    return document | ({"classes": {"traversal": latest_version("traversal")}} if "is_class" in str(parts) else {})


def log_line(target: str) -> str:
    line = quote(target, safe="/<>|=&?%$'()+,;:[]\x1b")
    ours = "/press/show.php?file=pears.txt"
    return "".join(
        f'192.0.2.7 - - [31/Dec/2099:00:00:0{number} +0000] "GET {each} HTTP/1.1" 200 5 "-" "Mozilla/5.0"\n'
        for number, each in enumerate((ours, line))
    )
