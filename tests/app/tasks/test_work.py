"""Two agents write and judge rules of our examples: what passes, what does not, and what nobody can do."""

import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ruleforge.app.tasks import work
from ruleforge.app.tasks.adding import add_tasks
from ruleforge.app.tasks.desk import Desk
from ruleforge.app.tasks.look import Look
from ruleforge.app.tasks.showing import list_tasks, show_task
from ruleforge.errors import InputError, PolicyError, RuleForgeError, UsageError
from ruleforge.rules.parse import load_rule
from ruleforge.store.tasks import Agent

ALICE, BOB, HELPER = Agent("alice", "generate", "a-model"), Agent("bob", "judge"), Agent("hal", "review_help")
GOOD = {
    "mechanism": "The media route decodes the rest of the path after checking it; which file is read is free.",
    "when": {
        "all": [
            {"field": "path.decoded", "op": "contains", "value": "/lk-media/"},
            {"field": "path.raw", "op": "is_class", "value": "traversal"},
        ]
    },
    "why_none": "",
}
WIDE = GOOD | {"when": {"field": "path.decoded", "op": "contains", "value": "/lk-media/"}}


class Clock:
    now = 4_070_908_800.0  # 2099

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def desk(queue: Path, clock: Clock) -> Iterator[Desk]:
    desk = Desk.of(queue, clock=clock)
    yield desk
    desk.close()


@pytest.fixture
def take(desk: Desk) -> Callable[[Agent], work.Handed]:
    def take(agent: Agent) -> work.Handed:
        found = work.next_task(desk, agent)
        assert isinstance(found, work.Handed), found
        return found

    return take


Take = Callable[[Agent], work.Handed]


def test_a_task_has_all_that_an_agent_needs(desk: Desk, take: Take) -> None:
    task = take(ALICE)
    assert task.about == "CVE-2099-10001"
    assert task.evidence_ids == ("r1",)
    assert task.deadline == "2099-01-01T00:30:00Z"
    assert task.rounds_left == 5
    assert set(task.output_schema["required"]) == {"mechanism", "when"}
    for part in ("/lk-media/thumbs/", "is_class", "submit_candidate", task.lease_id):
        assert part in task.prompt
    assert work.next_task(desk, ALICE) == task


def test_a_rule_that_fails_comes_back_with_what_is_wrong_and_one_that_passes_is_kept(
    desk: Desk, take: Take, queue: Path
) -> None:
    task = take(ALICE)
    failed = work.submit_candidate(desk, ALICE, task.lease_id, WIDE)
    assert (failed.accepted, failed.state, failed.rounds_left) == (False, "open", 4)
    for part in ("harmless look-alikes", "| GET /lk-media/thumbs/", "should have stayed silent", "<untrusted-"):
        assert part in failed.text
    passed = work.submit_candidate(desk, ALICE, task.lease_id, GOOD)
    assert (passed.accepted, passed.state) == (True, "done")
    proposal = queue / passed.made
    rule = load_rule(proposal).require()
    assert rule.author == "agent alice"
    assert rule.cves == ("CVE-2099-10001",)
    papers = json.loads((proposal.parent / f"{proposal.stem}.evidence.json").read_text())
    assert papers["status"] == "proposed"
    assert papers["agent"] == "alice"
    assert {check["check"] for check in papers["checks"]} >= {"replay", "variants", "near_misses", "surprise"}
    assert not list(queue.rglob("rule.json"))


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ({"mechanism": "short", "when": None}, "mechanism"),
        (GOOD | {"when": {"field": "pathh", "op": "contains", "value": "x"}}, "pathh"),
        (GOOD | {"when": {"field": "path", "op": "regex", "value": "(a"}}, "RF"),
        (GOOD | {"when": {"field": "headers", "name": "host", "op": "contains", "value": "target.example"}}, "RF670"),
        (GOOD | {"when": None}, "why_none"),
        (GOOD | {"approve": True}, "approve"),
        (GOOD | {"when": {"count": {"when": GOOD["when"], "by": [], "within": "1m", "at_least": 2}}}, "when"),
    ],
)
def test_an_answer_that_is_no_rule_is_told_why(desk: Desk, take: Take, answer: dict[str, Any], told: str) -> None:
    found = work.submit_candidate(desk, ALICE, take(ALICE).lease_id, answer)
    assert not found.accepted
    assert told in found.text


def test_no_safe_rule_is_an_answer(desk: Desk, take: Take, queue: Path) -> None:
    task = take(ALICE)
    found = work.submit_candidate(
        desk, ALICE, task.lease_id, {"mechanism": "An ordinary call.", "when": None, "why_none": "Users send the same."}
    )
    assert (found.accepted, found.state, found.made) == (True, "done", "")
    assert [entry.made for entry in list_tasks(queue, state="done", desk=desk)] == ["no safe rule"]
    assert not list(queue.rglob("proposals"))


def test_after_five_rounds_a_task_is_closed(desk: Desk, take: Take) -> None:
    task = take(ALICE)
    for left in (4, 3, 2, 1, 0):
        assert work.submit_candidate(desk, ALICE, task.lease_id, WIDE).rounds_left == left
    with pytest.raises(PolicyError) as told:
        work.submit_candidate(desk, ALICE, task.lease_id, GOOD)
    assert told.value.code == "RF463"


def test_who_takes_over_sees_what_was_wrong_before(desk: Desk, take: Take, clock: Clock) -> None:
    task = take(ALICE)
    work.submit_candidate(desk, ALICE, task.lease_id, WIDE)
    clock.now += work.LEASE_SECONDS + 1
    again = take(Agent("carol", "generate"))
    assert (again.task_id, again.rounds_left) == (task.task_id, 4)
    assert "what was found" in again.prompt
    with pytest.raises(PolicyError) as told:
        work.submit_candidate(desk, ALICE, task.lease_id, GOOD)
    assert told.value.code == "RF462"


def test_who_takes_over_is_told_of_an_answer_that_was_no_rule(desk: Desk, take: Take) -> None:
    task = take(ALICE)
    work.submit_candidate(
        desk, ALICE, task.lease_id, GOOD | {"when": {"field": "pathh", "op": "contains", "value": "x"}}
    )
    work.return_task(desk, ALICE, task.lease_id, "I do not know the fields")
    again = take(Agent("carol", "generate"))
    assert again.task_id == task.task_id
    assert "An earlier answer to this task was refused." in again.prompt
    assert "pathh" in again.prompt
    assert "I do not know the fields" not in again.prompt


def test_the_author_is_refused_as_judge_and_the_judge_as_author(desk: Desk, take: Take) -> None:
    task = take(ALICE)
    work.submit_candidate(desk, ALICE, task.lease_id, GOOD)
    found = work.next_task(desk, Agent("alice", "judge"))
    assert isinstance(found, work.Nothing)
    assert (
        found.why
        == "2 open, but none is free for you; 2 not for you: who wrote rules for an advisory may not judge them"
    )
    verdict = take(BOB)
    assert verdict.about == "CVE-2099-10001 miss"
    with pytest.raises(PolicyError) as told:
        work.next_task(desk, BOB, "generate")
    assert told.value.code == "RF460"
    with pytest.raises(PolicyError) as told:
        work.submit_candidate(desk, BOB, verdict.lease_id, GOOD)
    assert told.value.code == "RF460"


def verdict(task: work.Handed, **changed: Any) -> dict[str, Any]:
    reason = {"claim": "Another route may decode as late as this one.", "condition": "c1", "request": "r1"}
    return {"reasons": [reason | changed], "probability": 0.1}


def test_verdicts_are_checked_and_pooled_with_the_evidence(desk: Desk, take: Take, queue: Path) -> None:
    work.submit_candidate(desk, ALICE, take(ALICE).lease_id, GOOD)
    task = take(BOB)
    wrong = work.submit_verdict(desk, BOB, task.lease_id, verdict(task, request="r99"))
    assert not wrong.accepted
    assert "reasons[0].request" in wrong.text
    assert not work.submit_verdict(desk, BOB, task.lease_id, verdict(task) | {"probability": 1.5}).accepted
    assert not work.submit_verdict(desk, BOB, task.lease_id, verdict(task, claim=" " * 20)).accepted
    assert work.submit_verdict(desk, BOB, task.lease_id, verdict(task)).state == "done"
    shown = show_task(queue, task.task_id, desk=desk)
    assert shown.judged is not None
    assert shown.judged.combined is None  # one question is open
    other = take(BOB)
    work.submit_verdict(desk, BOB, other.lease_id, verdict(other) | {"probability": 0.9})
    shown = show_task(queue, task.task_id, desk=desk)
    assert shown.judged is not None
    assert shown.judged.combined is not None
    assert shown.judged.combined.miss.llm == 0.1
    assert shown.judged.combined.off_target.how == "abstains"  # evidence and agent lie far apart: a person looks
    assert [given.accepted for given in shown.submissions] == [False, False, False, True]


def test_a_judge_is_not_told_who_wrote_a_rule_or_why(desk: Desk, take: Take) -> None:
    work.submit_candidate(desk, ALICE, take(ALICE).lease_id, GOOD)
    task = take(BOB)
    look = Look(desk)
    seen = task.prompt + look.get_rule(task.task_id, BOB) + look.explain(task.task_id, "GET /lk-media/a HTTP/1.1\n\n")
    for secret in ("alice", "a-model", "decodes the rest of the path after checking it", "proposals", "-p"):
        assert secret not in seen


def test_a_generator_sees_nothing_of_the_judges_requests(desk: Desk, take: Take) -> None:
    known = desk.known("CVE-2099-10001", desk.store.tasks(role="generate")[0].ground)
    own = {
        case.view.request.target
        for case in (*known.evidence.exploits, *known.evidence.variants, *known.evidence.near_misses)
    }
    theirs = {case.view.request.target for case in (*known.judging.variants, *known.judging.near_misses)} - own
    assert theirs
    task = take(ALICE)
    seen = task.prompt + work.submit_candidate(desk, ALICE, task.lease_id, WIDE).text
    assert [target for target in theirs if f" {target.decode('latin-1')} " in seen] == []


def test_help_for_a_reviewer_is_checked_and_kept(desk: Desk, take: Take, queue: Path) -> None:
    work.submit_candidate(desk, ALICE, take(ALICE).lease_id, GOOD)
    task = take(HELPER)
    help_ = {
        "summary": "The rule holds for paths below /lk-media/ that leave their folder.",
        "look_at": [{"what": "Whether the route has the same name everywhere.", "condition": "c1", "request": ""}],
        "questions": [],
    }
    wrong = work.submit_review_help(desk, HELPER, task.lease_id, help_ | {"look_at": []})
    assert "look_at" in wrong.text
    assert work.submit_review_help(desk, HELPER, task.lease_id, help_).state == "done"
    assert show_task(queue, task.task_id, desk=desk).submissions[-1].accepted


def test_a_task_given_back_is_not_offered_again(desk: Desk, take: Take) -> None:
    first = take(ALICE)
    with pytest.raises(InputError):
        work.return_task(desk, ALICE, first.lease_id, " ")
    work.return_task(desk, ALICE, first.lease_id, "the disclosure is in a language I do not read")
    assert take(ALICE).task_id != first.task_id


def test_an_answer_that_is_too_large_is_refused_and_not_kept(desk: Desk, take: Take) -> None:
    task = take(ALICE)
    with pytest.raises(InputError) as told:
        work.submit_candidate(desk, ALICE, task.lease_id, GOOD | {"mechanism": "x" * 70_000})
    assert told.value.code == "RF278"
    assert desk.store.submissions(task.task_id) == []


def test_nothing_that_agents_do_changes_a_rule_that_is_there(queue: Path, take: Take, desk: Desk) -> None:
    papers = queue / "CVE-2099-10001"
    papers.mkdir()
    for name in ("rule.json", "evidence.json", "tests.yaml"):
        (papers / name).write_text(f"{name} of a person")
    before = {file: hashlib.sha256(file.read_bytes()).hexdigest() for file in papers.iterdir()}
    task = take(ALICE)
    work.submit_candidate(desk, ALICE, task.lease_id, WIDE)
    made = work.submit_candidate(desk, ALICE, task.lease_id, GOOD).made
    judging = take(BOB)
    work.submit_verdict(desk, BOB, judging.lease_id, verdict(judging))
    after = {file: hashlib.sha256(file.read_bytes()).hexdigest() for file in papers.iterdir() if file.is_file()}
    assert after == before
    assert {file.name for file in papers.iterdir() if file.is_dir()} == {"proposals"}
    assert (queue / made).is_file()


def test_the_same_rule_of_a_second_agent_replaces_nothing(queue_of_two: Path, tmp_path: Path, examples: Path) -> None:
    rules = tmp_path / "rules"
    source = examples / "templates" / "invented" / "larkspur-media-traversal.yaml"
    assert add_tasks(rules, [source], copies=2, jobs=1).new == {"generate": 2}
    desk = Desk.of(rules)
    made = []
    for name in ("alice", "carol"):
        task = work.next_task(desk, Agent(name, "generate"))
        assert isinstance(task, work.Handed)
        made.append(work.submit_candidate(desk, Agent(name, "generate"), task.lease_id, GOOD))
    desk.close()
    assert made[0].made == made[1].made
    assert "The very same rule was there already." in made[1].text
    assert load_rule(rules / made[0].made).require().author == "agent alice"


def test_tasks_are_made_of_a_forged_folder_and_only_of_what_shows_an_attack(
    tmp_path: Path, examples: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ruleforge.app.forge import ForgeSummary, forge

    sources = [examples / "templates" / "invented" / "larkspur-media-traversal.yaml"]
    sources += sorted((examples / "templates" / "refused").glob("*.yaml"))[:3]
    rules = tmp_path / "rules"
    list(forge(sources, rules, ForgeSummary(), jobs=1))
    added = add_tasks(rules, roles=("judge", "review_help"), jobs=1)
    assert added.new == {"judge": 2, "review_help": 1}
    assert any("no agent is asked" in told for told in added.left_out)
    again = add_tasks(rules, roles=("judge", "review_help"), jobs=1)
    assert (again.new, again.known) == ({}, 3)
    with pytest.raises(UsageError) as told:
        add_tasks(rules, only=("CVE-2099-9",), jobs=1)
    assert told.value.code == "RF157"
    with pytest.raises(UsageError) as told:
        add_tasks(tmp_path / "nothing")
    assert told.value.code == "RF158"


def test_indexes_of_another_version_are_not_used(queue: Path, clock: Clock) -> None:
    desk = Desk.of(queue, clock=clock)
    (folder,) = (queue / ".agents" / "grounds").glob("*/.ruleforge/corpus")
    (folder / "corpus.json").write_text('{"format": 0}')
    with pytest.raises(RuleForgeError) as told:
        work.next_task(desk, ALICE)
    assert told.value.code == "RF566"
    desk.close()


def test_a_list_says_who_holds_what(desk: Desk, take: Take, queue: Path) -> None:
    take(ALICE)
    states = [(entry.state, entry.agent) for entry in list_tasks(queue, desk=desk)]
    assert states == [("leased", "alice"), ("open", "")]
    assert len(list_tasks(queue, state="leased", desk=desk)) == 1


def test_a_rule_handed_in_twice_at_once_leaves_no_proposal_that_the_queue_does_not_know(
    desk: Desk, take: Take, queue: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task, checked = take(ALICE), work.check_candidate

    def another_call_meanwhile(*args: Any) -> Any:
        monkeypatch.setattr(work, "check_candidate", checked)
        assert work.submit_candidate(desk, ALICE, task.lease_id, GOOD).accepted
        return checked(*args)

    monkeypatch.setattr(work, "check_candidate", another_call_meanwhile)
    path = {"field": "method", "op": "equals", "value": "GET"}
    with pytest.raises(PolicyError) as told:
        work.submit_candidate(desk, ALICE, task.lease_id, GOOD | {"when": {"all": [path, *GOOD["when"]["all"]]}})
    assert told.value.code == "RF463"
    assert len([each for each in queue.glob("*/proposals/*.json") if "evidence" not in each.name]) == 1


@pytest.mark.parametrize("papers", ["[]", "1", "{", '{"checks": [1]}'])
def test_damaged_papers_of_a_proposal_tell_no_checks_and_the_rule_all_the_same(
    desk: Desk, take: Take, queue: Path, papers: str
) -> None:
    made = queue / work.submit_candidate(desk, ALICE, take(ALICE).lease_id, GOOD).made
    made.with_name(f"{made.stem}.evidence.json").write_text(papers)
    told = Look(desk).get_rule(load_rule(made).require().id, Agent("hal", "review_help"))
    assert '"value": "/lk-media/"' in told
    assert "replay: passed" not in told


def test_proposals_that_cannot_be_judged_are_told_and_the_rule_beside_them_still_gets_tasks(
    tmp_path: Path, examples: Path
) -> None:
    from ruleforge.app.forge import ForgeSummary, forge

    rules = tmp_path / "rules"
    source = examples / "templates" / "invented" / "larkspur-media-traversal.yaml"
    list(forge([source], rules, ForgeSummary(), jobs=1))
    (folder,) = {file.parent for file in rules.rglob("rule.json") if ".ruleforge" not in file.parts}
    (folder / "proposals").mkdir()
    (folder / "proposals" / "broken.json").write_text("no rule")
    (folder / "proposals" / "orphan.json").write_bytes((folder / "rule.json").read_bytes())
    added = add_tasks(rules, roles=("judge",), jobs=1)
    assert added.new == {"judge": 2}
    told = " ".join(added.left_out)
    assert "proposals/broken.json does not load" in told
    assert "proposals/orphan.json has no papers that name its author" in told
