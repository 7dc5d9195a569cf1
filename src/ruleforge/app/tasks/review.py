"""Tasks that help a reviewer: what to look at before saying yes or no to a rule. The help decides nothing."""

from typing import Annotated

import msgspec

from ruleforge.app.tasks.desk import Desk, Known
from ruleforge.app.tasks.texts import checks_text
from ruleforge.app.tasks.verdicts import About
from ruleforge.cases.told import disclosure_text, request_text
from ruleforge.judge.evidence_judge import judge_rule
from ruleforge.judge.llm_prompt import LANGUAGE, Exhibit, exhibits_of, rule_text
from ruleforge.llm.answers import parse_answer, schema_of
from ruleforge.llm.framing import write_prompt
from ruleforge.llm.prompt import Part, Prompt, fixed, particular, untrusted
from ruleforge.pipeline.loop import check_rule
from ruleforge.rules.canonical import content_hash
from ruleforge.rules.dump import render_json
from ruleforge.rules.tree import conditions_of
from ruleforge.store.tasks import Task, digest_of

CONDITIONS_MOST = 120
_FIRES = {True: "the rule fires", False: "the rule does not fire", None: "the rule cannot tell"}

TASK = """A person will decide whether a detection rule for web attacks may be used. Help that person: say in plain
words what the rule looks at, and what to look at before deciding, the weightiest first. You decide nothing and
recommend nothing; whoever reads you is an expert with little time."""

ANSWER = """Answer with one JSON document that satisfies the schema. `summary`: two to five sentences, what the rule
detects and how. `look_at`: one to eight points; each says in one or two sentences what to check and why it matters,
and names the condition and the request it is about by the ids that are given, or "" where it is about none.
`questions`: what only somebody who knows the site or the product can answer; may be empty. Say nothing that does not
follow from what you are given."""


class LookAt(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One thing for a reviewer to check."""

    what: Annotated[str, msgspec.Meta(min_length=10, max_length=600)]
    condition: Annotated[str, msgspec.Meta(extra_json_schema={"x-ids": "condition"})] = ""
    request: Annotated[str, msgspec.Meta(extra_json_schema={"x-ids": "request"})] = ""


class ReviewHelp(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a reviewer is told."""

    summary: Annotated[str, msgspec.Meta(min_length=20, max_length=1_500)]
    look_at: Annotated[tuple[LookAt, ...], msgspec.Meta(min_length=1, max_length=8)]
    questions: Annotated[
        tuple[Annotated[str, msgspec.Meta(min_length=5, max_length=400)], ...], msgspec.Meta(max_length=5)
    ] = ()


def review_task(desk: Desk, about: About, known: Known) -> Task:
    """The task of helping to review one rule."""
    rule = about.rule
    with desk.lock:
        trial, _ = check_rule(rule, known.evidence)
        opinion = judge_rule(rule, known.judging)
        exhibits = _exhibits(about, known)
    conditions = tuple(f"c{n}" for n, _ in enumerate(conditions_of(rule.when), 1))[:CONDITIONS_MOST]
    ids = {"condition": ("", *conditions), "request": ("", *(each.id for each in exhibits))}
    said = "\n".join(f"{each.id}: {each.what}; {_FIRES[each.fires]}" for each in exhibits)
    parts: list[Part] = [fixed(TASK), fixed(LANGUAGE), fixed(ANSWER)]
    parts.append(untrusted("disclosure", disclosure_text(known.advisory)))
    parts.append(untrusted("rule", rule_text(rule.when)))
    parts.append(untrusted("checks", checks_text(trial.results)))
    against = "\n".join(f"{r.question}: {r.text}" for r in opinion.chain[:12]) or "nothing"
    parts.append(
        untrusted("embedded judge", f"p_miss {opinion.p_miss}, p_off_target {opinion.p_off_target}\n{against}")
    )
    parts.append(particular(f"The requests, and what the rule says of each:\n{said or 'none'}"))
    parts += [untrusted(f"request {each.id}", request_text(each.request)) for each in exhibits]
    written = write_prompt(Prompt(tuple(parts)), desk.frame_key)
    rule_hash = content_hash(rule)
    return Task(
        id=digest_of(f"review_help {about.advisory} {about.ground} {about.origin} {rule_hash}")[:16],
        role="review_help",
        advisory=about.advisory,
        subject=about.subject,
        ground=about.ground,
        rule=render_json(rule),
        rule_hash=rule_hash,
        origin=about.origin,
        author=about.author,
        question=f"review {about.advisory} {rule_hash}",
        system=written.system,
        prompt=written.user,
        schema=schema_of(ReviewHelp, ids),
        evidence=tuple(id_ for id_ in (*ids["condition"], *ids["request"]) if id_),
        created=desk.clock(),
    )


def _exhibits(about: About, known: Known) -> list[Exhibit]:
    """What speaks against the rule, from both questions, each request once and numbered anew."""
    chosen: list[Exhibit] = []
    seen = set()
    for side in ("miss", "off_target"):
        for each in exhibits_of(side, about.rule, known.judging):
            key = (each.request.method, each.request.target, each.request.headers, each.request.body)
            if key not in seen:
                seen.add(key)
                chosen.append(msgspec.structs.replace(each, id=f"r{len(chosen) + 1}"))
    return chosen


def review_problems(payload: str, task: Task) -> tuple[str, ...]:
    """What is wrong with the help: against its schema, ids included, and points that say nothing."""
    parsed = parse_answer(payload, ReviewHelp, task.schema)
    if parsed.value is None:
        return parsed.problems
    blank = [at for at, point in enumerate(parsed.value.look_at) if not point.what.strip()]
    return tuple(f"look_at[{at}].what says nothing" for at in blank)
