"""A model as author of a rule: the question it is put, and the checks that its answer has to pass to become a rule.

A model gives a tree and nothing else. Identifiers, title, references and state of a rule are ours, and every gate that
a rule of the embedded generator passes is asked of this one as well, in the same way.
"""

import json
from collections.abc import Iterator, Sequence
from typing import Annotated, Any

import msgspec

from ruleforge.background.table import Background, default_background
from ruleforge.events.places import HttpView
from ruleforge.events.request import Request
from ruleforge.generate.compose import rule_of
from ruleforge.generate.llm_prompt import HINTS, Feedback, Hint, prompt_of
from ruleforge.generate.llm_shape import TooManyArmsError, idle_arms
from ruleforge.llm.door import Question
from ruleforge.llm.provider import Tuning
from ruleforge.records.advisory import Advisory, shown_title
from ruleforge.rules.dump import dump_tree
from ruleforge.rules.lint import conditions, lint, literals
from ruleforge.rules.parse import parse_tree
from ruleforge.rules.render import quote_bytes, render_sentence
from ruleforge.rules.tree import Condition, Count, Rule, Tree
from ruleforge.rules.tree import Sequence as InSequence

AUTHOR = "ruleforge (language model)"
STRATEGY = "llm/"  # of candidates: "llm/endpoint_payload"
CANDIDATES_MOST = 20
COOL, WARM = 70, 90  # temperature of the first and the last candidate, in percent
OUTPUT_MOST = 3_000  # tokens
PROBLEMS_MOST = 20
STANDIN_LEAST = 4  # bytes: a shorter one stands in ordinary words
_ALL_OF_IT = 0.5  # share of a literal that a stand-in must make up to be what the literal is about


class RuleAnswer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a model answers: first why, then the tree of the rule, or that there is no safe one."""

    mechanism: Annotated[
        str,
        msgspec.Meta(
            min_length=10,
            max_length=1_200,
            description="what makes a request the attack, and what of the exploit is only its author's choice",
        ),
    ]
    when: Annotated[
        dict[str, Any] | None, msgspec.Meta(description="the tree of the rule; null where there is no safe rule")
    ]
    why_none: Annotated[str, msgspec.Meta(max_length=600, description="why there is no safe rule; else empty")] = ""


class Submission(msgspec.Struct, frozen=True):
    """What became of an answer: a rule that may be tried, a reasoned "no safe rule", or problems for its author."""

    rule: Rule | None = None
    no_rule: str = ""  # the reason, where the model gave no rule
    problems: tuple[str, ...] = ()


def hints(candidates: int) -> tuple[Hint, ...]:
    """The hints of so many candidates, at most 20: the five in turn."""
    return tuple(HINTS[number % len(HINTS)] for number in range(min(max(candidates, 0), CANDIDATES_MOST)))


def temperature_of(number: int, candidates: int) -> int:
    """The temperature of a candidate in percent: from 70 to 90, evenly."""
    return COOL + round((WARM - COOL) * number / max(candidates - 1, 1))


def question_of(
    advisory: Advisory,
    hint: Hint | str,
    *,
    feedback: Feedback | None = None,
    number: int = 0,
    candidates: int = len(HINTS),
    background: Background | None = None,
) -> Question[RuleAnswer]:
    """Ask for one candidate.

    Args:
        advisory: what was disclosed; its requests have roles. Untrusted.
        hint: what kind of rule to write, one of `HINTS` or its name.
        feedback: how the candidate's rule of the round before fared; None in the first round.
        number: ordinal of the candidate; it sets the temperature and makes the question one of its own.
        candidates: how many there are.
        background: what normal traffic looks like; None: the table that ships.
    """
    chosen = hint if isinstance(hint, Hint) else next(each for each in HINTS if each.name == hint)
    return Question(
        role="generate",
        subject=(advisory.cves[0] if advisory.cves else advisory.id)[:80],
        prompt=prompt_of(advisory, chosen, feedback),
        output=RuleAnswer,
        check=lambda answer: check_submission(answer, advisory, background=background).problems,
        tuning=Tuning(temperature_percent=temperature_of(number, candidates), output_most=OUTPUT_MOST, sample=number),
    )


def check_submission(
    answer: RuleAnswer, advisory: Advisory, *, background: Background | None = None, shown: Sequence[Request] = ()
) -> Submission:
    """Make a rule of an answer, or say what is wrong with it: parser, linter, stand-ins, untried alternatives.

    Nothing is tried here; the gates come after. Cost: milliseconds.

    Args:
        answer: of a model or an agent; untrusted.
        advisory: what the rule is for; its requests have roles.
        background: what normal traffic looks like; None: the table that ships.
        shown: further requests that are attacks, such as variants, which an alternative may be there for.
    """
    if answer.when is None:
        reason = answer.why_none.strip()
        return Submission(no_rule=reason) if len(reason) >= 10 else Submission(problems=(_WHY,))
    tree, found = parse_tree(answer.when)
    problems = [str(problem) for problem in found if problem.severity == "error"]
    if tree is None or isinstance(tree, Count | InSequence):
        counted = ["when: this rule is about one request; count and sequence are not for it"] if tree else []
        return Submission(problems=tuple([*problems, *counted][:PROBLEMS_MOST]))
    rule = rule_of(tree, msgspec.structs.replace(advisory, title=shown_title(advisory)), AUTHOR)
    problems += [str(finding) for finding in lint(rule) if finding.severity == "error"]
    problems += _made_up(tree, advisory)
    problems += _untried(tree, advisory, background or default_background(), shown)
    return Submission(problems=tuple(problems[:PROBLEMS_MOST])) if problems else Submission(rule=rule)


_WHY = "when is null: why_none has to say in a sentence why there is no safe rule"


def _made_up(tree: Tree, advisory: Advisory) -> Iterator[str]:
    """Texts of the rule that are stand-ins of the disclosure: the next attacker, and the next run, has others."""
    marks = {mark for poc in advisory.requests for mark in poc.standins if len(mark) >= STANDIN_LEAST}
    for path, condition, _ in conditions(tree, "when"):
        for text in _texts(condition):
            mark = next((mark for mark in sorted(marks, key=len, reverse=True) if _is_about(text, mark)), None)
            if mark is not None:
                yield f"[RF670] {path}.value holds {quote_bytes(mark, 60)}, which is made up anew each time"


def _texts(condition: Condition) -> tuple[bytes, ...]:
    if condition.op == "regex" and isinstance(condition.value, bytes):
        return (condition.value,)
    return literals(condition)


def _is_about(text: bytes, mark: bytes) -> bool:
    """Whether a literal is (part of) a stand-in, or little more than one."""
    if len(text) >= STANDIN_LEAST and text in mark:
        return True
    return mark in text and len(mark) >= _ALL_OF_IT * len(text)


def _untried(tree: Tree, advisory: Advisory, background: Background, shown: Sequence[Request]) -> Iterator[str]:
    attacks = [poc.request for poc in advisory.requests if poc.role == "exploit"]
    try:
        idle = idle_arms(tree, [HttpView(request) for request in (*attacks, *shown)], background)
    except TooManyArmsError as problem:
        yield f"[RF671] when has {problem}; write a shorter rule"
        return
    for arm in idle[:5]:
        said = render_sentence(arm.tree)[:300]
        yield f"[RF672] when: no exploit request shows this alternative and it cannot be tried; leave it out: {said}"


def tree_json(rule: Rule) -> str:
    """The tree of a rule as one line of JSON, for feedback."""
    return json.dumps(dump_tree(rule.when), ensure_ascii=True)
