"""A model as author of rules: what it is told, and what becomes of honest, wrong and hostile answers."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ruleforge.background.table import default_background
from ruleforge.cases.anatomy import dissect
from ruleforge.events.kinds import HTTP, fields_of
from ruleforge.events.request import Request
from ruleforge.generate.llm_generate import (
    RuleAnswer,
    check_submission,
    hints,
    question_of,
    temperature_of,
    tree_json,
)
from ruleforge.generate.llm_prompt import HINTS, Feedback, Wrongly, language
from ruleforge.generate.strategies import GENERATORS
from ruleforge.ingest.readers import read_advisory
from ruleforge.ingest.roles import assign_roles
from ruleforge.llm.answers import parse_answer, schema_of
from ruleforge.llm.framing import write_prompt
from ruleforge.pipeline.forge import Ground, gather_evidence
from ruleforge.pipeline.llm_loop import try_rule
from ruleforge.records.advisory import Advisory
from ruleforge.rules.classes import CLASSES, latest_version
from ruleforge.rules.operators import OPERATORS
from ruleforge.rules.parse import parse_rule

TEMPLATE = Path(__file__).resolve().parents[2] / "examples" / "templates" / "invented" / "larkspur-catalogue-sqli.yaml"
ROWS = json.loads((Path(__file__).parent / "llm_answers.json").read_text())
GOOD = {
    "all": [
        {"field": "path", "op": "path_suffix", "value": "/lk-catalogue/filter.php"},
        {"field": "args", "name": "cat_id", "op": "is_class", "value": "sql_injection"},
    ]
}


@pytest.fixture(scope="module")
def advisory() -> Advisory:
    found = read_advisory(TEMPLATE)
    assert isinstance(found, Advisory)
    return assign_roles(found)


def answered(when: Any, why_none: str = "") -> RuleAnswer:
    return RuleAnswer(mechanism="what makes it the attack", when=when, why_none=why_none)


def test_the_table_of_answers_has_grown_to_thirty_rows() -> None:
    assert len(ROWS) >= 30
    assert len({row["name"] for row in ROWS}) == len(ROWS)


@pytest.mark.parametrize("row", [row for row in ROWS if "refused" in row], ids=lambda row: row["name"])
def test_what_is_no_sound_rule_is_refused_with_the_reason(row: dict[str, Any], advisory: Advisory) -> None:
    found = check_submission(answered(row["when"]), advisory)
    assert found.rule is None
    assert not found.no_rule
    assert row["refused"] in "\n".join(found.problems)


@pytest.mark.parametrize("row", [row for row in ROWS if "fails" in row], ids=lambda row: row["name"])
def test_what_is_a_rule_and_a_bad_one_fails_the_gates(row: dict[str, Any], advisory: Advisory) -> None:
    found = check_submission(answered(row["when"]), advisory)
    assert found.rule is not None, found.problems
    classes = {name: latest_version(name) for name in CLASSES}
    exploits = [dissect(poc) for poc in advisory.requests if poc.role == "exploit"]
    evidence = gather_evidence(advisory, exploits, Ground(default_background()), classes)
    attempt, _ = try_rule(found.rule, "endpoint_payload", evidence, default_background())
    failed = {result.check for result in attempt.trial.results if result.passed is False}
    assert not attempt.trial.passed
    assert set(row["fails"]) <= failed


def test_a_sound_tree_becomes_a_rule_whose_words_are_ours(advisory: Advisory) -> None:
    rule = check_submission(answered(GOOD), advisory).rule
    assert rule is not None
    assert (rule.id, rule.title, rule.cves) == (f"RF-{advisory.id}-1", advisory.title, advisory.cves)
    assert rule.classes == (("sql_injection", latest_version("sql_injection")),)
    assert json.loads(tree_json(rule)) == GOOD


@pytest.mark.parametrize("key", ["status", "action", "approval", "id", "title", "severity"])
def test_a_model_sets_nothing_but_the_tree(key: str) -> None:
    text = json.dumps({"mechanism": "what makes it the attack", "when": GOOD, key: "approved"})
    parsed = parse_answer(text, RuleAnswer, schema_of(RuleAnswer))
    assert parsed.value is None
    assert any(key in problem for problem in parsed.problems)


@pytest.mark.parametrize("text", ["null", "[]", '"no"', "not json", "{", '{"when": null}', "[" * 5_000])
def test_what_is_no_answer_is_told_to_its_author(text: str) -> None:
    parsed = parse_answer(text, RuleAnswer, schema_of(RuleAnswer))
    assert parsed.value is None
    assert parsed.problems


def test_no_safe_rule_is_an_answer_and_needs_a_reason(advisory: Advisory) -> None:
    assert check_submission(answered(None, "every user of the page sends this"), advisory).no_rule
    for reason in ("", "  ", "no"):
        found = check_submission(answered(None, reason), advisory)
        assert found.problems
        assert not found.no_rule


def test_an_alternative_may_be_there_for_another_shown_attack(advisory: Advisory) -> None:
    other = {"field": "headers", "name": "x-catalogue", "op": "contains", "value": "reindex-all"}
    tree = {"any": [GOOD, other]}
    shown = Request(method=b"GET", target=b"/", headers=((b"X-Catalogue", b"reindex-all"),))
    assert check_submission(answered(tree), advisory).problems
    assert check_submission(answered(tree), advisory, shown=[shown]).rule is not None


def test_the_prompt_is_fixed_first_and_names_every_field_operator_and_class(advisory: Advisory) -> None:
    written = [write_prompt(question_of(advisory, hint, number=at).prompt, bytes(32)) for at, hint in enumerate(HINTS)]
    assert len({each.system for each in written}) == 1
    assert len({each.user for each in written}) == len(HINTS)
    for name in (*fields_of(HTTP), *OPERATORS, *CLASSES):
        assert name in language()
        assert name in written[0].system
    assert all("sql_injection" in each.user for each in written)


def test_the_examples_of_the_prompt_are_rules_that_parse() -> None:
    from ruleforge.generate.llm_prompt import EXAMPLES

    blocks = EXAMPLES.split("\n{")[1:]
    trees = [json.loads("{" + part[: part.rindex("}") + 1].split("\nWhoever")[0]) for part in blocks]
    assert len(trees) == 2
    for tree in trees:
        classes = {"traversal": latest_version("traversal")} if "traversal" in json.dumps(tree) else {}
        assert parse_rule({"schema": 1, "id": "X-1", "when": tree, "classes": classes}).rule is not None


def test_what_strangers_wrote_stands_in_frames_only(advisory: Advisory) -> None:
    prompt = question_of(advisory, "endpoint_payload").prompt
    own = "\n".join(part.text for part in prompt.parts if part.kind != "untrusted")
    assert "lk-catalogue" not in own
    assert advisory.title not in own


def test_hints_mirror_strategies_and_temperatures_are_spread() -> None:
    assert [hint.name for hint in hints(7)][:5] == [hint.name for hint in HINTS]
    assert {hint.name for hint in HINTS} <= set(GENERATORS)
    assert [temperature_of(at, 5) for at in range(5)] == [70, 75, 80, 85, 90]
    assert temperature_of(0, 1) == 70


@given(candidates=st.integers(-5, 60))
def test_temperatures_stay_within_their_bounds(candidates: int) -> None:
    many = hints(candidates)
    assert len(many) <= 20
    assert all(70 <= temperature_of(at, len(many)) <= 90 for at in range(len(many)))


def test_feedback_shows_the_rule_and_the_wrong_requests(advisory: Advisory) -> None:
    wrong = Wrongly(Request(method=b"GET", target=b"/lk-catalogue/filter.php?cat_id=12"), False, "a look-alike")
    feedback = Feedback(rule=json.dumps(GOOD), failed=("It fires on 1 of 9 harmless look-alikes.",), wrong=(wrong,))
    user = write_prompt(question_of(advisory, "endpoint_payload", feedback=feedback).prompt, bytes(32)).user
    assert "cat_id=12" in user
    assert "should have stayed silent" in user
    assert "1 of 9 harmless look-alikes" in user


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-3, 3) | st.text(max_size=8),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(
                st.sampled_from(
                    ["all", "any", "not", "some", "where", "field", "name", "op", "value", "transforms", "x"]
                ),
                inner | st.sampled_from(["args", "path", "equals", "regex", "is_class", "xss", "present"]),
                max_size=4,
            )
        ),
        max_leaves=12,
    )
)
def test_whatever_a_model_answers_becomes_a_rule_or_problems(tree: Any) -> None:
    found = read_advisory(TEMPLATE)
    assert isinstance(found, Advisory)
    when = tree if isinstance(tree, dict) else {"all": tree}
    made = check_submission(answered(when), assign_roles(found))
    assert (made.rule is None) == bool(made.problems)
