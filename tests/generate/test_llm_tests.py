"""Tests that a model proposes count only where reading them says what the model says."""

import json
from pathlib import Path
from typing import Any

import pytest

from ruleforge.cases.anatomy import dissect
from ruleforge.generate.llm_tests import Accepted, TestsAnswer, accept, question_of_tests
from ruleforge.ingest.readers import read_advisory
from ruleforge.ingest.roles import assign_roles
from ruleforge.llm.answers import parse_answer, schema_of
from ruleforge.llm.framing import write_prompt
from ruleforge.records.advisory import Advisory

TEMPLATES = Path(__file__).resolve().parents[2] / "examples" / "templates" / "invented"
PAGE = "/plugins/lk-catalogue/filter.php"


def advisory_of(name: str) -> Advisory:
    found = read_advisory(TEMPLATES / f"{name}.yaml")
    assert isinstance(found, Advisory)
    return assign_roles(found)


@pytest.fixture(scope="module")
def advisory() -> Advisory:
    return advisory_of("larkspur-catalogue-sqli")


def proposed(kind: str, target: str, **more: Any) -> dict[str, Any]:
    given = {"kind": kind, "method": "GET", "target": target, "headers": [], "body": None, "why": "a try"}
    return given | more


def read(*cases: dict[str, Any]) -> TestsAnswer:
    parsed = parse_answer(json.dumps({"cases": cases}), TestsAnswer, schema_of(TestsAnswer))
    assert parsed.value is not None, parsed.problems
    return parsed.value


def accepted(advisory: Advisory, *cases: dict[str, Any]) -> Accepted:
    exploits = [dissect(poc) for poc in advisory.requests if poc.role == "exploit"]
    return accept(read(*cases), advisory, exploits, "a model")


FORM = [{"name": "Content-Type", "value": "application/x-www-form-urlencoded"}]


@pytest.mark.parametrize(
    "case",
    [
        proposed("malicious", f"{PAGE}?cat_id=3)%20AND%20SLEEP(5)--%20-"),
        proposed("malicious", f"/shop{PAGE}?cat_id=1%27%20OR%20%271%27=%271"),
        proposed("malicious", PAGE, method="POST", headers=FORM, body="cat_id=-1%27+UNION+SELECT+1,2,3--+"),
        proposed("benign", f"{PAGE}?cat_id=12&order=name"),
        proposed("benign", "/search?q=O%27Brien"),
        proposed("benign", f"{PAGE}?cat_id=union-jackets"),
    ],
)  # fmt: skip
def test_what_is_what_it_is_called_counts(case: dict[str, Any], advisory: Advisory) -> None:
    found = accepted(advisory, case)
    assert not found.refused
    assert found.cases[0].kind == f"model_{case['kind']}"
    assert found.cases[0].view.request.source == "a model"


@pytest.mark.parametrize(
    ("case", "why"),
    [
        (proposed("malicious", f"{PAGE}?cat_id=12"), "nothing of what tells the disclosed attack"),
        (proposed("malicious", f"{PAGE}?cat_id=../../etc/hosts"), "nothing of what tells the disclosed attack"),
        (proposed("malicious", "/elsewhere.php?cat_id=1%27%20OR%20%271%27=%271"), "where no disclosed attack goes"),
        (proposed("malicious", f"{PAGE}?other=1%27%20OR%20%271%27=%271"), "nothing of what tells the disclosed"),
        (proposed("benign", f"{PAGE}?cat_id=1%27%20OR%20%271%27=%271"), "what ordinary calls do not have"),
        (proposed("benign", "/forum?text=%3Cscript%3Ealert(1)%3C/script%3E"), "what ordinary calls do not have"),
    ],
)  # fmt: skip
def test_what_is_not_what_it_is_called_is_left_out_with_the_reason(
    case: dict[str, Any], why: str, advisory: Advisory
) -> None:
    found = accepted(advisory, case)
    assert not found.cases
    assert why in found.refused[0]


def test_copies_of_the_disclosure_and_of_each_other_count_once_at_most(advisory: Advisory) -> None:
    exploit = next(poc.request for poc in advisory.requests if poc.role == "exploit")
    copy = proposed("malicious", exploit.target.decode())
    twice = proposed("benign", f"{PAGE}?cat_id=12")
    found = accepted(advisory, copy, twice, twice)
    assert len(found.cases) == 1
    assert len(found.refused) == 2


@pytest.mark.parametrize(
    "wrong",
    [
        {"method": "get"},
        {"method": "G T"},
        {"target": "no-slash"},
        {"target": "/a b"},
        {"target": "/a\r\nX: y"},
        {"headers": [{"name": "X: y", "value": "z"}]},
        {"headers": [{"name": "X", "value": "z\r\nEvil: 1"}]},
    ],
)  # fmt: skip
def test_what_is_no_request_is_asked_again(wrong: dict[str, Any], advisory: Advisory) -> None:
    question = question_of_tests(advisory)
    assert question.check is not None
    answer = read(proposed("benign", "/fine") | wrong)
    assert question.check(answer)
    assert not question.check(read(proposed("benign", "/fine")))
    assert not accepted(advisory, proposed("benign", "/fine") | wrong).cases  # nor is it let in where nobody asks


@pytest.mark.parametrize(
    "wrong",
    [
        {"target": "/" + "a" * 5_000},
        {"body": "a" * 20_000},
        {"headers": [{"name": "X", "value": "y"}] * 13},
        {"kind": "approved"},
        {"action": "block"},
    ],
)  # fmt: skip
def test_what_is_too_large_or_of_another_kind_is_no_answer(wrong: dict[str, Any]) -> None:
    text = json.dumps({"cases": [proposed("benign", "/fine") | wrong]})
    assert parse_answer(text, TestsAnswer, schema_of(TestsAnswer)).problems


def test_where_nothing_tells_the_attack_no_proposal_counts() -> None:
    secret = advisory_of("larkspur-members-magic-role")
    plain = [
        poc if poc.role != "exploit" else type(poc)(request=accepted_plain(), role="exploit") for poc in secret.requests
    ]
    import msgspec

    bare = msgspec.structs.replace(secret, requests=tuple(plain), cwes=(), tags=(), description="", title="x")
    found = accepted(bare, proposed("benign", "/anything"), proposed("malicious", "/news/list?page=2"))
    assert not found.cases
    assert all("nothing tells the disclosed attack" in told for told in found.refused)


def accepted_plain() -> Any:
    from ruleforge.events.request import Request

    return Request(method=b"GET", target=b"/news/list?page=1", headers=((b"Host", b"site.example"),), id="plain")


def test_the_author_of_tests_is_shown_no_rule(advisory: Advisory) -> None:
    written = write_prompt(question_of_tests(advisory).prompt, bytes(32))
    assert "is_class" not in written.system + written.user
    assert "cat_id" in written.user
