"""`tasks` and `mcp` as people use them: make work, see what came of it, let agents in."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from ruleforge.app.tasks import work
from ruleforge.app.tasks.desk import Desk
from ruleforge.store.tasks import Agent

Run = Callable[..., Result]
TREE = {
    "all": [
        {"field": "path.decoded", "op": "contains", "value": "/lk-media/"},
        {"field": "path.raw", "op": "is_class", "value": "traversal"},
    ]
}


def worked(rules: Path) -> None:
    """One agent proposes a rule after a failure, another judges one question."""
    desk = Desk.of(rules)
    author, critic = Agent("alice", "generate", "a-model"), Agent("bob", "judge")
    task = work.next_task(desk, author)
    assert isinstance(task, work.Handed)
    answer = {"mechanism": "It decodes late.\x1b[2J \u202e", "when": TREE, "why_none": ""}
    work.submit_candidate(desk, author, task.lease_id, answer | {"when": {"all": []}})
    work.submit_candidate(desk, author, task.lease_id, answer)
    for _ in range(2):
        verdict = work.next_task(desk, critic)
        assert isinstance(verdict, work.Handed)
        reason = {"claim": "Another route\x1b[31m may decode late.", "condition": "c1", "request": "r1"}
        work.submit_verdict(desk, critic, verdict.lease_id, {"reasons": [reason], "probability": 0.1})
    desk.close()


def test_tasks_are_made_and_listed(run: Run, examples: Path, tmp_path: Path) -> None:
    source = examples / "templates" / "invented" / "larkspur-media-traversal.yaml"
    made = run("tasks", "add", tmp_path / "rules", source, "--role", "generate", "--jobs", 1)
    assert made.exit_code == 0, made.output
    assert "New tasks: 1 generate" in made.stdout
    again = run("tasks", "add", tmp_path / "rules", source, "--jobs", 1, "--format", "json")
    assert json.loads(again.stdout)["known"] == 1
    listed = run("tasks", "list", tmp_path / "rules")
    assert listed.exit_code == 1
    assert "open    generate     CVE-2099-10001" in listed.stdout
    assert "1 task, 0 done" in listed.stdout


def test_a_task_is_shown_with_all_that_was_handed_in_and_nothing_acts_on_the_terminal(run: Run, queue: Path) -> None:
    worked(queue)
    entries = json.loads(run("tasks", "list", queue, "--format", "json").stdout)
    done = {entry["role"]: entry for entry in entries if entry["state"] == "done"}
    shown = run("tasks", "show", queue, done["generate"]["id"][:8]).stdout
    for part in ("by alice  2 rounds", "alice (a-model)  not accepted", "wrong: ", "kept as CVE-2099-10001/proposals/"):
        assert part in shown
    judged = run("tasks", "show", queue, done["judge"]["id"]).stdout
    for part in ("The decoded path contains", "By evidence and agents together:", "agents 0.10", "a model says: "):
        assert part in judged
    assert "\x1b" not in shown + judged
    assert "\u202e" not in shown + judged
    data = json.loads(run("tasks", "show", queue, done["judge"]["id"], "--format", "json").stdout)
    assert data["judged"]["combined"]["miss"]["llm"] == 0.1


def test_a_token_is_printed_once_for_one_role(run: Run, queue: Path) -> None:
    made = run("mcp", "token", queue, "--name", "alice", "--role", "judge")
    assert made.stdout.startswith("rft_")
    desk = Desk.of(queue)
    assert desk.store.agent_of(made.stdout.strip()) == Agent("alice", "judge")
    desk.close()
    assert run("mcp", "token", queue, "--name", "alice", "--revoke").exit_code == 0
    assert run("mcp", "token", queue, "--name", "alice", "--revoke").exit_code == 1


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("tasks", "list", "nothing"), "RF156"),
        (("tasks", "show", "QUEUE", "zzz"), "RF153"),
        (("tasks", "list", "QUEUE", "--state", "lost"), "RF154"),
        (("tasks", "add", "QUEUE", "no-such-file.yaml"), "RF117"),
        (("mcp", "token", "QUEUE", "--name", "Alice!", "--role", "judge"), "RF154"),
        (("mcp", "token", "QUEUE", "--name", "alice"), "RF154"),
        (("mcp", "token", "nothing", "--name", "alice", "--role", "judge"), "RF156"),
        (("mcp", "stdio", "nothing", "--name", "alice", "--role", "judge"), "RF156"),
        (("mcp", "http", "nothing"), "RF156"),
    ],
)
def test_a_wrong_call_says_what_is_wrong(run: Run, queue: Path, words: tuple[str, ...], code: str) -> None:
    result = run(*(str(queue) if word == "QUEUE" else word for word in words))
    assert result.exit_code == 2
    assert code in result.stderr


def test_without_the_library_it_says_what_to_install(run: Run, queue: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ruleforge.cli.mcp.find_spec", lambda _name: None)
    result = run("mcp", "http", queue)
    assert result.exit_code == 2
    assert "RF155" in result.stderr
    assert "ruleforge[mcp]" in result.stderr


def test_a_skill_is_printed_whole(run: Run) -> None:
    for role in ("generate", "judge", "review_help"):
        printed = run("mcp", "skill", role).stdout
        assert printed.startswith("---\nname: ruleforge-")
        assert "next_task" in printed
