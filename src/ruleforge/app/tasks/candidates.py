"""Generate tasks: the question of the model generator, put to agents, and the checks of the pipeline on their rules."""

import json
from pathlib import Path
from typing import Any

import msgspec

from ruleforge.app.tasks.desk import Desk, Known
from ruleforge.app.tasks.texts import framed
from ruleforge.app.tasks.verdicts import About
from ruleforge.cases.told import request_text
from ruleforge.generate.llm_generate import RuleAnswer, check_submission, hints, question_of
from ruleforge.generate.llm_prompt import Feedback, shown_requests
from ruleforge.llm.answers import parse_answer, schema_of
from ruleforge.llm.framing import Written, write_prompt
from ruleforge.llm.prompt import Part, particular, untrusted
from ruleforge.pipeline.history import put, read_revision
from ruleforge.pipeline.llm_loop import feedback_of, try_rule
from ruleforge.pipeline.loop import Attempt
from ruleforge.records.advisory import Advisory
from ruleforge.rules.canonical import content_hash
from ruleforge.rules.dump import render_json
from ruleforge.rules.render import render_sentence
from ruleforge.rules.tree import Rule
from ruleforge.store.tasks import Agent, Role, Task, digest_of

PROPOSALS = "proposals"  # below the folder of the advisory
WRONG_MOST = 8  # requests that an author is shown
EARLIER_MOST = 4_000  # characters of a refused answer that the next author is shown


class Checked(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a candidate: a rule that passed, "no safe rule" with its reason, or what is wrong."""

    rule: Rule | None = None  # that passed every check
    attempt: Attempt | None = None  # None: it was not tried
    no_rule: str = ""
    problems: tuple[str, ...] = ()  # a sentence each
    feedback: Feedback | None = None  # of the checks, where it was tried and failed


def candidate_task(
    desk: Desk,
    folder: str,
    subject: str,
    ground: str,
    advisory: Advisory,
    follow: tuple[Role, ...],
    samples: int,
    copy: int,
) -> Task:
    """The task of writing a rule; its prompt is written when it is handed out, with what became of earlier rounds."""
    return Task(
        id=digest_of(f"generate {folder} {ground} {copy}")[:16],
        role="generate",
        advisory=folder,
        subject=subject,
        ground=ground,
        question=f"generate {folder} {ground}",
        schema=schema_of(RuleAnswer),
        evidence=tuple(name for name, _ in shown_requests(advisory)),
        follow=follow,
        samples=samples,
        hint=hints(copy + 1)[copy].name,
        created=desk.clock(),
    )


def candidate_prompt(desk: Desk, task: Task, known: Known) -> Written:
    """The prompt of a generate task; where something was handed in before, with what was wrong with it."""
    last = next((given for given in reversed(desk.store.submissions(task.id)) if not given.given_back), None)
    found = Checked() if last is None else check_candidate(desk, last.payload, known)
    question = question_of(known.advisory, task.hint, feedback=found.feedback, background=known.ground.background)
    prompt = question.prompt
    if last is not None and found.problems and found.feedback is None:  # it was no rule that could be tried
        said = particular("An earlier answer to this task was refused. Answer without these problems.")
        earlier = untrusted("earlier answer", last.payload[:EARLIER_MOST])
        prompt = prompt.with_parts(said, earlier, untrusted("problems", "\n".join(found.problems)))
    return write_prompt(prompt, desk.frame_key)


def check_candidate(desk: Desk, payload: str, known: Known) -> Checked:
    """Parse, lint and try a candidate exactly as forging tries its own. Cost: 10 to 200 ms of CPU."""
    parsed = parse_answer(payload, RuleAnswer, schema_of(RuleAnswer))
    if parsed.value is None:
        return Checked(problems=parsed.problems)
    background = known.ground.background
    made = check_submission(parsed.value, known.advisory, background=background)
    if made.rule is None:
        return Checked(no_rule=made.no_rule, problems=made.problems)
    with desk.lock:
        attempt, findings = try_rule(made.rule, "agent", known.evidence, background)
    if attempt.trial.passed:
        return Checked(rule=made.rule, attempt=attempt)
    feedback = feedback_of(attempt, findings)
    return Checked(attempt=attempt, problems=feedback.failed, feedback=feedback)


def feedback_text(desk: Desk, checked: Checked) -> str:
    """What an author is told of a candidate that did not pass: its problems, and requests that it answered wrongly."""
    parts: list[Part] = []
    if checked.problems:  # they may quote the candidate and the disclosure
        parts.append(untrusted("what was found", "\n".join(checked.problems)))
    for number, wrong in enumerate((checked.feedback.wrong if checked.feedback else ())[:WRONG_MOST], 1):
        should = "should have fired on it" if wrong.missed else "should have stayed silent on it"
        parts.append(untrusted(f"wrong {number}", f"[{wrong.what}; the rule {should}]\n{request_text(wrong.request)}"))
    return framed(
        (particular("The candidate did not pass. Change what is wrong and keep what is right."), *parts), desk.frame_key
    )


def propose_rule(desk: Desk, task: Task, agent: Agent, checked: Checked, payload: str) -> tuple[About, bool]:
    """Put a candidate that passed below the advisory's folder, beside whatever is there; nothing is replaced.

    Returns:
        The proposal, and whether the very same rule was there already.
    """
    assert checked.rule is not None
    assert checked.attempt is not None
    digest = content_hash(checked.rule).rpartition(":")[2][:16]
    rule = msgspec.structs.replace(
        checked.rule, id=f"RF-{task.advisory[:100]}-p{digest[:8]}", author=f"agent {agent.name}"
    )
    folder = desk.rules / task.advisory / PROPOSALS
    name = f"{digest}.json"
    about = About(
        rule=rule, advisory=task.advisory, subject=task.subject, ground=task.ground,
        origin=f"{PROPOSALS}/{name}", author=agent.name, model=agent.model,
    )  # fmt: skip
    forged = read_revision(desk.rules / task.advisory / "rule.json")
    same = forged is not None and content_hash(forged) == content_hash(rule)
    with desk.lock:
        folder.mkdir(parents=True, exist_ok=True)
        if (folder / name).exists():
            return about, True
        evidence: dict[str, Any] = {
            "rule": rule.id,
            "content_hash": content_hash(rule),
            "status": "proposed",
            "sentence": render_sentence(rule),
            "task": task.id,
            "agent": agent.name,
            "model": agent.model,
            "submitted": digest_of(payload),
            "mechanism": json.loads(payload).get("mechanism", ""),
            "checks": [msgspec.to_builtins(result) for result in checked.attempt.trial.results],
        }
        put(folder / f"{digest}.evidence.json", json.dumps(evidence, indent=2, ensure_ascii=True).encode() + b"\n")
        put(folder / name, render_json(rule).encode())
    return about, same


def author_of(proposal: Path) -> tuple[str, str]:
    """The agent that wrote a proposal, and its model; empty where its papers do not say."""
    try:
        papers = msgspec.json.decode(proposal.with_name(f"{proposal.stem}.evidence.json").read_bytes(), type=_Papers)
    except (OSError, msgspec.MsgspecError):
        return "", ""
    return papers.agent, papers.model


class _Papers(msgspec.Struct, frozen=True):
    agent: str = ""
    model: str = ""


def proposals(rules: Path, folder: str) -> list[Path]:
    """The proposals of an advisory, in the order of their names."""
    return sorted(
        file for file in (rules / folder / PROPOSALS).glob("*.json") if not file.name.endswith(".evidence.json")
    )
